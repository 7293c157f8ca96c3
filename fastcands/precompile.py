"""Compile all kernels before they are needed."""

from __future__ import annotations

import dataclasses
import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fastcands import optimizers
from fastcands.gradients import RowGradient
from fastcands.losses import (
    LogisticLoss,
    NCELoss,
    RankSampledSoftmaxLoss,
    SampledSoftmaxLoss,
    SoftmaxLoss,
)
from fastcands.precision import matmul_precision, resolve
from fastcands.samplers import (
    AllCandidatesSampler,
    FixedUnigramSampler,
    LearnedUnigramSampler,
    LogUniformSampler,
    UniformSampler,
)
from fastcands.samplers.accidental_hits import find_accidental_hits
from fastcands.table import ClassTable
from fastcands.values import SampledValues

__all__ = ["warmup"]

_CLASSES, _DIM, _BATCH, _CANDIDATES = 1000, 16, 256, 256
_TIERS = ("high", "medium")
_MANY = 1 << 17
"""Draws from which on samplers and accidental hits use several threads."""

_Step = tuple[str, Callable[[], object]]


def _sampler_steps() -> Iterator[_Step]:
    labels, many_labels = np.arange(6).reshape(3, 2), np.arange(_MANY)[:, None] % _CLASSES
    samplers: dict[str, Callable[[], Any]] = {
        "uniform sampler": lambda: UniformSampler(_CLASSES, seed=1),
        "log-uniform sampler": lambda: LogUniformSampler(_CLASSES, seed=1),
        "learned unigram sampler": lambda: LearnedUnigramSampler(_CLASSES, seed=1),
        "fixed unigram sampler": lambda: FixedUnigramSampler(_CLASSES, unigrams=np.arange(1, _CLASSES + 1), seed=1),
    }

    def draw(make: Callable[[], Any]) -> None:
        sampler = make()
        for unique, count in ((True, 8), (True, _CLASSES), (False, 8), (False, _MANY)):
            for kind in ("tensorflow", "unbiased"):
                sampler.sample(labels, count, unique=unique, expected_count=kind)
        sampler.sample(many_labels, 8)
        sampler.probability([0, 1])

    def draw_from_many() -> None:
        UniformSampler(2**40, seed=1).sample(labels, 8)
        LogUniformSampler(2**40, seed=1).sample(labels, 8)

    def learn_and_forget() -> None:
        learned = LearnedUnigramSampler(4, seed=1)
        many = np.full(4, 2**40)  # more than one random word can choose from
        learned.load_state_dict(learned.state_dict() | {"counts": many})
        learned.sample(labels % 4, 2)
        learned.decay(0.5)

    def read_weights() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.txt"
            path.write_text("3\n2\n1\n")
            FixedUnigramSampler(3, vocab_file=path, seed=1)

    for name, make in samplers.items():
        yield name, lambda make=make: draw(make)  # type: ignore[misc]
    yield "samplers of very many classes", draw_from_many
    yield "large and falling counts", learn_and_forget
    yield "weights from a file", read_weights
    yield "all candidates", lambda: AllCandidatesSampler(8).sample(labels, 8)
    yield (
        "accidental hits",
        lambda: [find_accidental_hits(part, np.arange(100)) for part in (labels, many_labels)],
    )


def _problem(dtype: str) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(0)
    weights, inputs = rng.normal(size=(_CLASSES, _DIM)).astype(dtype), rng.normal(size=(_BATCH, _DIM)).astype(dtype)
    return weights, np.zeros(_CLASSES, dtype), rng.integers(0, _CLASSES, (_BATCH, 1)), inputs


def _loss_steps(dtype: str) -> Iterator[_Step]:
    problem = _problem(dtype)
    sampler = UniformSampler(_CLASSES, seed=1)
    own = np.tile(np.arange(4), (_BATCH, 1))
    values = SampledValues(own, np.ones((_BATCH, 1)), np.ones(own.shape))
    yield (
        f"sampled losses, {dtype}",
        lambda: [
            SampledSoftmaxLoss(sampler, _CANDIDATES).value_and_grad(*problem),
            NCELoss(sampler, _CANDIDATES, unique=False).value_and_grad(*problem),
        ],
    )
    yield (
        f"candidates for each example, {dtype}",
        lambda: [
            SampledSoftmaxLoss(sampler, 4).value_and_grad(*problem, sampled_values=values),
            NCELoss(sampler, 4).value_and_grad(*problem, sampled_values=values),
            RankSampledSoftmaxLoss(sampler, 8, num_resampled=4).value_and_grad(*problem),
        ],
    )
    yield (
        f"label smoothing, {dtype}",
        lambda: [SampledSoftmaxLoss(sampler, 8, label_smoothing=0.1).value_and_grad(*problem)],
    )
    yield (
        f"exact losses, {dtype}",
        lambda: [
            SoftmaxLoss().value_and_grad(*problem),
            LogisticLoss().value_and_grad(*problem),
        ],
    )
    for tier in _TIERS:
        if resolve(tier, np.dtype(dtype)) == tier:
            yield f"losses, {tier} precision", lambda tier=tier: _all_losses(sampler, tier, problem)  # type: ignore[misc]


def _all_losses(sampler: Any, tier: str, problem: tuple[Any, ...]) -> None:
    losses: list[Any] = [SampledSoftmaxLoss(sampler, _CANDIDATES), NCELoss(sampler, _CANDIDATES, unique=False)]
    # exact losses use bfloat16 products from 16 examples and 2**26 multiplications on
    classes = 1 << 18
    weights, biases = np.zeros((classes, 16), np.float32), np.zeros(classes, np.float32)
    large = weights, biases, np.arange(16), np.zeros((16, 16), np.float32)
    for loss, arguments in (*((each, problem) for each in losses), (SoftmaxLoss(), large), (LogisticLoss(), large)):
        chosen = dataclasses.replace(loss, precision=tier)
        chosen.value(*arguments)
        chosen.value_and_grad(*arguments)


def _table_steps(dtype: str) -> Iterator[_Step]:
    weights, biases, labels, inputs = _problem(dtype)
    rows = RowGradient.from_pairs([1, 1, 3], np.ones((3, _DIM), dtype), _CLASSES)

    tables = [weights]
    if dtype == "float32" and importlib.util.find_spec("ml_dtypes") is not None:
        tables.append(ClassTable(_CLASSES, _DIM, dtype="bfloat16").weights)

    def update(optimizer: optimizers.Optimizer) -> None:
        for each in tables:
            optimizer.update(each, optimizer.init(each), rows, step=0)
            ClassTable.from_arrays(each, biases, optimizer=optimizer)._compile_updates()

    for name in optimizers.__all__:
        yield f"{name}, {dtype}", lambda name=name: update(getattr(optimizers, name)(0.0))  # type: ignore[misc]
    table = ClassTable.from_arrays(weights, biases)
    yield f"evaluation, {dtype}", lambda: [table.evaluate(labels, inputs), table.topk(inputs, 5)]


def warmup(
    dtypes: Iterable[str] = ("float32",), *, report: Callable[[str, float], object] | None = None
) -> dict[str, float]:
    """Compile all kernels now and store them on disk, so that no later call in any process waits for the compiler.

    Parameters
    ----------
    dtypes : iterable of {'float32', 'float64'}, default ('float32',)
        The arithmetic to compile for: float64 as soon as any array is float64, else float32. For float32 the
        precisions 'high' and 'medium' are compiled too, if bfloat16 products are usable.
    report : callable, optional
        Called after each set of kernels with its name and the seconds it took.

    Returns
    -------
    dict
        Seconds by name; almost zero for kernels that were on disk already.

    Raises
    ------
    ValueError
        If a dtype is another one.

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.warmup([])  # no dtype: the samplers alone
    {'uniform sampler': ...}
    """
    kinds = list(dtypes)
    for kind in kinds:
        if kind not in ("float32", "float64"):
            raise ValueError(f"dtypes must be 'float32' or 'float64', got {kind!r}")
    steps = [*_sampler_steps()]
    for kind in kinds:
        steps += [*_loss_steps(kind), *_table_steps(kind)]
    taken: dict[str, float] = {}
    for name, run in steps:
        start = time.perf_counter()
        with matmul_precision("highest"):  # for steps that set no other
            run()
        taken[name] = time.perf_counter() - start
        if report is not None:
            report(name, taken[name])
    return taken
