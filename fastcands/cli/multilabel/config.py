"""The configuration of a run on points with many labels."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from fastcands.cli.errors import Refusal
from fastcands.cli.run.config import RunConfig

__all__ = ["MultilabelConfig"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultilabelConfig(RunConfig):
    """Everything that decides the result of a run on points with many labels.

    Attributes
    ----------
    propensity_a, propensity_b : float
        Of the propensities in the final figures; see ``fastcands.metrics.propensities``.
    choose_loss : bool
        Whether the exact logistic loss takes the place of `loss` where the data is small enough for it.
    """

    task: ClassVar[str] = "multilabel"
    classes: ClassVar[str] = "data labels"
    # ids of labels are in no order
    defaults: ClassVar[dict[str, Any]] = {"sampler": "fixed_unigram", "optimizer": "adagrad"}
    ignore_index: ClassVar[int | None] = -1

    propensity_a: float
    propensity_b: float
    # with a default: models saved before there was a choice have no such field
    choose_loss: bool = False

    def check(self) -> None:
        """Refuse values that make no sense.

        Raises
        ------
        Refusal
            That names the option, what came and what was expected.
        """
        if not self.files:
            raise Refusal(
                "--task multilabel needs a file of training points; "
                "`python -m fastcands.data.synthetic_extreme DIR` makes some to try"
            )
        for name, paths in (("FILES", self.files), ("--valid", self.valid), ("--test", self.test)):
            if len(paths) > 1:
                raise Refusal(f"{name}: --task multilabel takes one file, got {len(paths)}")
        super().check()
        self.check_positive("propensity_a", "propensity_b")
