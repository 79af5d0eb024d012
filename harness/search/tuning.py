"""``fewcolors tune``: from a spec with a search to the best parameters, and to their comparison on fresh seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml
from rich.console import Console

from harness.complaints import Complaints
from harness.contracts import VALIDATION_ACCURACY, BadInput, SearchResult, Trial
from harness.discovery import discover
from harness.hiding import check_workers
from harness.naming import folder_names
from harness.plan import Job, Plan, check_inputs
from harness.registry import Registry
from harness.run.events import EventLog
from harness.run.execute import FinishedRun, compute, execute, request_for, write_reports
from harness.run.heartbeat import Heartbeat
from harness.run.results import EVENTS, PLAN, SEARCH, SEARCHES, gather, read_searches, write_plan, write_searches
from harness.run.schedule import find_remaining
from harness.search.plan import PlannedSearch, cycle_of, plan_searches
from harness.sources import Source, read_source
from harness.spec.file import override, read_spec
from harness.spec.resolve import Choice, Spec, resolve
from harness.spreadsheets import csv_text
from harness.work.artifacts import read_about
from harness.work.foreign_code import foreign_code_of
from harness.work.judges import stored_judge
from harness.work.leases import at_work
from harness.work.remote import open_store
from harness.work.store import Store
from harness.writing import write_yaml

if TYPE_CHECKING:
    from harness.run.pool import RayPool

BEST, TRIALS, FOLDERS = "best.yaml", "trials.csv", "searches"


@dataclass(frozen=True, eq=False)
class SearchRequest:
    """A validated spec with its searches. before: the jobs whose results they need, by key."""

    spec: Spec
    before: Mapping[str, Job]
    searches: tuple[PlannedSearch, ...]
    store: Store
    registry: Registry
    sources: tuple[Source, ...]


@dataclass(frozen=True, eq=False)
class FinishedSearch:
    """The outcome of one task's searches in ``folder``. comparison: its run; without cells if there was none."""

    folder: Path
    searched: tuple[SearchResult, ...]
    comparison: FinishedRun

    @property
    def found(self) -> bool:
        """Whether a trial of any of the searches finished."""
        return any(each.best is not None for each in self.searched)

    @property
    def complete(self) -> bool:
        return self.found and self.comparison.complete


def prepare_search(
    path: Path,
    store: str | Path,
    plugins: Sequence[str] = (),
    instead: Mapping[str, Sequence[Any]] = {},
    scale: str | None = None,
) -> SearchRequest:
    """Reads and checks all that can be checked before anything runs. Raises BadInput."""
    check_workers(Path.cwd())
    content = override(read_spec(path), instead, further_methods=())
    sources = tuple(read_source(plugin) for plugin in plugins)
    registry = discover(sources)
    spec = resolve(content, registry, scale, str(path))
    if not spec.searched:
        raise BadInput(f"{path}: no method has a search, such as search: {{gamma: {{loguniform: [0.01, 100]}}}}.")
    _check_search(spec, str(path))
    before, searches = plan_searches(spec)
    return SearchRequest(spec, before, searches, open_store(store), registry, sources)


def _check_search(spec: Spec, called: str) -> None:
    """Raises BadInput with everything in a spec that a search does not allow, and with what the plugins lack."""
    complaints = Complaints(called)
    if spec.baseline is not None:
        complaints.add("baseline: after a search the winner is compared with the search's start; leave baseline out.")
    for package, asked in (("wandb", spec.search.wandb), ("mlflow", spec.search.mlflow)):
        if asked is not None and find_spec(package) is None:
            complaints.add(f"search.{package}: it is not installed here; pip install {package}, or leave it out.")
    for choice in (*spec.datasets, *spec.classifiers, *spec.methods):
        trained = [name for name in choice.plugin.fingerprinted if choice.params.get(name) is not None]
        if choice in spec.classifiers and trained:
            complaints.add(
                f"{choice.where}.params.{trained[0]}: a search trains its classifier itself, without the images that "
                "it holds out; leave it out."
            )
            continue
        with complaints.gathering():
            check_inputs(choice)
    complaints.raise_if_any()


def execute_search(
    request: SearchRequest, folder: Path, console: Console, address: str | None, cpus: int | None, gpus: int | None
) -> list[FinishedSearch]:
    """Searches, then trains the winners and the start again on all training images and compares them.

    KeyboardInterrupt is passed on; whatever is finished is kept and not done again.
    """
    _check_folder_is_free(request, folder)
    request.store.create()
    tasks = _by_task(request, folder)
    for place in tasks:
        _discard_damaged(place, console)
    if any(not (place / SEARCHES).is_file() for place in tasks):
        from harness.run.cluster import connect
        from harness.run.pool import RayPool

        with connect(address, cpus, gpus):
            pool = RayPool(
                request.store, request.sources, lambda job: foreign_code_of(job, request.before, request.registry)
            )
            pool.check([*request.before.values(), *(search.first for search in request.searches)])
            _check_gpus(request.spec, pool)
            write_search_file(request, folder)
            with Heartbeat(folder), at_work(request.store.leases(lambda _key: True), request.before):
                _prepare_tasks(request, folder, console, pool)
                for place, searches in tasks.items():
                    _search_task(request, place, searches, console, pool)
    else:
        write_search_file(request, folder)
    compared = []
    for place, searches in tasks.items():
        searched = read_searches(place)
        if any(each.best is not None for each in searched):
            best = best_spec(request.spec, searches, searched, request.registry)
            write_yaml(place / BEST, best)
            run = request_for(resolve(best, request.registry), request.store, request.registry, request.sources)
            ending = execute(run, place, console, address, cpus, gpus)
        else:
            ending = _report_alone(request, place, searches, console)
        compared.append(FinishedSearch(place, searched, ending))
    return compared


def _discard_damaged(place: Path, console: Console) -> None:
    """Removes ``searches.json`` where it is damaged: trials that are stored are not done again to write it anew."""
    try:
        read_searches(place)
    except BadInput:
        (place / SEARCHES).unlink()
        console.print(f"{place / SEARCHES} was damaged, it is written again", style="yellow", markup=False)


def _report_alone(
    request: SearchRequest, place: Path, searches: Sequence[PlannedSearch], console: Console
) -> FinishedRun:
    """The report of a task in which no trial finished, so that there is nothing to run."""
    before = {key: request.before[key] for search in searches for _, key in search.first.inputs.values()}
    task = _spec_of_task(request.spec, searches[0])
    write_plan(place, task, Plan(before, ()), request.store)
    results = gather(place, request.store.name)
    pages, broken = write_reports(task.reports, results, place / "report", console)
    return FinishedRun(results, pages, broken, computed=0)


def _spec_of_task(spec: Spec, search: PlannedSearch) -> Spec:
    return replace(spec, datasets=(search.dataset,), classifiers=(search.classifier,))


def _search_identity(request: SearchRequest) -> dict[str, Any]:
    """What tells one search from another."""
    return {
        "spec": request.spec.written_out(),
        "trials": {search.first.name: search.first.key for search in request.searches},
    }


def _check_folder_is_free(request: SearchRequest, folder: Path) -> None:
    """Raises BadInput where the folder holds a run, or another search."""
    asked, path = _search_identity(request), folder / SEARCH
    if path.is_file():
        try:
            there = yaml.safe_load(path.read_text(encoding="utf-8"))
            differing = [key for key in asked["spec"] if there["spec"].get(key) != asked["spec"][key]]
            same = not differing and there["trials"] == asked["trials"]
        except (OSError, yaml.YAMLError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
            raise BadInput(f"{path}: damaged; remove {folder} or choose another --out.") from None
        if not same:
            why = f"in {', '.join(differing)}" if differing else "in the data or the plugins' code"
            raise BadInput(f"{folder}: this folder holds a different search (differs {why}); choose another --out.")
    elif (folder / PLAN).is_file():
        raise BadInput(f"{folder}: this folder holds a run, not a search; choose another --out.")


def _check_gpus(spec: Spec, pool: RayPool) -> None:
    """A run uses a share of a GPU only where there are GPUs; for trials it is required. Raises BadInput."""
    for choice in spec.searched:
        asked = spec.resources_of("quantizers", choice.name).gpus
        if isinstance(asked, float) and asked > 0 and not pool.has_gpus:
            raise BadInput(f"resources.quantizers.gpus: each trial needs {asked:g} GPUs, but this cluster has none.")


def write_search_file(request: SearchRequest, folder: Path) -> None:
    """Writes down what is searched, and what that rests on. Raises BadInput where that can't be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = {key: f"{job.stage}: {job.name}" for key, job in request.before.items()}
        write_yaml(folder / SEARCH, _search_identity(request) | {"before": before})
    except OSError as error:
        raise BadInput(f"--out {folder}: cannot be made: {error.strerror}.") from None


def _by_task(request: SearchRequest, folder: Path) -> dict[Path, list[PlannedSearch]]:
    """The searches of each task by its folder: the run's own where there is one task, else one in it for each."""
    tasks: dict[tuple[str, str], list[PlannedSearch]] = {}
    for search in request.searches:
        tasks.setdefault((search.dataset.short, search.classifier.short), []).append(search)
    if len(tasks) == 1:
        return {folder: list(request.searches)}
    names = folder_names("-".join(task) for task in tasks)
    return {folder / name: searches for name, searches in zip(names, tasks.values(), strict=True)}


def _prepare_tasks(request: SearchRequest, folder: Path, console: Console, pool: RayPool) -> None:
    """Makes the datasets and trains the classifiers that the searches need.

    Raises BadInput where one fails, or where a classifier does no better than guessing.
    """
    plan = Plan(request.before, ())
    todo = find_remaining(plan, request.store, wanted=request.before)
    if todo.pending:
        console.print("First the classifiers, trained on the images that are not held out:", highlight=False)
        schedule = compute(plan, todo, request.store, pool, EventLog(folder / EVENTS), console)
        for key, message in schedule.failed.items() if schedule else ():
            raise BadInput(f"{plan.jobs[key].name}: {message}; the search cannot start.")
    for job in request.before.values():
        judged = stored_judge(job, request.store) if job.stage == "classifiers" else None
        if judged is not None and judged.guesses:
            raise BadInput(f"{job.name} {judged} The search cannot start.")


def _search_task(
    request: SearchRequest, place: Path, searches: Sequence[PlannedSearch], console: Console, pool: RayPool
) -> None:
    """Runs one task's searches and writes ``searches.json`` and ``trials.csv``; deletes stopped trials' checkpoints."""
    from harness.run.worker import WorkerSetup
    from harness.search.progress import SearchProgress
    from harness.search.trials import run_trials, share_of

    if (place / SEARCHES).is_file():
        return
    searched = []
    names = folder_names(f"{search.method.short}-{search.level}-colors" for search in searches)
    for search, name in zip(searches, names, strict=True):
        share = share_of(search.first, request.spec.search, pool)
        where = place / FOLDERS / name
        with SearchProgress(console, search, request.spec.search) as progress:
            code = foreign_code_of(search.first, request.before, request.registry)
            setup = WorkerSetup.of_driver(request.store, request.sources, code)
            trials = run_trials(search, request.spec.search, share, where, request.store, setup, progress)
        searched.append(_searched(request, search, trials, share.cpus, share.gpus))
    (place / TRIALS).write_text(csv_text(_trials_table(searched)), encoding="utf-8")
    write_searches(place, searched)
    for trial in (trial for each in searched for trial in each.trials):
        if trial.status == "stopped":
            request.store.forget(trial.key)


def _searched(
    request: SearchRequest, search: PlannedSearch, trials: tuple[Trial, ...], cpus: float, gpus: float
) -> SearchResult:
    data, network = (read_about(request.store, *search.first.inputs[role]) for role in ("dataset", "classifier"))
    finished = [trial for trial in trials if trial.status == "finished" and trial.accuracy is not None]
    best = max(finished, key=lambda trial: (trial.accuracy or 0.0, -trial.number), default=None)
    settings = request.spec.search
    return SearchResult(
        dataset=search.dataset.short,
        classifier=search.classifier.short,
        variant=search.method.short,
        level=search.level,
        space={name: domain.written_out() for name, domain in search.space.items()},
        start=search.start,
        algorithm=settings.algorithm,
        scheduler=settings.scheduler,
        seed=settings.seed,
        train=data["train"],
        validation=data["test"],
        classifier_accuracy=network["original_accuracy"],
        cpus=cpus,
        gpus=gpus,
        cycle=cycle_of(search.method.instance),
        device="+".join(sorted(network["devices"])),
        trials=trials,
        best=None if best is None else best.number,
        classifier_seconds=network["seconds"],
        published=search.published,
    )


def _trials_table(searched: Sequence[SearchResult]) -> pd.DataFrame:
    """One row a trial; the searched parameters are columns of their own."""
    return pd.DataFrame(
        {
            "dataset": each.dataset,
            "classifier": each.classifier,
            "variant": each.variant,
            "level": each.level,
            "trial": trial.number,
            "status": trial.status,
            VALIDATION_ACCURACY: trial.accuracy,
            "best": trial.number == each.best,
            "epochs": trial.epochs,
            "epochs_of": trial.of,
            "seconds": round(trial.seconds, 3),
            **{f"param.{name}": value for name, value in trial.chosen.items()},
            "error": trial.error,
            "key": trial.key,
        }
        for each in searched
        for trial in each.trials
    )


def best_spec(
    spec: Spec, searches: Sequence[PlannedSearch], searched: Sequence[SearchResult], registry: Registry
) -> dict[str, Any]:
    """A run spec of one task: its start, what was found better, and the methods that were not searched.

    The start is the baseline; if it won, there is nothing to compare it with.
    """
    content = spec.written_out()
    del content["search"]
    task = _spec_of_task(spec, searches[0]).written_out()
    content |= {"datasets": task["datasets"], "classifiers": task["classifiers"], "methods": []}
    paper: Choice | None = None
    for choice, entry in zip(spec.methods, task["methods"], strict=True):
        if choice.space is None:
            content["methods"].append(entry)
            continue
        paper = paper or choice
        content["methods"].append({"name": choice.name, "params": dict(choice.params), "colors": list(choice.levels)})
        for search, found in zip(searches, searched, strict=True):
            if search.method is choice and found.best not in (None, 0):
                params = dict(choice.params) | dict(found.trials[found.best].chosen)
                content["methods"].append({"name": choice.name, "params": params, "colors": [search.level]})
    assert paper is not None
    named = resolve(content | {"baseline": None}, registry).methods
    content["baseline"] = next(c.short for c in named if c.name == paper.name and c.params == paper.params)
    return content
