"""Compiled kernels on disk: what they are made from, where they are kept, in which files, under which key.

Numba's own cache looks at the file a function stands in; kernels here are built from several files. So the stamp of
every stored kernel covers all files that can change its machine code, and the versions of Numba and llvmlite. The
processor's name and features are part of the key. What else a process chooses, such as an instruction set, joins the
key by `vary`: machine code for each choice is stored side by side.

Nothing that is stored is needed. What is missing, damaged or of other sources is compiled anew and written over; where
nothing can be written, kernels live as long as the process.
"""

from fastcands.cache.kernels import KernelCache, NamedCache, cache_directories
from fastcands.cache.sources import vary

__all__ = ["KernelCache", "NamedCache", "cache_directories", "vary"]
