"""A language model found in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastcands.cli.run.resume import Saved
from fastcands.cli.text.bodies import BODIES
from fastcands.cli.text.config import TextConfig
from fastcands.cli.text.mixing import load_mixture
from fastcands.data import Tokenizer, Vocabulary, load_tokenizer
from fastcands.models import Mixture

__all__ = ["SavedText"]


class SavedText(Saved[TextConfig, Any]):
    """What ``model.npz`` of a run on text holds; see `Saved`.

    Attributes
    ----------
    vocabulary : Vocabulary
        The words of the model.
    tokenizer : Tokenizer
        What makes words of a text.
    """

    config_class = TextConfig
    data = "text"

    def _adopt(self) -> None:
        self.vocabulary = Vocabulary(self._arrays.pop("vocabulary").tobytes().decode().split("\n"))
        # models saved before tokenizers were trained have no such array
        state = self._arrays.pop("tokenizer").tobytes().decode() if "tokenizer" in self._arrays else None
        assert self.config.tokenizer is not None
        self.tokenizer: Tokenizer = load_tokenizer(self.config.tokenizer, state)
        trainer = json.loads(str(self._arrays["trainer"]))
        self._origin = (self._fingerprint, trainer.get("best_step", -1))

    def _make_model(self) -> Any:
        predictor = BODIES[self.config.body].restore(self._arrays, self.config, self.vocabulary.boundary_id)
        if predictor.table.num_classes != len(self.vocabulary):
            raise ValueError(f"{predictor.table.num_classes} classes, {len(self.vocabulary)} words")
        return predictor

    def mixture(self, network: Any, folder: Path) -> Mixture:
        """Return the mixture of the model with the Kneser-Ney model beside it.

        Parameters
        ----------
        network : NGramPredictor or QRNNPredictor
            What `model` returned.
        folder : Path
            Where both are.

        Returns
        -------
        Mixture
            Of the two.

        Raises
        ------
        Refusal
            As `load_mixture`.
        """
        return load_mixture(folder, network, self._origin)
