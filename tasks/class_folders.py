"""A published set as folders of images named after its classes, ``{train,test}/<class>/*``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.contracts import BadInput
from tasks.contents import Part
from tasks.published import Expected, how_to_get

EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


class ImageFile(NamedTuple):
    """One image. size: in bytes; changed: when its content and its entry in the file system last changed, in ns."""

    path: str
    label: int
    size: int
    changed: tuple[int, int]


@dataclass(frozen=True)
class ClassFolders:
    """The image files of both splits. test_name: the folder of the test images, ``test`` or ``val``."""

    folder: Path
    test_name: str
    train: tuple[ImageFile, ...]
    test: tuple[ImageFile, ...]


def class_folders_at(root: Path, expected: Expected) -> Path | None:
    """Where class folders of this set are: in ``root/<name>``, or in ``root`` itself if its classes are the set's."""
    if (root / expected.name / "train").is_dir():
        return root / expected.name
    if (root / "train").is_dir() and set(_classes(root / "train")) == set(expected.names):
        return root
    return None


def list_images(folder: Path, expected: Expected) -> ClassFolders:
    """Finds every image and its label without opening any; BadInput where classes or numbers are not the published."""
    test_name = "test" if (folder / "test").is_dir() else "val"
    if not (folder / test_name).is_dir():
        raise BadInput(f"{folder} has train, but neither test nor val; {_form(expected)}.")
    train, test = _split(folder / "train", expected), _split(folder / test_name, expected)
    for name, files, count in (("train", train, expected.train), (test_name, test, expected.test)):
        if len(files) != count:
            here = f"{expected.title} in {folder / name}"
            raise BadInput(f"{here} has {len(files):,} images, {count:,} were expected; {how_to_get(expected)}.")
    return ClassFolders(folder, test_name, train, test)


def decode(file: ImageFile, expected: Expected) -> NDArray[np.uint8]:
    """The pixels as they are stored, ``uint8 [side, side, 3]``; BadInput where that cannot be.

    Nothing is turned, resized or laid on white: what differs from the published pixels shows in the set's digest.
    """
    try:
        with Image.open(file.path) as opened:
            pixels = np.asarray(opened.convert("RGB"))
    except Exception as error:  # noqa: BLE001 - damaged files make Pillow's decoders raise nearly anything
        raise BadInput(f"{file.path} cannot be read as an image ({error}); {how_to_get(expected)}.") from None
    if pixels.shape[:2] != (expected.side, expected.side):
        height, width = pixels.shape[:2]
        wanted = f"{expected.side}x{expected.side} was expected"
        raise BadInput(f"{file.path} is {width}x{height}, {wanted}; {how_to_get(expected)}.")
    return pixels


def decode_all(files: tuple[ImageFile, ...], expected: Expected) -> Part:
    """One split. Without threads: they gain nothing, Pillow spends its time on opening such small files."""
    images = np.empty((len(files), expected.side, expected.side, 3), np.uint8)
    for row, file in enumerate(files):
        images[row] = decode(file, expected)
    return images, np.array([file.label for file in files], np.int64)


def _split(folder: Path, expected: Expected) -> tuple[ImageFile, ...]:
    found = _classes(folder)
    if set(found) != set(expected.names):
        strange, missing = sorted(set(found) - set(expected.names)), sorted(set(expected.names) - set(found))
        what = f"class {missing[0]!r} is missing" if missing else f"{strange[0]!r} is none of its classes"
        raise BadInput(f"{expected.title} in {folder}: {what}; {_form(expected)}.")
    return tuple(file for label, name in enumerate(expected.names) for file in _files(found[name], label))


def _classes(folder: Path) -> dict[str, str]:
    """Class -> its folder."""
    with os.scandir(folder) as entries:
        return {_plain(e.name): e.path for e in entries if e.is_dir() and not e.name.startswith(".")}


def _files(folder: str, label: int) -> list[ImageFile]:
    with os.scandir(folder) as entries:
        images = [e for e in entries if e.name.lower().endswith(EXTENSIONS) and not e.name.startswith(".")]
    found = [(e.path, e.stat()) for e in sorted(images, key=lambda e: e.name)]
    return [ImageFile(path, label, stat.st_size, (stat.st_mtime_ns, stat.st_ctime_ns)) for path, stat in found]


def _plain(name: str) -> str:
    """The class that a folder is named after: ``aquarium_fish`` of ``Aquarium Fish``."""
    return name.lower().replace(" ", "_").replace("-", "_")


def _form(expected: Expected) -> str:
    return f"the {expected.classes} classes are folders in train and in test, such as train/{expected.names[0]}"
