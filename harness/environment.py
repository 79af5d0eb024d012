"""What a result is computed with: library versions, processor, device, and how torch computes."""

from __future__ import annotations

import ctypes
import importlib.metadata
import platform
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

LIBRARIES = ("fewcolors", "torch", "torchvision", "numpy", "pillow", "ray", "scikit-learn", "scipy", "numba", "pandas")


@cache
def versions() -> Mapping[str, str]:
    """Versions of the libraries that numbers come from, as installed.

    Returns:
        Versions by library, Python's too.
    """
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


@cache
def processor() -> str:
    """The processor's model name, for the record of what computed a result.

    Returns:
        As the operating system gives it.
    """
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def devices(device: str) -> dict[str, str]:
    """The kind of device and its model.

    Args:
        device: ``cpu`` or ``cuda``.

    Returns:
        The model by the kind.
    """
    if device == "cpu":
        return {"cpu": processor()}
    import torch

    return {"cuda": torch.cuda.get_device_name()}


def set_torch_up(threads: int | None = None) -> None:
    """Has torch compute in true fp32 (no TF32), and on a GPU by the same algorithm every time.

    Args:
        threads: Of the CPU. Where they are given, freed memory stays with the process until ``give_memory_back``.
    """
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
        _keep_freed_memory()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Numbers of two of glibc's malloc parameters, from malloc.h."""


def _keep_freed_memory() -> None:
    """Has glibc's malloc keep what is freed instead of giving it back to the kernel.

    A training step allocates maps of the same sizes as the step before it, and getting their pages from the kernel
    again takes more than 5 % of a step on a CPU (docs/performance.md).
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def give_memory_back() -> None:
    """Gives the freed memory that the process has kept back to the kernel."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Any:
    """A function of glibc; None where the C library is another."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
