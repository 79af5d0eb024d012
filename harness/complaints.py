"""What is wrong with a user's input, in words: pydantic's errors as one sentence, and guesses at what was meant."""

from __future__ import annotations

import difflib
import reprlib
import traceback
from collections.abc import Callable, Iterable, Sequence
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
_NO_MESSAGE = "its message cannot be shown"
LONGEST = 500
"""Characters of an exception's line."""
LONGEST_TRACEBACK = 100_000


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
    """An exception's type and message in one line: short, and with no character that a terminal or a file refuses."""
    return printable(f"{_plain(lambda: type(error).__name__, 'an error')}: {_plain(lambda: str(error), _NO_MESSAGE)}")


def printable(text: str, longest: int = LONGEST) -> str:
    """A stranger's text in one line: long ones without their middle, odd characters as escapes (``\\x1b``)."""
    line = " ".join(_without_middle(text, 20 * longest).split())
    return _without_middle(_escaped(line), longest)


def traceback_of(error: BaseException) -> str:
    """An exception's traceback, its lines kept, otherwise as ``printable`` has it; at most 100,000 characters."""
    text = _plain(lambda: "".join(traceback.format_exception(error)), "its traceback cannot be shown")
    lines = _without_middle(text, LONGEST_TRACEBACK).split("\n")
    return _without_middle("\n".join(_escaped(line) for line in lines), LONGEST_TRACEBACK)


def _plain(read: Callable[[], str], otherwise: str) -> str:
    """What ``read`` gives as nothing but a str; a stranger's exception may raise when it is asked for its message."""
    try:
        return "".join(["", read()])
    except BaseException:  # noqa: BLE001 - whatever it raises, the exception it stands for is what is told
        return otherwise


def _without_middle(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    gap = " [...] "
    head = (longest - len(gap)) * 2 // 3
    return text[:head] + gap + text[len(text) - (longest - len(gap) - head) :]


def _escaped(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """``, did you mean 'x'?`` or nothing."""
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""
