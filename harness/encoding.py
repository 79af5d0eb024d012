"""From pixels to bytes: indexed and truecolor PNG, what they cost, and PSNR. All counts are for whole images."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.contracts import Images, Palettized

A = TypeVar("A")
B = TypeVar("B")


def indexed_png(indices: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """Writes one indexed PNG with 1, 2, 4 or 8 bits a pixel, as few as the palette allows.

    Exactly the chunks IHDR, PLTE, IDAT and IEND, rows unfiltered (PNG specification, 3rd edition, 12.7), deflated at
    zlib's level 9. Pillow pads the palette to a power of two in some versions and not in others.

    Args:
        indices: ``uint8 [H, W]``, each below C.
        palette: ``uint8 [C, 3]``, sRGB, C from 1 to 256.

    Returns:
        The file's content.

    Examples:
        >>> red = indexed_png(np.zeros((8, 8), np.uint8), np.array([[255, 0, 0]], np.uint8))
        >>> Image.open(io.BytesIO(red)).mode
        'P'
    """
    height, width = indices.shape
    bits = next(bits for bits in (1, 2, 4, 8) if len(palette) <= 1 << bits)
    each = 8 // bits
    padded = np.pad(indices, ((0, 0), (0, -width % each))).reshape(height, -1, each)
    packed = (padded << np.arange(8 - bits, -1, -bits, dtype=np.uint8)).sum(axis=2, dtype=np.uint8)
    rows = np.pad(packed, ((0, 0), (1, 0))).tobytes()
    header = struct.pack(">IIBBBBB", width, height, bits, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", palette.tobytes()), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def plain_png(image: NDArray[np.uint8]) -> bytes:
    """Writes one PNG with nothing but the pixels in it.

    Args:
        image: ``uint8 [H, W, 3]`` (24-bit color) or ``uint8 [H, W]`` (8-bit gray).

    Returns:
        The file's content.
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def stretched(maps: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Scales each map to 8-bit gray, from its least value (0) to its greatest (255).

    Args:
        maps: Floating point, ``[N, H, W]``.

    Returns:
        ``uint8 [N, H, W]``; 0 everywhere in a map that is flat.
    """
    least, greatest = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    span = np.where(greatest > least, greatest - least, 1)
    return np.rint(255 * (maps - least) / span).astype(np.uint8)


def png_payload(png: bytes) -> int:
    """Counts the bytes inside a PNG's IDAT chunks: its compressed pixels, without header and palette.

    Args:
        png: The content of a PNG file.

    Returns:
        The number of bytes.
    """
    payload, position = 0, 8
    while position < len(png):
        length, kind = struct.unpack_from(">I4s", png, position)
        payload += length if kind == b"IDAT" else 0
        position += 12 + length
    return payload


def encode_all(compacted: Palettized) -> list[bytes]:
    """Writes each image of a compacted batch as an indexed PNG with exactly the colors it uses.

    Args:
        compacted: What ``Palettized.compact`` returned.

    Returns:
        The content of one file for each image, in order.
    """
    used = compacted.indices.reshape(len(compacted.indices), -1).max(axis=1).astype(int) + 1
    return in_threads(
        lambda job: indexed_png(job[0], job[1][: job[2]]),
        zip(compacted.indices, compacted.palettes, used, strict=True),
    )


def entropy_bits(compacted: Palettized) -> NDArray[np.float64]:
    """Computes the zeroth-order entropy of each index map over all its pixels, plus 24 bits a palette entry.

    Args:
        compacted: What ``Palettized.compact`` returned; entries that an image does not use cost it nothing.

    Returns:
        Bits of each whole image, ``float64 [N]``.
    """
    n, entries = compacted.palettes.shape[:2]
    flat = compacted.indices.reshape(n, -1).astype(np.int64) + entries * np.arange(n)[:, None]
    counts = np.bincount(flat.ravel(), minlength=n * entries).reshape(n, entries)
    share = counts / counts.sum(axis=1, keepdims=True)
    information = -np.log2(share, where=share > 0, out=np.zeros_like(share))
    # Added up one by one, so that the last bit depends on no other image: on how wide the batch's palettes are.
    return np.cumsum(counts * information, axis=1)[:, -1] + 24.0 * (counts > 0).sum(axis=1)


def squared_error(original: Images, decoded: Images) -> NDArray[np.float64]:
    """Averages each image's squared errors over its pixels and channels.

    Args:
        original: ``uint8 [N, H, W, 3]``.
        decoded: The same images after a method, ``uint8 [N, H, W, 3]``.

    Returns:
        Squared 8-bit steps, ``float64 [N]``.
    """
    error = (original.astype(np.float32) - decoded.astype(np.float32)) ** 2
    return np.asarray(error.mean(axis=(1, 2, 3), dtype=np.float64))


def psnr(original: Images, decoded: Images) -> NDArray[np.float64]:
    """Computes the peak signal-to-noise ratio of each image (peak 255, all channels together).

    Args:
        original: ``uint8 [N, H, W, 3]``.
        decoded: The same images after a method, ``uint8 [N, H, W, 3]``.

    Returns:
        dB, ``float64 [N]``; inf where an image is unchanged.
    """
    with np.errstate(divide="ignore"):
        return 10 * np.log10(255.0**2 / squared_error(original, decoded))


def count_colors(images: Images) -> NDArray[np.int64]:
    """Counts the distinct 8-bit colors of each image.

    Args:
        images: ``uint8 [N, H, W, 3]``.

    Returns:
        ``int64 [N]``.

    Examples:
        >>> count_colors(np.array([[[[0, 0, 0], [0, 0, 255]]]], np.uint8))
        array([2])
    """
    code = (images.astype(np.int64) << np.array([16, 8, 0])).sum(-1).reshape(len(images), -1)
    code.sort(axis=1)
    return 1 + (np.diff(code, axis=1) != 0).sum(axis=1)


def in_threads(function: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """Applies a function to each item on as many threads as this process may use.

    Args:
        function: Called once for each item, from several threads at once.
        items: What it is called with.

    Returns:
        ``[function(item) for item in items]``, in order.
    """
    with ThreadPoolExecutor(thread_count()) as pool:
        return list(pool.map(function, items))


def thread_count() -> int:
    """Says how many threads this process may use.

    Returns:
        ``OMP_NUM_THREADS`` where it is set (Ray sets it to a job's CPUs), else the cores this process may use.
    """
    stated = os.environ.get("OMP_NUM_THREADS", "")
    if stated.isdigit() and int(stated) > 0:
        return int(stated)
    return core_count()


def core_count() -> int:
    """Says how many cores there are, for work that nothing else can go before, such as making a dataset.

    Returns:
        The cores this process may use.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
