"""A spec's content checked against its schema: everything wrong is reported, the valid rest is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pydantic
from pydantic import Field

from harness.complaints import Complaints, by_place, did_you_mean, sentence_about, shown
from harness.spec.schema import (
    STAGES,
    ADataset,
    AMethod,
    AnEntry,
    DatasetEntry,
    Entry,
    MethodEntry,
    Model,
    Precisions,
    Resources,
    RetrainingSettings,
    SearchSettings,
    SpecFile,
)
from harness.spec.traps import flow

_ENTRIES: Mapping[str, type[Entry]] = {
    "datasets": DatasetEntry,
    "classifiers": Entry,
    "methods": MethodEntry,
    "metrics": Entry,
}
_INNER: Mapping[str, type[Model]] = {
    **_ENTRIES,
    "precision": Precisions,
    "resources": Resources,
    "retraining": RetrainingSettings,
    "search": SearchSettings,
}
_MOST_SIBLINGS = 100
"""Of the unknown keys beside a missing one, how many it may be."""
_ELSEWHERE = {
    "quality": "it belongs to a codec's own entry: {name: jpeg, quality: [10, 50]}",
    "train_images": "it belongs to a dataset's own entry: {name: digits-on-photos, train_images: 4000}",
    "test_images": "it belongs to a dataset's own entry: {name: cifar10, test_images: 1000}",
    "label": "it belongs to a dataset's own entry: {name: image-folder, label: flowers, params: {root: photos}}",
    "colors": "it belongs to a quantizer's own entry, {name: median-cut, colors: [2, 4]}, or to the spec",
    "search": "it belongs to a learned method's own entry: {name: colorcnn, search: {gamma: {choice: [0, 1]}}}",
    "taught_by": "it belongs to a learned method's own entry: {name: colorcnn, taught_by: each}",
    "params": "parameters belong to a plugin's own entry: {name: colorcnn, params: {gamma: 0.5}}",
}


class _Readable(SpecFile):
    """What is left of a spec once its faulty parts are out, to find what else is wrong."""

    datasets: list[ADataset] = Field(default=[])
    classifiers: list[AnEntry] = Field(default=[])
    methods: list[AMethod] = Field(default=[])


@dataclass(frozen=True)
class Reading:
    """A spec as far as it could be read.

    Attributes:
        file: Its sound parts; each entry knows its place in the spec.
        faulty: Keys with something wrong in them; what depends on those cannot be checked.
    """

    file: SpecFile
    faulty: frozenset[str]


def read_file(content: Mapping[str, Any], complaints: Complaints) -> Reading:
    """Checks a spec's keys and types."""
    try:
        file, errors = SpecFile.model_validate(content), {}
    except pydantic.ValidationError as error:
        errors = by_place(error, content)
        for sentence in _sentences(errors):
            complaints.add(sentence)
        rest, kept = _without(content, error)
        file = _Readable.model_validate(rest)
    else:
        kept = {key: [(index, True) for index in range(len(getattr(file, key)))] for key in _ENTRIES}
    for key in _ENTRIES:
        for (index, whole), entry in zip(kept[key], getattr(file, key), strict=True):
            entry.place(f"{key}[{index}]", whole)
    return Reading(file, frozenset(path.lstrip(".").split(".")[0].split("[")[0] for path in errors))


def _without(
    content: Mapping[str, Any], error: pydantic.ValidationError
) -> tuple[dict[str, Any], dict[str, list[tuple[int, bool]]]]:
    """The content without what is wrong, and of each list of entries the places of those left and if they are whole."""
    keys, entries, inner = set[object](), set[tuple[object, object]](), set[tuple[object, ...]]()
    for complaint in error.errors(include_url=False):
        first, *more = complaint["loc"]
        if first not in _ENTRIES or not more:
            keys.add(first)
        elif complaint["type"] == "extra_forbidden":
            inner.add((first, *more))
        else:
            entries.add((first, more[0]))
    rest = {key: value for key, value in content.items() if isinstance(key, str) and key not in keys}
    kept = dict[str, list[tuple[int, bool]]]()
    for key in _ENTRIES:
        present = enumerate(rest.get(key, []))
        left = [(index, entry) for index, entry in present if (key, index) not in entries]
        cut = {index for k, index, _ in inner if k == key}
        rest[key] = [
            {k: v for k, v in entry.items() if (key, index, k) not in inner} if index in cut else entry
            for index, entry in left
        ]
        kept[key] = [(index, index not in cut) for index, _ in left]
    return rest, kept


def _sentences(errors: Mapping[str, list[Any]]) -> Iterator[str]:
    """errors: by their place in the spec."""
    unknown: dict[tuple[int | str, ...], list[str]] = {}
    for complaint in (each for complaints in errors.values() for each in complaints):
        *parents, key = complaint["loc"]
        if complaint["type"] == "extra_forbidden":
            unknown.setdefault(tuple(parents), []).append(str(key))
    for path, complaints in errors.items():
        *parents, key = complaints[0]["loc"]
        kind = complaints[0]["type"]
        siblings = unknown.get(tuple(parents), [])[:_MOST_SIBLINGS]
        if kind == "missing" and any(did_you_mean(name, _known(parents)) == _guess(key) for name in siblings):
            continue  # it is there, misspelt
        if kind == "extra_forbidden":
            yield _unknown(parents, key, complaints[0]["input"])
        elif parents[:1] == ["resources"] and key == "[key]":
            where, stage = _dotted(parents[:-1]), str(parents[-1]).partition("/")[0]
            guess, known = did_you_mean(stage, STAGES), ", ".join(STAGES)
            yield f"{where}: unknown stage {shown(stage)}{guess} (known: {known})."
        else:
            sentence = sentence_about(path, complaints)
            yield f"spec{sentence}" if sentence.startswith(":") else sentence.lstrip(".")


def _known(parents: list[int | str]) -> list[str]:
    return list((_INNER[str(parents[0])] if parents else SpecFile).model_fields)


def _guess(key: object) -> str:
    return f", did you mean {str(key)!r}?"


def _unknown(parents: list[int | str], key: int | str, value: object) -> str:
    known, hint = _known(parents), ""
    guess = did_you_mean(key, known)
    if ":" in str(key):
        hint = "; a colon needs a space after it"
    elif key in _ELSEWHERE and (not parents or parents[0] in _ENTRIES):
        guess, hint = "", f"; {_ELSEWHERE[str(key)]}"
    elif "params" in known and not guess:
        hint = f"; a parameter goes under params: {flow({key: value})}"
    where = _dotted(parents) or "spec"
    return f"{where}: unknown key {shown(key)}{guess} (known: {', '.join(known)}){hint}."


def _dotted(parts: list[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")
