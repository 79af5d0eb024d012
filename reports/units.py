"""What the numbers of the tables are counted in, for files that carry units."""

from __future__ import annotations

from typing import Literal

import pandas as pd

FRACTION, BITS = "fraction", "bits per pixel"
UNITS = {
    "n": "images",
    "accuracy": FRACTION,
    "accuracy_lo": FRACTION,
    "accuracy_hi": FRACTION,
    "original_accuracy": FRACTION,
    "colors_per_image": "colors",
    "bpp_file": BITS,
    "bpp_payload": BITS,
    "bpp_entropy": BITS,
    "bpp_nominal": BITS,
    "paper_bytes_per_pixel": "bytes per pixel",
    "psnr": "dB",
    "psnr_image_mean": "dB",
    "lossless_share": FRACTION,
    "seconds": "s",
    "mse": "squared 8-bit steps",
    "ssim": "SSIM",
    "ciede2000": "CIEDE2000",
    "p": "probability",
    "p_holm": "probability",
    "p_same": "probability",
    "p_same_holm": "probability",
    "trainings": "trainings",
    "groups": "sources",
    "alike": "comparisons",
    "discordant_a": "pairs",
    "discordant_b": "pairs",
    "difference": FRACTION,
    "lo": FRACTION,
    "hi": FRACTION,
    "lo_simultaneous": FRACTION,
    "hi_simultaneous": FRACTION,
    "margin": FRACTION,
    "points": "levels",
    "baseline_points": "levels",
    "bd_rate": FRACTION,
    "bd_accuracy": FRACTION,
    "accuracy_from": FRACTION,
    "accuracy_to": FRACTION,
    "accuracy_share": FRACTION,
    "bits_from": BITS,
    "bits_to": BITS,
    "bits_share": FRACTION,
    "seeds": "seeds",
    "accuracy_frozen": FRACTION,
    "accuracy_retrained": FRACTION,
    "recovered": FRACTION,
}
"""By column; one that is not here has none: words, seeds, and levels, of which ``level_kind`` says what they count."""
_UNIT_OF_ROW = {"claims": ("effect", "lo", "hi")}
"""Columns by table whose numbers have the unit that their row states, in its column ``unit``."""
_COUNTED = ("images", "pairs", "trainings", "sources", "comparisons", "levels", "seeds")


def unit_of(table: str, column: str) -> str | None:
    """What all numbers of a table's column are counted in; None where they have no unit, or each row its own."""
    return None if column in _UNIT_OF_ROW.get(table, ()) else UNITS.get(column)


def type_of(name: str, column: pd.Series) -> Literal["integer", "number", "string"]:
    """What a column holds, also where it is empty."""
    if pd.api.types.is_integer_dtype(column) or UNITS.get(name) in _COUNTED:
        return "integer"
    measured = pd.api.types.is_float_dtype(column) and len(column) > 0
    return "number" if measured or name in UNITS else "string"
