"""How every kernel is compiled: the one owner of Numba's options and of the on-disk cache.

A kernel is compiled at its first call and stored next to the sources (or in ``NUMBA_CACHE_DIR``). Numba's own
cache looks at the file a function stands in; kernels here are built from several files, so the stamp of every
cached kernel covers all files that can change its machine code, and the versions of Numba and llvmlite.
The processor's name and features are part of Numba's own cache key. What else a process chooses, such as an instruction
set, joins the key by `vary`: machine code for each choice is stored side by side.
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
    """Digest of every source a kernel can be built from."""
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
        Name of a folder: kernels in such a folder of the package depend on the choice, and those outside of the package
        may.
    choice : callable
        Returns what is chosen; called when such a kernel is compiled or loaded.
    """
    _variants[folder] = choice


def _variant(function: Callable[..., Any]) -> tuple[Hashable, ...]:
    """Return the choices that the machine code of a function depends on."""
    path = Path(function.__code__.co_filename)
    inside = path.is_relative_to(_PACKAGE)
    folders = path.relative_to(_PACKAGE).parent.parts if inside else ()
    return tuple(choice() for folder, choice in _variants.items() if folder in folders or not inside)


def _stamped(locator: type[Any]) -> type[Any]:
    """Return the cache locator with the package's stamp in place of the one of a single file."""

    def get_source_stamp(self: Any) -> object:
        if Path(getattr(self, "_py_file", "")) in _sources():
            return _source_stamp()
        return _source_stamp(), locator.get_source_stamp(self)  # a kernel that stands outside the package

    return type(locator.__name__, (locator,), {"get_source_stamp": get_source_stamp})


class _CacheImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes: ClassVar[list[type[Any]]] = [_stamped(locator) for locator in caching.CacheImpl._locator_classes]


def _is_ours(kind: Any) -> bool:
    """Whether the classes of all named tuples in a Numba type, or of those it points to, are the package's."""
    owner = getattr(kind, "instance_class", _KernelCache)
    parts = kind if isinstance(kind, BaseTuple) else getattr(kind, "named_tuples", ())
    return owner.__module__.partition(".")[0] == __package__ and all(map(_is_ours, parts))


class _KernelCache(caching.FunctionCache):  # type: ignore[misc]
    """Numba's cache of a kernel, less what is compiled for a named tuple of another package's.

    What a kernel does for it may be written in its file (see `by_type`), which no stamp covers. And where its class
    cannot be imported, in another script, the whole index of the kernel would be unreadable.
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
        """Return what is stored for a signature, None if there is nothing.

        The index holds the types of all signatures. One that cannot be found in this process, of a module that is not
        here, makes it unreadable: then it starts anew.
        """
        if not all(map(_is_ours, getattr(sig, "args", sig))):
            return None
        try:
            return super().load_overload(sig, target_context)
        except (ImportError, AttributeError):
            self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store what was compiled for a signature."""
        if all(map(_is_ours, data.signature.args)):
            super().save_overload(sig, data)


def cache_directories() -> list[Path]:
    """List the directories in which the kernels imported so far are stored, or will be once they are compiled."""
    return sorted(map(Path, _KernelCache.directories))


def _compile_lazily(function: Callable[..., Any], *, parallel: bool, fastmath: frozenset[str]) -> Any:
    # error_model='numpy': division by zero gives inf or nan instead of a branch and a Python exception.
    # nogil: other Python threads go on while a kernel runs.
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
        The loop body. Arrays and scalars in, results written into arrays it is given.
    fastmath : frozenset of str, default empty
        LLVM's fast-math flags by name. Never set them on a function that calls vector code of
        ``fastcands.simd``: the flags reach the instructions of the callee, and rounding tricks there would be
        folded away.

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

    It is ``functools.singledispatch``, for compiled callers too: they call what is registered for the class of a named
    tuple or for the NumPy type of a number. The choice is made when the caller is compiled and costs nothing later.

    Parameters
    ----------
    function : callable
        What is done for a type for which nothing is registered.

    Returns
    -------
    callable
        With the method ``register(class)``, a decorator of what is to be done for a class. The modules that register
        must be imported before the caller is called. Called from Python, nothing is compiled.

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
    """The cache of a function that is made by another one, and so is told from its like by a name of its own."""

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        # Numba's own key holds what the function refers to, which is another object in every process
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
        What tells the function from others that the same code makes: needed unless it stands at the top level of a
        module.
    on_disk : bool, default True
        Whether to keep the machine code for other processes. Not for a function that is made from code outside the
        package: an edit there would go unnoticed.

    Returns
    -------
    object
        Its ``address`` is where the code stands, as long as the object lives.
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
        The loop body. Its workers must not depend on their number: a float sum has one order, whatever the
        threads. ``prange`` counts in uint64, which together with int64 becomes float64: convert its index
        first.

    Returns
    -------
    callable
        Takes the arguments of `function`. Calls from several Python threads are safe on every threading
        layer, and so are calls after a fork: where the layer does not survive it, the loop runs in one thread.
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
