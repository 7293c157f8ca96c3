"""A language model found in a folder."""

from __future__ import annotations

from fastcands.cli.run.resume import Saved
from fastcands.cli.text.config import TextConfig
from fastcands.data import Vocabulary
from fastcands.models import NGramPredictor

__all__ = ["SavedText"]


class SavedText(Saved[TextConfig, NGramPredictor]):
    """What ``model.npz`` of a run on text holds; see `Saved`.

    Attributes
    ----------
    vocabulary : Vocabulary
        The words of the model.
    """

    config_class = TextConfig
    data = "text"

    def _adopt(self) -> None:
        self.vocabulary = Vocabulary(self._arrays.pop("vocabulary").tobytes().decode().split("\n"))

    def _make_model(self) -> NGramPredictor:
        predictor = NGramPredictor.from_state(self._arrays, self.config.context)
        if predictor.table.num_classes != len(self.vocabulary):
            raise ValueError(f"{predictor.table.num_classes} classes, {len(self.vocabulary)} words")
        return predictor
