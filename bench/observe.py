"""The kernels of fastcands as they are called: watched from outside, without a change to the library.

Parallel kernels all go through ``fastcands.threads.launch``. Serial ones are names in the modules that call them, and
are replaced there while somebody watches. A kernel of several stages is run stage by stage, each a call of its own:
that adds some microseconds a stage. Calls from kernel to kernel are compiled in and are not seen; they belong to the
kernel that Python called.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import pkgutil
import sys
import time
import types
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

from numba.core.dispatcher import Dispatcher

import fastcands
from fastcands import threads
from fastcands.stages import StagedKernel, Workspace

__all__ = ["Kernel", "kernels_called_from_python", "timed_kernels", "watch"]

_COMPILED = ("fastcands.kernels", "fastcands.simd", "fastcands.stages")
_NOT_IMPORTED = ("fastcands.cli", "fastcands.__main__", "fastcands.interop")


class Kernel(NamedTuple):
    """A kernel, or a stage of one, as the watcher gets it: its name, and how to run it."""

    name: str
    run: Callable[..., Any]


Hook = Callable[[Kernel, tuple[Any, ...]], Any]


def _name(function: Any) -> str:
    """Return module and name of a function, without what all have in common: ``sampling.philox.fill_pairs``."""
    return f"{function.__module__.removeprefix('fastcands.').removeprefix('kernels.')}.{function.__name__}"


def _functions(value: Any) -> list[Any]:
    """Return the Python functions behind a kernel: one, or one a stage; none for anything else."""
    if isinstance(value, StagedKernel):
        return list(value.stages.values())
    found = value if isinstance(value, Dispatcher) else getattr(value, "dispatcher", None)
    return [found.py_func] if isinstance(found, Dispatcher) else []


def _calling_modules() -> list[Any]:
    """Return the modules of the package that have been imported and are not compiled themselves."""
    modules = list(sys.modules.items())
    return [module for name, module in modules if name.startswith("fastcands") and not name.startswith(_COMPILED)]


def _is_kernel_module(value: Any) -> bool:
    return isinstance(value, types.ModuleType) and value.__name__.startswith("fastcands.kernels.")


def kernels_called_from_python() -> list[str]:
    """Return the names of the kernels, and stages, that some module calls from Python; imports all modules."""
    for found in pkgutil.walk_packages(fastcands.__path__, "fastcands."):
        if not found.name.startswith(_NOT_IMPORTED):
            importlib.import_module(found.name)
    values = [value for module in _calling_modules() for value in vars(module).values()]
    for module in filter(_is_kernel_module, list(values)):  # one calls `module.kernel`
        values += [getattr(module, name) for name in module.__all__]
    functions = (function for value in values for function in _functions(value))
    return sorted({_name(function) for function in functions if function.__module__.startswith(_COMPILED)})


@contextlib.contextmanager
def watch(hook: Hook) -> Iterator[None]:
    """Call ``hook(kernel, arguments)`` in place of every kernel that Python calls; it returns what the kernel would."""
    real_launch, real_stages = threads.launch, StagedKernel.__call__

    def launch(kernel: Any, args: tuple[Any, ...]) -> Any:
        if not isinstance(kernel, Dispatcher):  # the loop under a stage, which has been seen
            return real_launch(kernel, args)
        return hook(Kernel(_name(kernel.py_func), lambda *given: real_launch(kernel, given)), args)

    def stages(
        self: StagedKernel,
        job: Any,
        workspace: Workspace,
        num_threads: int,
        *,
        after: str | None = None,
        last: str | None = None,
    ) -> None:
        before: list[str | None] = [None, *self.stages]
        begin = before.index(after)
        end = len(self.stages) if last is None else before.index(last)
        for previous, name in zip(before[begin:end], list(self.stages)[begin:end], strict=True):
            run = functools.partial(real_stages, self, after=previous, last=name)
            hook(Kernel(_name(self.stages[name]), run), (job, workspace, num_threads))

    def serial(kernel: Any) -> Callable[..., Any]:
        return lambda *args: hook(Kernel(_name(kernel.py_func), kernel), args)

    def watched(value: Any) -> Any:
        """Return what stands in for a serial kernel, or for a module that has some; anything else as it is."""
        if isinstance(value, Dispatcher) and value.py_func.__module__.startswith(_COMPILED):
            return serial(value)
        if _is_kernel_module(value):
            return types.SimpleNamespace(**{name: watched(part) for name, part in vars(value).items()})
        return value

    with contextlib.ExitStack() as patches:
        patches.enter_context(mock.patch.object(threads, "launch", launch))
        patches.enter_context(mock.patch.object(StagedKernel, "__call__", stages))
        for module in _calling_modules():
            for name, value in list(vars(module).items()):
                stand_in = watched(value)
                if stand_in is not value:
                    patches.enter_context(mock.patch.object(module, name, stand_in))
        yield


@contextlib.contextmanager
def timed_kernels() -> Iterator[dict[str, float]]:
    """Add up the seconds of each kernel, by name, while the block runs."""
    seconds: dict[str, float] = defaultdict(float)

    def hook(kernel: Kernel, args: tuple[Any, ...]) -> Any:
        start = time.perf_counter()
        try:
            return kernel.run(*args)
        finally:
            seconds[kernel.name] += time.perf_counter() - start

    with watch(hook):
        yield seconds
