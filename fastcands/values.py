"""What samplers give and losses take: draws and hits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["AccidentalHits", "SampledValues"]


class SampledValues(NamedTuple):
    """Candidates of one draw and the expected counts that correct for how they were drawn.

    Attributes
    ----------
    sampled_candidates : int64 array, shape (S,)
        Class ids in the order of the draw.
    true_expected_count : float32 array, shape (B, T)
        How often each true class is expected among the S candidates.
    sampled_expected_count : float32 array, shape (S,)
        The same for each candidate.

    Examples
    --------
    >>> import fastcands as fc
    >>> values = fc.LogUniformSampler(10, seed=1).sample([[0], [3]], 4)
    >>> values.true_expected_count.shape, values.sampled_candidates.shape
    ((2, 1), (4,))
    """

    sampled_candidates: NDArray[np.int64]
    true_expected_count: NDArray[Any]
    sampled_expected_count: NDArray[Any]


class AccidentalHits(NamedTuple):
    """Places where a candidate is one of an example's true classes.

    Attributes
    ----------
    indices : int32 array, shape (H,)
        The example: a row of the labels.
    ids : int64 array, shape (H,)
        Position among the candidates.
    weights : float32 array, shape (H,)
        The lowest float32, -3.4028234663852886e38: what TensorFlow adds to the candidate's logit.

    Examples
    --------
    >>> import fastcands as fc
    >>> hits = fc.nn.compute_accidental_hits([[3], [5]], [7, 5, 3], num_true=1)
    >>> hits.indices.tolist(), hits.ids.tolist()
    ([0, 1], [2, 1])
    """

    indices: NDArray[np.int32]
    ids: NDArray[np.int64]
    weights: NDArray[np.float32]
