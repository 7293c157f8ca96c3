"""Vector code as LLVM IR: the small building blocks of kernels that plain loops cannot match in speed.

Numba compiles loops and LLVM vectorises some of them. A matrix product written that way reaches a third of the
processor's speed. The intrinsics here emit vector instructions directly. They take addresses and packed panels. The
files directly in this folder are for float32 and float64, and LLVM makes them run on any processor. ``dot`` and
``bf16`` are for bfloat16 products, which use instruction sets that only some processors have.
"""
