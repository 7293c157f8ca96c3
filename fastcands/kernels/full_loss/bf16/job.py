"""What a pass of an exact loss over a table works on, with packed bfloat16 blocks."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["FullLossJob", "FullLossWorkspace"]


class FullLossWorkspace(NamedTuple):
    """Scratch of a pass.

    Examples come in panels of 32, classes in panels of 32, some of them a block, and features in steps of 32. What a
    product reads is in packed blocks of 32 x 32 bfloat16 (`fastcands.simd.dot.blocks`), `words` uint16 long: 1024, or
    2048 when factors are split. A left and a right panel run along k, the last but one axis.
    Arrays that only gradients need have a first axis of 0 in a pass for the value alone.
    """

    counter: Any
    """(1,) int64, zero before the pass: the next chunk of classes."""
    packed_inputs: Any
    """(panels, steps, words), inputs as right panels, k along features."""
    packed_inputs_t: Any
    """(steps, panels, words), inputs as right panels, k along examples, or (0, …)."""
    # each worker's own
    addresses: Any
    """(workers, 32) int64, where rows begin."""
    rows: Any
    """(workers 32, at least 32 steps), rows of the table that are not packed where they lie."""
    packed_rows: Any
    """(workers, row panels, steps, words), a block's rows of the table as left panels, k along features."""
    packed_rows_t: Any
    """(workers, steps, row panels, words), the same as left panels, k along classes, or (0, …)."""
    tile: Any
    """(workers, 32 or a multiple, 32), logits, classes x examples, in the first-level cache; with gradients (2 workers,
    32, 32), in turns."""
    packed_gradients: Any
    """(workers, row panels, panels at once, words), gradients of logits as left panels, k along examples, or (0, …)."""
    packed_gradients_t: Any
    """(workers, row panels, words), those of one panel of examples as a right panel, k along classes, or (0, …)."""
    row_sums: Any
    """(workers, 32 row panels, 16), sums of the gradients of a class's logits, or (0, …)."""
    sums: Any
    """(workers, numbers), sums for the gradient of the table, or (workers, 0) where products go there at once: its rows
    are whole steps and begin on cache lines."""


class FullLossJob(NamedTuple):
    """A shard of a table, all examples, and what a pass makes of them.

    V is the number of rows of the shard; V' is V rounded up to 32.
    """

    start: int
    """Address of row 0."""
    row_stride: int
    """Bytes from row to row."""
    layout: tuple[int, int, int]
    """Column stride, storage and width, see `gather.read_row`."""
    num_classes: int
    """V."""
    offsets: Any
    """(V',), biases; -inf beyond V."""
    inputs: Any
    """(B, D)."""
    label_rows: Any
    """(labels,) int64, row of each true class, ordered by block, then by panel of its example."""
    label_examples: Any
    """(labels,) int64, the example of each."""
    label_starts: Any
    """(blocks + 1,) int64, where the labels of a block begin."""
    label_shares: Any
    """(labels,), gradient of each true class's logit, or (0,)."""
    shifts: Any
    """(panels 32,), what is subtracted from the logits of an example, or (0,)."""
    factors: Any
    """(panels 32,), what turns e^(logit - shift), or a sigmoid, into a gradient, or (0,)."""
    logistic: bool
    split: int
    """1 where factors have a hi and a lo part, else 0."""

    chunk_max: Any
    """(chunks, panels, 32), maxima; not written by a logistic loss, nor with gradients."""
    chunk_sum: Any
    """(chunks, panels, 32), sums of e^(logit - maximum), or of logistic losses against a target of 0."""
    input_sums: Any
    """(chunks, panels, steps, 32, 32), features x examples: each chunk's share of the gradient of the inputs, without
    that of the true classes."""
    weight_rows: Any
    """(V', D), gradient of the table."""
    bias_rows: Any
    """(V',), gradient of the biases."""
    scratch: int
    """Address of a `FullLossWorkspace`."""
