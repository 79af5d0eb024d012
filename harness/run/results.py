"""From a run's folder and its store to what reports read."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pydantic

from harness.complaints import printable
from harness.contracts import BadInput, Cell, Failure, Precision, Results, SearchResult
from harness.contracts.results import RECORD_COLUMNS
from harness.plan import Plan
from harness.run.events import Event, last_run
from harness.run.outdated import WHY, outdated_in
from harness.run.pictures import Show, pictures_in
from harness.run.plan_file import checked_plan
from harness.run.provenance import read_provenance
from harness.run.stages import Stages, abouts_in, stages_in
from harness.spec.choices import called
from harness.spec.resolve import Choice, Spec
from harness.work.artifacts import GALLERY, read_about
from harness.work.explaining import read_pictures
from harness.work.remote import is_uri, open_store
from harness.work.store import ABOUT, DamagedArtifact, Store
from harness.writing import read_sealed, write_sealed

PLAN, EVENTS, SPEC = "plan.json", "events.jsonl", "spec.yaml"
SEARCH, SEARCHES = "search.yaml", "searches.json"
RECORDS = "records.parquet"
MEND = "fewcolors run with the run's spec mends it"
MENDED_ON_A_DISK = "fewcolors run mends it with a copy of the store on a disk (fewcolors store copy)"


def write_plan(folder: Path, spec: Spec, plan: Plan, store: Store) -> None:
    """Writes ``plan.json``: jobs with keys, inputs and resources, and all that ``gather`` needs."""
    write_sealed(
        folder / PLAN,
        {
            "spec": spec.written_out(),
            "store": store.name,
            "jobs": [dataclasses.asdict(job) for job in plan.jobs.values()],
            "cells": [dataclasses.asdict(cell) for cell in plan.cells],
            "recipes": [_dataset_recipe(d) for d in spec.datasets]
            + [
                _recipe("classifier", c, itertools.product(spec.datasets, [()]), spec.precision.classifiers)
                for c in spec.classifiers
            ]
            + [
                _recipe("quantizer", m, itertools.product(spec.datasets, _teachers(m, spec)), spec.precision.quantizers)
                for m in spec.methods
                if m.plugin.learns
            ],
        },
    )


def _teachers(method: Choice, spec: Spec) -> list[tuple[Choice, ...]]:
    """The classifiers of each of its trainings on one dataset with one seed."""
    found = [teachers for judge in spec.classifiers for teachers in method.teachers(judge, spec.classifiers)]
    return list({called(teachers): teachers for teachers in found}.values())


def _recipe(
    what: str, choice: Choice, tasks: Iterable[tuple[Choice, tuple[Choice, ...]]], precision: Precision = "fp32"
) -> dict[str, Any]:
    """Parameters and where they are not the paper's; of those left at None, and of those that the plugin names in
    ``departures_of``, its ``departures`` knows."""
    params, paper, explained = choice.params, choice.plugin.paper, choice.plugin.departures_of
    differs = [
        f"{name} is {params[name]}, the paper " + ("has none" if value is None else f"has {value}")
        for name, value in paper.items()
        if name not in explained and params[name] is not None and params[name] != value
    ]
    for dataset, classifiers in tasks:
        differs += choice.instance.departures(dataset.name, tuple(classifier.name for classifier in classifiers))
    if precision != "fp32":
        differs.append(f"precision is {precision}, the paper has fp32")
    differs += _limits(choice.train_images, choice.test_images).values()
    return {
        "what": what,
        "name": choice.short,
        "plugin": choice.name,
        "params": dict(params),
        "differs": list(dict.fromkeys(differs)),
    }


def _dataset_recipe(choice: Choice) -> dict[str, Any]:
    return _recipe("dataset", choice, [(choice, ())]) | {
        "credit": choice.plugin.credit,
        "sources": choice.plugin.sources,
    }


def _limits(train_images: int | None, test_images: int | None) -> dict[str, str]:
    """What to say of images that are left out, by the split they are left out of."""
    said = {}
    if train_images is not None:
        said["train"] = f"at most {train_images:,} of its training images are used, each class with its share"
    if test_images is not None:
        said["test"] = (
            f"at most {test_images:,} of its test images are judged, whole sources, each class with its share"
        )
    return said


def read_plan(folder: Path) -> dict[str, Any]:
    """The content of a run's ``plan.json``. Raises BadInput."""
    try:
        content = read_sealed(folder / PLAN)
    except (FileNotFoundError, NotADirectoryError):
        copy = "; a run at a URI has to be copied to a disk first" if ":/" in str(folder) else ""
        raise BadInput(f"{folder}: not a run's folder, it has no {PLAN}{copy}.") from None
    except ValueError as error:
        raise BadInput(f"{folder / PLAN}: damaged ({error}); run the spec again.") from None
    except OSError as error:
        raise BadInput(f"{folder / PLAN}: cannot be read: {error.strerror}.") from None
    try:
        return checked_plan(content)
    except ValueError as error:
        raise BadInput(f"{folder / PLAN}: not the plan of a run ({error}); run the spec again.") from None


def runs_in(folder: Path) -> list[Path]:
    """The run in ``folder``; where several tasks were searched, the run of each below it. Raises BadInput."""
    if (folder / PLAN).is_file() or not (folder / SEARCH).is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{PLAN}"))
    if not found:
        raise BadInput(
            f"{folder}: the search is not finished and has nothing to report yet; continue with fewcolors tune."
        )
    return found


def collected(folder: Path) -> list[Path]:
    """The runs below ``folder``, those of searches too, where it is itself neither a run nor a search."""
    if (folder / PLAN).is_file() or (folder / SEARCH).is_file():
        return []
    own = [path.parent for path in folder.glob(f"*/{PLAN}")]
    of_searches = [path.parent for search in folder.glob(f"*/{SEARCH}") for path in search.parent.glob(f"*/{PLAN}")]
    return sorted({*own, *of_searches})


def store_of(content: Mapping[str, Any], moved_to: str | Path | None = None) -> Store:
    """The store of a run, by its ``plan.json`` or where it was moved to.

    Raises BadInput where there is none, and where the plan alone names a URI: whoever wrote it would decide which
    server is asked, with the reader's credentials.
    """
    named = content["store"]
    if moved_to is None and is_uri(named) and named.rstrip("/") != os.environ.get("FEWCOLORS_STORE", "").rstrip("/"):
        raise BadInput(
            f"the run names {printable(named)} as its store; give --store or set FEWCOLORS_STORE to say that it may be "
            "asked."
        )
    store = open_store(moved_to or named)
    if not store.is_there():
        raise BadInput(f"{store}: there is no store here; give its new place with --store.")
    return store


def gather(
    folder: Path,
    moved_to: str | Path | None = None,
    say: Callable[[str], None] = lambda _sentence: None,
    outdated_are: str = MEND,
) -> Results:
    """All cells of a run, whatever their status; what is damaged counts as not there.

    Args:
        folder: The run's.
        moved_to: Its store, if that is no longer where the run left it.
        say: Is told of everything damaged, a sentence each, and of cells made from a network that is stored no longer.
        outdated_are: What becomes of such cells, for that sentence.

    Raises:
        BadInput: The run's plan cannot be read, or there is no store.
    """
    content = read_plan(folder)
    store = store_of(content, moved_to)
    events = list(last_run(folder / EVENTS, say))
    failed = {event.key: event for event in events if event.event == "failed"}
    blocked = {event.key: event.message for event in events if event.event == "blocked"}
    inputs = {job["key"]: [key for _, key in job["inputs"].values()] for job in content["jobs"]}
    found = store.look_up(("cells", planned["key"]) for planned in content["cells"])
    names = {job["key"]: job["name"] for job in content["jobs"]}
    for key, error in found.items():
        if isinstance(error, DamagedArtifact):
            blocked[key] = f"{error}; {MEND}"
            say(f"{names[key]}: {blocked[key]}.")
    jobs = {job["key"]: job for job in content["jobs"]}
    about = abouts_in(store)
    stages, pictures = stages_in(jobs, about), pictures_in(jobs, store)
    finished_keys = [key for key, there in found.items() if there is True]
    outdated = outdated_in(jobs, about, finished_keys, far=store.distant)
    made_from = {key: network for key in finished_keys if (network := outdated(key))}
    outdated_are = MENDED_ON_A_DISK if store.distant else outdated_are
    for key, network in made_from.items():
        found[key], blocked[key] = False, f"{WHY.format(names[network])}; {outdated_are}"
    for network, count in Counter(made_from.values()).items():
        say(f"cells left out: {count} {WHY.format(names[network])}; {outdated_are}.")
    cells = tuple(
        _cell(planned, store, found, failed, blocked, inputs, stages, pictures) for planned in content["cells"]
    )
    made = read_provenance(folder, say)
    failures = tuple(
        Failure(
            job=f"{event.stage}: {event.job}",
            message=event.message,
            traceback=event.traceback,
            cells=sum(_rests_on(cell.key, key, inputs) for cell in cells),
            key=key,
        )
        for key, event in failed.items()
    )
    finished = [cell for cell in cells if cell.status == "ok"]
    return Results(
        name=content["spec"]["name"],
        spec=content["spec"],
        cells=cells,
        failures=failures,
        classes={cell.dataset: tuple(cell.notes["classes"]) for cell in finished},
        recipes=_as_used(content, store, say),
        environment={
            "devices": sorted({f"{kind} ({name})" for c in finished for kind, name in c.notes["devices"].items()}),
            "versions": _versions(finished),
        }
        | ({"run": made} if made else {}),
        searches=read_searches(folder),
    )


def _as_used(content: Mapping[str, Any], store: Store, say: Callable[[str], None]) -> tuple[dict[str, Any], ...]:
    """The recipes of a plan, less limits that left out no image of a stored dataset; ``test_of`` where one did.
    Those of classifiers say how they were retrained."""
    stored = (job for job in content["jobs"] if job["stage"] == "datasets" and store.has("datasets", job["key"]))
    jobs = {job["name"]: job for job in stored}

    def as_used(recipe: Mapping[str, Any]) -> dict[str, Any]:
        job = jobs.get(recipe["name"]) if recipe["what"] == "dataset" else None
        return {
            **recipe,
            **({} if job is None else _as_limited(recipe, job, store, say)),
            **_retrained(recipe, content),
        }

    return tuple(as_used(recipe) for recipe in content["recipes"])


def _retrained(recipe: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """How a classifier was trained further on reduced images, its parts resolved; nothing where it was not."""
    if recipe["what"] != "classifier":
        return {}
    names = {job["key"]: job["name"] for job in content["jobs"]}
    found: dict[tuple[tuple[str, Any], ...], set[str]] = {}
    for job in content["jobs"]:
        if job.get("retraining") and (job["plugin"], job["params"]) == (recipe["plugin"], recipe["params"]):
            _, data = job["inputs"]["dataset"]
            found.setdefault(tuple(job["retraining"]["recipe"].items()), set()).add(names[data])
    entries = [{"datasets": sorted(datasets), **dict(parts)} for parts, datasets in found.items()]
    return {"retraining": entries} if entries else {}


def _as_limited(
    recipe: Mapping[str, Any], job: Mapping[str, Any], store: Store, say: Callable[[str], None]
) -> dict[str, Any]:
    """What a dataset's recipe says otherwise now that the dataset is stored."""
    words = _limits(job.get("train_images"), job.get("test_images"))
    if not words:
        return {}
    try:
        about = read_about(store, "datasets", job["key"])
    except DamagedArtifact as error:
        say(f"{job['name']}: {error}; {MEND}.")
        return {}
    limited = {
        part: about[part] < about[f"{part}_of"] if f"{part}_of" in about else about[part] == job[f"{part}_images"]
        for part in words
    }
    idle = [words[part] for part, is_limited in limited.items() if not is_limited]
    test_of = {"test_of": about["test_of"]} if limited.get("test") else {}
    return {"differs": [said for said in recipe["differs"] if said not in idle]} | test_of


def write_searches(folder: Path, searches: Sequence[SearchResult]) -> None:
    """Writes ``searches.json``, for ``read_searches``."""
    write_sealed(folder / SEARCHES, {"searches": [dataclasses.asdict(each) for each in searches]})


def read_searches(folder: Path) -> tuple[SearchResult, ...]:
    """The searches that chose parameters of a run in ``folder``; none where it was no search. Raises BadInput."""
    if not (folder / SEARCHES).is_file():
        return ()
    try:
        (searches,) = read_sealed(folder / SEARCHES).values()
        return pydantic.TypeAdapter(tuple[SearchResult, ...]).validate_json(json.dumps(searches))
    except (OSError, ValueError):
        raise BadInput(f"{folder / SEARCHES}: damaged; remove it and run fewcolors tune again.") from None


def _versions(cells: Sequence[Cell]) -> dict[str, str]:
    """Each library's version, or all of them where cells were computed with several."""
    found: dict[str, set[str]] = {}
    for cell in cells:
        for library, version in cell.notes["versions"].items():
            found.setdefault(library, set()).add(version)
    return {library: ", ".join(sorted(versions)) for library, versions in found.items()}


def _cell(
    planned: Mapping[str, Any],
    store: Store,
    found: Mapping[str, bool | DamagedArtifact],
    failed: Mapping[str, Event],
    blocked: Mapping[str, str],
    inputs: Mapping[str, list[str]],
    stages: Callable[[str], Stages],
    pictures: Callable[[str], Show | None],
) -> Cell:
    """A cell has failed where its own method or its judging did; it is blocked where its dataset or classifier did."""
    key = planned["key"]
    folder = store.path("cells", key) if found[key] is True else None
    if folder is not None and not set(pyarrow.parquet.read_schema(folder / RECORDS).names) >= RECORD_COLUMNS:
        return Cell(**planned, split="test", status="blocked", error=f"it was stored by an older fewcolors; {MEND}")
    if folder is not None:
        notes = json.loads((folder / ABOUT).read_text())
        p_true = {int(number): p for number, p in notes["original_p_true"].items()}
        taken = stages(key)
        return Cell(
            **planned,
            split="test",
            status="ok",
            records=folder / RECORDS,
            gallery=read_pictures(folder / GALLERY, p_true),
            picture=pictures(key),
            notes=notes | ({"stages": taken} if taken else {}),
        )
    for cause, event in failed.items() if found[key] is False else ():
        if event.stage not in ("datasets", "classifiers") and _rests_on(key, cause, inputs):
            return Cell(**planned, split="test", status="failed", error=event.message)
    return Cell(**planned, split="test", status="blocked", error=blocked.get(key, "not run yet"))


def _rests_on(key: str, other: str, inputs: Mapping[str, list[str]]) -> bool:
    return key == other or any(_rests_on(parent, other, inputs) for parent in inputs[key])
