"""Arrays in files of which nobody has to hold all: written piece by piece, read and let go of again."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class GrowingArray:
    """Rows appended to a file that in the end is, byte for byte, what ``np.save`` makes of all of them.

    Args:
        path: The file.
        dtype: Of the array.
        row: The shape of one row.
    """

    def __init__(self, path: Path, dtype: DTypeLike, row: tuple[int, ...] = ()) -> None:
        self._dtype, self._row, self._rows = np.dtype(dtype), row, 0
        self._file = path.open("wb")
        self._write_header()
        self._start = self._file.tell()

    def __enter__(self) -> GrowingArray:
        return self

    def append(self, rows: NDArray[Any]) -> None:
        """Adds ``[n, *row]`` of the array's dtype."""
        assert rows.dtype == self._dtype
        assert rows.shape[1:] == self._row
        self._file.write(np.ascontiguousarray(rows).data)
        self._rows += len(rows)

    def __exit__(self, kind: type[BaseException] | None, error: object, where: TracebackType | None) -> None:
        try:
            if kind is None:
                self._file.seek(0)
                self._write_header()  # numpy leaves room in it for a first dimension of up to 21 digits
                assert self._file.tell() == self._start
        finally:
            self._file.close()

    def _write_header(self) -> None:
        shape = (self._rows, *self._row)
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)


def on_disk(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """A new array in a file, to be filled in any order; its whole room on the disk is taken at once.

    Raises OSError where there is less room. (A mapped file that gets its room as it is written to would end the process
    instead.)
    """
    array: NDArray[Any] = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def let_go(array: NDArray[Any]) -> None:
    """Takes what was read of a memory-mapped file out of this process's memory; it is read anew where it is needed.

    Args:
        array: The mapping or a view of it; of mode ``c`` what was written to it is lost. Other arrays stay as they are.
    """
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)
