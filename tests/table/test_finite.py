"""A step of a table is whole and finite, or changes nothing: random bad numbers in every argument and array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastcands as fc

V, D, B = 60, 8, 12
LOSSES: dict[str, Any] = {
    "softmax": lambda: fc.SampledSoftmaxLoss(fc.LogUniformSampler(V, seed=2), 20, ignore_index=-1),
    "nce": lambda: fc.NCELoss(fc.LogUniformSampler(V, seed=2), 20, unique=False, ignore_index=-1),
    "rank": lambda: fc.RankSampledSoftmaxLoss(fc.LogUniformSampler(V, seed=2), 20, num_resampled=9, ignore_index=-1),
    "medium": lambda: fc.SampledSoftmaxLoss(fc.LogUniformSampler(V, seed=2), 20, ignore_index=-1, precision="medium"),
    "exact": lambda: fc.SoftmaxLoss(ignore_index=-1),
    "logistic": lambda: fc.LogisticLoss(ignore_index=-1),
}
OPTIMIZERS = [fc.SGD(0.5), fc.Adagrad(0.5), fc.RowwiseAdagrad(0.5, weight_decay=0.1), fc.LazyAdam(0.1, catch_up=True)]


def _arrays(table: fc.ClassTable) -> dict[str, Any]:
    """The arrays, looked at without telling the table, which would look at its state in each step from then on."""
    arrays = {"weights": table.weights, "biases": table.biases}
    for name, state in table._optimizer_state.items():
        arrays |= {f"{name}.{key}": array for key, array in state.items()}
    return arrays


def _snapshot(table: fc.ClassTable) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in _arrays(table).items()} | {"step": bytes([table.step])}


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("name", LOSSES)
def test_bad_numbers_anywhere(name: str, optimizer: Any, dtype: str, shared: bool) -> None:
    """In the state too where the caller has it; else steps look at the gradient alone."""
    rng = np.random.default_rng(1)
    refused = made = 0
    for _ in range(30):
        tables = [fc.ClassTable(V, D, dtype=dtype, optimizer=optimizer, seed=3) for _ in range(2)]
        labels = rng.integers(0, V, (B, 2))
        labels[rng.random(labels.shape) < 0.2] = -1
        labels[:3] = -1
        inputs, upstream = rng.normal(size=(B, D)).astype(np.float32), rng.random(B).astype(np.float32)
        for table in tables:
            table.train_step(LOSSES[name](), labels, inputs, upstream)
        kinds = {"inputs": inputs.copy(), "upstream": upstream.copy(), **_arrays(tables[0])}
        if shared:
            assert tables[0].optimizer_state
        where = str(rng.choice([key for key in kinds if kinds[key].dtype.kind != "i" and (shared or "." not in key)]))
        assert tables[0]._state_is_own == (not shared and not optimizer.weight_decay)
        array = kinds[where]
        bad = rng.choice([np.nan, np.inf, -np.inf, 1e25, 3e38])
        place = tuple(int(rng.integers(size)) for size in array.shape)
        array[place] = bad
        before = _snapshot(tables[0])
        of_example, message = where in ("inputs", "upstream"), ""
        ignored = of_example and (labels[place[0]] == -1).all()
        try:
            tables[0].train_step(LOSSES[name](), labels, kinds["inputs"], kinds["upstream"])
        except ValueError as error:
            message = str(error)
        if message:
            refused += 1
            assert _snapshot(tables[0]) == before
            assert not ignored
            assert not of_example or np.isfinite(bad) or f"{where}[{place[0]}" in message
        else:
            made += 1
            if ignored:  # as if it had held nothing
                tables[1].train_step(LOSSES[name](), labels, inputs, upstream)
                assert _snapshot(tables[0]) == _snapshot(tables[1])
            array[place] = 0  # of a row outside the step
            for each in _arrays(tables[0]).values():
                assert np.isfinite(each.astype(np.float64)).all()
    assert refused
    assert made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": (2, 5, np.nan)}, r"^inputs\[2, 5\] must be finite, got nan"),
        ({"inputs": (4, 0, -np.inf)}, r"^inputs\[4, 0\] must be finite, got -inf"),
        ({"upstream": (3, np.inf)}, r"^upstream\[3\] must be finite, got inf"),
        ({"weights": (7, 1, np.nan)}, r"^the loss of example 0 is nan: inputs or the rows of its classes"),
        ({"accumulator": (7, 1, np.inf)}, r"^state\['accumulator'\] of weights must be finite, got inf at \[7, 1\]"),
        ({"inputs": (4, 0, 1e25)}, r"^(the gradient of inputs\[\d+\] has|state\['accumulator'\] of weights must stay)"),
    ],
    ids=str,
)
def test_messages(change: dict[str, Any], message: str) -> None:
    table = fc.ClassTable(V, D, seed=0)
    rng = np.random.default_rng(0)
    inputs, upstream = rng.normal(size=(B, D)).astype(np.float32), np.ones(B, np.float32)
    places = {"inputs": inputs, "upstream": upstream, "weights": table.weights}
    places["accumulator"] = table.optimizer_state["weights"]["accumulator"]
    ((name, (*place, bad)),) = change.items()
    places[name][tuple(place)] = bad
    before = _snapshot(table)
    with pytest.raises(ValueError, match=message):
        table.train_step(fc.SoftmaxLoss(), np.arange(B), inputs, upstream)
    assert _snapshot(table) == before


def test_biases_of_minus_infinity_are_refused() -> None:
    """Their gradient is finite, but what would be written is not."""
    table = fc.ClassTable(V, D, seed=0)
    assert table.biases is not None
    table.biases[7] = -np.inf
    before = _snapshot(table)
    with pytest.raises(ValueError, match=r"^biases must be finite, got -inf at \[7\]"):
        table.train_step(fc.SoftmaxLoss(), np.arange(B)[:5], np.ones((5, D), np.float32))
    assert _snapshot(table) == before


def test_only_the_sampler_has_moved_after_a_refusal() -> None:
    sampler, other = (fc.LogUniformSampler(V, seed=1) for _ in range(2))
    table, inputs = fc.ClassTable(V, D, seed=0), np.full((3, D), np.nan, np.float32)
    with pytest.raises(ValueError, match=r"inputs\[0, 0\]"):
        table.train_step(fc.SampledSoftmaxLoss(sampler, 5), [1, 2, 3], inputs)
    other.sample([1, 2, 3], 5)
    assert sampler.state_dict() == other.state_dict()


def test_whose_state_it_is(tmp_path: Path) -> None:
    """A step looks at the gradient alone only where nobody but such steps has written the state."""
    inputs = np.ones((2, D), np.float32)

    def own(table: fc.ClassTable, loss: Any = fc.SoftmaxLoss(), size: float = 1.0) -> bool:  # noqa: B008
        table.train_step(loss, [1, 2], size * inputs)
        return table._state_is_own

    assert own(fc.ClassTable(V, D))
    assert own(fc.ClassTable.from_arrays(np.zeros((V, D), np.float32)))
    assert not own(fc.ClassTable(V, D), size=2.0**45)  # the moments are no longer moderate
    shared = fc.ClassTable(V, D)
    state = shared.optimizer_state
    assert not own(shared)
    assert not own(fc.ClassTable.from_arrays(shared.weights, shared.biases, optimizer_state=state))
    shared.optimizer_state = state
    assert not own(shared)
    whole = fc.ClassTable(V, D)
    assert not own(whole.shards(2)[0])
    assert not own(whole)

    class Foreign:
        def value_and_grad(self, *arguments: Any) -> Any:
            return fc.SoftmaxLoss().value_and_grad(*arguments)

    assert not own(fc.ClassTable(V, D), Foreign())
    saved = fc.ClassTable(V, D)
    saved.save(tmp_path / "table.npz")
    assert own(fc.ClassTable.load(tmp_path / "table.npz"))
    mapped = fc.ClassTable.load(tmp_path / "table.npz", mmap="r+")
    assert not own(mapped)
    mapped.close()
    saved.optimizer_state["weights"]["accumulator"][3, 3] = np.inf
    saved.save(tmp_path / "table.npz")
    assert not fc.ClassTable.load(tmp_path / "table.npz")._state_is_own
