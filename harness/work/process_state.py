"""What libraries keep for a whole process, put back after each job: the next one in the process starts as this did.

Functions that a plugin has replaced in other modules cannot be put back; a plugin that is not built in runs in worker
processes of its own for that reason (``harness.work.foreign_code``).
"""

from __future__ import annotations

import contextlib
import decimal
import gc
import locale
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

State = tuple[Callable[[], Any], Callable[[Any], object]]
"""How something is read, and how it is set."""


@contextlib.contextmanager
def put_back() -> Iterator[None]:
    """A context that leaves the process as it found it.

    Random generators, number formats and error handling of Python, numpy, torch and Pillow, environment variables, the
    working folder, the file mode mask, the locale, warning filters, signal handlers. Where torch is first imported
    inside the context, it is left as an import leaves it.
    """
    states = {**_python(), **_numpy(), **_pillow(), **_torch()}
    torch_was_there = "torch" in sys.modules
    before = {name: read() for name, (read, _) in states.items()}
    try:
        yield
    finally:
        if not torch_was_there and "torch" in sys.modules:
            states = states | _torch()
            before = before | {"torch.dtype": sys.modules["torch"].float32, **_TORCH_AS_IMPORTED}
        if "PIL.Image" in sys.modules and "PIL" not in before:
            states, before = states | _pillow(), before | {"PIL": _PILLOW_AS_IMPORTED}
        for name, value in before.items():
            with contextlib.suppress(Exception):  # one that can no longer be set costs none of the others
                _set(states[name], value)


def _set(state: State, value: Any) -> None:
    read, write = state
    if not _same(read(), value):
        write(value)


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except (ValueError, RuntimeError, TypeError):  # arrays and tensors in a random generator's state
        return False


def _python() -> dict[str, State]:
    states: dict[str, State] = {
        "random": (random.getstate, random.setstate),
        "environment": (lambda: dict(os.environ), _set_environment),
        "folder": (os.getcwd, os.chdir),
        "umask": (_umask, os.umask),
        "locale": (lambda: locale.setlocale(locale.LC_ALL), lambda name: locale.setlocale(locale.LC_ALL, name)),
        "warnings": (lambda: list(warnings.filters), _set_warnings),
        "decimal": (lambda: decimal.getcontext().copy(), decimal.setcontext),
        "recursion": (sys.getrecursionlimit, sys.setrecursionlimit),
        "garbage": (gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
        "path": (lambda: list(sys.path), lambda path: sys.path.__setitem__(slice(None), path)),
        "streams": (lambda: (sys.stdout, sys.stderr), _set_streams),
    }
    if threading.current_thread() is threading.main_thread():
        states["signals"] = (_signals, _set_signals)
    try:
        os.getcwd()
    except OSError:
        del states["folder"]
    return states


def _set_environment(environment: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(environment):
        if not name.startswith("KMP_"):  # set by libraries once they are loaded, for their OpenMP
            del os.environ[name]
    os.environ.update(environment)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _set_warnings(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _set_streams(streams: tuple[Any, Any]) -> None:
    sys.stdout, sys.stderr = streams


_SIGNALS = tuple(number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP))


def _signals() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in _SIGNALS}


def _set_signals(handlers: Mapping[int, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)


def _numpy() -> dict[str, State]:
    return {
        "numpy.random": (np.random.get_state, np.random.set_state),
        "numpy.errors": (np.geterr, lambda errors: np.seterr(**errors)),
        "numpy.callback": (np.geterrcall, np.seterrcall),
        "numpy.buffer": (np.getbufsize, np.setbufsize),
        "numpy.print": (np.get_printoptions, lambda options: np.set_printoptions(**options)),
    }


_PILLOW_AS_IMPORTED = (False, 89478485, 65536)


def _pillow() -> dict[str, State]:
    if "PIL.Image" not in sys.modules:
        return {}
    from PIL import Image, ImageFile

    def read() -> tuple[Any, ...]:
        return ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, ImageFile.MAXBLOCK

    def write(values: tuple[Any, ...]) -> None:
        ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, ImageFile.MAXBLOCK = values

    return {"PIL": (read, write)}


_TORCH_AS_IMPORTED: Mapping[str, Any] = {
    "torch.device": "cpu",
    "torch.grad": True,
    "torch.deterministic": (False, False),
    "torch.matmul": ("highest", False),
    "torch.cudnn": (True, False, False, True),
    "torch.mkldnn": True,
    "torch.autocast": (False, False),
    "torch.denormals": False,
    "torch.anomaly": False,
}


def _torch() -> dict[str, State]:
    """Of torch, where it is loaded; ``dtype`` comes before what makes tensors."""
    if "torch" not in sys.modules:
        return {}
    import torch

    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul

    def set_deterministic(values: tuple[bool, bool]) -> None:
        torch.use_deterministic_algorithms(values[0], warn_only=values[1])

    def set_matmul(values: tuple[str, bool]) -> None:
        torch.set_float32_matmul_precision(values[0])
        matmul.allow_tf32 = values[1]

    def set_cudnn(values: tuple[bool, bool, bool, bool]) -> None:
        cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = values

    def set_autocast(values: tuple[bool, bool]) -> None:
        for device, value in zip(("cpu", "cuda"), values, strict=True):
            torch.set_autocast_enabled(device, value)

    states: dict[str, State] = {
        "torch.dtype": (torch.get_default_dtype, torch.set_default_dtype),
        "torch.device": (
            lambda: str(torch.get_default_device()),
            lambda device: torch.set_default_device(None if device == "cpu" else device),
        ),
        "torch.random": (torch.get_rng_state, torch.set_rng_state),
        "torch.threads": (torch.get_num_threads, torch.set_num_threads),
        "torch.grad": (torch.is_grad_enabled, torch.set_grad_enabled),
        "torch.deterministic": (
            lambda: (
                torch.are_deterministic_algorithms_enabled(),
                torch.is_deterministic_algorithms_warn_only_enabled(),
            ),
            set_deterministic,
        ),
        "torch.matmul": (lambda: (torch.get_float32_matmul_precision(), matmul.allow_tf32), set_matmul),
        "torch.cudnn": (lambda: (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32), set_cudnn),
        "torch.mkldnn": (torch._C._get_mkldnn_enabled, torch._C._set_mkldnn_enabled),
        "torch.autocast": (lambda: tuple(map(torch.is_autocast_enabled, ("cpu", "cuda"))), set_autocast),
        "torch.denormals": (_flushes_denormals, torch.set_flush_denormal),
        "torch.anomaly": (torch.is_anomaly_enabled, torch.set_anomaly_enabled),
    }
    if torch.cuda.is_initialized():
        states["torch.cuda.random"] = (torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all)
    return states


def _flushes_denormals() -> bool:
    import torch

    return bool((torch.full((1,), 1e-310, dtype=torch.float64, device="cpu") * 1.0).item() == 0.0)
