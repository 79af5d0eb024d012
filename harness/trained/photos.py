"""Photographs: image files, read, with what became of them on the way; and the image files of a folder."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.contracts import BadInput
from harness.image_files import EXTENSIONS, read_image


@dataclass(frozen=True, eq=False)
class Photo:
    """An image file, read. pixels: ``uint8 [H, W, 3]``; remarks: what became of it on the way there."""

    path: Path
    pixels: NDArray[np.uint8]
    file_bytes: int
    remarks: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]


def read_photo(path: Path) -> Photo:
    """Reads a file with ``read_image``. Raises BadInput where it cannot be read."""
    with warnings.catch_warnings(action="ignore"):
        image = read_image(path)
    return Photo(path, image.pixels, path.stat().st_size, image.remarks)


def photos_below(folder: Path, but_not: Path) -> list[Path]:
    """Every image file of a folder and the folders in it, by name; none that is hidden.

    but_not: if that is a folder somewhere in ``folder``, nothing in it is included either.
    """
    left_out = but_not.resolve()
    inside = folder.resolve() in left_out.parents
    found = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        elsewhere = not (inside and left_out in path.resolve().parents)
        if path.suffix.lower() in EXTENSIONS and not hidden and elsewhere and path.is_file():
            found.append(path)
    return found


def make_folder(folder: Path, option: str) -> None:
    """Makes a folder that is to be written into. Raises BadInput, naming the option, where that cannot be."""
    if folder.is_file():
        raise BadInput(f"{option} {folder}: it is a file, a folder is needed.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{option} {folder}: cannot be made: {error.strerror}.") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput(f"{option} {folder}: nothing can be written there.")
