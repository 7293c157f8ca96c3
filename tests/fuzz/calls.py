"""Right calls of public functions and methods, made anew from a random generator each time."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import fastcands as fc
from fastcands import reference
from tests.fuzz.judge import Call

V, D, S = 20, 3, 6
Random = np.random.Generator
Make = Callable[[Random], Call]


def plain(value: Any) -> Any:
    """Return an argument as an ordinary array."""
    array = np.asarray(value)
    return np.array(array, array.dtype.newbyteorder("="), order="C", subok=False)


def same(got: Any, expected: Any) -> None:
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def close(got: Any, expected: Any, scale: float) -> None:
    np.testing.assert_allclose(np.asarray(got, np.float64), expected, rtol=2e-3, atol=2e-4 * scale)


def labels(rng: Random, num_true: int = 0) -> Any:
    num_true = num_true or int(rng.integers(1, 4))
    return rng.integers(0, V, (int(rng.integers(1, 6)), num_true))


def problem(rng: Random, num_true: int = 0) -> dict[str, Any]:
    dtype = [np.float32, np.float64][int(rng.integers(2))]
    y = labels(rng, num_true)
    weights, biases = rng.normal(size=(V, D)).astype(dtype), rng.normal(size=V).astype(dtype)
    return {
        "weights": weights,
        "biases": None if rng.random() < 0.2 else biases,
        "labels": y,
        "inputs": rng.normal(size=(len(y), D)).astype(dtype),
    }


def sampler(rng: Random) -> Any:
    kind = int(rng.integers(4))
    seed = int(rng.integers(1, 1000))
    if kind == 3:
        return fc.FixedUnigramSampler(V, unigrams=rng.integers(1, 9, V), seed=seed)
    return [fc.UniformSampler, fc.LogUniformSampler, fc.LearnedUnigramSampler][kind](V, seed=seed)


def sampled_values(rng: Random, y: Any) -> Any:
    candidates = rng.integers(0, V, S)
    counts = lambda *shape: rng.uniform(0.1, 2, shape).astype(np.float32)  # noqa: E731
    return fc.SampledValues(candidates, counts(*y.shape), counts(S))


def copy_of(source: Any) -> Any:
    copy = type(source)(V) if not isinstance(source, fc.FixedUnigramSampler) else None
    if copy is None:
        copy = fc.FixedUnigramSampler(V, unigrams=source.probability(np.arange(V)))
    copy.load_state_dict(source.state_dict())
    return copy


# ---- samplers


def sample(rng: Random) -> Call:
    drawn = sampler(rng)
    state = drawn.state_dict()

    def check(result: Any, arguments: dict[str, Any]) -> None:
        candidates, true_counts, counts = result
        ids = plain(arguments["labels"]).astype(np.int64)
        assert candidates.dtype == np.int64
        assert candidates.min() >= 0
        assert candidates.max() < V
        assert np.isfinite(counts).all()
        assert true_counts.shape == (ids if ids.ndim == 2 else ids[:, None]).shape
        if arguments["unique"]:
            assert len(set(candidates.tolist())) == len(candidates)
        drawn.load_state_dict(state)
        same(drawn.sample(**arguments | {"labels": ids, "num_sampled": len(candidates)}), result)

    arguments = {
        "labels": labels(rng),
        "num_sampled": S,
        "unique": bool(rng.integers(2)),
        "expected_count": ["tensorflow", "unbiased"][int(rng.integers(2))],
    }
    return Call(f"{type(drawn).__name__}.sample", drawn.sample, arguments, (drawn,), check)


def probability(rng: Random) -> Call:
    drawn = sampler(rng)

    def check(result: Any, arguments: dict[str, Any]) -> None:
        ids = plain(arguments["ids"])
        if isinstance(drawn, fc.UniformSampler):
            np.testing.assert_allclose(result, reference.uniform_probability(ids, V))
        elif isinstance(drawn, fc.LogUniformSampler):
            np.testing.assert_allclose(result, reference.log_uniform_probability(ids, V))
        assert result.shape == ids.shape

    return Call(
        f"{type(drawn).__name__}.probability", drawn.probability, {"ids": rng.integers(0, V, 5)}, (drawn,), check
    )


def make_sampler(rng: Random) -> Call:
    seed = [3, (1, 2), np.random.SeedSequence(5), None][int(rng.integers(4))]
    if rng.random() < 0.5:
        arguments = {
            "num_classes": V,
            "unigrams": rng.integers(1, 9, V - 2) if rng.random() < 0.5 else rng.uniform(0.1, 1, V - 2),
            "distortion": 0.75,
            "num_reserved_ids": 2,
            "num_shards": 1,
            "shard": 0,
            "seed": seed,
        }
        return Call("FixedUnigramSampler", fc.FixedUnigramSampler, arguments)
    kind = [fc.UniformSampler, fc.LogUniformSampler, fc.LearnedUnigramSampler][int(rng.integers(3))]
    return Call(kind.__name__, kind, {"num_classes": V, "seed": seed})


def load_state(rng: Random) -> Call:
    drawn = sampler(rng)
    drawn.sample([[1]], 5)
    return Call(
        f"{type(drawn).__name__}.load_state_dict", drawn.load_state_dict, {"state": drawn.state_dict()}, (drawn,)
    )


def learn(rng: Random) -> Call:
    drawn = fc.LearnedUnigramSampler(V, seed=1)
    kind = int(rng.integers(3))
    if kind == 0:

        def check(result: Any, arguments: dict[str, Any]) -> None:
            ids = plain(arguments["labels"]).astype(np.int64).reshape(-1)
            np.testing.assert_array_equal(drawn.counts(), 1 + np.bincount(ids, minlength=V))

        return Call("LearnedUnigramSampler.update", drawn.update, {"labels": labels(rng)}, (drawn,), check)
    if kind == 1:
        return Call("LearnedUnigramSampler.decay", drawn.decay, {"factor": 0.5}, (drawn,))
    return Call("LearnedUnigramSampler.merge", drawn.merge, {"other": fc.LearnedUnigramSampler(V)}, (drawn,))


def all_candidates(rng: Random) -> Call:
    drawn = fc.AllCandidatesSampler(V)
    return Call("AllCandidatesSampler.sample", drawn.sample, {"labels": labels(rng), "num_sampled": V, "unique": True})


def log_uniform_check(rng: Random) -> Call:
    drawn = fc.LogUniformSampler(V)

    def check(counts: Any) -> float:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "class ids are not sorted by falling frequency")
            return drawn.check(counts)

    return Call("LogUniformSampler.check", check, {"counts": rng.integers(1, 9, V)}, (drawn,))


def nn_sampler(rng: Random) -> Call:
    y = labels(rng)
    arguments: dict[str, Any] = {"true_classes": y, "num_true": y.shape[1], "num_sampled": S, "unique": True}
    arguments |= {"range_max": V, "seed": 3}
    names = ["uniform", "log_uniform", "learned_unigram", "thread_unsafe_unigram", "fixed_unigram"]
    name = names[int(rng.integers(5))]
    if name == "fixed_unigram":
        arguments |= {"unigrams": rng.integers(1, 9, V), "distortion": 1.0, "num_reserved_ids": 0, "vocab_file": ""}
    fc.nn.reset()
    function = getattr(fc.nn, f"{name}_candidate_sampler")

    def check(result: Any, arguments: dict[str, Any]) -> None:
        fc.nn.reset()
        if arguments["seed"] not in (None, 0):
            same(function(**arguments | {"true_classes": plain(arguments["true_classes"]).astype(int)}), result)

    return Call(f"nn.{name}_candidate_sampler", function, arguments, (), check)


def hits(rng: Random) -> Call:
    y = labels(rng)

    def check(result: Any, arguments: dict[str, Any]) -> None:
        same(
            result, reference.accidental_hits(plain(arguments["true_classes"]), plain(arguments["sampled_candidates"]))
        )

    arguments = {"true_classes": y, "sampled_candidates": rng.integers(0, V, S), "num_true": y.shape[1]}
    return Call("nn.compute_accidental_hits", fc.nn.compute_accidental_hits, arguments, (), check)


# ---- losses


def tables_of(arguments: dict[str, Any]) -> list[Any] | None:
    """Return weights, biases, labels and inputs for the reference; None where float64 says nothing of them."""
    tables = [
        None if arguments[key] is None else plain(arguments[key]) for key in ("weights", "biases", "labels", "inputs")
    ]
    floats = [part.astype(np.float64) for part in (tables[0], tables[1], tables[3]) if part is not None]
    return None if any(np.abs(part).max(initial=0) > 1e3 for part in floats) else tables


def check_loss(formula: Callable[..., Any], result: Any, arguments: dict[str, Any], values: Any = None) -> None:
    tables = tables_of(arguments)
    if tables is None:
        return
    upstream = arguments.get("upstream")
    options = {} if upstream is None else {"upstream": plain(upstream).astype(np.float64)}
    triple = () if values is None else (tuple(plain(part) for part in values),)
    expected = formula(*tables, *triple, **options)
    loss, gradients = result
    scale = 1 + float(np.abs(expected.loss).max(initial=0)) + float(np.abs(expected.d_weights).max(initial=0))
    close(loss, expected.loss, scale)
    close(gradients.inputs, expected.d_inputs, scale)
    close(gradients.weights.to_dense(), expected.d_weights, scale)
    if gradients.biases is not None:
        close(gradients.biases.to_dense(), expected.d_biases, scale)


def nn_exact(rng: Random) -> Call:
    name = ["full_softmax", "full_sigmoid"][int(rng.integers(2))]
    arguments = problem(rng)
    arguments |= {"num_true": arguments["labels"].shape[1], "partition_strategy": "mod"}
    arguments["upstream"] = None if rng.random() < 0.3 else rng.normal(size=len(arguments["labels"]))
    check = functools.partial(check_loss, getattr(reference, name))
    return Call(f"nn.{name}_loss_and_grad", getattr(fc.nn, f"{name}_loss_and_grad"), arguments, (), check)


def nn_sampled(rng: Random) -> Call:
    name, formula = [("sampled_softmax", reference.sampled_softmax), ("nce", reference.sampled_logistic)][
        int(rng.integers(2))
    ]
    arguments = problem(rng)
    hidden = bool(rng.integers(2))
    arguments |= {"num_sampled": S, "num_classes": V, "num_true": arguments["labels"].shape[1]}
    arguments |= {"sampled_values": sampled_values(rng, arguments["labels"]), "remove_accidental_hits": hidden}
    arguments["upstream"] = None if rng.random() < 0.3 else rng.normal(size=len(arguments["labels"]))

    def check(result: Any, arguments: dict[str, Any]) -> None:
        if arguments["sampled_values"] is not None:
            formula_ = functools.partial(formula, remove_accidental_hits=bool(arguments["remove_accidental_hits"]))
            check_loss(formula_, result, arguments, arguments["sampled_values"])

    fc.nn.reset()
    return Call(f"nn.{name}_loss_and_grad", getattr(fc.nn, f"{name}_loss_and_grad"), arguments, (), check)


def nn_rank(rng: Random) -> Call:
    arguments = problem(rng)
    arguments |= {"num_sampled": S, "num_resampled": 3, "num_classes": V, "num_true": arguments["labels"].shape[1]}
    arguments |= {"sampled_values": sampled_values(rng, arguments["labels"]), "resampling_temperature": 0.7}
    fc.nn.reset()
    return Call("nn.rank_sampled_softmax_loss", fc.nn.rank_sampled_softmax_loss, arguments)


def loss_of(rng: Random, owner: Any) -> Any:
    kind = int(rng.integers(6))
    unique = bool(rng.integers(2))
    if kind < 2:
        return [fc.SoftmaxLoss, fc.LogisticLoss][kind]()
    if kind == 2:
        return fc.RankSampledSoftmaxLoss(owner, S, 3, unique=unique)
    kinds = [fc.SampledSoftmaxLoss, fc.NCELoss, fc.NegativeSamplingLoss]
    return kinds[kind - 3](owner, S, unique=unique)


def loss_method(rng: Random) -> Call:
    owner = sampler(rng)
    loss = loss_of(rng, owner)
    arguments = problem(rng)
    if rng.random() < 0.5:
        arguments["upstream"] = rng.normal(size=len(arguments["labels"]))
        return Call(f"{type(loss).__name__}.value_and_grad", loss.value_and_grad, arguments, (owner,))
    return Call(f"{type(loss).__name__}.value", loss.value, arguments, (owner,))


def make_loss(rng: Random) -> Call:
    owner = sampler(rng)
    if rng.random() < 0.3:
        kind = [fc.SoftmaxLoss, fc.LogisticLoss][int(rng.integers(2))]
        return Call(kind.__name__, kind, {"temperature": 0.5, "ignore_index": -1, "precision": "highest"})
    kind = [fc.SampledSoftmaxLoss, fc.NCELoss, fc.SampledLogisticLoss, fc.NegativeSamplingLoss][int(rng.integers(4))]
    arguments = {"sampler": owner, "num_sampled": S, "unique": True, "in_batch": None, "temperature": 0.5}
    arguments |= {"ignore_index": None, "precision": None}
    if kind is fc.SampledSoftmaxLoss:
        arguments |= {"label_smoothing": 0.1, "remove_accidental_hits": True}
    if kind is fc.NCELoss:
        arguments |= {"log_normalizer": 0.5}
    return Call(kind.__name__, kind, arguments)


# ---- tables and optimizers


def optimizer(rng: Random) -> Any:
    return [
        fc.SGD(0.1),
        fc.SGD(0.1, weight_decay=0.1, clip_norm=1.0),
        fc.Momentum(0.1),
        fc.Adagrad(0.1),
        fc.RowwiseAdagrad(0.1),
        fc.LazyAdam(0.1),
    ][int(rng.integers(6))]


def table_of(rng: Random) -> Any:
    dtype = ["float32", "float64", "bfloat16"][int(rng.integers(3))]
    return fc.ClassTable(V, D, dtype=dtype, optimizer=optimizer(rng), seed=int(rng.integers(100)))


def train_step(rng: Random) -> Call:
    table, owner = table_of(rng), sampler(rng)
    part = problem(rng)
    arguments = {
        "loss": loss_of(rng, owner),
        "labels": part["labels"],
        "inputs": part["inputs"],
        "upstream": np.ones(len(part["labels"])),
    }

    def check(result: Any, arguments: dict[str, Any]) -> None:
        if tables_of(part | arguments) is not None:
            assert np.isfinite(table.weights.astype(np.float64)).all()

    return Call("ClassTable.train_step", table.train_step, arguments, (table, owner), check)


def evaluate(rng: Random) -> Call:
    table, part = table_of(rng), problem(rng)

    def check(result: Any, arguments: dict[str, Any]) -> None:
        tables = tables_of({"weights": table.weights, "biases": table.biases, **arguments})
        if tables is not None and len(tables[2]) and arguments.get("ignore_index") is None:
            close(result.loss, reference.full_softmax(*tables).loss.mean(), 1 + abs(result.loss))

    arguments = {
        "labels": part["labels"],
        "inputs": part["inputs"],
        "k": (1, 5),
        "batch_size": 1024,
        "ignore_index": None,
    }
    return Call("ClassTable.evaluate", table.evaluate, arguments, (table,), check)


def topk(rng: Random) -> Call:
    table = table_of(rng)

    def check(result: Any, arguments: dict[str, Any]) -> None:
        tables = tables_of({"weights": table.weights, "biases": table.biases, "labels": [[0]], **arguments})
        if tables is not None:
            scores = tables[3].astype(float) @ tables[0].astype(float).T
            scores = scores if tables[1] is None else scores + tables[1].astype(float)
            close(
                result.scores, -np.sort(-scores, axis=1)[:, : result.scores.shape[1]], 1 + np.abs(scores).max(initial=0)
            )

    return Call("ClassTable.topk", table.topk, {"inputs": problem(rng)["inputs"], "k": 5}, (table,), check)


def make_table(rng: Random) -> Call:
    if rng.random() < 0.5:
        arguments = {
            "num_classes": V,
            "dim": D,
            "dtype": "float32",
            "bias": True,
            "optimizer": optimizer(rng),
            "seed": 3,
        }
        return Call("ClassTable", fc.ClassTable, arguments)
    part, chosen = problem(rng), optimizer(rng)
    arguments = {
        "weights": part["weights"],
        "biases": part["biases"],
        "optimizer": chosen,
        "optimizer_state": None,
        "seed": 3,
    }
    if rng.random() < 0.5:
        arguments["optimizer_state"] = {
            name: chosen.init(part[name]) for name in ("weights", "biases") if part[name] is not None
        }
    return Call("ClassTable.from_arrays", fc.ClassTable.from_arrays, arguments)


def cut(rng: Random) -> Call:
    if rng.random() < 0.5:
        return Call("shard_bounds", fc.shard_bounds, {"num_classes": V, "num_shards": 3})
    table = table_of(rng)
    return Call("ClassTable.shards", table.shards, {"num_shards": 3, "partition_strategy": "mod"}, (table,))


def update(rng: Random) -> Call:
    chosen = optimizer(rng)
    shape = (V, D) if rng.random() < 0.7 else (V,)
    dtype = [np.float32, np.float64][int(rng.integers(2))]
    table = rng.normal(size=shape).astype(dtype)
    ids = np.sort(rng.choice(V, 5, replace=False))
    gradient = fc.RowGradient(ids, rng.normal(size=(5, *shape[1:])).astype(dtype), V)
    state, before = chosen.init(table), table.copy()

    def check(result: Any, arguments: dict[str, Any]) -> None:
        twin, rows, new = before.copy(), arguments["gradient"], arguments["table"]
        start = {name: np.full_like(array, chosen.state_arrays(twin)[name].fill) for name, array in state.items()}
        if new.dtype == twin.dtype and new.shape == twin.shape and np.abs(rows.rows).max(initial=0) < 1e3:
            if new.base is not None and new.base.dtype == object:
                return
            chosen.update(twin, start, fc.RowGradient(plain(rows.ids), plain(rows.rows), V), step=1, seed=0)

    arguments = {"table": table, "state": state, "gradient": gradient, "step": 1, "seed": 0}
    return Call(f"in place: {type(chosen).__name__}.update", chosen.update, arguments, (), check)


def make_optimizer(rng: Random) -> Call:
    kind, arguments = [
        (fc.SGD, {"lr": 0.1, "weight_decay": 0.1, "clip_norm": 1.0}),
        (fc.Momentum, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "catch_up": False}),
        (fc.Adagrad, {"lr": 0.1, "initial_accumulator": 0.1, "epsilon": 1e-7}),
        (fc.RowwiseAdagrad, {"lr": 0.1, "initial_accumulator": 0.1, "epsilon": 1e-7, "weight_decay": 0.1}),
        (fc.LazyAdam, {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "catch_up": True}),
    ][int(rng.integers(5))]
    return Call(kind.__name__, kind, arguments)


def row_gradient(rng: Random) -> Call:
    arguments = {"ids": rng.integers(0, V, 6), "rows": rng.normal(size=(6, D)).astype(np.float32), "num_rows": V}

    def check(result: Any, arguments: dict[str, Any]) -> None:
        rows = plain(arguments["rows"]).astype(float)
        if np.abs(rows).max(initial=0) < 1e3 and result.num_rows <= 1000:
            dense = np.zeros((result.num_rows, *rows.shape[1:]))
            np.add.at(dense, plain(arguments["ids"]).astype(np.int64), rows)
            close(result.to_dense(), dense, 1.0)

    return Call("RowGradient.from_pairs", fc.RowGradient.from_pairs, arguments, (), check)


# ---- the rest


def metric(rng: Random) -> Call:
    rows = int(rng.integers(1, 4))
    starts = np.arange(rows + 1) * 2
    arguments: dict[str, Any] = {"ranked": np.argsort(rng.random((rows, V)))[:, :6], "starts": starts, "k": 3}
    arguments["labels"] = rng.integers(0, V, int(starts[-1]))
    if rng.random() < 0.5:
        return Call("metrics.precision_at_k", fc.metrics.precision_at_k, arguments)
    arguments["label_propensities"] = rng.uniform(0.1, 1, V)
    function = fc.metrics.propensity_scored_precision_at_k
    return Call("metrics.propensity_scored_precision_at_k", function, arguments)


def propensities(rng: Random) -> Call:
    arguments = {"label_counts": rng.integers(0, 9, V), "num_points": 100, "a": 0.55, "b": 1.5}
    return Call("metrics.propensities", fc.metrics.propensities, arguments)


def schedule(rng: Random) -> Call:
    if rng.random() < 0.3:
        return Call("a schedule", fc.schedules.linear(0.1, 100, warmup=10), {"step": 5})
    function = [fc.schedules.linear, fc.schedules.cosine][int(rng.integers(2))]
    return Call(f"schedules.{function.__name__}", function, {"peak": 0.1, "steps": 100, "warmup": 10, "end": 0.01})


def setting(rng: Random) -> Call:
    def call(n: Any) -> None:
        with fc.num_threads(n):
            pass

    def choose(precision: Any) -> None:
        with fc.matmul_precision(precision):
            pass

    if rng.random() < 0.5:
        return Call("num_threads", call, {"n": 2})
    return Call("matmul_precision", choose, {"precision": "highest"})


CALLS: list[Make] = [
    sample, probability, make_sampler, load_state, learn, all_candidates, log_uniform_check, nn_sampler, hits,
    nn_exact, nn_sampled, nn_rank, loss_method, loss_method, make_loss, train_step, train_step, evaluate, topk,
    make_table, cut, update, make_optimizer, row_gradient, metric, propensities, schedule, setting,
]  # fmt: skip
