"""The parts of Numba and llvmlite that the package relies on beyond what they promise, each tried alone.

A new version of Numba that changes one of them fails here first, by its name. Nothing of the package is imported.
"""

from __future__ import annotations

import ctypes
import pickle
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numba
import numpy as np
import pytest
from llvmlite import binding, ir
from numba._dispatcher import compute_fingerprint
from numba.core import caching, cgutils, types
from numba.core.ccallback import CFunc
from numba.core.compiler import CompileResult
from numba.core.imputils import lower_getattr_generic
from numba.core.serialize import dumps
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import intrinsic, models, register_model
from numba.misc.appdirs import AppDirs

from tests.numba_internals import complaint, is_there, missing, used_names, uses

USES = uses()


@pytest.mark.parametrize("name", USES)
def test_what_the_package_uses_is_there(name: str) -> None:
    assert is_there(name), complaint(name, USES[name])


def test_names_in_use_are_read_from_a_source() -> None:
    source = """
import numba
import llvmlite.binding as llvm
from numba.core import types
from numba.core.caching import FunctionCache

numba.config.CPU_NAME, llvm.get_host_cpu_name(), types.Array, self.types.no, self._builder.fadd(x), x.no
"""
    assert set(used_names(source)) == {
        "numba",
        "numba.config",
        "llvmlite.binding",
        "llvmlite.binding.get_host_cpu_name",
        "numba.core.types",
        "numba.core.types.Array",
        "numba.core.caching.FunctionCache",
        "llvmlite.ir.IRBuilder.fadd",
    }
    assert set(used_names("builder.no(context.no)")) == set()


def test_a_name_that_is_gone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_there("numba.core.caching.NoSuchCache")
    assert not is_there("no_such_package.thing")
    assert missing() == []
    monkeypatch.delattr(caching, "NullCache")
    (line,) = missing()
    assert line == "numba.core.caching.NullCache is not there any more; fastcands uses it in cache/kernels.py"


@pytest.mark.parametrize("name", ["CACHE_DIR", "CPU_NAME", "CPU_FEATURES", "DISABLE_JIT", "NUMBA_NUM_THREADS"])
def test_numba_config_has_what_is_read(name: str) -> None:
    assert hasattr(numba.config, name), f"numba.config.{name} is not there any more"


def test_compute_fingerprint_tells_types_layouts_and_flags_apart() -> None:
    class Job(NamedTuple):
        x: Any

    read_only = np.zeros((2, 3))
    read_only.flags.writeable = False
    values = [1, 1.0, np.zeros((2, 3)), np.zeros((2, 3), np.float32), np.zeros((3, 2)).T, np.zeros(3), read_only]
    prints = [compute_fingerprint(Job(value)) for value in values]
    assert all(type(each) is bytes for each in prints), "compute_fingerprint returns bytes no more"
    assert len(set(prints)) == len(values), "compute_fingerprint takes different jobs for one"
    assert compute_fingerprint(Job(np.ones((4, 5)))) == prints[2], "compute_fingerprint depends on values or sizes"


class _Cache(caching.NullCache):
    """A cache in memory that pickles, as one on disk does."""

    stored: ClassVar[dict[bytes, bytes]] = {}

    def _key(self, sig: Any, codegen: Any) -> bytes:
        return dumps((str(sig), codegen.magic_tuple()))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        found = self.stored.get(self._key(sig, target_context.codegen()))
        return None if found is None else CompileResult._rebuild(target_context, *pickle.loads(found))

    def save_overload(self, sig: Any, data: Any) -> None:
        assert not data.library.has_dynamic_globals
        assert pickle.loads(dumps(sig)) == sig, "types that were pickled are not equal to themselves"
        self.stored[self._key(sig, data.codegen)] = dumps(data._reduce())


def _add_one(x: int) -> int:
    return x + 1


def _write_one(address: Any) -> None:
    address[0] = 1


@pytest.fixture
def cache() -> dict[bytes, bytes]:
    _Cache.stored.clear()
    return _Cache.stored


def test_a_dispatcher_uses_the_cache_it_is_given(cache: dict[bytes, bytes]) -> None:
    for misses in (1, 0):
        dispatcher = numba.njit(_add_one, nogil=True, error_model="numpy")
        assert hasattr(dispatcher, "_cache"), "a dispatcher has no attribute _cache any more"
        dispatcher._cache = _Cache()
        assert dispatcher(1) == 2
        assert sum(dispatcher.stats.cache_misses.values()) == misses, "a dispatcher asks its _cache no more"
    assert len(cache) == 1, "a dispatcher calls save_overload no more"


def test_names_and_folders_of_the_cache_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Path(AppDirs(appname="numba", appauthor=False).user_cache_dir) == tmp_path / "numba"
    name = caching.UserProvidedCacheLocator.get_suitable_cache_subpath("/some/where/module.py")
    assert name.startswith("where_")
    assert caching.IPythonCacheLocator.from_function(_add_one, __file__) is None


def test_a_cfunc_is_compiled_by_hand_with_a_cache(cache: dict[bytes, bytes]) -> None:
    for hits in (0, 1):
        compiled = _compile_callback()
        assert compiled.cache_hits == hits, "CFunc does not use the _cache it is given"
        memory = np.zeros(1, np.int64)
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(compiled.address)(memory.ctypes.data)
        assert memory[0] == 1, "CFunc.address is not that of the compiled function"


def _compile_callback() -> Any:
    compiled = CFunc(_write_one, ((types.CPointer(types.int64),), types.void), {}, {"error_model": "numpy"})
    compiled._cache = _Cache()
    compiled.compile()
    return compiled


class _Pointer(types.CPointer):
    """A type of our own: the address of a named tuple, whose fields are read where they are named."""

    def __init__(self, fields: Any) -> None:
        super().__init__(fields)
        self.name = f"pointer to {fields}"

    @property
    def key(self) -> Any:
        return self.dtype


register_model(_Pointer)(models.PointerModel)


@infer_getattr
class _Fields(AttributeTemplate):
    key = _Pointer

    def generic_resolve(self, pointer: Any, field: str) -> Any:
        return pointer.dtype[pointer.dtype.fields.index(field)]


@lower_getattr_generic(_Pointer)
def _load_field(context: Any, builder: Any, pointer: Any, place: Any, field: str) -> Any:
    position = pointer.dtype.fields.index(field)
    value = builder.load(cgutils.gep_inbounds(builder, place, 0, position))
    return context.data_model_manager[pointer.dtype[position]].from_data(builder, value)


class Fields(NamedTuple):
    flag: bool
    values: Any
    count: int


FIELDS = Fields(True, np.array([[1.0, 2.0], [3.0, 4.0]]), 5)
POINTER = _Pointer(numba.typeof(FIELDS))
INT64 = ir.IntType(64)


@intrinsic
def _as_pointer(typingctx: Any, address: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(POINTER))

    return POINTER(types.int64), codegen


@intrinsic
def _lay_down(typingctx: Any, fields: Any) -> Any:
    """Store a tuple in memory, its arrays without owners; return its address."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        position = fields.fields.index("values")
        kind = fields[position]
        array = context.make_array(kind)(context, builder, value=builder.extract_value(arguments[0], position))
        array.meminfo = ir.Constant(array.meminfo.type, None)
        value = builder.insert_value(arguments[0], array._getvalue(), position)
        slot = cgutils.alloca_once_value(builder, context.data_model_manager[fields].as_data(builder, value))
        return builder.ptrtoint(slot, INT64)

    return types.int64(fields), codegen


def test_fields_of_a_tuple_in_memory_are_read_by_a_type_of_our_own() -> None:
    @numba.njit
    def read(fields: Any) -> Any:
        pointer = _as_pointer(_lay_down(fields))
        return pointer.flag, pointer.values[1, 0], pointer.count

    assert read(FIELDS) == (True, 3.0, 5)


def test_an_array_in_memory_is_the_words_that_the_package_writes() -> None:
    """Two words of owners, size, item size, data, shape, strides: what a workspace lays down without Numba."""

    class Laid(NamedTuple):
        values: Any
        count: int

    laid = Laid(FIELDS.values, 5)
    pointer_type = _Pointer(numba.typeof(laid))

    @intrinsic
    def as_laid(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(pointer_type))

        return pointer_type(types.int64), codegen

    @numba.njit
    def read(address: int) -> Any:
        pointer = as_laid(address)
        values = pointer.values
        return values[0, 1], values[1, 1], values.size, values.itemsize, values.shape, values.strides, pointer.count

    x = laid.values
    words = np.array([0, 0, x.size, x.itemsize, x.ctypes.data, *x.shape, *x.strides, 5], np.int64)
    assert read(words.ctypes.data) == (2.0, 4.0, 4, 8, (2, 2), (16, 8), 5), "Numba lays arrays down in another order"


@intrinsic
def _call_address(typingctx: Any, function: Any, argument: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [INT64])
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def test_a_kernel_calls_a_callback_by_its_address(cache: dict[bytes, bytes]) -> None:
    @numba.njit
    def run(function: int, argument: int) -> None:
        _call_address(function, argument)

    memory, compiled = np.zeros(1, np.int64), _compile_callback()
    run(compiled.address, memory.ctypes.data)
    assert memory[0] == 1


@intrinsic
def _multiply_first(typingctx: Any, where: Any, wanted: Any) -> Any:
    """Square the first `wanted` of four float32 numbers, through the LLVM intrinsics that kernels call by name."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        int32, void = ir.IntType(32), ir.VoidType()
        vector, wide = ir.VectorType(ir.FloatType(), 4), ir.VectorType(INT64, 4)
        pointer = builder.inttoptr(arguments[0], vector.as_pointer())

        def call(name: str, result: Any, *values: Any) -> Any:
            kind = ir.FunctionType(result, [value.type for value in values])
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)

        one = builder.insert_element(ir.Constant(wide, ir.Undefined), arguments[1], ir.Constant(int32, 0))
        zeros = ir.Constant(ir.VectorType(int32, 4), [0] * 4)
        limit = builder.shuffle_vector(one, ir.Constant(wide, ir.Undefined), zeros)
        mask = builder.icmp_signed("<", ir.Constant(wide, [ir.Constant(INT64, i) for i in range(4)]), limit)
        align, zero = ir.Constant(int32, 4), ir.Constant(vector, [ir.Constant(ir.FloatType(), 0.0)] * 4)
        call("llvm.prefetch.p0", void, pointer, *(ir.Constant(int32, value) for value in (0, 3, 1)))
        x = call("llvm.masked.load.v4f32.p0", vector, pointer, align, mask, zero)
        square = call("llvm.fmuladd.v4f32", vector, x, x, zero)
        call("llvm.masked.store.v4f32.p0", void, square, pointer, align, mask)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), codegen


def test_vector_code_of_our_own_is_compiled() -> None:
    @numba.njit
    def run(x: Any, wanted: int) -> None:
        _multiply_first(x.ctypes.data, wanted)

    x = np.array([2, 3, 4, 5], np.float32)
    run(x, 3)
    assert x.tolist() == [4, 9, 16, 5]


def test_llvmlite_knows_the_processor() -> None:
    features = binding.get_host_cpu_features()
    assert features, "llvmlite.binding.get_host_cpu_features returns nothing"
    assert all(isinstance(name, str) and isinstance(on, bool) for name, on in features.items())
    assert binding.get_host_cpu_name()
    assert binding.get_process_triple().count("-") >= 2
