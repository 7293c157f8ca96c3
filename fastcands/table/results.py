"""What the methods of a class table return."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Evaluation", "StepResult", "TopK"]


class StepResult(NamedTuple):
    """What one training step returns to the model around the table.

    Attributes
    ----------
    loss : array, shape (B,)
        The loss of each example, before the step and without `upstream`.
    d_inputs : array, shape (B, D)
        The gradient of ``sum(upstream * loss)`` with respect to the inputs, from the table before the step.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> table = fc.ClassTable(10, 2, seed=0)
    >>> result = table.train_step(fc.SoftmaxLoss(), [1, 2, 3], np.ones((3, 2), np.float32))
    >>> result.loss.shape, result.d_inputs.shape
    ((3,), (3, 2))
    """

    loss: NDArray[Any]
    d_inputs: NDArray[Any]


class Evaluation(NamedTuple):
    """Exact quality of a table on held-out examples.

    A class's rank is its place when all classes are sorted as `ClassTable.topk` sorts them: 1 for the class of the
    highest score; of classes with equal scores the lower id comes first. An example with several true classes has the
    rank of the first of them.

    Attributes
    ----------
    loss : float
        Mean softmax cross-entropy over all classes, in nats.
    perplexity : float
        ``exp(loss)``.
    hits : dict of int to float
        For each k given, the share of examples with a true class among the first k. Empty if none was.
    mean_rank : float or None
        Mean of the examples' ranks; None if no k was given.
    mean_reciprocal_rank : float or None
        Mean of 1 / rank; None if no k was given.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> table = fc.ClassTable.from_arrays(np.array([[3.0], [1.0], [2.0]], np.float32))
    >>> result = table.evaluate([0, 1], np.ones((2, 1), np.float32), k=(1, 2))
    >>> result.hits, result.mean_rank, round(result.mean_reciprocal_rank, 3)
    ({1: 0.5, 2: 0.5}, 2.0, 0.667)
    """

    loss: float
    perplexity: float
    hits: dict[int, float]
    mean_rank: float | None
    mean_reciprocal_rank: float | None


class TopK(NamedTuple):
    """The classes of highest score for each example, the highest first.

    Attributes
    ----------
    ids : int64 array, shape (B, k)
        The classes; of equal scores the lower id comes first.
    scores : array, shape (B, k)
        Their logits ``inputs @ weights.T + biases``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> table = fc.ClassTable.from_arrays(np.array([[3.0], [1.0], [3.0]], np.float32))
    >>> ids, scores = table.topk(np.ones((1, 1), np.float32), k=2)
    >>> ids.tolist(), scores.tolist()
    ([[0, 2]], [[3.0, 3.0]])
    """

    ids: NDArray[np.int64]
    scores: NDArray[Any]
