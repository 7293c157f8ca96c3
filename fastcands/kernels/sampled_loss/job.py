"""Everything that the stages of a sampled loss share."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastcands.kernels.table.view import TableView

__all__ = ["SampledLossJob", "SampledLossWorkspace"]


class SampledLossWorkspace(NamedTuple):
    """What the stages of one call leave to each other; kept for calls of the same sizes. See `SampledLossJob`."""

    counters: Any
    """(5,) int64, one a stage, zero before the first: the next piece of work."""

    # the plan, see `candidate_plan`
    sizes: Any
    """(4,) int64: C, distinct labels G, R, and columns beyond the first of their class."""
    classes: Any
    """(S,) int64, the class of each column."""
    addresses: Any
    """(S,) int64, where its row of the table begins."""
    offsets: Any
    """(S rounded up to MR,), what is added to its logits, -inf beyond C."""
    copies: Any
    """(S rounded up to MR,), how often it counts."""
    gradient_rows: Any
    """(S rounded up to MR,) int64, the row of the gradient it has."""
    label_candidates: Any
    """(N,) int64, the first column of a label's class; -1 where it is no candidate, or no class."""
    label_order: Any
    """(N,) int64, places in the flattened labels, sorted by class."""
    label_starts: Any
    """(N + 1,) int64, where each distinct label starts in `label_order`."""
    label_gradient_rows: Any
    """(N,) int64, the row of the gradient each distinct label has; -1 - row where it is no candidate."""
    log_counts: Any
    """(S,) float64, logarithms of `sampled_counts`; zero where logits are not corrected."""
    true_log_counts: Any
    """(N,) float64, the same of `true_counts`."""
    log_weights: Any
    """(S,) float64, scratch."""
    orders: Any
    """(2, max(S, N)) int64, scratch."""
    digits: Any
    """(2048,) int64, scratch."""

    # the forward pass
    by_example: Any
    """(panels, D rounded up to MR, NR), see `packing`."""
    by_feature: Any
    """(feature panels, panels NR, NR), or (0, …) without a backward pass."""
    label_weights: Any
    """(N, D rounded up to MR), rows of the true classes."""
    log_normalizer: Any
    """(B,), what a logistic loss subtracts from an example's logits."""
    shifts: Any
    """(panels NR,), `log_normalizer` by lanes."""
    padded_upstream: Any
    """(panels NR,), `upstream` by lanes."""
    rows: Any
    """(blocks, block, at least D rounded up to MR), rows of the candidates; one block a worker without a backward
    pass."""
    tiles: Any
    """(blocks, panels, block, NR); one tile a worker without a backward pass."""
    tile_max: Any
    """(blocks, panels, NR), maximum of each column of a tile; then its factor in the gradients."""
    tile_sum: Any
    """(blocks, panels, NR), sum of each column."""
    sums: Any
    """(workers, numbers), scratch of the gradients."""
    true_logits: Any
    """(B, T), corrected; -inf where there is no class."""
    true_gradient: Any
    """(B, T), gradient with respect to `true_logits`."""
    input_piece: tuple[int, int]
    """Panels and features of one piece of work on the gradient of the inputs."""


class SampledLossJob(NamedTuple):
    """One call of a sampled loss: B examples, T true classes each, S candidates shared by all, D features.

    Candidates become C <= S columns, sorted by class, in blocks; examples become lanes, in panels. With N = B T true
    classes the table's gradient has R <= S + N rows; all arrays have room for the largest case.
    """

    # what the call was given
    weights: TableView
    biases: TableView
    inputs: Any
    """(B, D), already divided by the temperature."""
    labels: Any
    """(B, T) int64."""
    present: Any
    """(B, T) bool, which labels are classes; or (0, 0) when all are."""
    true_counts: Any
    """(B, T) float64, expected counts."""
    sampled: Any
    """(S,) int64."""
    sampled_counts: Any
    """(S,) float64."""
    upstream: Any
    """(B,), weight of each example in the gradients."""
    temperature: float
    logistic: bool
    subtract_log_q: bool
    remove_hits: bool
    merge: bool
    """Whether copies of a candidate become one column whatever their expected counts, as a softmax allows."""
    needs_grad: bool
    """Whether there will be a backward pass."""
    scratch: int
    """Where the `SampledLossWorkspace` lies."""

    # results
    loss: Any
    """(B,)"""
    d_inputs: Any
    """(B, D)"""
    ids: Any
    """(S + N,) int64, class ids of the gradient's rows, rising."""
    weight_rows: Any
    """(S + N + 1, D), of which R are the gradient; the rest takes what belongs to no class of its own."""
    bias_rows: Any
    """(S + N + 1,)"""
