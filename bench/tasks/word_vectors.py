"""Negative sampling as word2vec trains with it, at equal work: as many pairs, candidates for each, both tables."""

from bench.cases import WORD_VECTORS
from bench.tasks.task import Entry, Figure, Task

__all__ = ["TASKS"]

TASKS = (
    Task(
        "word_vectors",
        "Negative sampling over pairs of words, 5 candidates for each pair",
        WORD_VECTORS,
        {
            "fastcands": Entry("fastcands", "word_vectors"),
            "gensim": Entry("gensim", "word_vectors"),
            "fastcands, 64 candidates shared by 1,024 pairs": Entry("fastcands", "word_vectors_shared"),
        },
        (
            Figure("gensim / fastcands", "gensim", "fastcands"),
            Figure("gensim / fastcands, shared", "gensim", "fastcands, 64 candidates shared by 1,024 pairs"),
        ),
    ),
)
