"""What the stages of a sampled loss on packed bfloat16 blocks leave to each other."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["TWINS", "Bf16Workspace"]

TWINS = 2
"""Blocks whose candidates make one panel in the gradient of the inputs: sums are loaded and stored half as often."""


class Bf16Workspace(NamedTuple):
    """Scratch of one call: what `SampledLossJob` has beyond the call's arguments and results, for packed blocks.

    Examples come in panels of 32, candidates in panels of 32, some of them a block, and features in steps of 32.
    Whatever a product reads is in packed blocks of 32 x 32 bfloat16 (`fastcands.simd.dot.blocks`), `words` uint16
    long: 1024, or 2048 when factors are split. A left and a right panel run along k, the last but one axis.
    """

    counters: Any
    """(6,) int64, one a stage, zero before the first: the next piece of work."""

    # the plan and the true classes, as in `SampledLossJob`; what is rounded up to MR there is rounded up to 32 here
    sizes: Any
    classes: Any
    addresses: Any
    offsets: Any
    copies: Any
    gradient_rows: Any
    label_candidates: Any
    label_order: Any
    label_starts: Any
    label_gradient_rows: Any
    log_counts: Any
    true_log_counts: Any
    log_weights: Any
    orders: Any
    digits: Any
    label_weights: Any
    log_normalizer: Any
    shifts: Any
    """(panels 32,), what is subtracted from an example's logits: `log_normalizer`, or the reference of a softmax."""
    padded_upstream: Any
    true_logits: Any
    true_gradient: Any

    # what products read
    packed_inputs: Any
    """(panels, steps, words), inputs as right panels, k along features."""
    packed_inputs_t: Any
    """(steps, panels, words), inputs times `factors` as right panels, k along examples; or (0, …) for the value
    alone."""
    packed_rows: Any
    """(workers, row panels, steps, words), a block's rows of the table as left panels, k along features."""
    packed_rows_t: Any
    """(blocks / TWINS, steps, TWINS row panels, words), the same as left panels, k along candidates, or (0, …)."""
    packed_gradients: Any
    """(blocks, row panels, panels, words), gradients of logits as left panels, k along examples, or (0, …)."""

    # sums
    tile_max: Any
    """(blocks, panels, 32), maximum of each example in a tile, less `shifts`."""
    tile_sum: Any
    """(blocks, panels, 32), sum of each example in a tile."""
    exceeded: Any
    """(1,) int64, whether a logit was too far above its reference."""
    factors: Any
    """(panels 32,), what turns an example's part of a tile into gradients of the logits."""
    # each worker's own
    rows: Any
    """(workers 32, at least D rounded up to 32), rows of the table before they are packed."""
    tile: Any
    """(3 workers, 32, 32), two tiles of logits in the first-level cache, and one for results that are not used."""
    packed_gradients_t: Any
    """(workers, TWINS row panels, words), gradients of one panel of examples and TWINS blocks as a right panel, k along
    candidates, or (0, …)."""
    references: Any
    """(workers, 2, 32), references of a panel that is formed again, and its maxima, which are not used."""
    sums: Any
    """(workers, numbers), blocks of sums of the gradients."""

    split: int
    """1 where factors have a hi and a lo part, else 0."""
    input_piece: tuple[int, int]
    """Panels and steps of one piece of work on the gradient of the inputs."""
