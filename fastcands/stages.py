"""Kernels of several stages: one call from Python, one barrier after each stage.

A step of training is a chain of parallel loops, each of which needs all of the one before. Called from Python one by
one they cost more than they compute where the batch is small, and compiled one by one each of them is optimised three
times over, as Numba links a loop's body into its loop and its launcher. Here a stage is an ordinary serial function
``stage(worker, num_threads, job)``, compiled once and called by its address; the job is a named tuple of all arrays
and numbers that the stages share. Stages get its place in memory: as a value, its hundreds of words would pass through
every call. The one parallel loop that runs them is the same for all jobs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import typeof
from numba._dispatcher import compute_fingerprint
from numba.core import cgutils, types
from numba.core.imputils import lower_getattr_generic
from numba.core.types.containers import BaseTuple
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import intrinsic, models, register_model
from numpy.typing import NDArray

from fastcands.jit import callback, parallel_kernel, prange

__all__ = ["StagedKernel"]


class _JobPointer(types.CPointer):  # type: ignore[misc, name-defined]
    """Numba's type of a job in memory: its fields are read one by one, where they are named."""

    def __init__(self, job: Any) -> None:
        super().__init__(job)
        self.name = f"job {job}"


register_model(_JobPointer)(models.PointerModel)


@infer_getattr
class _Fields(AttributeTemplate):  # type: ignore[misc]
    key = _JobPointer

    def generic_resolve(self, pointer: Any, field: str) -> Any:
        names = pointer.dtype.fields
        return pointer.dtype[names.index(field)] if field in names else None


@lower_getattr_generic(_JobPointer)  # type: ignore[untyped-decorator]
def _load_field(context: Any, builder: Any, pointer: Any, place: Any, field: str) -> Any:
    position = pointer.dtype.fields.index(field)
    value = builder.load(cgutils.gep_inbounds(builder, place, 0, position))
    return context.data_model_manager[pointer.dtype[position]].from_data(builder, value)


Stage = Callable[[int, int, Any], None]
_INT64 = ir.IntType(64)


def _unowned(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return `value` without owners in its arrays: counting references in every stage would cost, and gain nothing."""
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value=value)
        array.meminfo = ir.Constant(array.meminfo.type, None)
        return array._getvalue()
    if isinstance(kind, BaseTuple):
        for position, part in enumerate(kind):
            changed = _unowned(context, builder, part, builder.extract_value(value, position))
            value = builder.insert_value(value, changed, position)
    return value


@intrinsic  # type: ignore[untyped-decorator]
def _place(typingctx: Any, job: Any) -> Any:
    """Lay a tuple down on the stack of the calling function; return its address."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = _unowned(context, builder, job, arguments[0])
        slot = cgutils.alloca_once_value(builder, context.data_model_manager[job].as_data(builder, value))
        return builder.ptrtoint(slot, _INT64)

    return types.int64(job), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _call(typingctx: Any, stage: Any, worker: Any, num_threads: Any, place: Any) -> Any:
    """Call the function at the address `stage`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_INT64] * 3)
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), codegen


@parallel_kernel
def _run(stages: Any, num_threads: int, job: Any) -> None:
    """Run stages one after the other, each by all workers; a stage begins when the one before has ended.

    IN
        stages : (stages,) int64, addresses
        num_threads : int
    IN, OUT
        job : named tuple
    """
    place = _place(job)
    for s in range(len(stages)):
        if num_threads == 1:
            _call(stages[s], 0, 1, place)
        else:
            for index in prange(num_threads):
                _call(stages[s], np.int64(index), num_threads, place)


class StagedKernel:
    """A chain of stages.

    Parameters
    ----------
    *stages : callable
        ``stage(worker, num_threads, job)`` each, which Numba compiles for the type of the job at the first call with
        it. A stage raises nothing: who calls has checked everything.
    """

    def __init__(self, *stages: Stage) -> None:
        self._stages = stages
        self._callbacks: dict[bytes, list[Any]] = {}
        self._addresses: dict[tuple[bytes, int, int], NDArray[np.int64]] = {}

    def __call__(self, job: Any, num_threads: int, first: int = 0, last: int | None = None) -> None:
        """Run the stages from `first` up to, not including, `last` (all that follow when it is None).

        Parameters
        ----------
        job : named tuple
            Of arrays, numbers and tuples of them; each element that is a number is an int, float or bool.
        num_threads : int
            Workers of each stage.
        first, last : int
            Which stages.
        """
        last = len(self._stages) if last is None else last
        kind = compute_fingerprint(
            job
        )  # dtypes, layouts and flags of all arrays: no stage sees another job than its own
        addresses = self._addresses.get((kind, first, last))
        if addresses is None:
            callbacks = self._callbacks.get(kind)
            if callbacks is None:
                signature = types.void(types.int64, types.int64, _JobPointer(typeof(job)))
                callbacks = self._callbacks[kind] = [callback(stage, signature) for stage in self._stages]
            addresses = np.array([each.address for each in callbacks[first:last]], np.int64)
            self._addresses[kind, first, last] = addresses
        if num_threads == 1:
            _run.dispatcher(addresses, 1, job)  # type: ignore[attr-defined]
        else:
            _run(addresses, num_threads, job)
