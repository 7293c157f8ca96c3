"""What a rule does where it registers nothing, called from Python: formulas are ordinary functions."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from fastcands.kernels.optimizers.adagrad import AdagradRule
from fastcands.kernels.optimizers.lazy_adam import LazyAdamRule
from fastcands.kernels.optimizers.momentum import MomentumRule
from fastcands.kernels.optimizers.rowwise_adagrad import RowwiseAdagradRule
from fastcands.kernels.optimizers.rule import decayed, new_weight
from fastcands.kernels.optimizers.sgd import SGDRule


class NoFormula(NamedTuple):
    lr: float


def test_a_rule_needs_a_formula() -> None:
    with pytest.raises(NotImplementedError, match="new_weight has no formula for NoFormula"):
        new_weight(NoFormula(1.0), 1.0, 1.0, ())


def test_weight_decay_is_added_to_the_gradient_unless_the_rule_shrinks_weights() -> None:
    assert decayed(NoFormula(1.0), 4.0, 1.0, 0.5) == (4.0, 3.0)
    adam = LazyAdamRule(1.0, 1.0, 0.0, 0.75, 0.5, 0.5, 0.5, 0.5)
    assert decayed(adam, 4.0, 1.0, 0.5) == (3.0, 1.0)


def test_formulas() -> None:
    """Steps that can be followed by hand."""
    assert new_weight(SGDRule(0.5), 4.0, 2.0, ()) == (3.0, ())
    assert new_weight(MomentumRule(0.5, 0.25, 0.0, 1.0), 4.0, 2.0, (8.0,)) == (2.0, (4.0,))
    assert new_weight(MomentumRule(0.5, 0.25, 1.0, 0.25), 4.0, 2.0, (8.0,)) == (2.5, (4.0,))
    assert new_weight(AdagradRule(0.5, 1.0), 4.0, 2.0, (5.0,)) == (3.75, (9.0,))
    assert new_weight(RowwiseAdagradRule(0.5, 1.0, 0.125), 4.0, 2.0, ()) == (3.75, ())
    adam = LazyAdamRule(lr=0.5, correction=2.0, epsilon=1.0, shrink=1.0, keep1=0.5, keep2=0.5, new1=0.5, new2=0.25)
    assert new_weight(adam, 4.0, 2.0, (4.0, 6.0)) == (3.7, (3.0, 4.0))
