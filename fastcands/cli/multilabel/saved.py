"""A multi-label model found in a folder."""

from __future__ import annotations

from fastcands.cli.multilabel.config import MultilabelConfig
from fastcands.cli.multilabel.points import Propensities
from fastcands.cli.run.resume import Saved
from fastcands.models import MultilabelModel

__all__ = ["SavedMultilabel"]


class SavedMultilabel(Saved[MultilabelConfig, MultilabelModel]):
    """What ``model.npz`` of a run on points with many labels holds; see `Saved`.

    Attributes
    ----------
    propensities : Propensities
        What those of the labels are computed from.
    """

    config_class = MultilabelConfig
    data = "data"

    def _adopt(self) -> None:
        num_points = int(self._arrays["num_points"])
        a, b = self.config.propensity_a, self.config.propensity_b
        self.propensities = Propensities(self._arrays["label_counts"], num_points, a, b)

    def _make_model(self) -> MultilabelModel:
        model = MultilabelModel.from_state(self._arrays)
        counts = self.propensities.label_counts
        if counts.shape != (model.table.num_classes,):
            raise ValueError(f"{model.table.num_classes} classes, {len(counts)} labels")
        return model
