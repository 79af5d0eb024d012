"""Common mistakes in a spec: each is recognized, and the message says what to write instead.

The functions are pydantic validators that run before pydantic's own: they return the value as intended, or raise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import yaml
from pydantic_core import PydanticCustomError

from harness.complaints import TRAP
from harness.contracts import BitsKind, JudgeKind
from harness.spec.file import read_param

TEACHERS = ("own", "each", "all")
"""What ``taught_by`` may say instead of classifiers' names."""

_RANGE = re.compile(r"\s*(?:range\()?\s*(\d{1,15})\s*(?:-|–|:|\.\.+|to|,)\s*(\d{1,15})\s*\)?\s*")
_NUMBERS = re.compile(r"\s*\d+(?:\s*[,;\s]\s*\d+)+\s*")
_LONGEST_TEXT = 200
"""Characters of a text that could mean a list of numbers."""
_LONGEST = 10
"""At most this many numbers are written out in a message; of more, only the first and the last."""
_MOST_SEEDS = 100
"""A single larger number is never meant as a number of trainings."""


def flow(value: object) -> str:
    """A value as YAML in one line."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).removesuffix("\n...\n").strip()


def trap(words: str) -> PydanticCustomError:
    """A complaint with a complete message."""
    return PydanticCustomError(TRAP, "{words}", {"words": words})


def seeds(value: object) -> object:
    """A list; a single number could be a seed or a number of seeds."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= _MOST_SEEDS:
            raise trap(f"it should be a list; write [{value}]")
        trainings = "no training" if value == 0 else "one training" if value == 1 else f"{value} trainings"
        listed = f" or {_written(range(value))}" if value > 0 else ""
        raise trap(f"{value} could mean one training with seed {value} or {trainings}; write [{value}]{listed}")
    return _numbers(value, _every)


def levels(value: object) -> object:
    """A list, or one number for a list of it."""
    value = _numbers(value, _doubling)
    return value if value is None or isinstance(value, list) else [value]


def _numbers(value: object, between: Any) -> object:
    """The value as it is, unless it is a text that lists numbers or names the first and the last."""
    text = value[0] if isinstance(value, list) and len(value) == 1 else value
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        return value
    found, listed = _RANGE.fullmatch(text), _NUMBERS.fullmatch(text)
    if listed:
        raise trap(f"{text!r} is one text; write a list: [{', '.join(re.findall(r'[0-9]+', text))}]")
    if found and int(found[1]) < int(found[2]):
        raise trap(f"{text!r} is one text; write a list: {_written(between(int(found[1]), int(found[2])))}")
    return value


def _every(first: int, last: int) -> Sequence[int]:
    return range(first, last + 1)


def _doubling(first: int, last: int) -> Sequence[int]:
    """Color counts and qualities between two ends: doubled where that gets from one to the other, else every one."""
    doubled = [first * 2**power for power in range(9) if 0 < first * 2**power <= last]
    return doubled if doubled[-1:] == [last] else range(first, last + 1)


def _written(numbers: Sequence[int]) -> str:
    if len(numbers) <= _LONGEST:
        return str(list(numbers))
    return f"[{numbers[0]}, {numbers[1]}, ..., {numbers[-1]}] with every number written out"


def bits(value: object) -> object:
    """What bits are counted of; the name of a column, and several in a list, are not."""
    if isinstance(value, list):
        raise trap("it should be one of file, payload and entropy, which the report shows first; it has the others too")
    if isinstance(value, str) and value.startswith("bpp_") and value[4:] in get_args(BitsKind):
        raise trap(f"{value!r} is a column of cells.csv; write {value[4:]}")
    return value


def judge(value: object) -> object:
    """A list of judges, or one of them."""
    judges = [value] if isinstance(value, str) else value
    if isinstance(judges, list) and any(each not in get_args(JudgeKind) for each in judges):
        raise ValueError("it should be frozen, retrained, or [frozen, retrained]")
    return judges


def taught_by(value: object) -> object:
    """A word or a name, or a list of names."""
    if isinstance(value, list) and len(value) == 1 and value[0] in TEACHERS:
        return value[0]
    if isinstance(value, list) and (words := [word for word in value if word in TEACHERS]):
        raise trap(f"{words[0]} stands alone, not in a list of classifiers; write {words[0]}, or classifiers' names")
    return value


def entry(value: object, keys: Sequence[str]) -> object:
    """A plugin with parameters, as a mapping; a name alone means one without parameters.

    Args:
        value: The value in the spec.
        keys: What the mapping may hold.
    """
    if isinstance(value, str):
        if "=" in value:
            raise trap(f"parameters belong in a mapping; write {flow(_from_words(value))}, not {value!r}")
        return {"name": value}
    if not isinstance(value, Mapping):
        raise ValueError("it should be a name, or a mapping with a name and params")
    others = [key for key in value if key not in keys]
    if "name" not in value and len(others) == 1 and isinstance(value[others[0]], Mapping | None):
        raise trap(f"the name belongs under the key name; write {flow(_named(others[0], value, keys))}")
    return dict(value)


def entries(value: object, keys: Sequence[str]) -> object:
    """A list of plugins; a single one, or a mapping from names to parameters, is not a list."""
    if isinstance(value, str):
        raise trap(f"it should be a list; write [{value}]")
    if isinstance(value, Mapping) and value:
        if "name" in value:
            meant = [dict(value)]
        else:
            meant = [_named(key, {key: inner}, keys) if inner else key for key, inner in value.items()]
        written = flow(meant)
        raise trap(f"it should be a list; write {written}" if len(written) < 150 else "it should be a list of mappings")
    return value


def _named(name: object, value: Mapping[Any, Any], keys: Sequence[str]) -> dict[str, Any]:
    """The entry that ``{colorcnn: {width: 16}}`` was meant to be."""
    inner = value[name] if isinstance(value[name], Mapping) else {}
    beside = {key: item for key, item in value.items() if key in keys} | {k: v for k, v in inner.items() if k in keys}
    params = {key: item for key, item in inner.items() if key not in keys}
    return {"name": name} | ({"params": params} if params else {}) | beside


def precision(value: object) -> object:
    """Both kinds of training; one word means both."""
    if isinstance(value, Mapping):
        return value
    if value not in ("fp32", "bf16"):
        raise ValueError("it should be 'fp32' or 'bf16'")
    return {"classifiers": value, "quantizers": value}


def params(value: object) -> object:
    """A mapping from parameters to values; ``gamma=1`` and lists of such texts are not mappings."""
    parts = value if isinstance(value, list) else [value]
    words = [word for part in parts if isinstance(part, str) and "=" in part for word in part.split()]
    if words:
        raise trap(f"it should be a mapping; write {flow(_params_from(words))}")
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        merged = {key: item for part in value for key, item in part.items()}
        raise trap(f"it should be a mapping, not a list; write {flow(merged)}")
    return value


def _from_words(text: str) -> dict[str, Any]:
    name, *words = re.split(r"[\s,()]+", text.strip(" ,()"))
    return {"name": name, "params": _params_from(words)}


def _params_from(words: Sequence[str]) -> dict[str, Any]:
    return dict(read_param(word.strip(",")) for word in words if word.partition("=")[1])
