"""What a result is computed with: library versions, processor, device, and how torch computes."""

from __future__ import annotations

import ctypes
import gc
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from harness.complaints import chain_of

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


_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""What a container may have, by the second and the first version of Linux's control groups."""


def memory_here() -> int | None:
    """How much memory this machine has, or this container may have.

    Returns:
        Bytes; None where the system does not say.
    """
    try:
        installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    return min([installed, *(limit for limit in map(_limit, _LIMITS) if limit is not None)])


def _limit(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


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


def gpu_goes_on() -> bool:
    """Frees the GPU memory that torch keeps for later in this process.

    Returns:
        Whether the GPU can still be used: after some errors CUDA no longer works in the process.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return True
    gc.collect()
    try:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
    except RuntimeError:
        return False
    return True


_OUT_OF_GPU_MEMORY = re.compile(r"CUDA error: out of memory|CU\w+_STATUS_\w*ALLOC\w*_FAILED")
"""What CUDA itself, cuBLAS and cuDNN say, of which torch makes a RuntimeError."""


def is_out_of_gpu_memory(error: BaseException) -> bool:
    """Whether an exception, or one that it was raised from or after, says that a GPU had no memory left.

    Args:
        error: The exception.

    Returns:
        False also where torch is not loaded.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    return any(
        isinstance(each, torch.OutOfMemoryError)
        or (isinstance(each, RuntimeError) and _OUT_OF_GPU_MEMORY.search(str(each)) is not None)
        for each in chain_of(error)
    )


def _of_glibc(name: str) -> Any:
    """A function of glibc; None where the C library is another."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
