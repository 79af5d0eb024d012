"""A few fixed images as every variant leaves them: pictures and palettes as data, nothing to load."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from harness.contracts import Cell, Images
from reports.records import Records, label, level_words
from reports.summary import Task

MOST_IMAGES = 6
MOST_SWATCHES = 16


@dataclass(frozen=True)
class Tile:
    """One decoded image. palette: its colors as ``#rrggbb`` with their share of the pixels, empty where too many."""

    level: str
    picture: str
    palette: tuple[tuple[str, float], ...]
    predicted: str
    right: bool
    confidence: float


@dataclass(frozen=True)
class Strip:
    """One test image: the original, its tile by a variant that changes no pixel, and each variant's tiles by level."""

    number: int
    truth: str
    original: str
    untouched: Tile | None
    rows: tuple[tuple[str, tuple[Tile, ...]], ...]


def gallery(task: Task, classes: tuple[str, ...], records: Records) -> list[Strip]:
    """The images that the cells of the lowest seed have pictures of."""
    shown = [cell for cell in task.cells if cell.status == "ok" and cell.gallery]
    seed = min((cell.seed for cell in shown), default=0)
    shown = sorted((cell for cell in shown if cell.seed == seed), key=_order)
    numbers = sorted({number for cell in shown for number in cell.gallery})[:MOST_IMAGES]
    return [_strip(number, shown, classes, records) for number in numbers]


def _order(cell: Cell) -> tuple[bool, str, int]:
    return cell.level_kind != "none", label(cell), cell.level or 0


def _strip(number: int, cells: list[Cell], classes: tuple[str, ...], records: Records) -> Strip:
    having = [cell for cell in cells if number in cell.gallery]
    original = having[0].gallery[number][0].read_bytes()
    rows: dict[str, list[Tile]] = {}
    truth, untouched = "", None
    for cell in having:
        frame = records.of(cell)
        record = frame[frame["image"] == number].to_dict("records")[0]
        truth = _name(int(record["label"]), classes)
        decoded = cell.gallery[number][1].read_bytes()
        tile = Tile(
            level_words(cell.level_kind, cell.level),
            data_uri(decoded),
            palette(decoded),
            _name(int(record["predicted"]), classes),
            bool(record["correct"]),
            float(record["confidence"]),
        )
        if cell.level is None and np.array_equal(_pixels(decoded), _pixels(original)):
            untouched = tile
        else:
            rows.setdefault(label(cell), []).append(tile)
    in_order = tuple((variant, tuple(tiles)) for variant, tiles in rows.items())
    return Strip(number, truth, data_uri(original), untouched, in_order)


def _name(number: int, classes: tuple[str, ...]) -> str:
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
