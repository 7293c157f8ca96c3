"""How kernels are compiled: the only place that sets Numba's options.

A kernel is compiled at its first call and stored by `fastcands.cache`, next to the sources or in ``NUMBA_CACHE_DIR``.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, overload

import numba
import numba.extending
from numba.core.ccallback import CFunc
from numba.np.numpy_support import as_dtype

from fastcands import threads
from fastcands.cache import KernelCache, NamedCache

__all__ = ["by_type", "callback", "kernel", "parallel_kernel", "prange"]

prange = numba.prange


def _refuse(text: str) -> None:
    """Raise ImportError; in the command, which can catch nothing this early, end with one line."""
    if sys.orig_argv[1:3] == ["-m", __package__] or Path(sys.argv[0] if sys.argv else "").stem == __package__:
        print(f"fastcands: {text}", file=sys.stderr)
        sys.exit(2)
    raise ImportError(f"fastcands: {text}")


if numba.config.DISABLE_JIT:
    _refuse("compiled code is needed, and NUMBA_DISABLE_JIT=1 turns it off: unset it")


def _compile_lazily(function: Callable[..., Any], *, parallel: bool, fastmath: frozenset[str]) -> Any:
    # error_model='numpy': division by zero gives inf or nan instead of a branch and a Python exception.
    # nogil: other Python threads can run while a kernel runs.
    dispatcher = numba.njit(
        function, parallel=parallel, nogil=True, error_model="numpy", fastmath=set(fastmath) or False
    )
    dispatcher._cache = KernelCache(function)
    return dispatcher


@overload
def kernel(function: Callable[..., Any]) -> Callable[..., Any]: ...
@overload
def kernel(*, fastmath: frozenset[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...
def kernel(function: Callable[..., Any] | None = None, *, fastmath: frozenset[str] = frozenset()) -> Any:
    """Compile a serial kernel, callable from Python and from other kernels.

    Parameters
    ----------
    function : callable
        The loop body. It takes arrays and scalars, and writes results into arrays among its arguments.
    fastmath : frozenset of str, default empty
        LLVM's fast-math flags by name. Never set them on a function that calls vector code of
        ``fastcands.simd``: the flags would apply to that code too, and LLVM would remove its rounding tricks.

    Returns
    -------
    callable
        A Numba dispatcher.
    """
    if function is None:
        return functools.partial(_compile_lazily, parallel=False, fastmath=fastmath)
    return _compile_lazily(function, parallel=False, fastmath=fastmath)


def by_type(function: Callable[..., Any]) -> functools._SingleDispatchCallable[Any]:
    """Return a function for kernels whose code is chosen by the type of its first argument.

    It is ``functools.singledispatch`` that compiled callers can use too: they call the function that is registered for
    the class of a named tuple or for the NumPy type of a number. It is chosen when the caller is compiled, so the
    choice costs nothing at run time.

    Parameters
    ----------
    function : callable
        Called for types for which nothing is registered.

    Returns
    -------
    callable
        With the method ``register(class)``, a decorator of the function for a class. Modules that register functions
        must be imported before the caller is called. A call from Python compiles nothing.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> from fastcands.jit import by_type
    >>> class Square(NamedTuple):
    ...     side: float
    >>> @by_type
    ... def area(shape):
    ...     return 0.0
    >>> @area.register(Square)
    ... def _area_of_square(shape):
    ...     return shape.side * shape.side
    >>> area(Square(3.0))
    9.0
    """
    dispatched = functools.singledispatch(function)

    @numba.extending.overload(  # type: ignore[untyped-decorator]
        dispatched, strict=False, jit_options={"error_model": "numpy"}
    )
    def choose(first: Any, *others: Any) -> Callable[..., Any]:
        kind = getattr(first, "instance_class", None) or as_dtype(first).type
        return dispatched.dispatch(kind)

    return dispatched


def callback(function: Callable[..., None], signature: Any, *, name: str = "", on_disk: bool = True) -> Any:
    """Compile a function that other compiled code calls by its address.

    Parameters
    ----------
    function : callable
        A function of the package, which raises nothing.
    signature : numba signature
        Types of its arguments; it returns nothing.
    name : str, optional
        Identifies the function among others that the same code creates. Needed unless the function is defined at the
        top level of a module.
    on_disk : bool, default True
        Whether to store the machine code for other processes. Must be False for a function that depends on code outside
        the package: an edit there would not be noticed.

    Returns
    -------
    object
        Its ``address`` is that of the code, which exists as long as the object.
    """
    if name:
        function.__qualname__ = function.__name__ = name
    compiled = CFunc(function, (signature.args, signature.return_type), {}, {"error_model": "numpy"})
    if on_disk:
        compiled._cache = (NamedCache if name else KernelCache)(function)  # type: ignore[attr-defined]
    compiled.compile()
    return compiled


def parallel_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel that uses ``prange``; callable from Python only.

    Parameters
    ----------
    function : callable
        The loop body. Results must not depend on the number of workers: a sum of floats has one order. ``prange``
        counts in uint64, which together with int64 becomes float64, so convert its index first.

    Returns
    -------
    callable
        Takes the arguments of `function`. Calls from several Python threads are safe on every threading
        layer. So are calls after a fork: if the layer does not survive it, the loop runs in one thread.
    """
    dispatcher = _compile_lazily(function, parallel=True, fastmath=frozenset())

    @functools.cache
    def without_threads() -> Callable[..., Any]:
        return numba.njit(function, nogil=True, error_model="numpy")  # type: ignore[no-any-return]

    @functools.wraps(function)
    def launch(*args: Any) -> Any:
        return threads.launch(dispatcher, args) if threads.may_start_threads() else without_threads()(*args)

    launch.dispatcher = dispatcher  # type: ignore[attr-defined]
    return launch
