"""Compiled kernels on disk: what they are made from, where they are kept, in which files, under which key.

Numba's own cache checks only the file that defines a function. Kernels here call functions of other files, so the stamp
of every stored kernel covers all files that can change its machine code, and the versions of Numba and llvmlite. The
processor's name and features are part of the key. Other choices of a process, such as an instruction set, are added to
the key by `vary`; machine code for each choice is stored.

No stored file is needed. One that is missing, damaged or of other sources is compiled again and overwritten. Where no
directory can be written, kernels last as long as the process.
"""

from fastcands.cache.kernels import KernelCache, NamedCache, cache_directories
from fastcands.cache.sources import vary

__all__ = ["KernelCache", "NamedCache", "cache_directories", "vary"]
