"""How kernels are compiled: the only place that sets Numba's options and manages the cache on disk.

A kernel is compiled at its first call and stored next to the sources (or in ``NUMBA_CACHE_DIR``). Numba's own cache
checks only the file that defines a function. Kernels here call functions of other files, so the stamp of every cached
kernel covers all files that can change its machine code, and the versions of Numba and llvmlite. The processor's name
and features are part of Numba's own cache key. Other choices of a process, such as an instruction set, are added to the
key by `vary`; machine code for each choice is stored.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, ClassVar, overload

import llvmlite
import numba
import numba.extending
from numba.core import caching
from numba.core.ccallback import CFunc
from numba.core.types.containers import BaseTuple
from numba.np.numpy_support import as_dtype

from fastcands import threads

__all__ = ["by_type", "cache_directories", "callback", "kernel", "parallel_kernel", "prange", "vary"]

prange = numba.prange

_PACKAGE = Path(__file__).parent


@functools.cache
def _sources() -> list[Path]:
    """List the files of the package that kernels are built from."""
    folders = (path for folder in ("simd", "kernels") for path in (_PACKAGE / folder).rglob("*.py"))
    return sorted([Path(__file__), _PACKAGE / "stages.py", _PACKAGE / "workspace.py", *folders])


@functools.cache
def _source_stamp() -> str:
    """Return the digest of all sources that kernels are built from."""
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__}".encode())
    for path in _sources():
        digest.update(path.relative_to(_PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


_variants: dict[str, Callable[[], Hashable]] = {}


def vary(folder: str, choice: Callable[[], Hashable]) -> None:
    """Make a choice of this process part of the key under which some kernels are stored.

    Parameters
    ----------
    folder : str
        Name of a folder. Kernels in folders of this name depend on the choice; kernels outside of the package may
        depend on it.
    choice : callable
        Returns the choice; called when such a kernel is compiled or loaded.
    """
    _variants[folder] = choice


def _variant(function: Callable[..., Any]) -> tuple[Hashable, ...]:
    """Return the choices that the machine code of a function depends on."""
    path = Path(function.__code__.co_filename)
    inside = path.is_relative_to(_PACKAGE)
    folders = path.relative_to(_PACKAGE).parent.parts if inside else ()
    return tuple(choice() for folder, choice in _variants.items() if folder in folders or not inside)


def _stamped(locator: type[Any]) -> type[Any]:
    """Return the cache locator with the stamp of the package instead of that of a single file."""

    def get_source_stamp(self: Any) -> object:
        if Path(getattr(self, "_py_file", "")) in _sources():
            return _source_stamp()
        return _source_stamp(), locator.get_source_stamp(self)  # a kernel outside the package

    return type(locator.__name__, (locator,), {"get_source_stamp": get_source_stamp})


class _CacheImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes: ClassVar[list[type[Any]]] = [_stamped(locator) for locator in caching.CacheImpl._locator_classes]


def _is_ours(kind: Any) -> bool:
    """Whether all named tuples in a Numba type, or in those it points to, are classes of the package."""
    owner = getattr(kind, "instance_class", _KernelCache)
    parts = kind if isinstance(kind, BaseTuple) else getattr(kind, "named_tuples", ())
    return owner.__module__.partition(".")[0] == __package__ and all(map(_is_ours, parts))


class _KernelCache(caching.FunctionCache):  # type: ignore[misc]
    """Numba's cache of a kernel, without code for named tuples of other packages.

    Such code may come from the other package's file (see `by_type`), which no stamp covers. And in a process that
    cannot import the class, the whole index of the kernel would be unreadable.
    """

    _impl_class = _CacheImpl
    directories: ClassVar[set[str]] = set()

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._function = function
        self.directories.add(self.cache_path)

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), *_variant(self._function))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the stored code for a signature, None if there is none.

        The index has the types of all signatures. If one of them cannot be imported in this process, the index is
        unreadable and is emptied.
        """
        if not all(map(_is_ours, getattr(sig, "args", sig))):
            return None
        try:
            return super().load_overload(sig, target_context)
        except (ImportError, AttributeError):
            self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store the compiled code for a signature."""
        if all(map(_is_ours, data.signature.args)):
            super().save_overload(sig, data)


def cache_directories() -> list[Path]:
    """List the directories in which the kernels imported so far are stored, or will be once they are compiled."""
    return sorted(map(Path, _KernelCache.directories))


def _compile_lazily(function: Callable[..., Any], *, parallel: bool, fastmath: frozenset[str]) -> Any:
    # error_model='numpy': division by zero gives inf or nan instead of a branch and a Python exception.
    # nogil: other Python threads can run while a kernel runs.
    dispatcher = numba.njit(
        function, parallel=parallel, nogil=True, error_model="numpy", fastmath=set(fastmath) or False
    )
    dispatcher._cache = _KernelCache(function)
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


class _NamedCache(_KernelCache):
    """The cache of a function that another function creates, and that is identified by its name."""

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        # Numba's own key has the objects that the function refers to, which differ between processes
        return sig, codegen.magic_tuple()


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
        compiled._cache = (_NamedCache if name else _KernelCache)(function)  # type: ignore[attr-defined]
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
