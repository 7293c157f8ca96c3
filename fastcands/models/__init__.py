"""Models: of language, a neural one and the counting ones it is compared with; of points with many labels."""

from fastcands.models.compiled import compile_model_kernels
from fastcands.models.embedding_bag import EmbeddingBag
from fastcands.models.kneser_ney import KneserNeyTrigram
from fastcands.models.multilabel import MultilabelModel
from fastcands.models.ngram import NGramModel
from fastcands.models.predictor import NextWords, NGramPredictor
from fastcands.models.unigram import UnigramModel

__all__ = [
    "EmbeddingBag",
    "KneserNeyTrigram",
    "MultilabelModel",
    "NGramModel",
    "NGramPredictor",
    "NextWords",
    "UnigramModel",
    "compile_model_kernels",
]
