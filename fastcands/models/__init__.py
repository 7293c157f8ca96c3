"""Models with a class table as output layer: of words, with counting models to compare with, and of many labels."""

from fastcands.models.compiled import compile_model_kernels
from fastcands.models.embedding_bag import EmbeddingBag
from fastcands.models.feed_forward import Activations, FeedForward, LayerGradients
from fastcands.models.kneser_ney import KneserNeyTrigram
from fastcands.models.multilabel import MultilabelModel
from fastcands.models.ngram import NGramModel
from fastcands.models.predictor import NextWords, NGramPredictor
from fastcands.models.unigram import UnigramModel

__all__ = [
    "Activations",
    "EmbeddingBag",
    "FeedForward",
    "KneserNeyTrigram",
    "LayerGradients",
    "MultilabelModel",
    "NGramModel",
    "NGramPredictor",
    "NextWords",
    "UnigramModel",
    "compile_model_kernels",
]
