"""What a result is computed with: library versions, processor, device, and how torch is to calculate."""

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
    """Versions of the libraries that numbers come from, as installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


@cache
def processor() -> str:
    """The processor's model name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def devices(device: str) -> dict[str, str]:
    """The kind of device, ``cpu`` or ``cuda``, with its model."""
    if device == "cpu":
        return {"cpu": processor()}
    import torch

    return {"cuda": torch.cuda.get_device_name()}


def set_torch_up(threads: int | None = None) -> None:
    """fp32 that is fp32 (no TF32) and the same algorithm every time on a GPU.

    So many CPU threads, where stated; freed memory then stays with the process until ``give_memory_back``.
    """
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
        _keep_freed_memory()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Of glibc's malloc.h."""


def _keep_freed_memory() -> None:
    """Where malloc is glibc's, next to nothing freed goes back to the kernel.

    A training's maps are as large again in the next step, and fetching their pages anew takes longer than filling them.
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def give_memory_back() -> None:
    """What freed memory the process has kept goes back to the kernel."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Any:
    """A function of the C library, None where another one is in its place."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
