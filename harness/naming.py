"""From names in words to names that any file system accepts."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable

from harness.complaints import shown
from harness.contracts import BadInput

_LONGEST, _DIGITS = 120, 8
_KEY = re.compile(r"[0-9A-Za-z_-]{1,64}")


def plain_name(words: str) -> str:
    """The words as the name of a file, without suffix, or of a folder: letters, digits and ``. _ = -``, never empty.

    Names beyond 120 characters are cut and end in digits of the whole's hash, so that they still tell words apart.
    """
    plain = re.sub(r"[^A-Za-z0-9._=-]+", "-", words).strip("-.") or "unnamed"
    if len(plain) <= _LONGEST:
        return plain
    digits = hashlib.sha256(words.encode()).hexdigest()[:_DIGITS]
    return f"{plain[: _LONGEST - _DIGITS - 1].rstrip('-.')}-{digits}"


def is_key(name: str) -> bool:
    """Whether artifacts can have this key: nothing that leads out of the folder it is looked for in."""
    return _KEY.fullmatch(name) is not None


def checked_key(key: str) -> str:
    """The key. Raises BadInput where it is none: it may come from a folder that somebody else has made."""
    if not is_key(key):
        raise BadInput(f"{shown(key)} is not the key of an artifact.")
    return key


def folder_names(names: Iterable[str]) -> list[str]:
    """A plain name for each, never twice the same, also where a file system does not know capitals."""
    found: list[str] = []
    for name in names:
        plain = plain_name(name)
        further = (f"{plain}-{number}" for number in itertools.count(2))
        met = {other.lower() for other in found}
        found.append(next(option for option in itertools.chain([plain], further) if option.lower() not in met))
    return found
