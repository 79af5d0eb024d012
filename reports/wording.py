"""Numbers as people read them."""

from __future__ import annotations

import math

from harness.contracts import ACCURACY

THIN = "\u202f"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MISSING = "–"


def percent(share: float) -> str:
    """``0.847`` as ``84.7 %``."""
    return MISSING if math.isnan(share) else f"{100 * share:.1f}{THIN}%"


def share(part: float) -> str:
    """``0.847`` as ``85 %``."""
    return f"{100 * part:.0f}{THIN}%"


def percent_interval(lo: float, hi: float) -> str:
    return "" if math.isnan(lo) else f"[{100 * lo:.1f}, {100 * hi:.1f}]"


def points(difference: float) -> str:
    """A difference of accuracies in percentage points, with its sign: ``+33.5``."""
    return signed(100 * difference, 1)


def in_points(size: float) -> str:
    """A size in percentage points, such as a margin: ``1 point``, ``0.5 points``."""
    shown = f"{100 * size:g}"
    return f"{shown} point" if shown == "1" else f"{shown} points"


def points_interval(lo: float, hi: float) -> str:
    return "" if math.isnan(lo) else f"[{points(lo)}, {points(hi)}]"


def signed(difference: float, digits: int) -> str:
    """A plain difference with its sign and fixed decimals: ``−0.013``."""
    return MISSING if math.isnan(difference) else f"{difference:+.{digits}f}".replace("-", "−")


def effect(value: float, unit: str) -> str:
    """An effect in its unit, with its sign: ``+33.5 points`` of a share of images, ``−1.2 colors per image``."""
    if math.isnan(value):
        return MISSING
    return f"{points(value)} points" if unit == ACCURACY else f"{_signed_briefly(value)} {unit}"


def effect_interval(lo: float, hi: float, unit: str) -> str:
    """An effect's interval, without the unit."""
    if math.isnan(lo) or unit == ACCURACY:
        return points_interval(lo, hi)
    return f"[{_signed_briefly(lo)}, {_signed_briefly(hi)}]"


def _signed_briefly(value: float) -> str:
    return f"{value:+.3g}".replace("-", "−")


def p_value(p: float) -> str:
    """``= 0.012``, ``= 2.5·10⁻⁸``, or ``< 10⁻¹⁵``."""
    if math.isnan(p):
        return "not tested"
    if p < 1e-15:
        return "< 10⁻¹⁵"
    if p >= 0.001:
        number = rounded_p(p)
    else:
        mantissa, exponent = f"{p:.1e}".split("e")
        number = f"{mantissa}·10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    return f"= {number}"


def rounded_p(p: float) -> str:
    """p of at least 0.001; one beside 0.05 has more digits, so that it never reads as the bound itself."""
    shown = f"{p:.2f}" if p >= 0.1 else f"{p:.2g}"
    return f"{p:.4g}" if shown == "0.05" else shown


def number(value: float, digits: int = 2) -> str:
    """A plain number with fixed decimals; what is missing is a dash, infinite is a sign."""
    if math.isnan(value):
        return MISSING
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def counted(value: float, digits: int = 0) -> str:
    """As ``number``, with thousands apart: ``14,005``."""
    return f"{value:,.{digits}f}" if math.isfinite(value) else number(value, digits)


def short_path(name: str, longest: int = 60) -> str:
    """A file's path, a long one without its beginning."""
    return name if len(name) <= longest else f"…{name[1 - longest :]}"


def status_command(key: str) -> str:
    """Tells all that happened to the job with this key; RUN is its run's folder."""
    return f"fewcolors status RUN --job {key[:12]}"


def listing(names: list[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
