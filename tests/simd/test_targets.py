"""The vector code, and a loss on top of it, as compiled for other processors than this one."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from fastcands.simd import dot

HERE = Path(__file__).parent
TARGETS = ["generic", "haswell"] if platform.machine() in ("x86_64", "AMD64") else ["generic"]
LOSS = """
import numpy as np
import fastcands as fc
from fastcands import reference
from fastcands.simd.target import MR, VECTOR_BYTES
rng = np.random.default_rng(0)
weights, biases = rng.normal(size=(50, 19)).astype(np.float32), rng.normal(size=50).astype(np.float32)
labels, inputs = rng.integers(0, 50, (37, 2)), rng.normal(size=(37, 19)).astype(np.float32)
values = fc.SampledValues(rng.integers(0, 50, 33), np.full((37, 2), 0.5), np.full(33, 0.5))
loss, gradients = fc.nn.sampled_softmax_loss_and_grad(
    weights, biases, labels, inputs, 33, 50, num_true=2, sampled_values=values
)
truth = reference.sampled_softmax(weights, biases, labels, inputs, values)
np.testing.assert_allclose(loss, truth.loss, rtol=1e-5)
np.testing.assert_allclose(gradients.inputs, truth.d_inputs, atol=1e-5)
np.testing.assert_allclose(gradients.weights.to_dense(), truth.d_weights, atol=1e-5)
print(MR, VECTOR_BYTES)
"""
BF16 = """
import numpy as np
import fastcands as fc
from fastcands import reference
from fastcands.losses import exact_classes
exact_classes._FEWEST_EXAMPLES = exact_classes._WORTH_ROUNDING = 0
rng = np.random.default_rng(0)
weights, inputs = rng.normal(size=(50, 40)).astype(np.float32) / 3, rng.normal(size=(37, 40)).astype(np.float32)
labels, values = rng.integers(0, 50, (37, 1)), (rng.integers(0, 50, 33), np.full((37, 1), 0.5), np.full(33, 0.5))
fc.set_matmul_precision("medium")
for function, more, truth in (
    (fc.SampledSoftmaxLoss(fc.UniformSampler(50), 33), {"sampled_values": values}, reference.sampled_softmax),
    (fc.SoftmaxLoss(), {}, reference.full_softmax),
):
    arguments = weights, None, labels, inputs
    want = truth(*arguments, *[fc.SampledValues(*values)] * len(more))
    loss, gradients = function.value_and_grad(*arguments, **more)
    found = loss, function.value(*arguments, **more), gradients.inputs, gradients.weights.to_dense()
    for got, exact in zip(found, (want.loss, want.loss, want.d_inputs, want.d_weights), strict=True):
        error = np.linalg.norm(got - exact) / np.linalg.norm(exact)
        assert 1e-6 < error < 1e-2, error
"""


@pytest.fixture(params=TARGETS)
def environment(request, tmp_path):
    """Give the environment of a process that compiles for another processor, into a cache of its own."""
    return os.environ | {"NUMBA_CPU_NAME": request.param, "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}


READING = [str(HERE.parent / "kernels" / "table" / f"test_{name}.py") for name in ("view", "gather")]


def _run(arguments, environment):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=HERE.parents[1], check=False
    )


def test_the_tests_of_vector_code_pass(environment):
    folders = HERE, HERE.parent / "kernels" / "epilogues"
    files = sorted(str(path) for folder in folders for path in folder.rglob("test_*.py") if path != Path(__file__))
    result = _run(["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files], environment)
    assert result.returncode == 0, result.stdout[-3000:]


def test_tables_are_read_as_they_are_here(environment):
    """Every number of half precision among them."""
    result = _run(["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *READING], environment)
    assert result.returncode == 0, result.stdout[-3000:]


@pytest.mark.parametrize("environment", ["generic"], indirect=True)
def test_losses_of_bfloat16_products(environment):
    """Blocks have 32 examples on every processor, also where vectors are shortest."""
    result = _run(["-c", BF16], environment | {dot.VARIABLE: dot.PORTABLE})
    assert result.returncode == 0, result.stderr[-3000:]


def test_a_loss_and_its_gradients(environment):
    result = _run(["-c", LOSS], environment)
    assert result.returncode == 0, result.stderr[-3000:]
    if platform.machine() in ("x86_64", "AMD64"):
        assert result.stdout.split() == ["4", "32" if environment["NUMBA_CPU_NAME"] == "haswell" else "16"]
