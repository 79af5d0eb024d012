"""A method applied to the test images and measured: indices and palettes, or coded bytes, and what each image costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness import encoding
from harness.contracts import ContractError, Images, Level, Palettized, Quantizer, check_palettized

CHUNK = 512
"""Images a method is handed at a time."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """Images after a method, decoded, with what they were decoded from: indices and palettes, or a codec's files."""

    decoded: Images
    indexed: Palettized | None = None
    coded: Sequence[bytes] = ()

    @cached_property
    def files(self) -> Sequence[bytes]:
        """Each image as a file: an indexed PNG, or what a codec made of it."""
        return self.coded if self.indexed is None else encoding.encode_all(self.indexed)

    def colors(self) -> NDArray[np.int64]:
        """How many distinct colors each image shows: ``int64 [N]``."""
        return encoding.count_colors(self.decoded) if self.indexed is None else self.indexed.colors()


def is_quantizer(method: Any) -> bool:
    """Whether a method is a quantizer; else it is a codec."""
    return isinstance(method, Quantizer)


def reduce_images(method: Any, images: Images, level: Level, *, copy: bool = True) -> Reduced:
    """All images through a quantizer or a codec in chunks.

    Args:
        method: A quantizer or a codec.
        images: ``uint8 [N, H, W, 3]``.
        level: The number of colors, a codec's quality, or None.
        copy: Hand the method copies of its own, in one piece of memory, instead of views of ``images``.

    Raises:
        ContractError: What the method returns is not what its contract allows.
    """
    if is_quantizer(method):
        assert level is not None
        indexed = palettize_all(method, images, level, copy=copy)
        return Reduced(indexed.render(), indexed=indexed)
    files = encode_all(method, images, level, copy=copy)
    return Reduced(decode_all(method, files, images.shape), coded=files)


def apply_method(method: Any, images: Images, level: Level, folder: Path) -> None:
    """Fills ``folder`` with the reduced images and ``measures.parquet`` (one row an image). Raises ContractError.

    A quantizer leaves ``indices.npy`` and ``palettes.npy``, a codec ``coded.npy`` (all files in a row) and
    ``ends.npy``. Columns: colors, file_bytes, payload_bytes, entropy_bits, paper_bytes, psnr, for whole images.
    """
    reduced = reduce_images(method, images, level)
    if reduced.indexed is not None:
        np.save(folder / "indices.npy", reduced.indexed.indices)
        np.save(folder / "palettes.npy", reduced.indexed.palettes)
    else:
        np.save(folder / "coded.npy", np.frombuffer(b"".join(reduced.files), np.uint8))
        np.save(folder / "ends.npy", np.cumsum([len(file) for file in reduced.files]))
    measures = _measure(reduced)
    measures["psnr"] = encoding.psnr(images, reduced.decoded)
    measures.to_parquet(folder / "measures.parquet", index=False)


def _chunks(images: Images, copy: bool) -> Iterator[Images]:
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        yield np.array(chunk) if copy else chunk


def palettize_all(method: Any, images: Images, colors: int, *, copy: bool = True) -> Palettized:
    """All images through a quantizer in chunks, checked and compacted; arguments as for ``reduce_images``."""
    chunks = _chunks(images, copy)
    parts = [check_palettized(method.palettize(chunk, colors), chunk, colors) for chunk in chunks]
    widest = max(part.palettes.shape[1] for part in parts)
    palettes = [np.pad(part.palettes, ((0, 0), (0, widest - part.palettes.shape[1]), (0, 0))) for part in parts]
    return Palettized(np.concatenate([part.indices for part in parts]), np.concatenate(palettes))


def encode_all(codec: Any, images: Images, quality: Level, *, copy: bool = True) -> list[bytes]:
    """All images through a codec's ``encode`` in chunks, checked; arguments as for ``reduce_images``."""
    files: list[bytes] = []
    for chunk in _chunks(images, copy):
        coded = codec.encode(chunk, quality)
        if not isinstance(coded, list) or len(coded) != len(chunk) or not all(isinstance(f, bytes) for f in coded):
            raise ContractError(f"encode must return a list of {len(chunk)} bytes objects for {len(chunk)} images")
        files += coded
    return files


def decode_all(codec: Any, files: list[bytes], shape: tuple[int, ...]) -> Images:
    """All files through a codec's ``decode`` in chunks, checked: ``uint8 [N, H, W, 3]`` of ``shape``."""
    parts = []
    for start in range(0, len(files), CHUNK):
        part = codec.decode(files[start : start + CHUNK])
        expected = (min(CHUNK, len(files) - start), *shape[1:])
        if not isinstance(part, np.ndarray) or part.dtype != np.uint8 or part.shape != expected:
            got = f"{part.dtype} {list(part.shape)}" if isinstance(part, np.ndarray) else type(part).__name__
            raise ContractError(f"decode returned {got}, it must return uint8 {list(expected)}")
        parts.append(part)
    return np.concatenate(parts)


def _measure(reduced: Reduced) -> pd.DataFrame:
    sizes = [len(file) for file in reduced.files]
    payload: Any = pd.array([None] * len(sizes), dtype="Int64")
    entropy: Any = np.nan
    paper = sizes
    if reduced.indexed is not None:
        payload = [encoding.png_payload(file) for file in reduced.files]
        entropy = encoding.entropy_bits(reduced.indexed)
        paper = encoding.in_threads(lambda image: len(encoding.plain_png(image)), reduced.decoded)
    return pd.DataFrame(
        {
            "colors": reduced.colors(),
            "file_bytes": sizes,
            "payload_bytes": payload,
            "entropy_bits": entropy,
            "paper_bytes": paper,
        }
    )
