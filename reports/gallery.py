"""A few fixed images after each variant, and what the classifier sees in them: pictures as data."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from harness.contracts import Cell, Images
from reports.heat import heated, overlaid
from reports.records import Records, level_words

MOST_IMAGES = 6
MOST_PICTURES = 1500
"""On one page; a run with more pictures of an image shows fewer images."""
MOST_SWATCHES = 16
_ACROSS = 2, 6
"""Tiles of a variant, or pictures of a lone one, stand side by side, at most so many where there are enough; there is
room for at least so many, so that its variant's name is readable."""
_CAM, _CAM_ORIGINAL, _ACTIVATION = "cam", "cam-original", "activation"
_CAPTIONS = {_CAM: "evidence", _ACTIVATION: "activation", "train-time": "training (Eq.\u00a07)"}


@dataclass(frozen=True)
class View:
    """A further picture of an image: what it shows, and the picture as data."""

    caption: str
    picture: str


@dataclass(frozen=True)
class Tile:
    """One decoded image. palette: its colors as ``#rrggbb`` with their share of the pixels, empty where too many.

    confidence: of the prediction; p_true: of the true class. views: where the classifier finds the true class, and the
    method's own pictures.
    """

    level: str
    picture: str
    palette: tuple[tuple[str, float], ...]
    predicted: str
    right: bool
    confidence: float
    p_true: float
    views: tuple[View, ...]


@dataclass(frozen=True)
class Strip:
    """One test image: the original and what is seen in it, its tile by a variant that changes no pixel, and each
    variant's tiles by level. name: its file's, empty where it has none. p_true: of the true class on the original, None
    where it is not known."""

    number: int
    name: str
    truth: str
    original: str
    views: tuple[View, ...]
    p_true: float | None
    untouched: Tile | None
    rows: tuple[tuple[str, tuple[Tile, ...]], ...]

    @property
    def has_evidence(self) -> bool:
        """Whether the classifier's class activation map of the original is there."""
        return any(view.caption == _CAPTIONS[_CAM] for view in self.views)

    @property
    def is_single(self) -> bool:
        """Whether no variant has a second tile; a tile's views then stand beside its picture, not beneath it."""
        return all(len(tiles) == 1 for _, tiles in self.rows)

    @property
    def across(self) -> int:
        """How many tiles, or pictures of a lone one, stand side by side, so that a variant's lines are equally long."""
        fewest, most = _ACROSS
        if self.is_single:
            beside = max((1 + len(tile.views) for _, (tile,) in self.rows), default=1)
        else:
            beside = max(len(tiles) for _, tiles in self.rows)
        return max(fewest, math.ceil(beside / math.ceil(beside / most)))


def gallery(cells: Iterable[Cell], classes: tuple[str, ...], records: Records, most: int | None = None) -> list[Strip]:
    """The images, at most so many, that one task's cells of the lowest seed have pictures of."""
    shown = _shown(cells)
    numbers = sorted({number for cell in shown for number in cell.gallery})[:most]
    return [_strip(number, shown, classes, records) for number in numbers]


def images_for(tasks: Iterable[Iterable[Cell]]) -> int:
    """How many images each task's gallery may hold for the page not to grow too large; at least one."""
    each = [max(1 + len(kept.maps) for kept in cell.gallery.values()) for cells in tasks for cell in _shown(cells)]
    return max(1, min(MOST_IMAGES, MOST_PICTURES // max(sum(each), 1)))


def _shown(cells: Iterable[Cell]) -> list[Cell]:
    having = [cell for cell in cells if cell.status == "ok" and cell.gallery]
    seed = min((cell.seed for cell in having), default=0)
    return sorted((cell for cell in having if cell.seed == seed), key=_order)


def _order(cell: Cell) -> tuple[bool, str, int]:
    return cell.level_kind != "none", cell.label, cell.level or 0


def _strip(number: int, cells: list[Cell], classes: tuple[str, ...], records: Records) -> Strip:
    having = [cell for cell in cells if number in cell.gallery]
    kept = [cell.gallery[number] for cell in having]
    original = kept[0].original.read_bytes()
    rows: dict[str, list[Tile]] = {}
    truth, name, untouched = "", "", None
    for cell, pictures in zip(having, kept, strict=True):
        record = records.pictured(cell, number)
        truth = class_name(int(record["label"]), classes)
        name = record["name"] if isinstance(record.get("name"), str) else ""
        decoded = pictures.decoded.read_bytes()
        tile = Tile(
            level_words(cell.level_kind, cell.level),
            data_uri(decoded),
            palette(decoded),
            class_name(int(record["predicted"]), classes),
            bool(record["correct"]),
            float(record["confidence"]),
            float(record["p_true"]),
            tuple(_views(decoded, {n: path for n, path in pictures.maps.items() if n != _CAM_ORIGINAL})),
        )
        if cell.level is None and np.array_equal(_pixels(decoded), _pixels(original)):
            untouched = tile
        else:
            rows.setdefault(cell.label, []).append(tile)
    seen = next(({_CAM: p.maps[_CAM_ORIGINAL]} for p in kept if _CAM_ORIGINAL in p.maps), {})
    p_true = next((p.original_p_true for p in kept if p.original_p_true is not None), None)
    return Strip(
        number,
        name,
        truth,
        data_uri(original),
        tuple(_views(original, seen)),
        untouched.p_true if untouched else p_true,
        untouched,
        tuple((variant, tuple(tiles)) for variant, tiles in rows.items()),
    )


def _views(picture: bytes, maps: Mapping[str, Path]) -> Iterator[View]:
    """The classifier's evidence as heat over the picture, then the method's own pictures: known ones, then by name."""
    known = list(_CAPTIONS)
    for name in sorted(maps, key=lambda name: (known.index(name) if name in known else len(known), name)):
        png = maps[name].read_bytes()
        if name == _CAM:
            png = overlaid(picture, png)
        elif name == _ACTIVATION:
            png = heated(png)
        yield View(_CAPTIONS.get(name, name), data_uri(png))


def class_name(number: int, classes: tuple[str, ...]) -> str:
    """A class by its number; ``class 7`` where it has no name."""
    return classes[number] if 0 <= number < len(classes) else f"class {number}"


def data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def palette(png: bytes) -> tuple[tuple[str, float], ...]:
    """The distinct colors of a decoded PNG, the most used first; nothing where there are more than 16."""
    pixels = _pixels(png).reshape(-1, 3)
    colors, counts = np.unique(pixels, axis=0, return_counts=True)
    if len(colors) > MOST_SWATCHES:
        return ()
    order = np.argsort(-counts, kind="stable")
    return tuple(("#{:02x}{:02x}{:02x}".format(*colors[i]), float(counts[i] / len(pixels))) for i in order)


def _pixels(png: bytes) -> Images:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))
