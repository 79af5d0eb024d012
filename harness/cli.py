"""The command line. Exit code 0: all cells ok; 1: some failed; 2: bad spec or usage, before anything ran."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from harness import __version__
from harness.complaints import told
from harness.contracts import BadInput

if TYPE_CHECKING:
    from rich.console import Console

    from harness.run import Ending, Request


def _export_data_root(root: Path | None) -> Path | None:
    """Datasets, also those of workers, look in the environment."""
    if root is not None:
        os.environ["FEWCOLORS_DATA_ROOT"] = str(root.resolve())
    return root


app = typer.Typer(
    name="fewcolors",
    help="How few colors can an image have and still be recognized, by which method, and is the difference real?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        help="Where published datasets lie or are downloaded to.",
        show_default="FEWCOLORS_DATA_ROOT, else data",
        callback=_export_data_root,
    ),
]
SpecPath = Annotated[Path, typer.Argument(metavar="SPEC", help="A spec in YAML.", show_default=False)]
StorePath = Annotated[
    Path, typer.Option("--store", envvar="FEWCOLORS_STORE", help="Where artifacts are kept and looked up.")
]
MovedStore = Annotated[
    Path | None, typer.Option("--store", help="The run's store, if it was moved.", show_default="where the run left it")
]
Plugins = Annotated[
    list[str],
    typer.Option("--plugin", help="A plugin that is not installed: file.py or package.module.", show_default=False),
]
Methods = Annotated[
    list[str],
    typer.Option("--method", help="A method to add to the spec's, at its default levels.", show_default=False),
]
Datasets = Annotated[
    list[str], typer.Option("--dataset", help="Run on this dataset instead of the spec's.", show_default=False)
]
Classifiers = Annotated[
    list[str],
    typer.Option("--classifier", help="Judge with this classifier instead of the spec's.", show_default=False),
]


def main() -> NoReturn:
    """Runs the command line; a BadInput becomes its sentence and exit code 2."""
    try:
        app()
    except BadInput as error:
        print(f"fewcolors: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"fewcolors: {told(error)}; what is finished is kept in the store.", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stdout.flush()
        os._exit(130)  # all is said and stopped; Python's own way out can take seconds with Ray's exit handlers
    sys.exit(0)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False) -> None:
    if version:
        print(f"fewcolors {__version__}")
        raise typer.Exit


@app.command("list")
def list_plugins(plugin: Plugins = []) -> None:
    """Every plugin with its parameters, defaults, summary and origin."""
    from rich.text import Text

    from harness.discovery import discover
    from harness.sources import read_source

    console = _console()
    kind = ""
    for known in discover([read_source(name) for name in plugin]):
        if known.mark.kind != kind:
            kind = known.mark.kind
            console.print(f"\n{kind}s", style="bold")
        level = "" if known.mark.level_kind == "none" else f", level: {known.mark.level_kind}"
        learns = ", learned" if known.learns else ""
        console.print(Text.assemble("  ", (known.name, "cyan"), f"  {known.mark.summary}"))
        console.print(Text(f"      {known.origin}{level}{learns}", style="dim"))
        for parameter in known.parameters:
            console.print(Text(f"      {parameter.name}: {parameter.type} = {parameter.default}"))


@app.command()
def plan(
    spec: SpecPath,
    store: StorePath = Path("store"),
    plugin: Plugins = [],
    method: Methods = [],
    dataset: Datasets = [],
    classifier: Classifiers = [],
    data_root: DataRoot = None,  # noqa: ARG001 - its callback has used it
) -> None:
    """Shows a spec's jobs, what is stored already and what each needs; runs nothing."""
    from harness.run import prepare
    from harness.spec import STAGES

    request = prepare(spec, store, plugin, dataset, classifier, method)
    console = _console()
    line = "{:<12} {:<10} {:>4} {:>8} {:>9}  {:<12}  {}".format
    console.print(line("stage", "state", "cpus", "gpus", "limit", "key", "job"), style="bold", soft_wrap=True)
    for job in sorted(request.plan.jobs.values(), key=lambda job: STAGES.index(job.stage)):
        needs = job.needs
        limit = f"{needs.seconds:g} s"
        row = line(job.stage, request.state(job), f"{needs.cpus:g}", str(needs.gpus), limit, job.key[:12], job.name)
        console.print(row, markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"{len(request.plan.jobs)} jobs for {len(request.plan.cells)} cells, {len(request.survey.pending)} to run.",
        highlight=False,
    )


@app.command()
def run(
    spec: SpecPath,
    out: Annotated[
        Path | None, typer.Option("--out", help="The run's folder.", show_default="runs/<name of the spec>")
    ] = None,
    store: StorePath = Path("store"),
    plugin: Plugins = [],
    method: Methods = [],
    dataset: Datasets = [],
    classifier: Classifiers = [],
    data_root: DataRoot = None,  # noqa: ARG001 - its callback has used it
    address: Annotated[
        str | None,
        typer.Option(help="A running Ray cluster to join; else RAY_ADDRESS, else one is started on this machine."),
    ] = None,
    cpus: Annotated[
        int | None, typer.Option(min=1, help="CPUs of the cluster started here.", show_default="all")
    ] = None,
    gpus: Annotated[
        int | None, typer.Option(min=0, help="GPUs of the cluster started here.", show_default="all")
    ] = None,
) -> None:
    """Runs a spec: whatever is not stored yet, then the report."""
    from harness.run import execute, prepare

    request = prepare(spec, store, plugin, dataset, classifier, method)
    console, folder = _console(), out or Path("runs") / request.spec.name
    todo = request.survey.pending
    console.print(
        f"{request.spec.name}: {len(request.plan.cells)} cells, {len(todo)} of {len(request.plan.jobs)} jobs to run.",
        highlight=False,
    )
    try:
        ending = execute(request, folder, console, address, cpus, gpus)
    except KeyboardInterrupt:
        _say_what_is_kept(console, request)
        raise
    _say_how_it_ended(console, ending, folder)
    if not ending.complete:
        raise typer.Exit(1)


def _say_what_is_kept(console: Console, request: Request) -> None:
    kept = sum(request.store.has(job.stage, job.key) for job in request.plan.jobs.values())
    console.print(
        f"Interrupted. {kept} of {len(request.plan.jobs)} jobs are finished and kept in {request.store.root}; "
        f"trainings resume from their last epoch. Go on with: fewcolors {shlex.join(sys.argv[1:])}",
        highlight=False,
        soft_wrap=True,
    )


def _say_how_it_ended(console: Console, ending: Ending, folder: Path) -> None:
    cells = ending.results.cells
    lost = [cell for cell in cells if cell.status != "ok"]
    nothing = "" if ending.computed else " (all stored already)"
    console.print(f"{len(cells) - len(lost)} of {len(cells)} cells ok{nothing}.", highlight=False)
    if lost:
        sentence = "Tracebacks are in the report; once the cause is mended, only what is missing runs."
        console.print(sentence, style="red", soft_wrap=True)
    _say_where_pages_are(console, ending.pages, folder)


def _say_where_pages_are(console: Console, pages: Mapping[str, Path], folder: Path) -> None:
    console.print(f"Tables: {folder / 'report'}", highlight=False, soft_wrap=True)
    for page in pages.values():
        if page.suffix == ".html":
            console.print(f"Report: {page.resolve()}", style="bold", highlight=False, soft_wrap=True)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.", show_default=False)],
    store: MovedStore = None,
    plugin: Plugins = [],
) -> None:
    """Writes a run's reports again, from what is stored."""
    from harness.discovery import discover
    from harness.results import gather
    from harness.run import write_reports
    from harness.sources import read_source

    results = gather(run, store)
    registry = discover([read_source(name) for name in plugin])
    plugins = [registry.get("report", name, "reports") for name in results.spec["reports"]]
    console = _console()
    pages, broken = write_reports(plugins, results, run / "report", console)
    _say_where_pages_are(console, pages, run)
    if broken or any(cell.status != "ok" for cell in results.cells):
        raise typer.Exit(1)


@app.command()
def status(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.", show_default=False)],
    store: MovedStore = None,
) -> None:
    """How far a run is: what is done, running, failed."""
    from collections import Counter

    from harness.events import last_run
    from harness.results import EVENTS, read_plan, store_of
    from harness.spec import STAGES

    content = read_plan(run)
    kept = store_of(content, store)
    newest = {event.key: event for event in last_run(run / EVENTS) if event.key}
    console = _console()
    for stage in STAGES:
        states = Counter[str]()
        for job in content["jobs"]:
            if job["stage"] == stage:
                event = newest.get(job["key"])
                running = "running" if event and event.event in ("started", "retried") else "waiting"
                lost = event.event if event and event.event in ("failed", "blocked", "interrupted") else running
                states["done" if kept.has(stage, job["key"]) else lost] += 1
        if states:
            shown = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            console.print(f"{stage}: {shown}", highlight=False)
    for event in newest.values():
        if event.event == "failed":
            sentence = f"failed: {event.stage}: {event.job}: {event.message}"
            console.print(sentence, style="red", markup=False, soft_wrap=True)


@app.command()
def validate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A method's name.", show_default=False)],
    plugin: Plugins = [],
    param: Annotated[
        list[str], typer.Option("--param", help="A parameter as name=value (YAML).", show_default=False)
    ] = [],
    levels: Annotated[
        list[int], typer.Option("--level", help="A level to check at.", show_default="2, 5, 16 colors, or its own")
    ] = [],
) -> None:
    """Holds a method against the contract and prints what is wrong; exit code 1 where something is."""
    from harness.discovery import discover
    from harness.sources import read_source
    from harness.spec_file import read_param
    from harness.validate import check_method

    sources = [read_source(source) for source in plugin]
    method = discover(sources).get("method", name, "validate")
    instance_params = dict(read_param(text) for text in param)
    console, wrong = _console(), 0
    if method.learns:
        sentence = (
            f"{name} learns: it is fitted at each level with these parameters; --param epochs=1 may shorten that."
        )
        console.print(sentence, soft_wrap=True)
    for check in check_method(method, instance_params, levels, sources):
        mark, style = ("ok   ", "green") if check.ok else ("WRONG", "red")
        wrong += not check.ok
        console.print(f"{mark} {check.what}: {check.found}", style=style, markup=False, highlight=False, soft_wrap=True)
    if wrong:
        console.print(f"{name}: {wrong} thing(s) wrong.", style="red", markup=False)
        raise typer.Exit(1)
    console.print(f"{name} keeps the contract.", markup=False)


def _console() -> Console:
    from rich.console import Console

    return Console(file=sys.stdout)
