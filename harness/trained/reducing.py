"""Applying a method to image files: which file is written where, and how each image is read, reduced and written."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from harness.complaints import one_line
from harness.contracts import BadInput, Images, Level
from harness.trained.photos import Photo, make_folder, photos_below, read_photo
from harness.work.applying import is_quantizer, reduce_images
from harness.writing import write_whole

BATCH_PIXELS = 2**20
"""So many pixels of images of one size go through a method at once, at least one image."""
_HELD_PIXELS = 8 * BATCH_PIXELS
_SUFFIXES = {"JPEG": ".jpg", "JPEG2000": ".jp2", "TIFF": ".tif"}
_PROBE = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), np.uint8)


@dataclass(frozen=True)
class FilePair:
    """One image file and where it goes to."""

    source: Path
    target: Path


@dataclass(frozen=True)
class ImageResult:
    """What became of one image. size: height and width. tiles: the pieces it was worked on in. error: empty if none."""

    pair: FilePair
    size: tuple[int, int] = (0, 0)
    colors: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    tiles: int = 1
    remarks: tuple[str, ...] = ()
    error: str = ""

    @property
    def pixels(self) -> int:
        return self.size[0] * self.size[1]


@dataclass(frozen=True, eq=False)
class Reducer:
    """A method, ready to be applied, at one level."""

    name: str
    method: Any
    level: Level

    def suffix(self) -> str:
        """Of the files it makes, with the dot. Raises the BadInput of a method that does not work at this level."""
        try:
            file = self.files(_PROBE)[0][0]
            with Image.open(io.BytesIO(file)) as image:
                kind = str(image.format)
        except BadInput:
            raise
        except Exception:  # noqa: BLE001 - a third-party codec may reject the probe, or Pillow its files
            return ".png" if is_quantizer(self.method) else f".{self.name}"
        return _SUFFIXES.get(kind, f".{kind.lower()}")

    def tiles(self, height: int, width: int) -> int:
        """In how many pieces the method works on an image of this size."""
        return int(self.method.tiles(height, width))

    def files(self, images: Images) -> list[tuple[bytes, int]]:
        """Each image as a file, with its number of colors: an indexed PNG, or what a codec makes of it."""
        reduced = reduce_images(self.method, images, self.level)
        return list(zip(reduced.files, reduced.colors().tolist(), strict=True))


def pair_files(inputs: Sequence[Path], out: Path, suffix: str, overwrite: bool) -> list[FilePair]:
    """Which file goes where. Raises BadInput, before anything is written, where that cannot be.

    One file goes to ``out``, or into it if it is a folder. Several, and folders, go into the folder ``out`` under
    their names, those of a folder under their names in it.
    """
    listed = _listed(inputs, out, suffix)
    sources = {pair.source.resolve() for pair in listed}
    for pair in listed:
        if pair.target.resolve() in sources:
            raise BadInput(f"--out {out}: {pair.target} is itself an input, and no input is ever overwritten.")
    for target, times in Counter(pair.target for pair in listed).items():
        if times > 1:
            same = [str(pair.source) for pair in listed if pair.target == target]
            raise BadInput(f"{same[0]} and {same[1]} would both become {target}; reduce them into different folders.")
    present = [pair.target for pair in listed if pair.target.exists()]
    if present and (not overwrite or present[0].is_dir()):
        more = f" (and {len(present) - 1} more of {len(listed)})" if len(present) > 1 else ""
        raise BadInput(f"{present[0]}{more} exists already; --overwrite replaces it.")
    make_folder(out.parent if [pair.target for pair in listed] == [out] else out, "--out")
    return listed


def _listed(inputs: Sequence[Path], out: Path, suffix: str) -> list[FilePair]:
    for path in inputs:
        if not path.exists():
            raise BadInput(f"{path}: there is no such file or folder.")
        if not (path.is_file() or path.is_dir()):
            raise BadInput(f"{path}: neither a file nor a folder.")
    if len(inputs) == 1 and inputs[0].is_file() and not out.is_dir():
        if out.suffix.lower() != suffix:
            raise BadInput(f"--out {out}: what is written is {suffix}; call it {out.with_suffix(suffix).name}.")
        return [FilePair(inputs[0], out)]
    if out.exists() and not out.is_dir():
        raise BadInput(f"--out {out}: it is a file; several images need a folder.")
    found = []
    for path in inputs:
        if path.is_file():
            found.append(FilePair(path, out / f"{path.stem}{suffix}"))
            continue
        inside = photos_below(path, out)
        if not inside:
            raise BadInput(f"{path}: there is no image file in this folder.")
        found += [FilePair(photo, (out / photo.relative_to(path)).with_suffix(suffix)) for photo in inside]
    return found


def reduce_photos(
    reducer: Reducer, todo: Iterable[FilePair], announce: Callable[[Photo, int], None] = lambda _photo, _tiles: None
) -> Iterator[ImageResult]:
    """Reads, reduces and writes; an image that fails costs only itself. The outcomes come as images are done.

    announce: called with an image that the method works on in several pieces, and their number, before it does.
    """
    for result in _in_batches(todo):
        if isinstance(result, ImageResult):
            yield result
            continue
        tiles = reducer.tiles(*result[0][1].size)
        if tiles > 1:
            for _, photo in result:
                announce(photo, tiles)
        yield from _reduce_batch(reducer, result, tiles)


Batch = list[tuple[FilePair, Photo]]


def _in_batches(todo: Iterable[FilePair]) -> Iterator[Batch | ImageResult]:
    """Images of one size together, of ``BATCH_PIXELS`` or what is left; and the outcomes of unreadable files."""
    waiting: dict[tuple[int, int], Batch] = {}

    def pixels(size: tuple[int, int]) -> int:
        return len(waiting[size]) * size[0] * size[1]

    for pair in todo:
        try:
            photo = read_photo(pair.source)
        except BadInput as error:
            yield ImageResult(pair, error=str(error))
            continue
        waiting.setdefault(photo.size, []).append((pair, photo))
        if pixels(photo.size) >= BATCH_PIXELS:
            yield waiting.pop(photo.size)
        elif sum(map(pixels, waiting)) >= _HELD_PIXELS:
            yield waiting.pop(max(waiting, key=pixels))
    yield from waiting.values()


def _reduce_batch(reducer: Reducer, batch: Batch, tiles: int) -> Iterator[ImageResult]:
    """Together; where that fails one by one, so that the one which fails is known."""
    try:
        files = reducer.files(np.stack([photo.pixels for _, photo in batch]))
    except Exception as error:  # noqa: BLE001 - a third-party method may fail in any way
        if len(batch) == 1:
            pair = batch[0][0]
            yield ImageResult(pair, error=f"{pair.source} cannot be reduced by {reducer.name!r} ({one_line(error)}).")
            return
        for single in batch:
            yield from _reduce_batch(reducer, [single], tiles)
        return
    for (pair, photo), (file, colors) in zip(batch, files, strict=True):
        try:
            write_whole(pair.target, file)
        except OSError as error:
            yield ImageResult(pair, error=f"{pair.target} cannot be written ({error.strerror}).")
            continue
        yield ImageResult(pair, photo.size, colors, photo.file_bytes, len(file), tiles, photo.remarks)
