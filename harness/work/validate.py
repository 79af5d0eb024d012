"""A method held against its contract, one check after another: ``fewcolors validate``."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from harness.contracts import (
    IMAGENET_NORMALIZATION,
    Augmentation,
    BadInput,
    Images,
    Lesson,
    Level,
    MethodHooks,
    Palettized,
    Split,
)
from harness.registry import Plugin
from harness.sources import Source
from harness.work.applying import palettize_all, reduce_images
from harness.work.explaining import explain_method

QUANTIZER_LEVELS = (2, 5, 16)
CLASSES = 4
ROUNDING = 0.001
"""Share of pixels that a learned method may give another color in another batch: sums are rounded differently."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, and what was found."""

    what: str
    ok: bool
    found: str


def check_method(
    plugin: Plugin, params: Mapping[str, Any], levels: Sequence[int], sources: Sequence[Source]
) -> Iterator[Check]:
    """Checks of shapes, dtypes, color bound, determinism, batch invariance, pickling, and the time an image takes.

    A learned method is fitted first, on a few images against a small network with random weights.
    """
    instance = plugin.make(params, "--param")
    yield _pickles(plugin, params, sources)
    mark = plugin.mark
    low, high = mark.levels or (0, -1)
    for asked in levels:
        if not low <= asked <= high:
            takes = f"takes {low} to {high}" if mark.levels else "has no level"
            raise BadInput(f"--level {asked}: {plugin.name!r} {takes}.")
    default: tuple[Level, ...] = QUANTIZER_LEVELS if mark.level_kind == "colors" else mark.default_levels or (None,)
    images = sample_images()
    for level in tuple(levels) or default:
        name = "no level" if level is None else f"{level} {mark.level_kind}"
        if plugin.learns:
            instance = plugin.make(params, "--param")
            fitted = plugin.make(params, "--param")
            fitting = _attempt(f"{name}: fit", partial(_fit, instance, fitted, level))
            yield fitting
            if not fitting.ok:
                continue
        yield from _check_level(instance, images, level, name, ROUNDING if plugin.learns else 0.0)


def sample_images() -> dict[str, Images]:
    """Batches that have tripped quantizers: noise, gradients, a flat image, two colors, a size that is not square."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, 32).astype(np.uint8)
    gradients = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], ramp[::-1, None]), axis=-1)
    two = np.where(rng.random((32, 32, 1)) < 0.5, np.uint8(0), np.uint8(255)).repeat(3, axis=2)
    smooth = np.cumsum(rng.normal(0, 4, (8, 32, 32, 3)), axis=2) + rng.uniform(60, 190, (8, 1, 1, 3))
    return {
        "smooth images": np.clip(smooth, 0, 255).astype(np.uint8),
        "noise": rng.integers(0, 256, (4, 32, 32, 3), np.uint8),
        "gradients": np.ascontiguousarray(gradients[None]),
        "a flat image": np.full((1, 32, 32, 3), 77, np.uint8),
        "two colors": two[None],
        "24 x 40 pixels": rng.integers(0, 256, (2, 24, 40, 3), np.uint8),
    }


def _check_level(
    instance: Any, images: Mapping[str, Images], level: Level, name: str, tolerated: float
) -> Iterator[Check]:
    def reduce(batch: Images) -> Images:
        return reduce_images(instance, batch, level).decoded

    for kind, batch in images.items():
        outcome = _attempt(f"{name}: {kind}", partial(_described, reduce, batch))
        yield outcome
        if not outcome.ok:
            return
    batch = images["smooth images"]
    started = time.perf_counter()
    once = reduce(batch)
    milliseconds = (time.perf_counter() - started) / len(batch) * 1000
    changed = _differing(once, reduce(batch))
    yield Check(f"{name}: determinism", changed == 0, f"{changed:.2%} of pixels differ the second time")
    alone = np.concatenate([reduce(batch[i : i + 1]) for i in range(len(batch))])
    changed = _differing(once, alone)
    yield Check(
        f"{name}: batch invariance", changed <= tolerated, f"{changed:.2%} of pixels differ when images come one by one"
    )
    if type(instance).explain is not MethodHooks.explain:
        yield _attempt(f"{name}: explain", lambda: ", ".join(explain_method(instance, batch, level)) or "no pictures")
    yield Check(f"{name}: time", True, f"{milliseconds:.2f} ms per 32 x 32 image")


def _described(reduce: Callable[[Images], Images], batch: Images) -> str:
    return f"uint8 {list(reduce(batch).shape)}"


def _differing(one: Images, other: Images) -> float:
    return float((one != other).any(axis=-1).mean())


def _attempt(what: str, action: Callable[[], str]) -> Check:
    try:
        return Check(what, True, action())
    except Exception as error:  # noqa: BLE001 - that is what is being looked for
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Check(what, False, f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})")


def _fit(instance: Any, fitted: Any, colors: Level) -> str:
    """Fits ``fitted`` and loads its state into ``instance``, as another process would."""
    import torch

    from harness.learning import freeze, seeded

    assert colors is not None
    with seeded("validate"):
        network = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, 2, 1),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.Linear(8, CLASSES),
        )
    before = [tensor.clone() for tensor in network.state_dict().values()]
    images = np.random.default_rng(1).integers(0, 256, (16, 32, 32, 3), np.uint8)
    split = Split.of(images, np.arange(len(images)) % CLASSES)
    lesson = Lesson(
        dataset="validate",
        train=split,
        validation=split.take(slice(0, 0)),
        classes=tuple(map(str, range(CLASSES))),
        normalization=IMAGENET_NORMALIZATION,
        augmentation=Augmentation(),
        seed=0,
        classifiers=(freeze(network),),
        classifier_names=("validate",),
        colors=(colors,),
    )
    started = time.perf_counter()
    fitted.fit(lesson)
    seconds = time.perf_counter() - started
    if any(not torch.equal(old, new) for old, new in zip(before, network.state_dict().values(), strict=True)):
        raise RuntimeError("fit changed the frozen classifier")
    state = {key: torch.as_tensor(value).clone() for key, value in fitted.state().items()}
    probe = images[:4]
    instance.load(state, "cpu")
    if _differing(_quantized(fitted, probe, colors), _quantized(instance, probe, colors)):
        raise RuntimeError("after load(state()) palettize gives other images")
    return (
        f"{len(state)} tensors in {seconds:.1f} s on {len(images)} images, the classifier untouched, state comes back"
    )


def _quantized(instance: Any, images: Images, colors: int) -> Images:
    palettized: Palettized = palettize_all(instance, images, colors)
    return palettized.render()


_UNPICKLE = """
import pickle, sys
from pathlib import Path
from harness.discovery import discover
discover(pickle.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[3]))
pickle.loads(Path(sys.argv[2]).read_bytes())
"""


def _pickles(plugin: Plugin, params: Mapping[str, Any], sources: Sequence[Source]) -> Check:
    """Whether another process can make the method, as Ray's workers do."""
    try:
        pickled = pickle.dumps(plugin.make(params, "--param"))
    except Exception as error:  # noqa: BLE001 - pickling may fail in any way
        return Check("pickling", False, f"{type(error).__name__}: {error}")
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch) / "sources", Path(scratch) / "instance"]
        files[0].write_bytes(pickle.dumps(tuple(sources)))
        files[1].write_bytes(pickled)
        command = [sys.executable, "-c", _UNPICKLE, *map(str, files), scratch]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = ended.stderr.strip().splitlines()
    found = f"{len(pickled)} bytes, read back in another process" if ended.returncode == 0 else lines[-1]
    return Check("pickling", ended.returncode == 0, found)
