"""What a language model has to beat: counting models of the same text, and its own mixture with the best of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.cli.text.quality import bits_per_byte, perplexity_of_loss
from fastcands.data import PreparedCorpus
from fastcands.models import KneserNey, UnigramModel, fit_mixture_weight, mix_log_probabilities

__all__ = ["ORDER", "Baselines"]

ORDER = 5  # of the Kneser-Ney model that is mixed

_PARTS = ("valid", "test")


class Baselines:
    """Counting models fitted to the training text, and what they and the model make of held-out text.

    Parameters
    ----------
    corpus : PreparedCorpus
        The text.
    mix : bool
        Whether to mix the model with the Kneser-Ney model.

    Attributes
    ----------
    kneser_ney : KneserNey
        Of order `ORDER`; after `measure`.
    weight : float or None
        Of the model in the mixture, fitted to the validation text; None without a mixture.
    """

    kneser_ney: KneserNey

    def __init__(self, corpus: PreparedCorpus, mix: bool) -> None:
        self._corpus, self._mix = corpus, mix
        self.weight: float | None = None

    def measure(self, model: Any, stage: Callable[[str], None], check: Callable[[], None]) -> dict[str, Any]:
        """Measure everything on the whole validation and test text.

        Parameters
        ----------
        model : NGramPredictor or QRNNPredictor
            The model.
        stage : callable
            Gets lines for the user.
        check : callable
            Called now and then; may raise to give up.

        Returns
        -------
        dict
            Perplexities and bits a byte, for ``metrics.json``.
        """
        corpus = self._corpus
        vocab_size = len(corpus.vocabulary)
        metrics: dict[str, Any] = {}

        def add(name: str, found: dict[str, NDArray[np.float64]]) -> None:
            for part, prefix in (("test", name), ("valid", f"{name}_valid" if name else "valid")):
                loss = -float(found[part].mean())
                metrics[f"{prefix}_perplexity" if prefix else "test_perplexity"] = perplexity_of_loss(loss)

        stage("evaluating on the whole validation and test text")
        own = {part: model.log_probabilities(getattr(corpus, part), None, check) for part in _PARTS}
        add("", own)
        for part, name in (("test", "bits_per_byte"), ("valid", "valid_bits_per_byte")):
            text_bytes = getattr(corpus, f"{part}_bytes")
            metrics[name] = bits_per_byte(-float(own[part].mean()), len(own[part]), text_bytes)

        stage(f"fitting the unigram and Kneser-Ney models of orders 3 and {ORDER}")
        check()
        unigram = UnigramModel.fit(corpus.train, vocab_size)
        add("unigram", {part: unigram.log_probabilities(getattr(corpus, part)) for part in _PARTS})
        for order, name in ((3, "trigram"), (ORDER, f"kneser_ney_{ORDER}")):
            check()
            self.kneser_ney = KneserNey.fit(corpus.train, vocab_size, order=order)
            counted = {part: self.kneser_ney.log_probabilities(getattr(corpus, part)) for part in _PARTS}
            add(name, counted)
        metrics |= dict.fromkeys(("mixture_perplexity", "mixture_valid_perplexity", "mixture_weight"))
        if self._mix:
            self.weight = metrics["mixture_weight"] = fit_mixture_weight(own["valid"], counted["valid"])
            add("mixture", {part: mix_log_probabilities(own[part], counted[part], self.weight) for part in _PARTS})
        return metrics
