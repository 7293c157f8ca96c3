"""Those who are measured, each in a process of its own, behind one interface."""

from __future__ import annotations

__all__ = ["MODULES"]

MODULES = {
    "fastcands": "bench.contenders.with_fastcands",
    "tensorflow": "bench.contenders.with_tensorflow",
    "pytorch": "bench.contenders.with_pytorch",
    "numpy": "bench.contenders.with_numpy",
    "mkl": "bench.contenders.with_mkl",
    "gensim": "bench.contenders.with_gensim",
}
"""Where each contender's class `Bench` stands; nothing of them is imported by the process that drives them."""
