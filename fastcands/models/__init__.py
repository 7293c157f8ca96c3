"""Models with a class table as output layer: of words, with counting models to compare with, and of many labels."""

from fastcands.models.compiled import compile_model_kernels
from fastcands.models.embedding_bag import EmbeddingBag
from fastcands.models.feed_forward import Activations, FeedForward, LayerGradients
from fastcands.models.kneser_ney import KneserNey
from fastcands.models.mixture import Mixture, fit_mixture_weight, mix_log_probabilities
from fastcands.models.multilabel import MultilabelModel
from fastcands.models.ngram import NGramModel
from fastcands.models.ngram_predictor import NGramPredictor
from fastcands.models.predictor import NextWords, WordPredictor
from fastcands.models.qrnn import QRNN
from fastcands.models.qrnn_model import QRNNModel
from fastcands.models.qrnn_predictor import QRNNPredictor
from fastcands.models.qrnn_values import QRNNActivations, QRNNGradients
from fastcands.models.unigram import UnigramModel

__all__ = [
    "QRNN",
    "Activations",
    "EmbeddingBag",
    "FeedForward",
    "KneserNey",
    "LayerGradients",
    "Mixture",
    "MultilabelModel",
    "NGramModel",
    "NGramPredictor",
    "NextWords",
    "QRNNActivations",
    "QRNNGradients",
    "QRNNModel",
    "QRNNPredictor",
    "UnigramModel",
    "WordPredictor",
    "compile_model_kernels",
    "fit_mixture_weight",
    "mix_log_probabilities",
]
