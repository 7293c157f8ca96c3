"""Every array argument of every public function: masks, byte orders, ragged rows, indices of classes.

A case is a function of one argument, the name messages have for it, and a good value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import fastcands as fc
from fastcands.data import EncodedText, ExtremeData
from fastcands.models import FeedForward, MultilabelModel, NGramModel
from fastcands.models.embedding_bag import EmbeddingBag

V, D, B, S = 7, 3, 4, 3
RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(V, D)).astype(np.float32)
BIASES = RNG.normal(size=V).astype(np.float32)
LABELS = np.array([[1, 2], [0, 6], [3, 3], [5, 4]])
INPUTS = RNG.normal(size=(B, D)).astype(np.float32)
UPSTREAM = np.array([1, 2, 0.5, 1], np.float32)
SAMPLED = np.array([2, 0, 5])
TRUE_COUNTS = np.full((B, 2), 0.5, np.float32)
COUNTS = np.array([0.5, 0.25, 0.75], np.float32)
NUMBERS = np.array([3, 1, 2, 5, 1, 4, 2])
STARTS = np.array([0, 2, 3])


class Case(NamedTuple):
    """A function of one argument."""

    call: Callable[[Any], Any]
    name: str
    value: np.ndarray[Any, Any]
    per_class: bool = False
    in_place: bool = False
    """Whether another byte order is refused: the argument is trained, or can be large."""


def softmax_loss() -> fc.SampledSoftmaxLoss:
    return fc.SampledSoftmaxLoss(fc.UniformSampler(V, seed=1), S)


def table() -> fc.ClassTable:
    return fc.ClassTable.from_arrays(WEIGHTS.copy(), BIASES.copy(), optimizer=fc.SGD(0.1))


def after_step(**arguments: Any) -> Any:
    trained = table()
    result = trained.train_step(softmax_loss(), **{"labels": LABELS, "inputs": INPUTS, **arguments})
    return result, trained.weights


def learned(labels: Any) -> Any:
    sampler = fc.LearnedUnigramSampler(V, seed=1)
    sampler.update(labels)
    return sampler.counts()


def loaded(counts: Any) -> Any:
    sampler = fc.LearnedUnigramSampler(V, seed=1)
    sampler.load_state_dict(sampler.state_dict() | {"counts": counts})
    return sampler.counts()


def updated(which: str, value: Any) -> Any:
    arguments = {"table": WEIGHTS.copy(), "accumulator": np.full((V, D), 0.1, np.float32)}
    gradient = {"ids": np.array([1, 4]), "rows": np.ones((2, D), np.float32)}
    (arguments if which in arguments else gradient)[which] = value
    state = {"accumulator": arguments["accumulator"]}
    fc.Adagrad(0.1).update(arguments["table"], state, fc.RowGradient(gradient["ids"], gradient["rows"], V))
    return arguments["table"], arguments["accumulator"]


def with_values(**arguments: Any) -> Any:
    values = {"sampled": SAMPLED, "true": TRUE_COUNTS, "counts": COUNTS} | arguments
    return softmax_loss().value(WEIGHTS, BIASES, LABELS, INPUTS, sampled_values=tuple(values.values()))


def nn_draw(labels: Any) -> Any:
    fc.nn.reset()
    return fc.nn.log_uniform_candidate_sampler(labels, 2, S, True, V, seed=3)


def nn_fixed(unigrams: Any) -> Any:
    fc.nn.reset()
    return fc.nn.fixed_unigram_candidate_sampler(LABELS, 2, S, True, V, unigrams=unigrams, seed=3)


def nn_loss(function: Any, **arguments: Any) -> Any:
    fc.nn.reset()
    given = {"weights": WEIGHTS, "biases": BIASES, "labels": LABELS, "inputs": INPUTS} | arguments
    sizes = {} if "full" in function.__name__ else {"num_sampled": S, "num_classes": V, "seed": 1}
    sizes |= {"num_resampled": 2} if "rank" in function.__name__ else {}
    return function(**given, **sizes, num_true=2)


def bag(**arguments: Any) -> Any:
    given = {"starts": STARTS, "features": np.array([4, 1, 0]), "values": np.array([1, 2, 3], np.float32)} | arguments
    layer = EmbeddingBag(V, D, seed=1)
    d_sums = given.pop("d_sums", np.ones((2, D), np.float32))
    return layer.forward(**given), layer.backward(**given, d_sums=d_sums)


def points(**arguments: Any) -> ExtremeData:
    given = {"label_starts": STARTS, "labels": np.array([4, 1, 0], np.int32), "feature_starts": STARTS}
    given |= {"features": np.array([4, 1, 0], np.int32), "values": np.array([1, 2, 3], np.float32)} | arguments
    return ExtremeData(9, V, **given)


def ngram(**arguments: Any) -> Any:
    model = NGramModel(V, context=2, embedding_dim=2, hidden_dim=3, seed=1, **arguments)
    assert model.table.biases is not None
    return model.table.biases


def multilabel(**arguments: Any) -> Any:
    model = MultilabelModel(9, V, dim=2, seed=1, **arguments)
    assert model.table.biases is not None
    return model.table.biases


RANKED = np.array([[4, 1], [0, 2]])
metrics = fc.metrics
CASES = {
    "loss weights": Case(
        lambda a: softmax_loss().value(a, BIASES, LABELS, INPUTS), "weights", WEIGHTS, True, in_place=True
    ),
    "loss biases": Case(
        lambda a: softmax_loss().value(WEIGHTS, a, LABELS, INPUTS), "biases", BIASES, True, in_place=True
    ),
    "loss labels": Case(lambda a: softmax_loss().value_and_grad(WEIGHTS, BIASES, a, INPUTS), "labels", LABELS),
    "loss inputs": Case(lambda a: softmax_loss().value_and_grad(WEIGHTS, BIASES, LABELS, a), "inputs", INPUTS),
    "loss upstream": Case(
        lambda a: softmax_loss().value_and_grad(WEIGHTS, BIASES, LABELS, INPUTS, a), "upstream", UPSTREAM
    ),
    "loss sampled": Case(lambda a: with_values(sampled=a), "sampled_candidates", SAMPLED),
    "loss true counts": Case(lambda a: with_values(true=a), "true_expected_count", TRUE_COUNTS),
    "loss counts": Case(lambda a: with_values(counts=a), "sampled_expected_count", COUNTS),
    "diagnose labels": Case(lambda a: softmax_loss().diagnose(WEIGHTS, BIASES, a, INPUTS), "labels", LABELS),
    "exact labels": Case(lambda a: fc.SoftmaxLoss().value(WEIGHTS, BIASES, a, INPUTS), "labels", LABELS),
    "exact ignored labels": Case(
        lambda a: fc.LogisticLoss(ignore_index=6).value(WEIGHTS, BIASES, a, INPUTS), "labels", LABELS
    ),
    "log normalizer": Case(
        lambda a: fc.NCELoss(fc.UniformSampler(V, seed=1), S, log_normalizer=a).value(WEIGHTS, None, LABELS, INPUTS),
        "log_normalizer",
        UPSTREAM,
    ),
    "sample": Case(lambda a: fc.UniformSampler(V, seed=1).sample(a, S), "labels", LABELS),
    "sample all": Case(lambda a: fc.AllCandidatesSampler(V).sample(a, V), "labels", LABELS),
    "probability": Case(lambda a: fc.LogUniformSampler(V).probability(a), "ids", LABELS),
    "probability of all": Case(lambda a: fc.AllCandidatesSampler(V).probability(a), "ids", LABELS),
    "check": Case(lambda a: fc.LogUniformSampler(V).check(a), "counts", np.sort(NUMBERS)[::-1].copy(), True),
    "unigrams": Case(
        lambda a: fc.FixedUnigramSampler(V, unigrams=a, seed=1).probability(np.arange(V)), "unigrams", NUMBERS, True
    ),
    "distorted unigrams": Case(
        lambda a: fc.FixedUnigramSampler(V, unigrams=a, distortion=0.75, seed=1).probability(np.arange(V)),
        "unigrams",
        np.arange(V) + 2**24 + 1,
        True,
    ),
    "update": Case(learned, "labels", LABELS),
    "counts of a state": Case(loaded, "state['counts']", NUMBERS, True),
    "train_step labels": Case(lambda a: after_step(labels=a), "labels", LABELS),
    "train_step inputs": Case(lambda a: after_step(inputs=a), "inputs", INPUTS),
    "train_step upstream": Case(lambda a: after_step(upstream=a), "upstream", UPSTREAM),
    "evaluate labels": Case(lambda a: table().evaluate(a, INPUTS, k=2), "labels", LABELS),
    "evaluate inputs": Case(lambda a: table().evaluate(LABELS, a, k=2), "inputs", INPUTS),
    "topk": Case(lambda a: table().topk(a, 2), "inputs", INPUTS),
    "from_arrays weights": Case(
        lambda a: fc.ClassTable.from_arrays(a, BIASES).topk(INPUTS, 2), "weights", WEIGHTS, in_place=True
    ),
    "from_arrays biases": Case(
        lambda a: fc.ClassTable.from_arrays(WEIGHTS, a).topk(INPUTS, 2), "biases", BIASES, in_place=True
    ),
    "optimizer table": Case(lambda a: updated("table", a), "table", WEIGHTS, in_place=True),
    "optimizer state": Case(
        lambda a: updated("accumulator", a), "state['accumulator'] of table", np.abs(WEIGHTS), in_place=True
    ),
    "gradient ids": Case(lambda a: updated("ids", a), "gradient.ids", np.array([0, 3]), in_place=True),
    "gradient rows": Case(lambda a: updated("rows", a), "gradient.rows", WEIGHTS[:2], in_place=True),
    "from_pairs ids": Case(lambda a: fc.RowGradient.from_pairs(a, INPUTS, V), "ids", np.array([3, 1, 3, 0])),
    "from_pairs rows": Case(lambda a: fc.RowGradient.from_pairs([3, 1, 3, 0], a, V), "rows", INPUTS, in_place=True),
    "nn draw": Case(nn_draw, "true_classes", LABELS),
    "nn fixed": Case(nn_fixed, "unigrams", NUMBERS, True),
    "nn all": Case(lambda a: fc.nn.all_candidate_sampler(a, 2, V, True), "true_classes", LABELS),
    "nn hits labels": Case(lambda a: fc.nn.compute_accidental_hits(a, SAMPLED, 2), "true_classes", LABELS),
    "nn hits sampled": Case(
        lambda a: fc.nn.compute_accidental_hits(LABELS, a, 2), "sampled_candidates", np.array([2, 0, 5])
    ),
    "nn labels": Case(lambda a: nn_loss(fc.nn.sampled_softmax_loss, labels=a), "labels", LABELS),
    "nn inputs": Case(lambda a: nn_loss(fc.nn.nce_loss_and_grad, inputs=a), "inputs", INPUTS),
    "nn rank": Case(lambda a: nn_loss(fc.nn.rank_sampled_softmax_loss, labels=a), "labels", LABELS),
    "nn full biases": Case(lambda a: nn_loss(fc.nn.full_softmax_loss, biases=a), "biases", BIASES, True, in_place=True),
    "propensities": Case(lambda a: metrics.propensities(a, 100), "label_counts", NUMBERS, True),
    "precision ranked": Case(lambda a: metrics.precision_at_k(a, STARTS, [4, 1, 2], 2), "ranked", RANKED),
    "precision starts": Case(lambda a: metrics.precision_at_k(RANKED, a, [4, 1, 2], 2), "starts", STARTS),
    "precision labels": Case(lambda a: metrics.precision_at_k(RANKED, STARTS, a, 2), "labels", np.array([4, 1, 2])),
    "label propensities": Case(
        lambda a: metrics.propensity_scored_precision_at_k(RANKED, STARTS, [4, 1, 2], a, 2),
        "label_propensities",
        NUMBERS / 10,
        True,
    ),
    "bag starts": Case(lambda a: bag(starts=a), "starts", STARTS),
    "bag features": Case(lambda a: bag(features=a), "features", np.array([4, 1, 0])),
    "bag values": Case(lambda a: bag(values=a), "values", np.array([1, 2, 3], np.float32)),
    "bag d_sums": Case(lambda a: bag(d_sums=a), "d_sums", np.ones((2, D), np.float32)),
    "bag table": Case(lambda a: EmbeddingBag.from_table(a).table, "table", WEIGHTS, in_place=True),
    "contexts": Case(
        lambda a: FeedForward(V, context=2, embedding_dim=2, hidden_dim=3, feature_dim=2).forward(a)[1:],
        "contexts",
        LABELS,
    ),
    "class_counts": Case(lambda a: ngram(class_counts=a), "class_counts", NUMBERS, True),
    "multilabel counts": Case(lambda a: multilabel(label_counts=a), "label_counts", NUMBERS, True),
    "points label_starts": Case(lambda a: points(label_starts=a).label_counts(), "label_starts", STARTS),
    "points labels": Case(
        lambda a: points(labels=a).padded_labels(np.array([1, 0])), "labels", np.array([4, 1, 0], np.int32)
    ),
    "points values": Case(
        lambda a: MultilabelModel(9, V, dim=2).forward(points(values=a)), "values", np.array([1, 2, 3], np.float32)
    ),
    "take": Case(lambda a: points().take(a).features, "points", np.array([1, 0])),
    "encoded ids": Case(lambda a: EncodedText(a, 0).counts(V), "ids", np.array([1, 2, 0], np.int32), in_place=True),
    "documents": Case(lambda a: EncodedText.from_documents([a], 0).ids, "documents", np.array([1, 2], np.int32)),
    "positions": Case(
        lambda a: EncodedText(np.array([1, 2, 0], np.int32), 0).contexts(a, 2), "positions", np.array([1, 2])
    ),
}
TAKES_RAGGED = [
    CASES[name].call
    for name in ("loss labels", "diagnose labels", "exact labels", "exact ignored labels", "train_step labels")
] + [CASES["evaluate labels"].call]
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def flat(result: Any) -> list[Any]:
    """List the numbers of nested results."""
    if isinstance(result, tuple | list):
        return [number for part in result for number in flat(part)]
    if isinstance(result, dict):
        return flat(list(result.values()))
    return [] if result is None else np.asarray(result).reshape(-1).tolist()


@EVERY
def test_masked_entries_are_refused(case: Case) -> None:
    mask = np.zeros(case.value.shape, bool)
    mask.flat[-1] = True
    index = ", ".join(str(size - 1) for size in case.value.shape)
    message = rf"{re.escape(case.name)} must have no masked entries, got 1, the first at \[{index}\]; fill them"
    with pytest.raises(ValueError, match=message):
        case.call(np.ma.array(case.value.copy(), mask=mask))


@EVERY
def test_masked_arrays_without_masked_entries_are_their_data(case: Case) -> None:
    expected = flat(case.call(case.value.copy()))
    assert flat(case.call(np.ma.array(case.value.copy()))) == expected
    assert flat(case.call(np.ma.array(case.value.copy(), mask=np.zeros(case.value.shape, bool)))) == expected


@EVERY
def test_another_byte_order_is_converted_or_refused(case: Case) -> None:
    swapped = case.value.astype(case.value.dtype.newbyteorder())
    if case.in_place:
        with pytest.raises((TypeError, ValueError), match=rf"{re.escape(case.name)} must be .*, got {swapped.dtype}"):
            case.call(swapped)
    else:
        assert flat(case.call(swapped)) == flat(case.call(case.value.copy()))


@EVERY
def test_ragged_rows_are_named(case: Case) -> None:
    ragged: Any = [[1, 2], [3]]
    if case.call in TAKES_RAGGED:
        return  # see test_labels.py
    with pytest.raises((TypeError, ValueError), match=rf"{re.escape(case.name)}(\[0\])? must be "):
        case.call(ragged)


class Series:
    """What pandas' Series has of it."""

    def __init__(self, values: Any, index: Any) -> None:
        self.values, self.index = np.asarray(values), np.asarray(index)

    def to_numpy(self) -> Any:
        return self.values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self.values, dtype)

    def __len__(self) -> int:
        return len(self.values)


PER_CLASS = pytest.mark.parametrize(
    "case", [c for c in CASES.values() if c.per_class], ids=[name for name, c in CASES.items() if c.per_class]
)


@PER_CLASS
def test_an_index_of_classes_counts(case: Case) -> None:
    expected = flat(case.call(case.value))
    order = np.array([4, 0, 6, 2, 1, 3, 5])
    assert flat(case.call(Series(case.value, np.arange(V)))) == expected
    assert flat(case.call(Series(case.value[order], order))) == expected


@PER_CLASS
@pytest.mark.parametrize("index", [[0, 1, 2, 3, 4, 5, 7], [0, 1, 2, 3, 4, 5, 5], list("abcdefg"), np.arange(7.0)])
def test_an_index_of_other_classes_is_refused(case: Case, index: Any) -> None:
    message = rf"{re.escape(case.name)} must have the class ids 0 to 6 as index, each once, got \[.*, …\]; .*reindex"
    with pytest.raises(ValueError, match=message):
        case.call(Series(case.value, index))


@PER_CLASS
def test_a_dict_is_refused(case: Case) -> None:
    message = rf"{re.escape(case.name)} must be an array in the order of the class ids, got dict; .*\.get\(i, 0\)"
    with pytest.raises(TypeError, match=message):
        case.call(dict(enumerate(case.value.tolist())))


def test_series_of_pandas() -> None:
    import pandas

    labels = pandas.Series([3, 3, 3, 1, 1, 0, 2, 2, 2, 2])
    counts = labels.value_counts()
    assert counts.index.tolist() == [2, 3, 1, 0]
    expected = fc.FixedUnigramSampler(4, unigrams=np.bincount(labels), seed=1).probability(range(4))
    assert fc.FixedUnigramSampler(4, unigrams=counts, seed=1).probability(range(4)).tolist() == expected.tolist()
    with pytest.raises(
        ValueError, match=r"unigrams must have the class ids 0 to 2 as index, each once, got \[2, 3, 1\]"
    ):
        fc.FixedUnigramSampler(4, unigrams=counts[:3])
    frame = pandas.DataFrame(WEIGHTS)
    shuffled = frame.sample(frac=1, random_state=1)
    inputs = pandas.DataFrame(INPUTS, index=[9, 3, 1, 0])  # an index of examples is no index of classes
    values = [fc.SoftmaxLoss().value(each, None, [1, 2, 3, 4], inputs).tolist() for each in (WEIGHTS, frame, shuffled)]
    assert values[0] == values[1] == values[2]


def test_what_numpy_cannot_convert_is_named() -> None:
    class Stubborn:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            raise RuntimeError("no array of mine")

    with pytest.raises(TypeError, match="inputs must be an array, got Stubborn, and NumPy says: no array of mine"):
        table().topk(Stubborn(), 2)


def test_a_masked_number_is_refused() -> None:
    with pytest.raises(TypeError, match="k must be an integer, got a masked array"):
        table().topk(INPUTS, np.ma.array(2, mask=True))


def test_optimizer_states_of_another_table_are_checked() -> None:
    def call(state: Any) -> None:
        fc.ClassTable.from_arrays(WEIGHTS, optimizer_state={"weights": {"accumulator": state}})

    name = r"optimizer_state\['weights'\]\['accumulator'\]"
    with pytest.raises(ValueError, match=rf"{name} must have no masked entries, got 21"):
        call(np.ma.array(WEIGHTS, mask=True))
    with pytest.raises(TypeError, match=rf"{name} must be a NumPy array, got list"):
        call([[1, 2], [3]])
    with pytest.raises(ValueError, match=r"optimizer_state of weights must be .*, got .*dtype\('>f4'\)"):
        call(WEIGHTS.astype(">f4"))
