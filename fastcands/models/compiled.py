"""Compiling what the models use besides the library's own kernels."""

from __future__ import annotations

import time
from collections.abc import Callable

import fastcands as fc
from fastcands.data.extreme_file import parse_points
from fastcands.models.multilabel import MultilabelModel

__all__ = ["compile_model_kernels"]


def compile_model_kernels(report: Callable[[str, float], object]) -> None:
    """Compile the kernels of the multilabel model and of its reader, as ``fastcands.warmup`` does the others.

    Parameters
    ----------
    report : callable
        Called with a name and the seconds it took.

    Examples
    --------
    >>> names = []
    >>> compile_model_kernels(lambda name, seconds: names.append(name))
    >>> names
    ['multilabel reader', 'multilabel model']
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
