"""Vector code as LLVM IR: what plain loops do not reach, in the smallest pieces that make a kernel.

Numba compiles loops, LLVM vectorises some of them, and a matrix product written so attains a third of what the
processor can do. The intrinsics here emit vector instructions directly. They take addresses and packed panels. What
stands in this folder is for float32 and float64, and LLVM makes it run on any processor; ``dot`` and ``bf16`` are for
bfloat16 products, by instruction sets that only some processors have.
"""
