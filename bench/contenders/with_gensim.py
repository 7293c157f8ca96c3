"""gensim's word2vec: skip-gram with negative sampling, the fast loops that many people know."""

from __future__ import annotations

import logging

import numpy as np
from gensim.models.word2vec import Word2Vec

from bench.cases import Case
from bench.contenders.interface import Call, Contender

__all__ = ["Bench"]

_SENTENCE = 1025  # words: with one neighbour on each side, 2048 pairs


class Bench(Contender):
    """Words are strings and sentences are lists, as gensim wants them; making them is not timed."""

    packages = ("gensim", "numpy", "scipy")

    def word_vectors(self, case: Case) -> Call:
        """One pass of negative sampling over pairs of words, candidates for each pair, both tables trained."""
        logging.getLogger("gensim").setLevel(logging.ERROR)
        counts = 1e9 / np.arange(1.0, case.classes + 1)
        model = Word2Vec(
            vector_size=case.width, window=1, shrink_windows=False, sg=1, hs=0, negative=case.candidates,
            ns_exponent=0.75, sample=0, min_count=1, workers=self.threads, epochs=1, seed=1, alpha=1e-7, min_alpha=1e-7,
        )  # fmt: skip
        model.build_vocab_from_freq({str(word): int(count) for word, count in enumerate(counts)})
        weights = counts**0.75
        drawn = np.random.default_rng(0).choice(case.classes, case.batch // 2 + 1, p=weights / weights.sum())
        # a sentence ends with the word the next one begins with: as many pairs as in one long sentence
        starts = range(0, len(drawn) - 1, _SENTENCE - 1)
        sentences = [[str(word) for word in drawn[start : start + _SENTENCE]] for start in starts]
        total = sum(map(len, sentences))

        def run() -> None:
            model.train(sentences, total_examples=len(sentences), total_words=total, epochs=1)

        return run
