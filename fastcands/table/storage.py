"""A class table on disk: saved to one file, loaded from it, or trained in place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from fastcands.atomic import write_atomically
from fastcands.optimizers import Optimizer, from_dict
from fastcands.table.arrays import TableArrays
from fastcands.table.container import Container, write_container
from fastcands.table.in_place import InPlaceFile
from fastcands.table.sampler_states import pack_states, unpack_state
from fastcands.validation.arrays import check_array
from fastcands.validation.error_state import own_error_state
from fastcands.validation.tables import as_class_table

__all__ = ["StoredTable", "check_state"]


def check_state(optimizer: Optimizer, arrays: Mapping[str, NDArray[Any]], state: Any) -> None:
    """Refuse a state that does not fit the optimizer and these arrays."""
    if not isinstance(state, Mapping) or sorted(state) != sorted(arrays):
        what = sorted(state) if isinstance(state, Mapping) else type(state).__name__
        raise ValueError(f"optimizer_state must be a dict with {sorted(arrays)}, got {what}")
    for name, array in arrays.items():
        for key, remembered in state[name].items() if isinstance(state[name], dict) else ():
            check_array(remembered, f"optimizer_state[{name!r}][{key!r}]")
        expected = {key: (tuple(a.shape), np.dtype(a.dtype)) for key, a in optimizer.state_arrays(array).items()}
        part = state[name]
        came: Any = type(part).__name__
        if isinstance(part, dict):
            came = {key: (a.shape, a.dtype) for key, a in part.items()}
        if came != expected:
            raise ValueError(f"optimizer_state of {name} must be {expected} for {optimizer}, got {came}")


class StoredTable(TableArrays):
    """Saving and loading of tables."""

    _file: InPlaceFile | None = None
    _compiled_for: Optimizer | None = None

    def _all_arrays(self) -> dict[str, NDArray[Any]]:
        arrays = dict(self._arrays())
        for name, state in self.optimizer_state.items():
            arrays.update({f"{name}.{key}": array for key, array in state.items()})
        return arrays

    def _describe(self) -> dict[str, Any]:
        return {
            "num_classes": self.num_classes,
            "dim": self.dim,
            "step": self.step,
            "rounding_seed": self.rounding_seed,
            "optimizer": self.optimizer.to_dict(),
        }

    @own_error_state
    def save(self, path: str | os.PathLike[str], *, samplers: Mapping[str, Any] | None = None) -> None:
        """Write the table to one file, from which `load` restores a table that continues exactly from here.

        The file is written to disk under another name and then renamed, so at every moment `path` is the old file or
        the complete new one. The next save removes what a killed one left behind.

        Parameters
        ----------
        path : path
            The file; its folder exists.
        samplers : mapping of str to sampler, optional
            Samplers whose state is saved too, by names of your choice: objects with a ``state_dict`` like the
            samplers'.

        Raises
        ------
        OSError
            If the file cannot be written, as on a full disk: `path` is then as before.
        TypeError
            If `samplers` is not a mapping of such objects.
        ValueError
            If the table is trained in place in this file; use `flush` instead.

        Notes
        -----
        The file is an uncompressed ``.npz`` that `numpy.load` reads, with a manifest in JSON; nothing is pickled.
        Every array has a checksum. A learning rate that is a function of your own is not saved. Arrays of any strides
        are saved, and loaded as C-contiguous ones.

        Examples
        --------
        >>> import tempfile
        >>> import fastcands as fc
        >>> table, sampler = fc.ClassTable(100, 8, seed=0), fc.LogUniformSampler(100, seed=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table.save(f"{folder}/table.npz", samplers={"train": sampler})
        ...     copy = fc.ClassTable.load(f"{folder}/table.npz", samplers={"train": sampler})
        >>> bool((copy.weights == table.weights).all()), copy
        (True, ClassTable(100, 8, dtype='float32', ...))
        """
        target = Path(path)
        if self._file is not None and target.exists() and os.path.samefile(target, self._file.path):
            raise ValueError(f"path must be another file than {target}, in which the table is trained; see flush()")
        described, arrays = pack_states({} if samplers is None else samplers)
        manifest = self._describe() | {"samplers": described}
        write_atomically(target, lambda file: write_container(file, manifest, self._all_arrays() | arrays))

    @classmethod
    @own_error_state
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        mmap: bool | Literal["r", "r+"] = False,
        verify: bool | None = None,
        optimizer: Optimizer | None = None,
        samplers: Mapping[str, Any] | None = None,
    ) -> Self:
        """Return a table from a file that `save` wrote.

        Parameters
        ----------
        path : path
            The file.
        mmap : bool, 'r' or 'r+', default False
            False reads the file into memory. 'r' maps it read-only: the table can be evaluated at once, several
            processes share the memory. 'r+' or True trains it in place, so that it can be larger than memory; see
            Notes.
        verify : bool, optional
            Whether the checksums of arrays are compared, for which they must be read. By default they are when they
            are read anyway, with ``mmap=False``. False also accepts a file that was being trained in place when its
            process ended.
        optimizer : Optimizer, optional
            Used instead of the saved one. Its state must have the same arrays. Required if the learning rate was a
            function of your own.
        samplers : mapping of str to sampler, optional
            Samplers whose state is restored from these names. If one does not fit, those before it are restored
            already.

        Returns
        -------
        ClassTable
            At the step at which it was saved.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is truncated, damaged, of another kind or another format, if it is trained in place, or if
            `optimizer` or `samplers` do not fit. The message names the file.

        Notes
        -----
        With ``mmap='r+'`` the file is the table: steps change it, and no older state is kept. It is marked as changing,
        and `load` refuses a file with this mark. `flush` writes everything to disk, renews the checksums and marks the
        file as complete until the next step; `close` does the same and makes the table read-only. Both remove states of
        samplers from the file, because these belong to the step at which it was saved. A crash can damage the table, so
        keep a copy with `save` to another path.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> import fastcands as fc
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     fc.ClassTable(100, 8, seed=0).save(f"{folder}/table.npz")
        ...     table = fc.ClassTable.load(f"{folder}/table.npz", mmap=True)
        ...     _ = table.train_step(fc.SoftmaxLoss(), [3], np.ones((1, 8), np.float32))
        ...     table.close()
        ...     fc.ClassTable.load(f"{folder}/table.npz").step
        1
        """
        if mmap not in (False, True, "r", "r+"):
            raise ValueError(f"mmap must be False, True, 'r' or 'r+', got {mmap!r}")
        in_place = mmap in (True, "r+")
        file, taken = Container(Path(path), writable=in_place, unfinished=verify is False), False
        try:
            names = [name for name in file.manifest["arrays"] if not name.startswith("samplers.")]
            memory = None
            if mmap is False:
                arrays = {name: file.read(name, verify is not False) for name in names}
            else:
                memory, arrays = file.map()
                for name in names if verify else []:
                    file.check(name)
            table = cls.__new__(cls)
            table._restore(file, arrays, optimizer)
            for name, sampler in ({} if samplers is None else samplers).items():
                saved = file.manifest["samplers"]
                if name not in saved:
                    raise ValueError(f"{path}: holds no sampler {name!r}; it holds {sorted(saved)}")
                sampler.load_state_dict(unpack_state(saved[name], lambda key: file.read(key, verify is not False)))
            if in_place:
                assert memory is not None
                table._file = InPlaceFile(file, memory)
                table._file.begin_changes()
                taken = True
        finally:
            if not taken:
                file.close()
        return table

    def _restore(self, file: Container, arrays: dict[str, NDArray[Any]], optimizer: Optimizer | None) -> None:
        manifest = file.manifest
        try:
            self.weights, self.biases = as_class_table(arrays["weights"], arrays.get("biases"))
            self.optimizer = from_dict(manifest["optimizer"]) if optimizer is None else optimizer
            state: dict[str, dict[str, NDArray[Any]]] = {name: {} for name in self._arrays()}
            for name, array in arrays.items():
                owner, _, key = name.partition(".")
                if key and owner in state:
                    state[owner][key] = array
            check_state(self.optimizer, self._arrays(), state)
            self.optimizer_state = state
            self.step, self.rounding_seed = int(manifest["step"]), int(manifest["rounding_seed"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file.path}: {error}") from None

    @own_error_state
    def flush(self) -> None:
        """Complete the file of a table that is trained in place: write everything to disk and renew the checksums.

        The whole file is read for the checksums. Tables in memory have nothing to flush.

        Raises
        ------
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> import fastcands as fc
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     fc.ClassTable(100, 8).save(f"{folder}/table.npz")
        ...     table = fc.ClassTable.load(f"{folder}/table.npz", mmap=True)
        ...     table.flush()
        ...     fc.ClassTable.load(f"{folder}/table.npz", mmap="r").step
        ...     table.close()
        0
        """
        if self._file is not None:
            self._file.complete(self._describe())

    def close(self) -> None:
        """Flush a table that is trained in place and make it read-only; do nothing for other tables.

        Raises
        ------
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import fastcands as fc
        >>> fc.ClassTable(100, 8).close()
        """
        if self._file is not None:
            self.flush()
            for array in self._all_arrays().values():
                array.flags.writeable = False
            self._file.close()
            self._file = None
