"""Compilation of loops by numba, once per machine where that can be had."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import typeinfer
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps


def compiled(signature: Any = None, *, reorder: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``numba.njit`` without the GIL and with the machine code kept on disk, so that worker processes only load it.

    signature: what to compile for at once; None: whatever a compiled caller passes. The code is kept beside the source,
    or in the user's cache folder where the source cannot be written; where neither can be, and where what is kept is
    damaged or cannot be written, the function is compiled anew: that costs time and nothing else.

    reorder: whether sums may be added up in whatever order this kind of processor is fastest with, on which their last
    bits then depend.
    """
    allowed = {"reassoc", "nsz"} if reorder else False

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        kernel: Any = numba.njit(nogil=True, error_model="numpy", fastmath=allowed)(function)
        if kernel is function:  # NUMBA_DISABLE_JIT
            return function
        with contextlib.suppress(RuntimeError, OSError):  # numba found no folder it may write to
            kernel._cache = _Cache(function)
        if signature is not None:
            with typeinfer.register_dispatcher(kernel):  # as njit(signature) does
                kernel.compile(signature)
                kernel.disable_compile()
        return kernel

    return decorate


class _Cache(FunctionCache):
    """numba's cache of a function, whose files carry a digest: numba would run damaged machine code."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        locator = self._impl.locator
        self._cache_file = _Files(Path(self._cache_path), self._impl.filename_base, locator.get_source_stamp())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # noqa: BLE001 - whatever is wrong with a cache, the function can be compiled
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(Exception):  # a full disk, a folder that is gone
            super().save_overload(sig, data)


class _Files:
    """Machine code on disk: a file for each version of numba, state of the source and signature.

    A file is the sha256 of the rest, then the pickled pair of what it is for and the code. Pickles that the digest does
    not vouch for are not read.
    """

    def __init__(self, folder: Path, base: str, source_stamp: Any) -> None:
        self._folder, self._base = folder, base
        self._about = repr((numba.__version__, source_stamp))

    def flush(self) -> None:
        for path in self._folder.glob(f"{self._base}.*.code"):
            path.unlink(missing_ok=True)

    def save(self, key: Any, data: Any) -> None:
        content = dumps((self._meaning(key), data))
        path = self._path(key)
        partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
        try:
            partial.write_bytes(hashlib.sha256(content).digest() + content)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)

    def load(self, key: Any) -> Any:
        try:
            whole = self._path(key).read_bytes()
        except OSError:
            return None
        digest, content = whole[:32], whole[32:]
        if hashlib.sha256(content).digest() != digest:
            return None
        meaning, data = pickle.loads(content)
        return data if meaning == self._meaning(key) else None

    def _meaning(self, key: Any) -> str:
        return f"{self._about} {key!r}"

    def _path(self, key: Any) -> Path:
        return self._folder / f"{self._base}.{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.code"


def given(dtype: Any, dimensions: int) -> Any:
    """The type of an input: a C-contiguous array that may be read-only, as arrays from Ray's object store are."""
    return numba.types.Array(dtype, dimensions, "C", readonly=True)


def made(dtype: Any, dimensions: int) -> Any:
    """The type of an output: a C-contiguous array to write into."""
    return numba.types.Array(dtype, dimensions, "C")
