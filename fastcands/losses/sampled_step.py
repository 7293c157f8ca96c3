"""What sampled losses share: the job of their stages, and gradients from its results."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.gradients import Gradients
from fastcands.kernels.epilogues.interface import Bf16SampledFunctions, Epilogue, SampledFunctions
from fastcands.kernels.sampled_loss.bf16.job import Bf16SampledLossSizes, Bf16Workspace
from fastcands.kernels.sampled_loss.bf16.stages import normalized_stages as bf16_normalized_stages
from fastcands.kernels.sampled_loss.bf16.stages import per_logit_stages as bf16_per_logit_stages
from fastcands.kernels.sampled_loss.job import SampledLossJob, SampledLossSizes, SampledLossWorkspace
from fastcands.kernels.sampled_loss.stages import normalized_stages, per_logit_stages
from fastcands.losses.batch import Batch
from fastcands.stages import Workspace
from fastcands.threads import threads_for
from fastcands.values import SampledValues
from fastcands.workspace import new_results, shared_fields

__all__ = ["SampledLossStep", "Spread"]

_NONE_ABSENT = np.zeros((0, 0), bool)


class Spread(NamedTuple):
    """Target probability that every candidate gets equally, from label smoothing."""

    shares: NDArray[Any]
    """Target of each copy of a candidate, for each example, times the weight of the example, (B,)."""
    row_sum: NDArray[Any]
    """Sum of the candidates' rows, each as often as it was drawn, (D,)."""


class SampledLossStep:
    """One call of a sampled loss.

    Parameters
    ----------
    batch : Batch
        At least one example.
    values : SampledValues
        Checked; candidates (S,).
    epilogue : Epilogue
        Of the loss.
    subtract_log_q, remove_hits : bool
        See `SampledLossJob`.
    merge : bool, optional
        See `SampledLossJob`; by default as the epilogue allows.
    log_normalizer : float or array of shape (B,)
        What a loss of single logits subtracts from an example's logits.
    upstream : array, shape (B,), or None
        Weight of each example in the gradients; None for the value alone.

    Attributes
    ----------
    job : SampledLossJob
        Of this call alone.
    workspace : SampledLossWorkspace or Bf16Workspace
        Valid until the next step of this thread.
    """

    def __init__(
        self,
        batch: Batch,
        values: SampledValues,
        epilogue: Epilogue,
        *,
        subtract_log_q: bool,
        remove_hits: bool,
        merge: bool | None = None,
        log_normalizer: NDArray[Any] | float = 0.0,
        upstream: NDArray[Any] | None,
    ) -> None:
        dtype, (examples, num_true) = batch.inputs.dtype, batch.labels.shape
        candidates, width = len(values.sampled_candidates), batch.inputs.shape[1]
        self.batch, self.threads = batch, threads_for(examples * candidates * width)
        common = dtype, examples, num_true, candidates, width, upstream is not None, self.threads
        sizes: Any
        functions: SampledFunctions | Bf16SampledFunctions
        if batch.precision == "highest":
            sizes, fields, functions = (
                SampledLossSizes(*common),
                SampledLossWorkspace,
                epilogue.sampled_functions(dtype),
            )
            self._stages = normalized_stages if epilogue.is_normalized else per_logit_stages
        else:
            sizes, fields = Bf16SampledLossSizes(*common, int(batch.precision == "high")), Bf16Workspace
            functions = epilogue.bf16_sampled_functions()
            self._stages = bf16_normalized_stages if epilogue.is_normalized else bf16_per_logit_stages
        self._held = shared_fields(fields, sizes, Workspace)
        self.workspace: Any = self._held.fields
        self.workspace.log_normalizer[:] = log_normalizer
        self.job = SampledLossJob(
            weights=batch.weights.view,
            biases=batch.bias_view,
            temperature=batch.temperature,
            subtract_log_q=subtract_log_q,
            remove_hits=remove_hits,
            merge=epilogue.is_normalized if merge is None else merge,
            needs_grad=upstream is not None,
            functions=functions,
            workspace=self._held.address,
            inputs=batch.inputs,
            labels=batch.labels,
            present=_NONE_ABSENT if batch.present is None else batch.present,
            true_counts=values.true_expected_count,
            sampled=values.sampled_candidates,
            sampled_counts=values.sampled_expected_count,
            upstream=np.ones(examples, dtype) if upstream is None else upstream,
            **new_results(SampledLossJob, sizes),
        )

    def run(self, *, after: str | None = None, last: str | None = None) -> None:
        """Run the stages that follow `after`, up to and with `last`."""
        self._stages(self.job, self._held, self.threads, after=after, last=last)

    def gradients(self, spread: Spread | None = None) -> Gradients:
        """Return the gradients; all stages must have run.

        `spread` is subtracted from the gradient of every candidate's logit.
        """
        job, workspace, batch = self.job, self.workspace, self.batch
        candidates, _, results, further = workspace.sizes.tolist()
        ids, d_inputs = job.ids[:results], job.d_inputs
        weight_rows, bias_rows = job.weight_rows[:results], job.bias_rows[:results]
        if further:
            of_row = workspace.gradient_rows[:candidates]
            first = np.searchsorted(ids, workspace.classes[:candidates][of_row > results])
            np.add.at(weight_rows, first, job.weight_rows[results + 1 : results + 1 + further])
            np.add.at(bias_rows, first, job.bias_rows[results + 1 : results + 1 + further])
        if spread is not None:
            d_inputs -= spread.shares[:, None] * spread.row_sum
            rows, copies = workspace.gradient_rows[:candidates], workspace.copies[:candidates]
            weight_rows[rows] -= copies[:, None] * (spread.shares @ batch.inputs)
            bias_rows[rows] -= copies * spread.shares.sum()
        return batch.gradients(ids, d_inputs, weight_rows, bias_rows)
