"""What is wrong with a user's input, in words: pydantic's errors as one sentence, and guesses at what was meant."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

import pydantic

_WORDS = {
    "missing": "it is missing and has no default",
    "too_short": "the list is empty, at least one is needed",
    "list_type": "it should be a list",
    "dict_type": "it should be a mapping",
    "model_type": "it should be a mapping",
    "dataclass_type": "it should be a mapping",
    "invalid_key": "a key should be a string",
}
_SHOULD = "Input should be "


def describe(error: pydantic.ValidationError, given: object) -> str:
    """The first complaint about ``given`` as ``.path: what is wrong``, and how many more places are wrong."""
    places: dict[str, list[Any]] = {}
    for complaint in error.errors(include_url=False):
        places.setdefault(_path(complaint["loc"], complaint["type"], given), []).append(complaint)
    (path, complaints), *others = places.items()
    first = complaints[0]
    wanted = [c["msg"].removeprefix(_SHOULD) for c in complaints if c["msg"].startswith(_SHOULD)]
    if first["type"] in _WORDS:
        words = _WORDS[first["type"]]
    elif wanted:
        subject = "a key" if first["loc"][-1:] == ("[key]",) else "it"
        words = f"{subject} should be {' or '.join(dict.fromkeys(wanted))}"
    else:
        words = first["msg"].removeprefix("Value error, ")
    got = "" if first["type"] in ("missing", "too_short") or not first["loc"] else f", got {shown(first['input'])}"
    more = f" (and {len(others)} more)" if others else ""
    return f"{path}: {words}{got}{more}."


def _path(loc: Sequence[int | str], kind: str, given: object) -> str:
    """Where in ``given`` a complaint is, without what pydantic adds for the members of a union and for keys."""
    parts = list(loc)
    if parts[-1:] == ["[key]"]:
        parts = parts[:-2]
    elif kind == "invalid_key":
        parts = parts[:-1]
    path, at = "", given
    for part in parts:
        if isinstance(part, int):
            at = at[part] if isinstance(at, list) and part < len(at) else None
            path += f"[{part}]"
        elif (isinstance(at, dict) and part in at) or kind == "missing":
            at = at.get(part) if isinstance(at, dict) else None
            path += f".{part}"
        else:
            break
    return path


def shown(value: object) -> str:
    """A value as it would be written in Python, shortened where it is long."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 60
    short.maxlist = short.maxdict = 4
    return " ".join(short.repr(value).split())


def one_line(error: BaseException) -> str:
    """An exception's type and message in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """``, did you mean 'x'?`` or nothing."""
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""
