"""A multi-label model found in a folder."""

from __future__ import annotations

from fastcands.cli.multilabel_config import MultilabelConfig
from fastcands.cli.multilabel_data import Propensities
from fastcands.cli.saved import Saved
from fastcands.models import MultilabelModel

__all__ = ["SavedMultilabel"]


class SavedMultilabel(Saved[MultilabelConfig]):
    """What ``model.npz`` of a run on points with many labels holds.

    Parameters
    ----------
    folder : Path
        Where the run was saved.

    Attributes
    ----------
    config : MultilabelConfig
        What the run was asked to do.
    propensities : Propensities
        What those of the labels follow from.

    Raises
    ------
    Refusal
        If there is no model, or it is damaged, of another version or of another task.
    """

    config_class = MultilabelConfig
    data = "data"

    def _adopt(self) -> None:
        num_points = int(self._arrays["num_points"])
        a, b = self.config.propensity_a, self.config.propensity_b
        self.propensities = Propensities(self._arrays["label_counts"], num_points, a, b)

    def model(self) -> MultilabelModel:
        """Return the model for use, and let go of the other arrays.

        Returns
        -------
        MultilabelModel
            As saved.

        Raises
        ------
        Refusal
            If the file lacks something, or its parts do not fit together.
        """
        try:
            model = MultilabelModel.from_state(self._arrays)
            counts = self.propensities.label_counts
            if counts.shape != (model.table.num_classes,):
                raise ValueError(f"{model.table.num_classes} classes, {len(counts)} labels")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._foreign(error) from None
        self._arrays = {}
        return model
