"""Several runs as one: equal keys are one cell, and what shares a name but is not the same keeps apart."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.contracts import Cell, Difference, Failure, Origin, Results
from harness.run.events import last_run
from harness.run.lineage import Lineage, Part, reasons
from harness.run.results import EVENTS, gather, read_plan

_OF_READING = ("baseline", "headline", "recognized", "margin", "bits")
"""Keys of a spec that say how results are read: of several runs, the first one's hold."""


_ALSO_CALLED = {"dataset": "dataset", "classifier": "classifier", "quantizer": "variant"}
"""What of a cell has the name of a recipe, by what the recipe is of."""
_TRAINED_AGAIN = "the key is the same, but it was trained again and is another network: of the untouched images "
_Slot = tuple[Any, ...]
_Made = tuple[Lineage, str, Cell]
"""The run, a key, and the cell that tells of it."""


@dataclass(frozen=True, eq=False)
class Run:
    """A run as it is stored: where, what its cells were made of, when it was last started, what ``gather`` gives."""

    folder: Path
    lineage: Lineage
    began: str
    results: Results


def read_run(
    folder: Path, moved_to: str | Path | None = None, say: Callable[[str], None] = lambda _sentence: None
) -> Run:
    """Reads a run, as ``gather`` does. Raises BadInput."""
    results = gather(folder, moved_to, say)
    began = next((event.time for event in last_run(folder / EVENTS) if event.event == "run-started"), "")
    return Run(folder, Lineage(read_plan(folder)), began, results)


def merge(runs: Sequence[Run]) -> Results:
    """The results of several runs together, the first one's before those of the next.

    A cell that several runs have under one key is there once. Where a later run has another dataset, classifier or
    variant under a name that is taken, that is called by its name and its run, and ``differences`` says why: what does
    not belong together is neither averaged nor tested together. So is a classifier of the same key that was trained
    again, elsewhere, and became another network. The first run's spec holds.
    """
    names = run_names(runs)
    merging = _Merging()
    for name, run in zip(names, runs, strict=True):
        merging.add(name, run)
    spec = runs[0].results.spec
    origins = tuple(
        Origin(name, run.folder, run.began, run.results, tuple(_unused(run.results.spec, spec)))
        for name, run in zip(names, runs, strict=True)
    )
    cells = tuple(merging.cells.values())
    return Results(
        name=" + ".join(names),
        spec=spec,
        cells=cells,
        failures=tuple(_failures(origins)),
        classes={cell.dataset: tuple(cell.notes["classes"]) for cell in cells if cell.status == "ok"},
        recipes=_recipes(origins, merging.called),
        environment=_environment(origins),
        searches=tuple(searched for origin in origins for searched in origin.results.searches),
        origins=origins,
        differences=(*merging.differences, *merging.same_keys_other_numbers()),
    )


def run_names(runs: Sequence[Run]) -> list[str]:
    """Each run's name; where several have the name, the shortest end of its folder's path that is no other's."""
    met = Counter(run.results.name for run in runs)
    paths = [run.folder.resolve().parts for run in runs]
    alone = {name for name, count in met.items() if count == 1}
    return [
        run.results.name if run.results.name in alone else _ending(path, [*paths[:i], *paths[i + 1 :]], alone)
        for i, (run, path) in enumerate(zip(runs, paths, strict=True))
    ]


def _ending(path: Sequence[str], others: Sequence[Sequence[str]], taken: Container[str]) -> str:
    for length in range(1, len(path)):
        end = "/".join(path[-length:])
        if end not in taken and all(other[-length:] != path[-length:] for other in others):
            return end
    return str(Path(*path))


@dataclass
class _Holder:
    """What has a name. suffix: behind the name. run: whose it was first. of: what it is, by seed and level."""

    suffix: str
    run: str
    of: dict[_Slot, _Made] = field(default_factory=dict)


class _Merging:
    """What has been taken under which name, while runs are added one by one."""

    def __init__(self) -> None:
        self.cells: dict[str, Cell] = {}
        self.differences: list[Difference] = []
        self.called: dict[tuple[str, str, str], set[str]] = {}
        """By run, what something is and its name in that run: what it is called here."""
        self._holders: dict[tuple[Any, ...], list[_Holder]] = {}
        self._again: dict[tuple[str, str, str], list[tuple[Cell, Cell]]] = {}
        self._whose: dict[str, str] = {}
        self._apart: set[str] = set()
        """Of the run that is being added, the keys of cells whose classifier was trained again."""

    def add(self, run: str, of: Run) -> None:
        """Adds a run's cells, renamed where they have to be."""
        cells = list(of.results.cells)
        self._apart = set()
        parts: tuple[Part, ...] = ("dataset", "classifier", "variant")
        for part in parts:
            cells = self._kept_apart(run, of.lineage, cells, part)
        for cell in cells:
            there = self.cells.get(cell.key)
            if there is None or (there.status != "ok" and cell.status == "ok"):
                names = {} if there is None or cell.key in self._apart else _names(there)
                self.cells[cell.key] = replace(cell, **names)
                self._whose.setdefault(cell.key, run)
            elif cell.status == "ok" and cell.notes.get("accuracy") != there.notes.get("accuracy"):
                what = f"{there.label} on {there.dataset} × {there.judged_by}"
                self._again.setdefault((what, run, self._whose[cell.key]), []).append((cell, there))
        for own in of.results.cells:
            for what, name in _ALSO_CALLED.items():
                called = getattr(self.cells[own.key], name)
                self.called.setdefault((run, what, getattr(own, name)), set()).add(called)

    def same_keys_other_numbers(self) -> Iterator[Difference]:
        """Cells that several runs have under one key with another accuracy: the first one's is shown."""
        for (what, run, other), pairs in self._again.items():
            cell, there = pairs[0]
            numbers = (
                f"the key is the same, an accuracy {cell.notes['accuracy']:.4f}, not {there.notes['accuracy']:.4f}"
            )
            yield Difference(what, what, run, other, len(pairs), (numbers, *_computed(cell, there)))

    def _kept_apart(self, run: str, lineage: Lineage, cells: list[Cell], part: Part) -> list[Cell]:
        """The cells, renamed where a part of theirs is not what has its name already."""
        together: dict[tuple[Any, ...], list[Cell]] = {}
        for cell in cells:
            if part != "variant" or cell.key not in self.cells or cell.key in self._apart:
                together.setdefault(_place(cell, part), []).append(cell)
        suffixes: dict[str, str] = {}
        for place, members in together.items():
            finished_last = sorted(members, key=lambda cell: cell.status == "ok")
            of = {_slot(cell, part): (lineage, lineage.part(cell.key, part), cell) for cell in finished_last}
            holders = self._holders.setdefault((part, *place), [])
            unequal = [(holder, _unequal(of, holder.of, part)) for holder in holders]
            holder = next((holder for holder, pair in unequal if pair is None), None)
            others = itertools.takewhile(bool, (pair for _, pair in unequal))
            if any(pair is not None and pair[0][1] == pair[1][1] for pair in others):
                self._apart |= {cell.key for cell in members}
            if holder is None:
                holder = _Holder(f" ({run})" if holders else "", run)
                for first, pair in unequal[:1]:
                    self._tell(run, holder.suffix, members, part, first.run, pair)
                holders.append(holder)
            holder.of = of | {
                slot: made for slot, made in holder.of.items() if slot not in of or made[2].status == "ok"
            }
            suffixes |= dict.fromkeys((cell.key for cell in members), holder.suffix)
        return [_renamed(cell, part, suffixes.get(cell.key, "")) for cell in cells]

    def _tell(self, run: str, suffix: str, members: list[Cell], part: Part, other: str, pair: Any) -> None:
        (lineage, key, cell), (others, other_key, there) = pair
        if key == other_key:
            told: Iterable[str] = [_TRAINED_AGAIN + _recognized_by(cell, there)]
        else:
            told = reasons((lineage, key), (others, other_key))
        why = (*told, *_computed(cell, there))
        what, instead = (_words(_renamed(members[0], part, end), part) for end in (suffix, ""))
        self.differences.append(Difference(what, instead, run, other, len(members), why))


def _place(cell: Cell, part: Part) -> tuple[Any, ...]:
    """What cells have in common whose part has one name."""
    places: Mapping[Part, tuple[Any, ...]] = {
        "dataset": (cell.dataset,),
        "classifier": (cell.dataset, cell.classifier),
        "variant": (*cell.task, cell.label, cell.level_kind),
    }
    return places[part]


def _slot(cell: Cell, part: Part) -> _Slot:
    """What tells the parts of one name from each other."""
    slots: Mapping[Part, _Slot] = {"dataset": (), "classifier": (cell.seed,), "variant": (cell.level, cell.seed)}
    return slots[part]


def _unequal(of: Mapping[_Slot, _Made], taken: Mapping[_Slot, _Made], part: Part) -> tuple[_Made, _Made] | None:
    """Two that cannot have one name: of the same seed and level with other keys, or of one key with a classifier that
    was trained again; else made by another recipe.
    """
    for slot, own in of.items():
        other = taken.get(slot)
        if other is None:
            other = next(iter(taken.values()))
            if own[0].recipe(own[1]) != other[0].recipe(other[1]):
                return own, other
        elif own[1] != other[1] or (part == "classifier" and _trained_again(own[2], other[2])):
            return own, other
    return None


def _trained_again(cell: Cell, there: Cell) -> bool:
    """Whether the classifiers of two cells are two networks, as far as both cells tell."""
    if not "ok" == cell.status == there.status:
        return False
    network, other = _network(cell), _network(there)
    return network != other if network and other else _recognized(cell) != _recognized(there)


def _network(cell: Cell) -> str | None:
    """The digest of what the cell's classifier has learned, before any retraining."""
    made_from: Mapping[str, str] = cell.notes.get("made_from", {})
    return made_from.get("original", made_from.get("classifier"))


def _recognized_by(cell: Cell, there: Cell) -> str:
    """What the classifiers of two cells recognize, in words."""
    share, other = f"{_recognized(cell):.4f}", f"{_recognized(there):.4f}"
    return f"both recognize {share}" if share == other else f"it recognizes {share}, not {other}"


def _recognized(cell: Cell) -> float:
    """The share of the untouched images that the cell's classifier recognizes."""
    share: float = cell.notes["original_accuracy"]
    return share


def _renamed(cell: Cell, part: Part, suffix: str) -> Cell:
    """The cell with a suffix to the name of one of its parts; a teacher that is its judge is renamed as that is."""
    if not suffix:
        return cell
    if part == "dataset":
        return replace(cell, dataset=cell.dataset + suffix)
    if part == "variant":
        return replace(cell, variant=cell.variant + suffix)
    name = cell.classifier + suffix
    teachers = (name if teacher == cell.classifier else teacher for teacher in cell.fitted_on.split("+"))
    return replace(cell, classifier=name, fitted_on="+".join(teachers))


def _words(cell: Cell, part: Part) -> str:
    words: Mapping[Part, str] = {
        "dataset": f"dataset {cell.dataset}",
        "classifier": f"classifier {cell.classifier} on {cell.dataset}",
        "variant": f"{cell.label} on {cell.dataset} × {cell.judged_by}",
    }
    return words[part]


def _names(cell: Cell) -> dict[str, Any]:
    return {name: getattr(cell, name) for name in ("dataset", "classifier", "variant", "fitted_on")}


def _computed(cell: Cell, there: Cell) -> Iterator[str]:
    """What two finished cells were computed with, where that differs."""
    versions, others = (each.notes.get("versions", {}) for each in (cell, there))
    for library in sorted(versions.keys() & others.keys()):
        if versions[library] != others[library]:
            yield f"computed with {library} {versions[library]}, not {others[library]}"
    device, other = (each.notes.get("device") for each in (cell, there))
    if device and other and device != other:
        yield f"computed on {device}, not {other}"


def _unused(spec: Mapping[str, Any], first: Mapping[str, Any]) -> Iterator[str]:
    for name in _OF_READING:
        if spec.get(name) != first.get(name):
            yield f"{name} {json.dumps(spec.get(name))}, not {json.dumps(first.get(name))}"


def _failures(origins: Iterable[Origin]) -> Iterator[Failure]:
    for origin in origins:
        for failure in origin.results.failures:
            yield replace(failure, job=f"{origin.name}: {failure.job}")


def _recipes(
    origins: Iterable[Origin], called: Mapping[tuple[str, str, str], set[str]]
) -> tuple[Mapping[str, Any], ...]:
    """Those of all runs, by the names that tables have. One name is one recipe, with the remarks of all its runs.

    Remarks tell of the datasets of a run, so that those of one recipe may differ. Where recipes of one name are
    different, which tables allow on different tasks, the later one is called by the name and its run.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    made: dict[tuple[str, str], Any] = {}
    for origin in origins:
        for recipe in origin.results.recipes:
            what, precision = recipe["what"], origin.results.spec.get("precision")
            made_as = (recipe.get("plugin"), recipe.get("params"), None if what == "dataset" else precision)
            for name in sorted(called.get((origin.name, what, recipe["name"]), {recipe["name"]})):
                there = what, name
                if made.setdefault(there, made_as) != made_as:
                    there = what, f"{name} ({origin.name})"
                    made.setdefault(there, made_as)
                first = found.setdefault(there, {**recipe, "name": there[1]})
                if "differs" in recipe:
                    first["differs"] = list(dict.fromkeys([*first.get("differs", ()), *recipe["differs"]]))
    return tuple(found.values())


def _environment(origins: Iterable[Origin]) -> dict[str, Any]:
    """All devices, and each library's versions."""
    devices, versions = set[str](), dict[str, set[str]]()
    for origin in origins:
        environment = origin.results.environment
        devices |= set(environment.get("devices", ()))
        for library, version in environment.get("versions", {}).items():
            versions.setdefault(library, set()).update(version.split(", "))
    return {
        "devices": sorted(devices),
        "versions": {library: ", ".join(sorted(found)) for library, found in versions.items()},
    }
