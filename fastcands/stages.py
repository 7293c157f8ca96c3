"""Kernels of several stages: one call from Python, one barrier after each stage.

A training step is a chain of parallel loops, each of which needs the complete results of the one before. If Python
called them one by one, the calls would cost more than the arithmetic of a small batch. If Numba compiled each as a
parallel loop, it would optimise each loop body three times, because it copies the body into the loop and into its
launcher. Here a stage is an ordinary serial function ``stage(worker, num_threads, counter, job)``, compiled once and
called by its address. The job is a named tuple of all arrays and numbers that the stages share. Stages get its address,
because passing its hundreds of words by value would be slow. A single parallel loop runs the stages of all jobs.

The workspace, which does not change from call to call, is a separate named tuple, written to memory only once:
converting its thirty arrays from Python objects took about 20 microseconds of every call. Stages read the fields of
both tuples from the job.

The workers of a stage share its tasks by a counter, which the runner provides: `next_task` returns the next number.
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

__all__ = ["StagedKernel", "Workspace", "next_task"]


class _JobPointer(types.CPointer):  # type: ignore[misc, name-defined]
    """Numba's type of a job in memory; each field is loaded where it is used.

    The job's field ``workspace`` is the address of a tuple of the type `workspace`, whose fields are read like those of
    the job.
    """

    def __init__(self, job: Any, workspace: Any) -> None:
        super().__init__(job)
        self.workspace = workspace
        self.named_tuples = job, workspace
        self.name = f"job {job} {workspace}"

    @property
    def key(self) -> Any:
        return self.dtype, self.workspace

    def owner(self, field: str) -> Any:
        """Return the type of the tuple that has a field."""
        return self.dtype if field in self.dtype.fields else self.workspace


register_model(_JobPointer)(models.PointerModel)


@infer_getattr
class _Fields(AttributeTemplate):  # type: ignore[misc]
    key = _JobPointer

    def generic_resolve(self, pointer: Any, field: str) -> Any:
        owner = pointer.owner(field)
        return owner[owner.fields.index(field)] if field in owner.fields else None


@lower_getattr_generic(_JobPointer)  # type: ignore[untyped-decorator]
def _load_field(context: Any, builder: Any, pointer: Any, start: Any, field: str) -> Any:
    def load(kind: Any, start: Any, name: str) -> Any:
        position = kind.fields.index(name)
        value = builder.load(cgutils.gep_inbounds(builder, start, 0, position))
        return context.data_model_manager[kind[position]].from_data(builder, value)

    owner = pointer.owner(field)
    if owner is pointer.workspace:
        data = context.data_model_manager[owner].get_data_type()
        start = builder.inttoptr(load(pointer.dtype, start, "workspace"), data.as_pointer())
    return load(owner, start, field)


def _words(value: Any) -> list[int]:
    """Return Numba's representation of an array, an integer or a tuple of them, as words of memory."""
    if isinstance(value, np.ndarray):
        data = value.__array_interface__["data"][0]
        return [0, 0, value.size, value.itemsize, data, *value.shape, *value.strides]  # no owner, no Python object
    return [word for part in value for word in _words(part)] if isinstance(value, tuple) else [int(value)]


class Workspace:
    """A named tuple of arrays, written to memory for the stages of many calls.

    Parameters
    ----------
    fields : named tuple
        Of arrays, integers and tuples of them.

    Attributes
    ----------
    fields : named tuple
        As given; its arrays live as long as this object.
    address : int
        Its address in memory.
    fingerprint : bytes
        Of the dtypes, layouts and flags of all its arrays.
    """

    def __init__(self, fields: NamedTuple) -> None:
        self.fields: Any = fields
        self.fingerprint: bytes = compute_fingerprint(fields)
        self._memory = np.array(_words(fields), np.int64)
        self.address: int = self._memory.__array_interface__["data"][0]


class _Nothing(NamedTuple):
    """The workspace of a job that needs none."""


_NOTHING = Workspace(_Nothing())

_Stage = Callable[[int, int, int, Any], None]
_INT64 = ir.IntType(64)
_COUNTER_WORDS = 8
"""Each counter has its own cache line."""
_COUNTER_BYTES = 8 * _COUNTER_WORDS


@intrinsic  # type: ignore[untyped-decorator]
def next_task(typingctx: Any, counter: Any) -> Any:
    """Return the number of a stage's next task and count it, atomically: no two workers get the same number."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        where = builder.inttoptr(arguments[0], _INT64.as_pointer())
        return builder.atomic_rmw("add", where, ir.Constant(_INT64, 1), "monotonic")

    return types.int64(types.int64), codegen


def _unowned(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return `value` without owners in its arrays, so that stages do not count references."""
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
def _address_on_stack(typingctx: Any, job: Any) -> Any:
    """Store a tuple on the stack of the calling function; return its address."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = _unowned(context, builder, job, arguments[0])
        slot = cgutils.alloca_once_value(builder, context.data_model_manager[job].as_data(builder, value))
        return builder.ptrtoint(slot, _INT64)

    return types.int64(job), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _call(typingctx: Any, stage: Any, worker: Any, num_threads: Any, counter: Any, job: Any) -> Any:
    """Call the function at the address `stage`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_INT64] * 4)
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), codegen


@parallel_kernel
def _loop(stages: Any, counters: int, num_threads: int, job: int) -> None:
    """Run stages one after the other, each by all workers; a stage starts when the one before has ended.

    IN
        stages : (stages,) int64, addresses
        counters : int64, address of the stages' counters
        num_threads : int
        job : int64, address of the job
    """
    for s in range(len(stages)):
        for index in prange(num_threads):
            _call(stages[s], np.int64(index), num_threads, counters + s * _COUNTER_BYTES, job)


_parallel_loop = _loop.dispatcher  # type: ignore[attr-defined]


@kernel
def _run(stages: Any, counters: Any, num_threads: int, in_parallel: bool, job: Any) -> None:
    """Store the job in memory and run stages on it.

    The parallel loop is a separate function that does not depend on the type of the job: compiling it for each type
    would take longer than compiling a stage.

    IN
        stages : (stages,) int64, addresses
        num_threads : int, workers of each stage
        in_parallel : bool, whether workers of a stage run in threads; otherwise one after the other
    IN, OUT
        job : named tuple
    SCRATCH
        counters : (stages, 8) int64, zero: a counter for each stage, each in its own cache line
    """
    where, first = _address_on_stack(job), np.int64(counters.ctypes.data)
    if in_parallel:
        _parallel_loop(stages, first, num_threads, where)
    else:
        for s in range(len(stages)):
            for worker in range(num_threads):
                _call(stages[s], worker, num_threads, first + s * _COUNTER_BYTES, where)


_compiled: dict[tuple[_Stage, bytes, bytes], Any] = {}
"""Compiled stages, by function and type of job; a stage of several chains is compiled once."""


def _compile(stage: _Stage, job: Any, workspace: Workspace, kind: tuple[bytes, bytes]) -> Any:
    known = _compiled.get((stage, *kind))
    if known is None:
        pointer = _JobPointer(typeof(job), typeof(workspace.fields))
        signature = types.void(types.int64, types.int64, types.int64, pointer)
        known = _compiled[stage, *kind] = callback(stage, signature)
    return known


class StagedKernel:
    """A chain of stages.

    Parameters
    ----------
    **stages : callable
        Functions ``stage(worker, num_threads, counter, job)`` by name, in order. Numba compiles them for the type of a
        job at the first call with it. A stage raises nothing: its arguments must have been checked before.

    Attributes
    ----------
    stages : dict
        As given.
    """

    def __init__(self, **stages: _Stage) -> None:
        self.stages = stages
        self._order = list(stages)
        self._ready: dict[tuple[bytes, bytes, int, int], tuple[Callable[..., None], NDArray[np.int64]]] = {}

    def __call__(
        self,
        job: Any,
        workspace: Workspace | None,
        num_threads: int,
        *,
        after: str | None = None,
        last: str | None = None,
    ) -> None:
        """Run the stages that follow `after` (all from the first when it is None), up to and with `last`.

        Parameters
        ----------
        job : named tuple
            Of arrays, numbers (int, float or bool) and tuples of them. Its field
            ``workspace`` is the address of `workspace`.
        workspace : Workspace or None
            Its fields have other names than those of the job. None if the job has no field ``workspace``.
        num_threads : int
            Workers of each stage.
        after, last : str, optional
            Names of stages.
        """
        begin = 0 if after is None else self._order.index(after) + 1
        end = len(self._order) if last is None else self._order.index(last) + 1
        workspace = workspace or _NOTHING
        # depends on dtypes, layouts and flags of all arrays: a stage only sees jobs that it is compiled for
        kind = compute_fingerprint(job), workspace.fingerprint
        ready = self._ready.get((*kind, begin, end))
        counters = np.zeros((end - begin, _COUNTER_WORDS), np.int64)
        if ready is None:
            ready = self._ready[*kind, begin, end] = self._prepare(kind, job, workspace, counters, begin, end)
        run, addresses = ready
        if num_threads > 1 and threads.may_start_threads():
            threads.launch(run, (addresses, counters, num_threads, True, job))
        else:
            run(addresses, counters, num_threads, False, job)

    def _prepare(
        self, kind: tuple[bytes, bytes], job: Any, workspace: Workspace, counters: Any, begin: int, end: int
    ) -> tuple[Callable[..., None], NDArray[np.int64]]:
        """Compile `_run` and the stages for a type of job; return `_run` and the addresses of the stages."""
        chosen = (_compile(self.stages[name], job, workspace, kind) for name in self._order[begin:end])
        addresses = np.array([each.address for each in chosen], np.int64)
        # `_run` does not start the threads that its loop needs when it comes from the disk; loading the loop does
        _parallel_loop.compile((typeof(addresses), types.int64, types.int64, types.int64))
        # the compiled code itself: choosing it by the types of the arguments would take microseconds of each call
        signature = typeof(addresses), typeof(counters), types.int64, types.boolean, typeof(job)
        return _run.compile(signature), addresses  # type: ignore[attr-defined]
