"""Compiling what the models use besides the library's own kernels."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec

import fastcands as fc
from fastcands.data import EncodedText
from fastcands.data.extreme_file import parse_points
from fastcands.models.multilabel import MultilabelModel
from fastcands.models.ngram import NGramModel
from fastcands.models.qrnn_model import QRNNModel

__all__ = ["compile_model_kernels"]


def compile_model_kernels(report: Callable[[str, float], object]) -> None:
    """Compile the kernels of the models and of the multilabel reader, as ``fastcands.warmup`` does the others.

    Parameters
    ----------
    report : callable
        Called with a name and the seconds it took.

    Examples
    --------
    >>> names = []
    >>> compile_model_kernels(lambda name, seconds: names.append(name))
    >>> names
    ['multilabel reader', 'multilabel model', 'language models']
    """
    start = time.perf_counter()
    points = parse_points("1,4 0:1.5 2:0.25\n8 1:1\n", 3, 9)
    report("multilabel reader", time.perf_counter() - start)
    start = time.perf_counter()
    model = MultilabelModel(3, 9, dim=4)
    sampler = fc.FixedUnigramSampler(9, unigrams=points.label_counts() + 1, seed=1)
    model.train_step(fc.SampledSoftmaxLoss(sampler, num_sampled=4, ignore_index=-1), points)
    model.topk(points, 2)
    report("multilabel model", time.perf_counter() - start)
    start = time.perf_counter()
    text = EncodedText.from_documents([[1, 2, 3, 4]], boundary_id=0)
    tables = ["float32", "bfloat16"] if find_spec("ml_dtypes") else ["float32"]
    for table_dtype in tables:
        recurrent = QRNNModel(9, embedding_dim=4, hidden_dim=4, dropout=0.5, table_dtype=table_dtype)
        recurrent.train_on(fc.SampledSoftmaxLoss(fc.LogUniformSampler(9, seed=1), 4), text, [[0], [1]])
    NGramModel(9, context=2, embedding_dim=4, hidden_dim=4, dropout=0.5).train_on(fc.SoftmaxLoss(), text, [0, 1])
    recurrent.predictor().next_words_after([1, 2], 2)
    report("language models", time.perf_counter() - start)
