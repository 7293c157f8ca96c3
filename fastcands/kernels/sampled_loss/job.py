"""Everything that the stages of a sampled loss share."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastcands.kernels.epilogues.interface import Bf16SampledFunctions, SampledFunctions
from fastcands.kernels.table.blocking import panel_width, panels_for, whole_tiles
from fastcands.kernels.table.view import TableView
from fastcands.simd.target import MR
from fastcands.workspace import concatenated, given, number, result, shared

__all__ = ["SampledLossJob", "SampledLossSizes", "SampledLossWorkspace", "SharedFields"]

_DIGITS = 2048
_PANELS_AT_ONCE, _FEATURES_AT_ONCE = 8, 256
"""Largest number of panels and of features of one task of `input_gradients`."""
_INT64, _FLOAT64 = np.int64, np.float64
_FORWARD, _BACKWARD = "logits exceeding", "weight_gradients input_gradients"


class SampledLossSizes(NamedTuple):
    """Sizes of a call: B, T, S and D, and the sizes that follow from them."""

    dtype: np.dtype[Any]
    """Of the arithmetic."""
    examples: int
    num_true: int
    candidates: int
    width: int
    needs_grad: bool
    threads: int

    @property
    def labels(self) -> int:
        """N = B T."""
        return self.examples * self.num_true

    @property
    def most_rows(self) -> int:
        """Largest number of rows of the table's gradient."""
        return self.candidates + self.labels if self.needs_grad else 0

    @property
    def padded(self) -> int:
        """S rounded up to MR."""
        return whole_tiles(self.candidates)

    @property
    def depth(self) -> int:
        """D rounded up to MR."""
        return whole_tiles(self.width)

    @property
    def nr(self) -> int:
        """Examples of a panel."""
        return panel_width(self.dtype)

    @property
    def panels(self) -> int:
        """Panels of examples."""
        return panels_for(self.examples, self.dtype)

    @property
    def feature_panels(self) -> int:
        """Panels of features; 0 without gradients."""
        return panels_for(self.width, self.dtype) if self.needs_grad else 0

    @property
    def block(self) -> int:
        """Candidates of a block: 128 rows stay in the second-level cache; fewer if there would be too few blocks."""
        return 128 if self.candidates >= 1024 else 64 if self.candidates >= 256 else 32

    @property
    def blocks(self) -> int:
        """Blocks of candidates."""
        return -(-self.candidates // self.block)

    @property
    def kept_blocks(self) -> int:
        """Blocks whose rows and tiles are stored: all of them for gradients, otherwise one for each worker."""
        return self.blocks if self.needs_grad else self.threads

    @property
    def row_stride(self) -> int:
        """Numbers from row to row: a cache line is added where a feature of all rows would fall into few cache sets."""
        line = 64 // self.dtype.itemsize
        return self.depth + line if self.depth % (4 * line) == 0 else self.depth

    @property
    def input_task(self) -> tuple[int, int]:
        """Panels and features of one task of `input_gradients`: the largest that leave work for every thread.

        A task reads a tile once for all of its features, and the candidates' rows once for all of its panels. The tiles
        do not fit in a second-level cache: with 32 features they were read so often that the stage took a third longer.
        """
        panels, features = min(self.panels, _PANELS_AT_ONCE), min(self.depth, _FEATURES_AT_ONCE)
        while -(-self.panels // panels) * -(-self.depth // features) < self.threads and (panels > 1 or features > MR):
            if panels > 1:
                panels = -(-panels // 2)
            else:
                features = whole_tiles(-(-features // 2))
        return panels, features

    @property
    def sums(self) -> int:
        """Numbers of a worker's `sums`."""
        return max(self.block * self.nr // 2, math.prod(self.input_task) * self.nr)


class SharedFields(NamedTuple):
    """Workspace of all sampled losses, whatever the dtype of products. See `SampledLossJob`."""

    # candidates and labels merged, see `merge_candidates`
    sizes: Any = shared(lambda n: (4,), _INT64, written="prologue", read=f"{_FORWARD} reduce {_BACKWARD} caller")
    """C, distinct labels G, R, and candidates beyond the first of their class."""
    classes: Any = shared(lambda n: (n.candidates,), _INT64, written="prologue", read=f"{_FORWARD} caller")
    """The class of each candidate."""
    addresses: Any = shared(lambda n: (n.candidates,), _INT64, written=_FORWARD, read=_FORWARD)
    """Address of its row of the table."""
    offsets: Any = shared(lambda n: (n.padded,), written=f"prologue {_FORWARD}", read=_FORWARD)
    """What is added to its logits; -inf beyond C."""
    copies: Any = shared(lambda n: (n.padded,), written="prologue", read=f"{_FORWARD} caller")
    """How often it was drawn."""
    gradient_rows: Any = shared(lambda n: (n.padded,), _INT64, written="prologue", read="weight_gradients caller")
    """Its row of the table's gradient."""
    label_candidates: Any = shared(lambda n: (n.labels,), _INT64, written="prologue", read=f"{_FORWARD} caller")
    """For each label, the first candidate of its class; -1 if it is no candidate or no class."""
    label_order: Any = shared(lambda n: (n.labels,), _INT64, written="prologue", read="input_gradients")
    """Positions in the flattened labels, sorted by class."""
    label_starts: Any = shared(lambda n: (n.labels + 1,), _INT64, written="prologue", read="input_gradients")
    """Where each distinct label starts in `label_order`."""
    label_gradient_rows: Any = shared(lambda n: (n.labels,), _INT64, written="prologue", read="input_gradients")
    """Each distinct label's row of the table's gradient; -1 - row if it is no candidate."""
    log_counts: Any = shared(lambda n: (n.candidates,), _FLOAT64, written="prologue", read="prologue")
    """Logarithms of `sampled_counts`; zero if logits are not corrected."""
    true_log_counts: Any = shared(lambda n: (n.labels,), _FLOAT64, written="prologue", read="prologue")
    """The same of `true_counts`."""
    log_weights: Any = shared(lambda n: (n.candidates,), _FLOAT64, written="prologue", read=_FORWARD)
    """The correction that is added to a candidate's logit."""
    orders: Any = shared(lambda n: (2, max(n.candidates, n.labels)), _INT64, written="prologue", read="prologue")
    """The order of the candidates by class, and workspace for sorting."""
    digits: Any = shared(lambda n: (_DIGITS,), _INT64, written="prologue", read="prologue")
    """Workspace for sorting."""

    # the forward pass
    label_weights: Any = shared(lambda n: (n.labels, n.depth), written="prologue", read="prologue input_gradients")
    """Rows of the true classes."""
    log_normalizer: Any = shared(lambda n: (n.examples,), written="caller", read="prologue reduce")
    """What a loss of single logits subtracts from an example's logits."""
    shifts: Any = shared(lambda n: (n.panels * n.nr,), written="prologue", read=f"{_FORWARD} reduce")
    """`log_normalizer`, padded to whole panels."""
    padded_upstream: Any = shared(lambda n: (n.panels * n.nr,), written="prologue", read="logits")
    """`upstream`, padded to whole panels."""
    tile_max: Any = shared(
        lambda n: (n.blocks, n.panels, n.nr), written=f"{_FORWARD} reduce", read="reduce weight_gradients caller"
    )
    """Maximum of each example in a tile; later the factor that turns its numbers of the tile into gradients."""
    tile_sum: Any = shared(lambda n: (n.blocks, n.panels, n.nr), written=_FORWARD, read="reduce")
    """Sum of each example in a tile."""
    sums: Any = shared(lambda n: (n.threads, n.sums), written=f"reduce {_BACKWARD}", read=f"reduce {_BACKWARD}")
    """Sums of each worker."""
    true_logits: Any = shared(lambda n: (n.examples, n.num_true), written="prologue", read="reduce caller")
    """Corrected; -inf for labels that are no class."""
    true_gradient: Any = shared(lambda n: (n.examples, n.num_true), written="reduce caller", read="input_gradients")
    """Gradient with respect to `true_logits`."""


class _Float32Fields(NamedTuple):
    """Further workspace for products of float32 and float64."""

    packed_inputs: Any = shared(
        lambda n: (n.panels, n.depth, n.nr), written="prologue", read="prologue logits input_gradients"
    )
    """Panels of examples along features, see `packing`."""
    packed_inputs_t: Any = shared(
        lambda n: (n.feature_panels, n.panels * n.nr, n.nr), written="prologue", read="prologue weight_gradients"
    )
    """Panels of features along examples; none without gradients."""
    rows: Any = shared(
        lambda n: (n.kept_blocks, n.block, n.row_stride), written="logits", read="logits reduce input_gradients caller"
    )
    """Rows of the candidates."""
    tiles: Any = shared(
        lambda n: (n.kept_blocks, n.panels if n.needs_grad else 1, n.block, n.nr),
        written="logits weight_gradients",
        read="logits weight_gradients input_gradients",
    )
    """Tiles of logits, then the results of the epilogue, then gradients of the logits."""
    input_task: Any = number(lambda n: n.input_task, read="input_gradients")
    """Panels and features of one task of `input_gradients`."""


SampledLossWorkspace = concatenated("SampledLossWorkspace", __name__, SharedFields, _Float32Fields)
"""Workspace of one call, reused by calls of the same sizes."""


class SampledLossJob(NamedTuple):
    """One call of a sampled loss: B examples, T true classes each, S candidates shared by all, D features.

    Copies of a candidate are merged. The C <= S merged candidates are sorted by class and divided into blocks; examples
    are divided into panels. With N = B T true classes the table's gradient has R <= S + N rows. All arrays have the
    largest size that may be needed.
    """

    weights: TableView
    biases: TableView
    temperature: float
    subtract_log_q: bool
    remove_hits: bool
    merge: bool
    """Whether copies of a candidate are merged even if their expected counts differ, as a softmax allows."""
    needs_grad: bool
    """Whether gradients are computed."""
    functions: SampledFunctions | Bf16SampledFunctions
    """The epilogue."""
    workspace: int
    """Address of the workspace."""
    inputs: Any = given(lambda n: (n.examples, n.width), read=f"prologue {_FORWARD} reduce input_gradients")
    """Already divided by the temperature."""
    labels: Any = given(lambda n: (n.examples, n.num_true), _INT64, read=f"prologue {_FORWARD}")
    present: Any = given(lambda n: (n.examples, n.num_true), np.bool_, read="prologue reduce")
    """Which labels are classes; (0, 0) if all are."""
    true_counts: Any = given(lambda n: (n.examples, n.num_true), _FLOAT64, read="prologue")
    """Expected counts."""
    sampled: Any = given(lambda n: (n.candidates,), _INT64, read="prologue")
    sampled_counts: Any = given(lambda n: (n.candidates,), _FLOAT64, read="prologue")
    upstream: Any = given(lambda n: (n.examples,), read="prologue reduce caller")
    """Weight of each example in the gradients."""

    loss: Any = result(lambda n: (n.examples,), written="reduce caller")
    d_inputs: Any = result(lambda n: (n.examples if n.needs_grad else 0, n.width), written="input_gradients")
    ids: Any = result(lambda n: (n.candidates + n.labels,), _INT64, written="prologue")
    """Class ids of the gradient's rows, in ascending order."""
    weight_rows: Any = result(lambda n: (n.most_rows + 1, n.width), written=_BACKWARD)
    """The first R rows are the gradient. Row R receives padding, later rows further candidates of a class."""
    bias_rows: Any = result(lambda n: (n.most_rows + 1,), written=_BACKWARD)
