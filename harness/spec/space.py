"""Which values of a method's parameters a search may try, as a spec states them, checked against the method."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from harness.complaints import Complaints, did_you_mean, shown
from harness.contracts import BadInput
from harness.registry import Plugin

DomainKind = Literal["choice", "grid", "uniform", "loguniform", "randint"]
LISTED: tuple[DomainKind, ...] = ("choice", "grid")
_DIGITS = 4
_LARGEST = 2**53  # what a double, and with it a logger, can tell from its neighbors


@dataclass(frozen=True)
class Domain:
    """One parameter's values. choice, grid: any of ``values``; uniform, loguniform: from the first to the second;
    randint: whole numbers from the first to the second, both included."""

    kind: DomainKind
    values: tuple[Any, ...]

    def written_out(self) -> dict[str, list[Any]]:
        return {self.kind: list(self.values)}

    def rounded(self, value: Any) -> Any:
        """A drawn value as it is used: to four significant digits, so that it can be read, written and found again."""
        if self.kind in LISTED:
            return value
        if self.kind == "randint":
            return int(value)
        low, high = self.values
        return min(max(float(f"{value:.{_DIGITS}g}"), low), high)


def read_space(stated: Mapping[str, Any], plugin: Plugin, where: str) -> dict[str, Domain]:
    """A method's search space out of a spec. Raises BadInput with everything that is wrong."""
    if not plugin.learns:
        raise BadInput(f"{where}: {plugin.name!r} learns nothing, there is nothing to search; leave it out.")
    if not stated:
        raise BadInput(f"{where}: the space is empty, name at least one parameter with its values.")
    known = [parameter.name for parameter in plugin.parameters]
    complaints, space = Complaints(where), dict[str, Domain]()
    for name, content in stated.items():
        if name not in known:
            complaints.add(
                f"{where}: method {plugin.name!r} has no parameter {name!r}{did_you_mean(name, known)} "
                f"(has: {', '.join(known)})."
            )
            continue
        with complaints.gathering():
            space[name] = _domain(content, plugin, name, f"{where}.{name}")
    complaints.raise_if_any()
    return space


def _domain(content: Any, plugin: Plugin, parameter: str, where: str) -> Domain:
    kinds = get_args(DomainKind)
    if not isinstance(content, Mapping) or len(content) != 1:
        raise BadInput(
            f"{where}: it should be one of {', '.join(kinds)} with its values, such as "
            f"loguniform: [0.01, 100], got {shown(content)}."
        )
    ((kind, values),) = content.items()
    if kind not in kinds:
        raise BadInput(f"{where}: unknown kind {shown(kind)}{did_you_mean(kind, kinds)} (known: {', '.join(kinds)}).")
    if not isinstance(values, list):
        raise BadInput(f"{where}.{kind}: it should be a list, got {shown(values)}.")
    domain = _listed(kind, values, where) if kind in LISTED else _range(kind, values, where)
    for value in domain.values:
        if not plugin.accepts(parameter, value):
            wanted = next(p.type for p in plugin.parameters if p.name == parameter)
            raise BadInput(f"{where}.{kind}: {shown(value)} is not a valid {parameter!r}, which is {wanted}.")
    if kind not in LISTED and kind != "randint" and not plugin.accepts(parameter, math.sqrt(2)):
        raise BadInput(f"{where}.{kind}: {parameter!r} takes whole numbers, use randint.")
    return domain


def _listed(kind: DomainKind, values: list[Any], where: str) -> Domain:
    if not values:
        raise BadInput(f"{where}.{kind}: the list is empty, at least one value is needed.")
    for index, value in enumerate(values):
        if value in values[:index]:
            raise BadInput(f"{where}.{kind}: {shown(value)} is listed twice; list it once.")
    return Domain(kind, tuple(values))


def _range(kind: DomainKind, values: list[Any], where: str) -> Domain:
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool) and _finite(kind, v)]
    if len(values) != 2 or len(numbers) != 2:
        raise BadInput(f"{where}.{kind}: it should be two numbers, the least and the greatest, got {shown(values)}.")
    low, high = values
    if kind == "randint" and not (isinstance(low, int) and isinstance(high, int)):
        raise BadInput(f"{where}.{kind}: its ends should be whole numbers, got {shown(values)}.")
    if kind == "randint" and max(abs(low), abs(high)) > _LARGEST:
        raise BadInput(f"{where}.{kind}: its ends must be between {-_LARGEST:,} and {_LARGEST:,}, got {shown(values)}.")
    if low >= high:
        what = "empty" if low == high else "inverted"
        raise BadInput(f"{where}.{kind}: the range {shown(values)} is {what}, the least value comes first.")
    if kind == "loguniform" and low <= 0:
        raise BadInput(f"{where}.{kind}: its least value must be above 0, got {shown(low)}.")
    return Domain(kind, (low, high) if kind == "randint" else (float(low), float(high)))


def _finite(kind: DomainKind, number: float) -> bool:
    try:
        return kind == "randint" or math.isfinite(float(number))
    except OverflowError:
        return False


def start_of(space: Mapping[str, Domain], plugin: Plugin, stated: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Where a search starts: the paper's values of the parameters it searches, else their defaults."""
    start = {}
    for parameter in plugin.parameters:
        if parameter.name not in space:
            continue
        if parameter.name in stated:
            raise BadInput(
                f"{where}.{parameter.name}: it is also listed under params; a search starts at the paper's value or "
                "the default, so leave it out of params."
            )
        if parameter.required and parameter.name not in plugin.paper:
            raise BadInput(f"{where}.{parameter.name}: it has no default, so the search has no value to start from.")
        start[parameter.name] = plugin.paper.get(parameter.name, parameter.value)
        if space[parameter.name].kind not in LISTED and not isinstance(start[parameter.name], int | float):
            raise BadInput(
                f"{where}.{parameter.name}: the search would start at its default {shown(start[parameter.name])}, "
                "which is not a number; list values with choice."
            )
    return start


def grid(space: Mapping[str, Domain]) -> list[dict[str, Any]]:
    """Every combination of listed values, the last parameter fastest."""
    return [
        dict(zip(space, values, strict=True))
        for values in itertools.product(*(domain.values for domain in space.values()))
    ]


def starting_with(start: Mapping[str, Any], points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``start`` first, then the other points."""
    return [dict(start), *(point for point in points if point != start)]
