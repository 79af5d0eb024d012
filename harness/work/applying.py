"""A method applied to the test images and measured: indices and palettes, or coded bytes, and what each image costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness import encoding
from harness.contracts import (
    ContractError,
    Images,
    Level,
    Metric,
    Palettized,
    Quantizer,
    check_measured,
    check_palettized,
    check_payload,
)
from harness.work.arrays import GrowingArray, let_go

CHUNK = 512
"""Images a method is handed at a time, at most."""
CHUNK_PIXELS = 1 << 21
"""Pixels a method is handed at a time, at most, unless a single image has more."""


def chunk_size(height: int, width: int) -> int:
    """How many images of this size a method is handed at a time: a power of two, at most ``CHUNK``."""
    fitting = max(1, min(CHUNK, CHUNK_PIXELS // (height * width)))
    return 1 << (fitting.bit_length() - 1)


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


def apply_method(
    method: Any, images: Images, level: Level, folder: Path, metrics: Mapping[str, Metric] | None = None
) -> None:
    """Fills ``folder`` with the reduced images and ``measures.parquet`` (one row an image), a chunk at a time.

    A quantizer leaves ``indices.npy`` and ``palettes.npy``, a codec ``coded.npy`` (all files in a row) and
    ``ends.npy``. Columns: colors, file_bytes, payload_bytes, entropy_bits, paper_bytes, psnr, for whole images, and
    one a metric. Memory holds one chunk of images with all that is made of them, however many images there are.

    Args:
        method: A quantizer or a codec.
        images: ``uint8 [N, H, W, 3]``; those of a memory-mapped file are read as they are needed.
        level: The number of colors, a codec's quality, or None.
        folder: Where to write.
        metrics: By their columns' names.

    Raises:
        ContractError: What the method or a metric returns is not what its contract allows.
    """
    measures: list[pd.DataFrame] = []
    palettes: list[NDArray[np.uint8]] = []
    lengths: list[int] = []
    quantizer = is_quantizer(method)
    name, row = ("indices.npy", images.shape[1:3]) if quantizer else ("coded.npy", ())
    with GrowingArray(folder / name, np.uint8, row) as kept:
        for chunk in chunks(images):
            reduced = reduce_images(method, chunk, level)
            measures.append(_measure(chunk, reduced, count_payload(method, reduced), metrics or {}))
            if reduced.indexed is not None:
                kept.append(reduced.indexed.indices)
                palettes.append(reduced.indexed.palettes)
            else:
                kept.append(np.frombuffer(b"".join(reduced.files), np.uint8))
                lengths += map(len, reduced.files)
            let_go(images)
    if quantizer:
        np.save(folder / "palettes.npy", _as_wide_as_the_widest(palettes))
    else:
        np.save(folder / "ends.npy", np.cumsum(lengths))
    pd.concat(measures, ignore_index=True).to_parquet(folder / "measures.parquet", index=False)


def chunks(images: Images) -> Iterator[Images]:
    """Views of the images, as many at a time as a method is handed."""
    step = chunk_size(*images.shape[1:3])
    for start in range(0, len(images), step):
        yield images[start : start + step]


def _handed(images: Images, copy: bool) -> Iterator[Images]:
    for chunk in chunks(images):
        yield np.array(chunk) if copy else chunk


def palettize_all(method: Any, images: Images, colors: int, *, copy: bool = True) -> Palettized:
    """All images through a quantizer in chunks, checked and compacted; arguments as for ``reduce_images``."""
    parts = [check_palettized(method.palettize(chunk, colors), chunk, colors) for chunk in _handed(images, copy)]
    palettes = _as_wide_as_the_widest([part.palettes for part in parts])
    return Palettized(np.concatenate([part.indices for part in parts]), palettes)


def _as_wide_as_the_widest(palettes: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """All of ``uint8 [n, C, 3]`` together, those of fewer colors padded with black."""
    widest = max(part.shape[1] for part in palettes)
    return np.concatenate([np.pad(part, ((0, 0), (0, widest - part.shape[1]), (0, 0))) for part in palettes])


def encode_all(codec: Any, images: Images, quality: Level, *, copy: bool = True) -> list[bytes]:
    """All images through a codec's ``encode`` in chunks, checked; arguments as for ``reduce_images``."""
    files: list[bytes] = []
    for chunk in _handed(images, copy):
        coded = codec.encode(chunk, quality)
        if not isinstance(coded, list) or len(coded) != len(chunk) or not all(isinstance(f, bytes) for f in coded):
            raise ContractError(f"encode must return a list of {len(chunk)} bytes objects for {len(chunk)} images")
        files += coded
    return files


def decode_all(codec: Any, files: list[bytes], shape: tuple[int, ...]) -> Images:
    """All files through a codec's ``decode`` in chunks, checked: ``uint8 [N, H, W, 3]`` of ``shape``."""
    parts, step = [], chunk_size(*shape[1:3])
    for start in range(0, len(files), step):
        part = codec.decode(files[start : start + step])
        expected = (min(step, len(files) - start), *shape[1:])
        if not isinstance(part, np.ndarray) or part.dtype != np.uint8 or part.shape != expected:
            got = f"{part.dtype} {list(part.shape)}" if isinstance(part, np.ndarray) else type(part).__name__
            raise ContractError(f"decode returned {got}, it must return uint8 {list(expected)}")
        parts.append(part)
    return np.concatenate(parts)


def count_payload(method: Any, reduced: Reduced) -> list[int] | None:
    """How many bytes of each file are coded pixels: a PNG's IDAT, or what the codec says, checked; None: not known.

    Args:
        method: What reduced the images.
        reduced: The images after it.

    Raises:
        ContractError: What the codec says is not what its contract allows.
    """
    if reduced.indexed is not None:
        return [encoding.png_payload(file) for file in reduced.files]
    files = list(reduced.files)
    return check_payload(method.payload(files), files)


def _measure(
    images: Images, reduced: Reduced, payload: list[int] | None, metrics: Mapping[str, Metric]
) -> pd.DataFrame:
    sizes = [len(file) for file in reduced.files]
    unknown: Any = pd.array([None] * len(sizes), dtype="Int64")
    entropy: Any = np.nan
    paper = sizes
    if reduced.indexed is not None:
        entropy = encoding.entropy_bits(reduced.indexed)
        paper = encoding.in_threads(lambda image: len(encoding.plain_png(image)), reduced.decoded)
    measured = {
        column: check_measured(metric.measure(images, reduced.decoded), column, len(images))
        for column, metric in metrics.items()
    }
    fixed = {
        "colors": reduced.colors(),
        "file_bytes": sizes,
        "payload_bytes": unknown if payload is None else payload,
        "entropy_bits": entropy,
        "paper_bytes": paper,
        "psnr": encoding.psnr(images, reduced.decoded),
    }
    return pd.DataFrame(fixed | measured)
