"""Compiling in advance: nothing is left to compile afterwards."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core import event

import fastcands as fc
from fastcands import precompile
from fastcands.simd import dot

PACKAGE = Path(fc.__file__).parent
# what only the models of the command use; the command compiles them itself
OF_MODELS = {"embedding_bag", "point_lines", "dropout", "embedding", "qrnn"}


def _called_from_python():
    """Yield the kernels that modules outside of the kernels' folder import."""
    for path in PACKAGE.rglob("*.py"):
        if path.is_relative_to(PACKAGE / "kernels"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fastcands.kernels."):
                module = node.module.rpartition(".")[2]
                if module in OF_MODELS:
                    continue
                for alias in node.names:
                    found = getattr(importlib.import_module(node.module), alias.name)
                    dispatcher = getattr(found, "dispatcher", found)
                    if hasattr(dispatcher, "overloads"):
                        yield f"{node.module}.{alias.name}", dispatcher


@pytest.fixture(scope="module")
def warm():
    return fc.warmup()


def kernels_not_ready():
    """Return how many kernels there are, and the names of those without machine code."""
    kernels = dict(_called_from_python())
    return len(kernels), [name for name, dispatcher in kernels.items() if not dispatcher.overloads]


def test_every_kernel_is_ready():
    """In a process of its own: here other tests have called most of them."""
    code = "import fastcands; fastcands.warmup(); from tests.test_precompile import kernels_not_ready as f; print(*f())"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    count, missing = result.stdout.split(maxsplit=1)
    assert int(count) > 30
    assert missing.strip() == "[]"


def test_no_call_compiles_afterwards(warm):
    rng = np.random.default_rng(0)
    weights, biases = rng.normal(size=(3000, 24)).astype(np.float32), np.zeros(3000, np.float32)
    labels, inputs = rng.integers(0, 3000, (33, 2)), rng.normal(size=(33, 24)).astype(np.float32)
    sampler = fc.FixedUnigramSampler(3000, unigrams=np.arange(1, 3001))
    with event.install_recorder("numba:compile") as compilations:
        fc.nn.sampled_softmax_loss_and_grad(weights, biases, labels, inputs, 99, 3000, num_true=2)
        fc.nn.nce_loss_and_grad(weights, None, labels, inputs, 99, 3000, num_true=2)
        fc.nn.compute_accidental_hits(labels, np.arange(20), 2)
        table = fc.ClassTable.from_arrays(weights, biases, optimizer=fc.LazyAdam(0.1))
        table.train_step(fc.SampledSoftmaxLoss(sampler, 40, label_smoothing=0.1), labels, inputs)
        table.train_step(fc.RankSampledSoftmaxLoss(sampler, 40, num_resampled=7), labels, inputs)
        table.train_step(fc.LogisticLoss(), labels, inputs)
        table.evaluate(labels, inputs)
        table.topk(inputs, 5)
        narrow = fc.ClassTable(3000, 24, dtype="bfloat16", optimizer=fc.Adagrad(0.1))
        for tier in ("high", "medium"):
            with fc.matmul_precision(tier):
                for each in (table, narrow):
                    each.train_step(fc.SampledSoftmaxLoss(sampler, 40), labels, inputs)
                    each.train_step(fc.NegativeSamplingLoss(sampler, 40), labels, inputs)
                    each.train_step(fc.SoftmaxLoss(), labels, inputs)
                    each.train_step(fc.LogisticLoss(), labels, inputs)
        narrow.topk(inputs, 5)
    assert [str(each) for each in compilations.buffer] == []


def test_report_is_called_with_what_is_returned():
    reported = {}
    assert fc.warmup([], report=reported.__setitem__) == reported
    assert "log-uniform sampler" in reported
    assert all(seconds >= 0 for seconds in reported.values())


def test_the_setting_does_not_count(monkeypatch):
    """Both float32 and, where they can be computed, the other tiers are compiled, whatever is set."""
    seen = set()
    real = precompile.SampledSoftmaxLoss.value_and_grad

    def note(self, *arguments, **options):
        seen.add(self.precision or fc.get_matmul_precision())
        return real(self, *arguments, **options)

    monkeypatch.setattr(precompile.SampledSoftmaxLoss, "value_and_grad", note)
    with fc.matmul_precision("medium"):
        fc.warmup()
    assert seen == {"highest", "high", "medium"}
    monkeypatch.setattr(dot, "unusable", lambda: "there are none")
    seen.clear()
    fc.warmup()
    assert seen == {"highest"}


def test_unknown_dtype():
    with pytest.raises(ValueError, match=r"dtypes must be 'float32' or 'float64', got 'float16'"):
        fc.warmup(["float16"])
