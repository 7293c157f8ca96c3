"""Rules: the numbers of an optimizer in a step, and the three functions that apply them to a row.

A rule is a named tuple of floats, whose class stands at the top level of a module.
`fastcands.kernels.optimizers.update_rows` loops over the rows and does what all optimizers share. A rule registers

- with `new_weight` its formula for one weight;
- with `rule_of_row` what it computes once for each row, if anything: a decay over missed steps, a rate of the row;
- with `decayed` its weight decay, if that is not added to the gradient.

All are compiled into the loop over a row, which LLVM turns into vector code as long as a formula has no branch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastcands.jit import by_type
from fastcands.simd.pointers import as_type_of

__all__ = ["Row", "decayed", "new_weight", "rule_of_row"]


class Row(NamedTuple):
    """A row of the step, before it changes, for `rule_of_row`."""

    gradient: int
    """Address of its gradient, float32 or float64, not yet clipped."""
    weights: int
    """Address of its weights."""
    width: int
    itemsize: int
    """Bytes of a number of the gradient: 4 or 8."""
    storage: int
    """Bytes of a weight: those of the gradient, or 2 for bfloat16."""
    factor: Any
    """The factor of clipping, a scalar of the arithmetic: float32 or float64."""
    weight_decay: Any
    elapsed: float
    """Steps since the row's last one, where the optimizer counts them; else 1."""


@by_type
def new_weight(rule: Any, weight: Any, gradient: Any, numbers: Any) -> Any:
    """Return a weight after the step, and the tuple of the state's numbers that belong to it.

    IN
        rule : named tuple of scalars of the arithmetic, which `rule_of_row` returned
        weight, gradient : scalars of the arithmetic, with clipping and weight decay done
        numbers : tuple of such scalars, what the state has for this weight
    """
    raise NotImplementedError(f"new_weight has no formula for {type(rule).__name__}")


@by_type
def rule_of_row(rule: Any, row: Any, numbers: Any) -> Any:
    """Return the rule for a row, in the type of the arithmetic, and the tuple of the state's numbers of that row.

    IN
        rule : named tuple of float64
        row : Row
        numbers : tuple of scalars of the arithmetic, what the state has for the row as a whole
    """
    return as_type_of(row.factor, rule), numbers


@by_type
def decayed(rule: Any, weight: Any, gradient: Any, weight_decay: Any) -> Any:
    """Return a weight and its gradient, with weight decay.

    IN
        rule : named tuple of scalars of the arithmetic
        weight, gradient, weight_decay : scalars of the arithmetic
    """
    return weight, gradient + weight_decay * weight
