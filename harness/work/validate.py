"""A method checked against its contract, one check after another: ``fewcolors validate``."""

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

from harness.complaints import one_line, printable
from harness.contracts import BadInput, Images, Level, MethodHooks
from harness.registry import Plugin
from harness.sources import Source
from harness.work.applying import count_payload, is_quantizer, reduce_images
from harness.work.explaining import explain_method
from harness.work.lessons import fit_twice

QUANTIZER_LEVELS = (2, 5, 16, 256)
ROUNDING = 0.001
"""Share of pixels that a learned method may give another color in another batch: sums are rounded differently."""


@dataclass(frozen=True)
class Check:
    """One thing that was checked, and the result."""

    what: str
    ok: bool
    found: str


def check_method(
    plugin: Plugin, params: Mapping[str, Any], levels: Sequence[int], sources: Sequence[Source]
) -> Iterator[Check]:
    """Checks a method against everything its contract requires.

    Shapes, dtypes and the number of colors on batches that mix flat, two-colored and rich images of several sizes;
    the same result again, image by image, from read-only and from non-contiguous arrays, and with its input left as it
    was; pickling; pictures and pieces where it states them; the time an image takes. A learned method is fitted first,
    on a few images against a small network with random weights: twice with the same result, leaving the lesson as it
    was, and its state must bring it back.

    Args:
        plugin: The method.
        params: Its parameters; the others have their defaults.
        levels: At which levels; none: the method's own color counts, else 2, 5, 16 and 256, or a codec's own levels
            with both ends of its range.
        sources: What another process needs to import the method.

    Yields:
        Each check as it is done. A level at which one fails is not checked further.

    Raises:
        BadInput: A parameter or a level is not one of the method's.
    """
    instance = plugin.make(params, "--param")
    yield _pickles(plugin, params, sources)
    asked = _levels(plugin, levels)
    lesson_levels = asked if plugin.joins_colors(instance) else ()
    for level in asked:
        name = "no level" if level is None else f"{level} {plugin.mark.level_kind}"
        if plugin.learns:
            instance = plugin.make(params, "--param")
            make = partial(plugin.make, params, "--param")
            colors = [c for c in lesson_levels or (level,) if c is not None]
            fitting = _attempt(f"{name}: fit", partial(fit_twice, make, instance, colors, again=level == asked[0]))
            yield fitting
            if not fitting.ok:
                continue
        for check in _check_level(instance, level, name, ROUNDING if plugin.learns else 0.0):
            yield check
            if not check.ok:
                break


def _levels(plugin: Plugin, asked: Sequence[int]) -> tuple[Level, ...]:
    mark = plugin.mark
    low, high = mark.levels or (0, -1)
    for level in asked:
        if not low <= level <= high:
            takes = f"takes {low} to {high}" if mark.levels else "has no level"
            raise BadInput(f"--level {level}: {plugin.name!r} {takes}.")
    if lacking := plugin.lacks(asked):
        raise BadInput(f"--level: {lacking}.")
    if asked:
        return tuple(asked)
    if mark.levels is None:
        return (None,)
    if plugin.color_counts is not None:
        return plugin.color_counts
    return QUANTIZER_LEVELS if mark.level_kind == "colors" else tuple(sorted({low, *(mark.default_levels or ()), high}))


def sample_batches() -> dict[str, Images]:
    """Batches that have tripped methods: in each are flat, two-colored, smooth and noisy images of one size."""
    rng = np.random.default_rng(0)
    sizes = {"32 x 32 pixels": (32, 32), "1 x 1 pixel": (1, 1), "17 x 31 pixels": (17, 31), "40 x 24 pixels": (40, 24)}
    return {name: _mixed(rng, *size) for name, size in sizes.items()}


def _mixed(rng: np.random.Generator, height: int, width: int) -> Images:
    rows, columns = np.linspace(0, 255, height), np.linspace(0, 255, width)
    ramps = np.stack(np.broadcast_arrays(rows[:, None], columns[None], rows[::-1, None]), axis=-1)
    smooth = np.cumsum(rng.normal(0, 4, (3, height, width, 3)), axis=2) + rng.uniform(60, 190, (3, 1, 1, 3))
    images = [
        np.zeros((height, width, 3)),
        np.where(rng.random((height, width, 1)) < 0.5, 0, 255).repeat(3, axis=2),
        ramps,
        np.full((height, width, 3), (255, 254, 0)),
        rng.integers(0, 256, (height, width, 3)),
        *smooth,
    ]
    return np.stack(images).clip(0, 255).astype(np.uint8)


def _check_level(method: Any, level: Level, name: str, tolerated: float) -> Iterator[Check]:
    def reduce(batch: Images) -> Images:
        return reduce_images(method, batch, level).decoded

    batches = sample_batches()
    for size, batch in batches.items():
        yield _attempt(f"{name}: mixed images of {size}", partial(_described, reduce, batch))
    batch = batches["32 x 32 pixels"]
    started = time.perf_counter()
    once = reduce(batch)
    milliseconds = (time.perf_counter() - started) / len(batch) * 1000
    for what, found, allowed, otherwise in (
        ("determinism", reduce(batch), 0.0, "the second time"),
        ("batch invariance", np.concatenate([reduce(b) for b in np.split(batch, len(batch))]), tolerated, "one by one"),
    ):
        changed = _differing(once, found)
        yield Check(f"{name}: {what}", changed <= allowed, f"{changed:.2%} of pixels differ {otherwise}")
    for what, given in _arrays_of(batch).items():
        yield _attempt(f"{name}: {what}", partial(_takes, method, level, given, batch, tolerated))
    tiles = _attempt(f"{name}: tiles", partial(_tiles, method))
    if not tiles.ok:
        yield tiles
    if type(method).explain is not MethodHooks.explain:
        yield _attempt(f"{name}: explain", lambda: ", ".join(explain_method(method, batch, level)) or "no pictures")
    if not is_quantizer(method) and type(method).payload is not MethodHooks.payload:
        yield _attempt(f"{name}: payload", partial(_payload, method, level, batches))
    yield Check(f"{name}: time", True, f"{milliseconds:.2f} ms per 32 x 32 image")


def _described(reduce: Callable[[Images], Images], batch: Images) -> str:
    return f"uint8 {list(reduce(batch).shape)}"


def _arrays_of(batch: Images) -> dict[str, Images]:
    """The same images in arrays that a method may be handed: not writable, and not in one piece of memory."""
    read_only = batch.copy()
    read_only.flags.writeable = False
    return {"read-only images": read_only, "non-contiguous images": np.repeat(batch, 2, axis=2)[:, :, ::2]}


def _takes(method: Any, level: Level, given: Images, batch: Images, tolerated: float) -> str:
    """Hands the method these very arrays, without the copy that the engine makes."""
    found = reduce_images(method, given, level, copy=False).decoded
    changed = _differing(found, reduce_images(method, batch, level).decoded)
    if changed > tolerated:
        raise ValueError(f"{changed:.2%} of pixels differ from those of the same images in a plain array")
    if not np.array_equal(given, batch):
        raise ValueError("the method writes into the images it is handed; it must work on a copy")
    return "taken, and left as they were"


def _tiles(method: Any) -> str:
    pieces = method.tiles(3000, 4000)
    if not isinstance(pieces, int) or pieces < 1:
        raise ValueError(f"tiles(3000, 4000) returned {pieces!r}, it must return a whole number of pieces, 1 or more")
    return f"{pieces}"


def _payload(method: Any, level: Level, batches: Mapping[str, Images]) -> str:
    shares = []
    for batch in batches.values():
        reduced = reduce_images(method, batch, level)
        counted = count_payload(method, reduced)
        if counted is not None:
            shares.append(sum(counted) / max(1, sum(map(len, reduced.files))))
    return f"{min(shares):.0%} to {max(shares):.0%} of the files" if shares else "not known"


def _differing(one: Images, other: Images) -> float:
    return float((one != other).any(axis=-1).mean())


def _attempt(what: str, action: Callable[[], str]) -> Check:
    try:
        return Check(what, True, action())
    except Exception as error:  # noqa: BLE001 - that is what is being looked for
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Check(what, False, f"{one_line(error)} ({Path(place.filename).name}, line {place.lineno})")


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
        return Check("pickling", False, one_line(error))
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch) / "sources", Path(scratch) / "instance"]
        files[0].write_bytes(pickle.dumps(tuple(sources)))
        files[1].write_bytes(pickled)
        command = [sys.executable, "-c", _UNPICKLE, *map(str, files), scratch]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = ended.stderr.strip().splitlines()
    found = f"{len(pickled)} bytes, read back in another process" if ended.returncode == 0 else printable(lines[-1])
    return Check("pickling", ended.returncode == 0, found)
