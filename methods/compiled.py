"""Compilation of loops by numba, once per machine where that can be had."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba


def compiled(signature: Any = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``numba.njit`` without the GIL and with the machine code kept on disk, so that worker processes only load it.

    signature: what to compile for at once; None: whatever a compiled caller passes. numba keeps the code beside the
    source, or in the user's cache folder where the source cannot be written; where neither can be, the function is
    compiled anew in each process.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        njit: Any = functools.partial(numba.njit, signature, nogil=True, error_model="numpy")
        try:
            kernel: Callable[..., Any] = njit(cache=True)(function)
        except RuntimeError:  # numba found no folder it may write to
            kernel = njit()(function)
        return kernel

    return decorate


def given(dtype: Any, dimensions: int) -> Any:
    """The type of an input: a C-contiguous array that may be read-only, as arrays from Ray's object store are."""
    return numba.types.Array(dtype, dimensions, "C", readonly=True)


def made(dtype: Any, dimensions: int) -> Any:
    """The type of an output: a C-contiguous array to write into."""
    return numba.types.Array(dtype, dimensions, "C")
