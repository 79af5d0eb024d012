"""A method applied to the test images and measured: indices and palettes, or coded bytes, and what each image costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness import encoding
from harness.contracts import ContractError, Images, Level, Palettized, check_palettized

CHUNK = 512
"""Images a method is handed at a time."""


def apply_method(method: Any, images: Images, level: Level, folder: Path) -> None:
    """Fills ``folder`` with the reduced images and ``measures.parquet`` (one row an image). Raises ContractError.

    A quantizer leaves ``indices.npy`` and ``palettes.npy``, a codec ``coded.npy`` (all files in a row) and
    ``ends.npy``. Columns: colors, file_bytes, payload_bytes, entropy_bits, paper_bytes, psnr, for whole images.
    """
    if hasattr(method, "palettize"):
        assert level is not None
        whole = palettize_all(method, images, level)
        np.save(folder / "indices.npy", whole.indices)
        np.save(folder / "palettes.npy", whole.palettes)
        decoded, measures = whole.render(), _measure_indexed(whole)
    else:
        files = encode_all(method, images, level)
        np.save(folder / "coded.npy", np.frombuffer(b"".join(files), np.uint8))
        np.save(folder / "ends.npy", np.cumsum([len(file) for file in files]))
        decoded = decode_all(method, files, images.shape)
        measures = _measure_coded(files, decoded)
    measures["psnr"] = encoding.psnr(images, decoded)
    measures.to_parquet(folder / "measures.parquet", index=False)


def palettize_all(method: Any, images: Images, colors: int) -> Palettized:
    """All images through a quantizer in chunks, checked and compacted."""
    chunks = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
    parts = [check_palettized(method.palettize(np.array(chunk), colors), chunk, colors) for chunk in chunks]
    widest = max(part.palettes.shape[1] for part in parts)
    palettes = [np.pad(part.palettes, ((0, 0), (0, widest - part.palettes.shape[1]), (0, 0))) for part in parts]
    return Palettized(np.concatenate([part.indices for part in parts]), np.concatenate(palettes))


def encode_all(codec: Any, images: Images, quality: Level) -> list[bytes]:
    """All images through a codec's ``encode`` in chunks, checked."""
    files: list[bytes] = []
    for start in range(0, len(images), CHUNK):
        chunk = np.array(images[start : start + CHUNK])
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


def _measure_indexed(whole: Palettized) -> pd.DataFrame:
    files = encoding.encode_all(whole)
    return pd.DataFrame(
        {
            "colors": whole.colors(),
            "file_bytes": [len(file) for file in files],
            "payload_bytes": [encoding.png_payload(file) for file in files],
            "entropy_bits": encoding.entropy_bits(whole),
            "paper_bytes": encoding.in_threads(lambda image: len(encoding.plain_png(image)), whole.render()),
        }
    )


def _measure_coded(files: list[bytes], decoded: Images) -> pd.DataFrame:
    sizes = [len(file) for file in files]
    return pd.DataFrame(
        {
            "colors": encoding.count_colors(decoded),
            "file_bytes": sizes,
            "payload_bytes": pd.array([None] * len(files), dtype="Int64"),
            "entropy_bits": np.nan,
            "paper_bytes": sizes,
        }
    )
