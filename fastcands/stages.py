"""Kernels of several stages: one call from Python, one barrier after each stage.

A step of training is a chain of parallel loops, each of which needs all of the one before. Called from Python one by
one they cost more than they compute where the batch is small, and compiled one by one each of them is optimised three
times over, as Numba links a loop's body into its loop and its launcher. Here a stage is an ordinary serial function
``stage(worker, num_threads, job)``, compiled once and called by its address; the job is a named tuple of all arrays
and numbers that the stages share. Stages get its place in memory: as a value, its hundreds of words would pass through
every call. The one parallel loop that runs them is the same for all jobs.

What is the same from call to call, the scratch, is a named tuple of its own that is laid down in memory once: taking
its thirty arrays over from Python took some 20 microseconds of every call. A stage reads the fields of both from the
job.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

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

from fastcands import threads
from fastcands.jit import callback, kernel, parallel_kernel, prange

__all__ = ["StagedKernel", "Workspace"]


class _JobPointer(types.CPointer):  # type: ignore[misc, name-defined]
    """Numba's type of a job in memory: its fields are read one by one, where they are named.

    The job's field ``scratch`` is the address of a tuple of the type `scratch`, whose fields are read as the job's own.
    """

    def __init__(self, job: Any, scratch: Any) -> None:
        super().__init__(job)
        self.scratch = scratch
        self.named_tuples = job, scratch
        self.name = f"job {job} {scratch}"

    @property
    def key(self) -> Any:
        return self.dtype, self.scratch

    def owner(self, field: str) -> Any:
        """Return the type of the tuple that has a field."""
        return self.dtype if field in self.dtype.fields else self.scratch


register_model(_JobPointer)(models.PointerModel)


@infer_getattr
class _Fields(AttributeTemplate):  # type: ignore[misc]
    key = _JobPointer

    def generic_resolve(self, pointer: Any, field: str) -> Any:
        owner = pointer.owner(field)
        return owner[owner.fields.index(field)] if field in owner.fields else None


@lower_getattr_generic(_JobPointer)  # type: ignore[untyped-decorator]
def _load_field(context: Any, builder: Any, pointer: Any, place: Any, field: str) -> Any:
    def load(kind: Any, start: Any, name: str) -> Any:
        position = kind.fields.index(name)
        value = builder.load(cgutils.gep_inbounds(builder, start, 0, position))
        return context.data_model_manager[kind[position]].from_data(builder, value)

    owner = pointer.owner(field)
    if owner is pointer.scratch:
        data = context.data_model_manager[owner].get_data_type()
        place = builder.inttoptr(load(pointer.dtype, place, "scratch"), data.as_pointer())
    return load(owner, place, field)


def _words(value: Any) -> list[int]:
    """Return what Numba keeps of an array, an integer or a tuple of them, as words of memory."""
    if isinstance(value, np.ndarray):
        data = value.__array_interface__["data"][0]
        return [0, 0, value.size, value.itemsize, data, *value.shape, *value.strides]  # no owner, no Python object
    return [word for part in value for word in _words(part)] if isinstance(value, tuple) else [int(value)]


class Workspace:
    """A named tuple of arrays, laid down in memory for the stages of many calls.

    Parameters
    ----------
    fields : named tuple
        Of arrays, integers and tuples of them.

    Attributes
    ----------
    fields : named tuple
        As given; its arrays live as long as this.
    address : int
        Where it lies.
    fingerprint : bytes
        Of the dtypes, layouts and flags of all its arrays.
    """

    def __init__(self, fields: NamedTuple) -> None:
        self.fields: Any = fields
        self.fingerprint: bytes = compute_fingerprint(fields)
        self._memory = np.array(_words(fields), np.int64)
        self.address: int = self._memory.__array_interface__["data"][0]


class _Nothing(NamedTuple):
    """What a job without a workspace has in its place."""


_NOTHING = Workspace(_Nothing())

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
def _loop(stages: Any, num_threads: int, place: int) -> None:
    """Run stages one after the other, each by all workers; a stage begins when the one before has ended.

    IN
        stages : (stages,) int64, addresses
        num_threads : int
        place : int64, address of the job
    """
    for s in range(len(stages)):
        for index in prange(num_threads):
            _call(stages[s], np.int64(index), num_threads, place)


_parallel_loop = _loop.dispatcher  # type: ignore[attr-defined]


@kernel
def _run(stages: Any, num_threads: int, in_parallel: bool, job: Any) -> None:
    """Lay the job down and run stages on it.

    The parallel loop is a function of its own that knows no job: compiled for each, it would take longer than a stage.

    IN
        stages : (stages,) int64, addresses
        num_threads : int, workers of each stage
        in_parallel : bool, whether workers of a stage run in threads, not one after the other
    IN, OUT
        job : named tuple
    """
    place = _place(job)
    if in_parallel:
        _parallel_loop(stages, num_threads, place)
    else:
        for s in range(len(stages)):
            for worker in range(num_threads):
                _call(stages[s], worker, num_threads, place)


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
        self._callbacks: dict[tuple[bytes, bytes], list[Any]] = {}
        self._ready: dict[tuple[bytes, bytes, int, int], tuple[Callable[..., None], NDArray[np.int64]]] = {}

    def __call__(
        self, job: Any, scratch: Workspace | None, num_threads: int, first: int = 0, last: int | None = None
    ) -> None:
        """Run the stages from `first` up to, not including, `last` (all that follow when it is None).

        Parameters
        ----------
        job : named tuple
            Of arrays, numbers and tuples of them; each element that is a number is an int, float or bool. Its field
            ``scratch`` is the address of `scratch`.
        scratch : Workspace or None
            Has no field of the same name as the job. None where the job has no field ``scratch``.
        num_threads : int
            Workers of each stage.
        first, last : int
            Which stages.
        """
        last = len(self._stages) if last is None else last
        scratch = scratch or _NOTHING
        # dtypes, layouts and flags of all arrays: no stage sees another job than its own
        kind = compute_fingerprint(job), scratch.fingerprint
        ready = self._ready.get((*kind, first, last))
        if ready is None:
            ready = self._ready[*kind, first, last] = self._prepare(kind, job, scratch, first, last)
        run, addresses = ready
        if num_threads > 1 and threads.may_start_threads():
            threads.launch(run, (addresses, num_threads, True, job))
        else:
            run(addresses, num_threads, False, job)

    def _prepare(
        self, kind: tuple[bytes, bytes], job: Any, scratch: Workspace, first: int, last: int
    ) -> tuple[Callable[..., None], NDArray[np.int64]]:
        """Compile `_run` and the stages for a type of job; return the one and the addresses of the others."""
        callbacks = self._callbacks.get(kind)
        if callbacks is None:
            pointer = _JobPointer(typeof(job), typeof(scratch.fields))
            signature = types.void(types.int64, types.int64, pointer)
            callbacks = self._callbacks[kind] = [callback(stage, signature) for stage in self._stages]
        addresses = np.array([each.address for each in callbacks[first:last]], np.int64)
        # the compiled code itself: to have Numba choose it, by types that are known, takes microseconds of each call
        signature = typeof(addresses), types.int64, types.boolean, typeof(job)
        run = _run.compile(signature)  # type: ignore[attr-defined]
        return run, addresses
