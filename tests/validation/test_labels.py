"""Labels and which of them are classes: ignored, one-hot, ragged."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastcands as fc
from fastcands.validation.labels import as_labels_and_present

V, D = 5, 3
WEIGHTS = np.random.default_rng(0).normal(size=(V, D)).astype(np.float32)
INPUTS = np.random.default_rng(1).normal(size=(4, D)).astype(np.float32)
RAGGED = [[3, 1], [0], [], [4, 2, 1]]
PADDED = np.array([[3, 1, -1], [0, -1, -1], [-1, -1, -1], [4, 2, 1]])


class Sparse:
    """What is looked for in a sparse matrix."""

    def __init__(self, rows: Any, data: Any = None, num_classes: int = V) -> None:
        self.indptr = np.cumsum([0, *map(len, rows)], dtype=np.int32)
        self.indices = np.concatenate([np.asarray(row, np.int32) for row in rows])
        self.data = np.ones(len(self.indices)) if data is None else np.asarray(data)
        self.shape = len(rows), num_classes


class RowSplits:
    """What is looked for in a ragged tensor."""

    def __init__(self, rows: Any) -> None:
        self.row_splits = np.cumsum([0, *map(len, rows)])
        self.values = np.concatenate([np.asarray(row, np.int64) for row in rows])


def objects(rows: Any) -> Any:
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


FORMS = {
    "lists": RAGGED,
    "tuples": tuple(map(tuple, RAGGED)),
    "arrays": [np.array(row, np.int64) for row in RAGGED],
    "objects": objects(RAGGED),
    "sparse": Sparse(RAGGED),
    "sparse with stored zeros": Sparse([[3, 1], [0], [2], [4, 2, 1]], [1, 1, 1, 0, 1, 1, 1]),
    "row splits": RowSplits(RAGGED),
}
EVERY_FORM = pytest.mark.parametrize("labels", FORMS.values(), ids=FORMS.keys())


def test_ignored_labels_become_class_0() -> None:
    labels, present = as_labels_and_present([[3, -7], [-7, -7]], ignore_index=-7, num_classes=4)
    assert labels.tolist() == [[3, 0], [0, 0]]
    assert present is not None
    assert present.tolist() == [[True, False], [False, False]]
    labels, present = as_labels_and_present([3], ignore_index=None, num_classes=4, num_true=1)
    assert labels.tolist() == [[3]]
    assert present is None
    with pytest.raises(ValueError, match=r"labels must be in .* got 4 at \[0, 0\]"):
        as_labels_and_present([[4, -7]], ignore_index=-7, num_classes=4)


@EVERY_FORM
def test_ragged_labels_are_padded(labels: Any) -> None:
    ids, present = as_labels_and_present(labels, ignore_index=None, num_classes=V, writable=True)
    assert_array_equal(np.where(present, ids, -1), PADDED)
    assert ids.flags.writeable
    ids, present = as_labels_and_present(labels, ignore_index=1, num_classes=V)
    assert_array_equal(np.where(present, ids, -1), np.where(PADDED == 1, -1, PADDED))


@EVERY_FORM
def test_losses_take_ragged_labels(labels: Any) -> None:
    def result(kind: Any, labels: Any, **options: Any) -> list[Any]:
        loss = kind(**options) if kind in (fc.SoftmaxLoss, fc.LogisticLoss) else kind(sampler(), 3, **options)
        value, gradients = loss.value_and_grad(WEIGHTS, None, labels, INPUTS)
        assert value[2] == 0
        again = kind(**options) if kind in (fc.SoftmaxLoss, fc.LogisticLoss) else kind(sampler(), 3, **options)
        assert again.value(WEIGHTS, None, labels, INPUTS).tolist() == value.tolist()
        return [value.tolist(), gradients.inputs.tolist(), gradients.weights.to_dense().tolist()]

    def sampler() -> Any:
        return fc.LearnedUnigramSampler(V, seed=3)

    for kind in (fc.SoftmaxLoss, fc.LogisticLoss, fc.SampledSoftmaxLoss, fc.NCELoss, fc.SampledLogisticLoss):
        assert result(kind, labels) == result(kind, PADDED, ignore_index=-1)


def test_each_label_of_an_example_is_an_equal_share() -> None:
    loss = fc.SoftmaxLoss().value(WEIGHTS, None, RAGGED, INPUTS)
    logits = INPUTS.astype(np.float64) @ WEIGHTS.T
    normalizers = np.log(np.exp(logits).sum(axis=1))
    expected = [normalizers[i] - logits[i, row].mean() if row else 0 for i, row in enumerate(RAGGED)]
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-6)


@EVERY_FORM
def test_tables_take_ragged_labels(labels: Any) -> None:
    def train(labels: Any, **options: Any) -> Any:
        table = fc.ClassTable.from_arrays(WEIGHTS.copy(), optimizer=fc.SGD(0.5))
        sampler = fc.LearnedUnigramSampler(V, seed=3)
        result = table.train_step(fc.SampledSoftmaxLoss(sampler, 3, **options), labels, INPUTS)
        assert sampler.counts().sum() == V + 6  # of what is no label, nothing is learned
        return table.weights.tolist(), result.loss.tolist()

    assert train(labels) == train(PADDED, ignore_index=-1)
    table = fc.ClassTable.from_arrays(WEIGHTS)
    assert table.evaluate(labels, INPUTS) == table.evaluate(PADDED, INPUTS, ignore_index=-1)


def test_rows_of_one_length_are_a_rectangle() -> None:
    for labels in ([[1, 2], [0, 3]], Sparse([[1, 2], [0, 3]]), objects([[1, 2], [0, 3]])):
        ids, present = as_labels_and_present(labels, ignore_index=None, num_classes=V)
        assert present is None
        assert ids.tolist() == [[1, 2], [0, 3]]


def test_labels_of_scipy() -> None:
    from scipy import sparse

    matrix = np.zeros((4, V))
    for row, labels in enumerate(RAGGED):
        matrix[row, labels] = 1
    expected = fc.SoftmaxLoss().value(WEIGHTS, None, [sorted(row) for row in RAGGED], INPUTS).tolist()
    for form in ("csr", "csc", "coo", "lil"):
        for kind in (sparse.csr_matrix, sparse.csr_array):
            assert fc.SoftmaxLoss().value(WEIGHTS, None, kind(matrix).asformat(form), INPUTS).tolist() == expected
    with pytest.raises(TypeError, match=r"inputs must be a dense array, got a sparse csr_array; inputs\.toarray\(\)"):
        fc.SoftmaxLoss().value(WEIGHTS, None, RAGGED, sparse.csr_array(INPUTS))


def test_labels_of_pandas() -> None:
    import pandas

    labels = pandas.Series(RAGGED, index=[7, 1, 0, 3])
    expected = fc.SoftmaxLoss().value(WEIGHTS, None, RAGGED, INPUTS)
    assert fc.SoftmaxLoss().value(WEIGHTS, None, labels, INPUTS).tolist() == expected.tolist()


def changed(sparse: Sparse, **attributes: Any) -> Sparse:
    for name, value in attributes.items():
        setattr(sparse, name, value)
    return sparse


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([[1], [2, 5]], ValueError, "labels must be in [0, num_classes) = [0, 5), got 5 at [1, 1]"),
        ([[1], [-1, 2]], ValueError, "labels must be in [0, num_classes) = [0, 5), got -1 at [1, 0]"),
        ([[1], [2.5, 3]], TypeError, "labels must be integers, got float64"),
        ([[1], ["a", "b"]], TypeError, "labels must be integers, got <U21"),
        ([[1], [[2], [3]]], ValueError, "labels must be an array, got rows of different lengths or depths (ragged)"),
        ([1, [2, 3]], ValueError, "labels must be an array, got rows of different lengths or depths (ragged)"),
        ([[1], np.ma.array([1, 2], mask=[0, 1])], ValueError, "labels[1] must have no masked entries, got 1"),
        ([[1, 2], [3, np.ma.masked]], ValueError, "labels[1][1] must have no masked entries, got 1"),
        (Sparse(RAGGED, num_classes=6), ValueError, "labels must have shape (B, 5) as a sparse matrix, got (4, 6)"),
        (Sparse([[1], [2]], [1, 2]), ValueError, "labels must have only 0 and 1 as a sparse matrix, got 2"),
        (Sparse([[1], [2]], [1]), ValueError, "labels.data must have shape (2,) as labels.indices have, got (1,)"),
        (Sparse([[1], [7]]), ValueError, "labels must be in [0, num_classes) = [0, 5), got 7 at [1, 0]"),
        (
            changed(Sparse(RAGGED), indptr=[0, 3, 2, 3, 6]),
            ValueError,
            "labels.indptr must rise from 0 to 6, the number of labels.indices",
        ),
        (changed(Sparse(RAGGED), indices=np.ones(6)), TypeError, "labels.indices must be integers, got float64"),
    ],
)
def test_bad_ragged_labels(labels: Any, error: type[Exception], message: str) -> None:
    sampler = fc.UniformSampler(V, seed=1)
    before = sampler.state_dict()
    with pytest.raises(error, match=re.escape(message)):
        fc.SampledSoftmaxLoss(sampler, 3).value(WEIGHTS, None, labels, np.zeros((2, D), np.float32))
    assert sampler.state_dict() == before


def test_elsewhere_ragged_labels_are_refused() -> None:
    message = r"must be an array, got rows of different lengths or depths \(ragged\): pad the rows with a label of your"
    with pytest.raises(ValueError, match="^labels " + message):
        fc.UniformSampler(V).sample(RAGGED, 3)
    with pytest.raises(ValueError, match="^labels " + message):
        fc.nn.full_softmax_loss(WEIGHTS, None, RAGGED, INPUTS, num_true=3)
    with pytest.raises(ValueError, match="^true_classes " + message):
        fc.nn.uniform_candidate_sampler(RAGGED, 1, 3, True, V)
    with pytest.raises(ValueError, match=r"inputs must be an array, got rows of .* \(ragged\): pad the rows$"):
        fc.SoftmaxLoss().value(WEIGHTS, None, [1, 2], [[1.0], [2.0, 3.0]])


ONE_HOT = np.eye(V, dtype=int)[[3, 1, 0, 4]]
MULTI_HOT = np.minimum(ONE_HOT + ONE_HOT[::-1], 1)


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.float32, bool, ">i4"])
@pytest.mark.parametrize("labels", [ONE_HOT, MULTI_HOT, np.zeros((4, V)), np.ones((4, V))])
@pytest.mark.parametrize(
    "call",
    [
        lambda labels: fc.SoftmaxLoss().value(WEIGHTS, None, labels, INPUTS),
        lambda labels: fc.SoftmaxLoss(ignore_index=-1).value_and_grad(WEIGHTS, None, labels, INPUTS),
        lambda labels: fc.SampledSoftmaxLoss(fc.UniformSampler(V), 3).value(WEIGHTS, None, labels, INPUTS),
        lambda labels: fc.ClassTable.from_arrays(WEIGHTS).train_step(fc.LogisticLoss(), labels, INPUTS),
        lambda labels: fc.ClassTable.from_arrays(WEIGHTS).evaluate(labels, INPUTS),
        lambda labels: fc.nn.nce_loss(WEIGHTS, None, labels, INPUTS, 3, V),
    ],
)
def test_one_hot_labels_are_refused(call: Any, labels: Any, dtype: Any) -> None:
    message = r"labels must be class ids, not one-hot, got only 0 and 1 in as many columns as classes, shape \(4, 5\): "
    with pytest.raises(ValueError, match=message):
        call(labels.astype(dtype))


def test_rows_of_a_stated_length_are_ids() -> None:
    labels = [[0, 1, 1, 0, 1]] * 4  # as many as classes: TensorFlow's functions are told so, samplers count any ids
    logits = INPUTS.astype(np.float64) @ WEIGHTS.T
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[:, [0, 1, 1, 0, 1]].mean(axis=1)
    losses = fc.nn.full_softmax_loss(WEIGHTS, None, labels, INPUTS, num_true=V)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    sampler = fc.LearnedUnigramSampler(V, seed=0)
    sampler.sample(labels, 3)
    sampler.update(labels)
    assert_array_equal(sampler.counts(), [17, 25, 1, 1, 1])
    assert fc.AllCandidatesSampler(V).sample(labels, V).true_expected_count.shape == (4, V)


@pytest.mark.parametrize("ignore_index", [0, 1, -1])
def test_one_hot_labels_are_refused_whatever_is_ignored(ignore_index: int) -> None:
    labels = ONE_HOT.copy()
    if ignore_index == -1:
        labels[0] = -1
    with pytest.raises(ValueError, match="labels must be class ids, not one-hot"):
        fc.SoftmaxLoss(ignore_index=ignore_index).value(WEIGHTS, None, labels, INPUTS)


@pytest.mark.parametrize(
    ("labels", "num_classes"),
    [
        ([[0], [0]], 1),
        ([[0, 1], [1, 0]], 2),  # both classes of two, in as many columns
        ([[0, 0], [1, 1]], 2),
        ([[0, 1, 2]], 3),
        ([[0, 1, 1, 2]], 4),
        ([[0, 1], [1, 0]], 3),
        ([[1], [0]], 5),
        (np.zeros((0, 5), int), 5),
    ],
)
def test_labels_that_are_not_one_hot(labels: Any, num_classes: int) -> None:
    ids, present = as_labels_and_present(labels, ignore_index=None, num_classes=num_classes)
    assert_array_equal(ids, labels)
    assert present is None


def test_padded_labels_of_classes_0_and_1_are_not_one_hot() -> None:
    ids, present = as_labels_and_present([[0, 1, -1], [1, -1, -1]], ignore_index=-1, num_classes=3)
    assert_array_equal(np.where(present, ids, -1), [[0, 1, -1], [1, -1, -1]])
    ids, present = as_labels_and_present([[0, 1], [1], [0, 0, 1]], ignore_index=None, num_classes=3)
    assert present is not None
    assert present.sum() == 6
