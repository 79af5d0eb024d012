"""Lengths as people state them for a paper: ``3.25in``, ``84mm``, ``8.4cm``, ``240pt``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_INCHES = {"in": 1.0, "mm": 1 / 25.4, "cm": 1 / 2.54, "pt": 1 / 72.27}
"""A point is TeX's, in which LaTeX says how wide a column is."""
_STATED = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(in|mm|cm|pt)")


def inches(length: str) -> float:
    """A stated length in inches. Raises ValueError."""
    found = _STATED.fullmatch(length.strip())
    if found is None:
        raise ValueError("it should be a length such as 3.25in, 84mm, 8.4cm or 240pt")
    return float(found[1]) * _INCHES[found[2]]


def _checked(length: str) -> str:
    inches(length)
    return length


Length = Annotated[str, AfterValidator(_checked)]
