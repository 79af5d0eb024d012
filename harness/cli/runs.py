"""Specs and runs: ``plan`` and ``run``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import (
    Address,
    Baseline,
    Classifiers,
    Colors,
    Cpus,
    DataRoot,
    Datasets,
    Gpus,
    Methods,
    Out,
    Plugins,
    Scale,
    Seeds,
    SpecPath,
    StorePath,
    app,
    console,
    print_interrupted,
)
from harness.contracts import BadInput

if TYPE_CHECKING:
    from rich.console import Console

    from harness.run.execute import FinishedRun, Request
    from harness.run.simulation import Cluster, Forecast


@app.command()
def plan(
    spec: SpecPath,
    store: StorePath = "store",
    plugin: Plugins = [],
    method: Methods = [],
    dataset: Datasets = [],
    classifier: Classifiers = [],
    seed: Seeds = [],
    colors: Colors = [],
    baseline: Baseline = None,
    scale: Scale = None,
    data_root: DataRoot = None,  # noqa: ARG001 - its callback has used it
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Tell instead how long the jobs to run would take on such a cluster: nodes x GPUs of each, their name "
            "and the CPUs of each node if you like: 8x8xH100:128, 2x4, 10x0:32.",
            show_default=False,
        ),
    ] = None,
    durations: Annotated[
        Path | None,
        typer.Option(
            help="How many seconds jobs take, for --cluster: YAML with 'stage: seconds' or 'stage/plugin: seconds'.",
            show_default="what the store's jobs took, else a guess",
        ),
    ] = None,
) -> None:
    """Shows a spec's jobs, what is stored and what each needs, or how long they would take; runs nothing."""
    from harness.run.execute import prepare
    from harness.spec.schema import STAGES

    if durations is not None and cluster is None:
        raise BadInput("--durations says how long jobs take on --cluster, which is missing.")
    if cluster is not None:
        from harness.run.durations import Durations
        from harness.run.simulation import Cluster, Expected, forecast, read_durations

        nodes, given = Cluster.parse(cluster), read_durations(durations) if durations else {}
    request = prepare(
        spec, store, plugin, dataset, classifier, method, seed, colors, scale, baseline, files_needed=cluster is None
    )
    screen = console()
    if cluster is not None:
        expected = Expected(given, Durations.kept_in(request.store))
        print_forecast(screen, forecast(request.plan, request.remaining.pending, nodes, expected), nodes)
        return
    line = "{:<12} {:<15} {:>4} {:>8} {:>9}  {:<12}  {}".format
    screen.print(line("stage", "state", "cpus", "gpus", "limit", "key", "job"), style="bold", soft_wrap=True)
    for job in sorted(request.plan.jobs.values(), key=lambda job: STAGES.index(job.stage)):
        needs = job.needs
        limit = f"{needs.seconds:g} s"
        row = line(job.stage, request.state(job), f"{needs.cpus:g}", str(needs.gpus), limit, job.key[:12], job.name)
        screen.print(row, markup=False, highlight=False, soft_wrap=True)
    screen.print(
        f"{len(request.plan.jobs)} jobs for {len(request.plan.cells)} cells, {len(request.remaining.pending)} to run.",
        highlight=False,
    )
    _warn_of_memory(screen, request)


def _warn_of_memory(screen: Console, request: Request) -> None:
    """Says which jobs a run on this machine will refuse; a cluster may have room for them."""
    from harness.environment import memory_here

    memory = None if os.environ.get("RAY_ADDRESS") else memory_here()
    if memory is None or not (large := request.too_large_for(memory)):
        return
    others = f", and {len(large) - 1:,} more of the jobs too much" if len(large) > 1 else ""
    needs, has = (f"{size / 2**30:,.1f} GiB" for size in (large[0].least_memory, memory))
    screen.print(
        f"{large[0].stage}: {large[0].name} needs {needs} of memory at the least{others}; this machine has {has}, "
        "and a run here will be refused.",
        style="yellow",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def print_forecast(screen: Console, found: Forecast, cluster: Cluster) -> None:
    """How long it would take, what holds it up and what that rests on."""
    from harness.run.estimate import duration

    if not found.jobs:
        screen.print("All jobs are stored already: there is nothing to run.")
        return
    gpus = "" if found.busy_gpus is None else f"GPUs {found.busy_gpus:.0%}, "
    chain = " -> ".join(f"{job.stage}: {job.name}" for job in found.critical)
    known = ", ".join(f"{count:,} {origin}" for origin, count in found.origins.most_common())
    for name, text in (
        ("jobs to run", f"{found.jobs:,}"),
        ("on", str(cluster)),
        ("would take", f"{duration(found.seconds)}, at best {duration(found.no_less)} whatever the order"),
        ("in use", f"{gpus}CPUs {found.busy_cpus:.0%} of the time"),
        ("longest chain", f"{duration(found.critical_seconds)}: {chain}"),
        ("durations", known + (" (guesses say little: see --durations)" if found.origins["guessed"] else "")),
    ):
        screen.print(f"{name:<14} {text}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def run(
    spec: SpecPath,
    out: Out = None,
    store: StorePath = "store",
    plugin: Plugins = [],
    method: Methods = [],
    dataset: Datasets = [],
    classifier: Classifiers = [],
    seed: Seeds = [],
    colors: Colors = [],
    baseline: Baseline = None,
    scale: Scale = None,
    data_root: DataRoot = None,  # noqa: ARG001 - its callback has used it
    address: Address = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
) -> None:
    """Runs a spec: computes whatever is not stored yet, then writes the report."""
    from harness.run.execute import execute, prepare
    from harness.run.heartbeat import refuse_another
    from harness.work.folders import working_folder

    request = prepare(spec, store, plugin, dataset, classifier, method, seed, colors, scale, baseline)
    screen, place = console(), out or Path("runs") / request.spec.name
    todo = request.remaining.pending
    screen.print(
        f"{request.spec.name}: {len(request.plan.cells)} cells, {len(todo)} of {len(request.plan.jobs)} jobs to run.",
        highlight=False,
    )
    try:
        with working_folder(place, request.store.name, refuse_another) as folder:
            finished = execute(request, folder, screen, address, cpus, gpus)
    except KeyboardInterrupt:
        print_interrupted(screen, f"{_what_is_kept(request)}; trainings resume from their last epoch.")
        raise
    print_summary(screen, finished, folder)
    print_place(screen, place)
    if not finished.complete:
        raise typer.Exit(1)


def _what_is_kept(request: Request) -> str:
    jobs = request.plan.jobs.values()
    try:
        kept = sum(request.store.has(job.stage, job.key) for job in jobs)
    except OSError:
        return f"What is finished is kept in {request.store}"
    return f"{kept} of {len(jobs)} jobs are finished and kept in {request.store}"


def print_summary(screen: Console, finished: FinishedRun, folder: Path) -> None:
    """How many cells are ok, and where tables and pages are."""
    cells = finished.results.cells
    lost = [cell for cell in cells if cell.status != "ok"]
    nothing = "" if finished.computed else " (all stored already)"
    screen.print(f"{len(cells) - len(lost)} of {len(cells)} cells ok{nothing}.", highlight=False)
    if lost:
        sentence = "Tracebacks are in the report; once the cause is fixed, run again: only what is missing is computed."
        screen.print(sentence, style="red", soft_wrap=True)
    print_pages(screen, finished.pages, folder / "report")


def print_place(screen: Console, place: str | Path) -> None:
    """Where a run's folder is, if what was printed of it is a copy on this machine."""
    from harness.work.remote import is_uri

    if is_uri(str(place)):
        screen.print(f"All of it is in {place}", markup=False, highlight=False, soft_wrap=True)


def print_pages(screen: Console, pages: Mapping[str, Path], target: Path) -> None:
    """Prints the folder that reports were written to, and every HTML page."""
    screen.print(f"Tables: {target}", highlight=False, soft_wrap=True)
    for page in pages.values():
        if page.suffix == ".html":
            screen.print(f"Report: {page.resolve()}", style="bold", highlight=False, soft_wrap=True)
