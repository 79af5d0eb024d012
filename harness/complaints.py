"""Everything that is wrong with a user's input, in words and all at once, with guesses at what was meant."""

from __future__ import annotations

import contextlib
import difflib
import math
import reprlib
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pydantic

from harness.contracts import BadInput

TRAP = "trap"
"""The type of a pydantic error whose message says all: what was given and what would be right."""

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
LARGEST = 2**53
"""Up to here whole numbers are exact in whatever reads them: JSON's readers, a double."""
MOST_SHOWN, MOST_GATHERED = 20, 1000
"""Of what is wrong with one input, how much is printed, and how much is looked for."""
_DEEPEST, _MOST_DIGITS, _LONGEST_NAME = 50, 30, 1000


class BadInputs(BadInput):
    """Several things are wrong with one input, each a sentence of its own.

    Args:
        subject: What has the errors: a spec's file, an entry of it, an option.
        sentences: At least two.
    """

    def __init__(self, subject: str, sentences: Sequence[str]) -> None:
        super().__init__(subject, sentences)
        self.sentences = tuple(sentences)

    def __str__(self) -> str:
        count, least = len(self.sentences), "at least " if len(self.sentences) >= MOST_GATHERED else ""
        more = [f"and {count - MOST_SHOWN:,} more."] if count > MOST_SHOWN else []
        return "\n  ".join([f"{self.args[0]} has {least}{count:,} errors:", *self.sentences[:MOST_SHOWN], *more])


class Complaints:
    """Gathers what is wrong with one input, so that the user hears of all of it at once and nothing twice.

    Once a thousand things are wrong it raises BadInput: nobody mends more before the next try.

    Examples:
        >>> complaints = Complaints("a.yaml")
        >>> for check in ():
        ...     with complaints.gathering():
        ...         check()
        >>> complaints.raise_if_any()
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._sentences: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._sentences)

    def add(self, *sentences: str) -> None:
        self._sentences.update(dict.fromkeys(sentences))
        if len(self) >= MOST_GATHERED:
            self.raise_if_any()

    @contextlib.contextmanager
    def gathering(self) -> Iterator[None]:
        """A BadInput raised inside is kept, and the code after the block runs."""
        try:
            yield
        except BadInput as error:
            self.add(*(error.sentences if isinstance(error, BadInputs) else [str(error)]))

    def raise_if_any(self) -> None:
        """Raises BadInput with the one sentence, or with all of them."""
        if len(self) == 1:
            raise BadInput(next(iter(self._sentences)))
        if self._sentences:
            raise BadInputs(self.subject, list(self._sentences))


def by_place(error: pydantic.ValidationError, given: object) -> dict[str, list[Any]]:
    """Pydantic's complaints by the place in ``given`` they are about; a union has one for each of its members."""
    places: dict[str, list[Any]] = {}
    for complaint in error.errors(include_url=False):
        places.setdefault(_path(complaint["loc"], complaint["type"], given), []).append(complaint)
    return places


def sentence_about(path: str, complaints: Sequence[Any]) -> str:
    """What pydantic complains of at one place as ``path: what is wrong, got what was given; what would be right.``"""
    first = complaints[0]
    kind, given = first["type"], first["input"]
    wanted = [c["msg"].removeprefix(_SHOULD) for c in complaints if c["msg"].startswith(_SHOULD)]
    if kind in _WORDS:
        words = _WORDS[kind]
    elif wanted:
        subject = "a key" if first["loc"][-1:] == ("[key]",) else "it"
        words = f"{subject} should be {' or '.join('null' if w == 'None' else w for w in dict.fromkeys(wanted))}"
    else:
        words = first["msg"].removeprefix("Value error, ")
    if kind in ("missing", "too_short", TRAP) or not first["loc"]:
        return f"{path}: {words}."
    return f"{path}: {words}, got {shown(given)}{_hint(given, {c['type'] for c in complaints})}."


def _hint(given: object, kinds: set[str]) -> str:
    """What would be right, where a value is what YAML makes of something else that was meant."""
    number = kinds & {"int_type", "float_type"}
    if given is None:
        return " (the value is empty)"
    if given == "None":
        return "; YAML's word for nothing is null"
    if isinstance(given, bool):
        words = kinds & {"string_type", "literal_error"}
        return "; YAML reads yes, no, on and off as true and false, put such a word in quotes" if words else ""
    if isinstance(given, float) and "int_type" in kinds and given.is_integer() and abs(given) <= LARGEST:
        return f"; write {int(given)}"
    if isinstance(given, str) and number and _is_number(given):
        return f"; write {given.replace('_', '')} without quotes"
    if isinstance(given, str | int) and "bool_type" in kinds:
        return "; write true or false"
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


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
    if isinstance(value, int) and abs(value) >= 10**_MOST_DIGITS:
        return _digits(value)
    return " ".join(short.repr(value).split())


def unusable(value: object, deepest: int = _DEEPEST) -> str:
    """What keeps a value from being one that a file holds and that can be calculated with; empty where nothing does.

    Args:
        value: Plain values, and lists and mappings of them, maybe of themselves.
        deepest: How deep they may lie in one another.
    """
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return ""
    if isinstance(value, int):
        return (
            "" if abs(value) <= LARGEST else f"{_digits(value)} is beyond {LARGEST:,}, the largest number there is here"
        )
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"{value} is not a finite number"
    if not isinstance(value, list | tuple | dict):
        return f"{shown(value)} is not a plain YAML value"
    if not deepest:
        return "lists and mappings lie too deep in one another, or in themselves"
    inner = [*value, *value.values()] if isinstance(value, dict) else value
    return next((wrong for each in inner if (wrong := unusable(each, deepest - 1))), "")


def _digits(number: int) -> str:
    """A number as it is written where it is short."""
    return str(number) if abs(number) < 10**_MOST_DIGITS else f"a number of more than {_MOST_DIGITS} digits"


def one_line(error: BaseException) -> str:
    """An exception's type and message in one line: short, and with no character that a terminal or a file refuses."""
    return printable(f"{_plain(lambda: type(error).__name__, 'an error')}: {_plain(lambda: str(error), _NO_MESSAGE)}")


def chain_of(error: BaseException) -> list[BaseException]:
    """An exception and those that it was raised from or after, itself first."""
    found, further = list[BaseException](), [error]
    while further:
        each = further.pop()
        if not any(each is known for known in found):
            found.append(each)
            further += [earlier for earlier in (each.__context__, each.__cause__) if earlier is not None]
    return found


def printable(text: str, longest: int = LONGEST) -> str:
    """Third-party text in one line: long ones without their middle, odd characters as escapes (``\\x1b``)."""
    line = " ".join(_without_middle(text, 20 * longest).split())
    return _without_middle(escaped(line), longest)


def traceback_of(error: BaseException) -> str:
    """An exception's traceback, its lines kept, otherwise as ``printable`` has it; at most 100,000 characters."""
    text = _plain(lambda: "".join(traceback.format_exception(error)), "its traceback cannot be shown")
    lines = _without_middle(text, LONGEST_TRACEBACK).split("\n")
    return _without_middle("\n".join(map(escaped, lines)), LONGEST_TRACEBACK)


def _plain(read: Callable[[], str], otherwise: str) -> str:
    """What ``read`` gives as nothing but a str; a plugin's exception may raise when it is asked for its message."""
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


def escaped(line: str) -> str:
    """The text with an escape, such as ``\\n`` or ``\\x1b``, for each character that is not printable."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def harmless(text: str) -> str:
    """A text of several lines in which whatever is not printable is an escape."""
    return text if text.isprintable() else "\n".join(map(escaped, text.split("\n")))


def with_place(error: BaseException, root: Path) -> str:
    """An exception in one line with the file and the line where the code under ``root`` raised it.

    Args:
        error: As it was caught, with its traceback.
        root: The file or the folder of the user's code; what that calls elsewhere is not where the mistake is.
    """
    if isinstance(error, SyntaxError) and error.filename and _lies_in(error.filename, root):
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _lies_in(frame.filename, root)]
    return one_line(error) + (f" ({own[-1].filename}, line {own[-1].lineno})" if own else "")


def _lies_in(file: str, root: Path) -> bool:
    path, root = Path(file).resolve(), root.resolve()
    return path == root or root in path.parents


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """``, did you mean 'x'?`` or nothing."""
    if len(str(name)) > _LONGEST_NAME:
        return ""
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""
