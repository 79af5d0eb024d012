"""Names of files that are made of names in tables."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection


def slug(name: str) -> str:
    """The name in small letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"


def free(name: str, taken: Collection[str]) -> str:
    """The name, with a number behind it where it is taken."""
    further = (f"{name}-{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], further) if each not in taken)
