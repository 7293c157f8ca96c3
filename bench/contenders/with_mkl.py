"""The limit: the three matrix products that any step contains, by MKL as PyTorch has it, and nothing around them."""

from __future__ import annotations

import torch

from bench.cases import Case
from bench.contenders.interface import Call, Contender

__all__ = ["Bench"]


class Bench(Contender):
    """Results go into memory that is there already: pages that a product touches first would count as its time."""

    packages = ("torch",)

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        torch.set_num_threads(threads)

    def products(self, case: Case) -> Call:
        """Logits from inputs and rows, and both gradients from the gradient of the logits."""
        inputs, rows = torch.randn(case.batch, case.width), torch.randn(case.candidates, case.width)
        d_logits = torch.randn(case.batch, case.candidates)
        logits, d_inputs, d_rows = torch.empty_like(d_logits), torch.empty_like(inputs), torch.empty_like(rows)

        def run() -> None:
            torch.mm(inputs, rows.T, out=logits)
            torch.mm(d_logits, rows, out=d_inputs)
            torch.mm(d_logits.T, inputs, out=d_rows)

        return run
