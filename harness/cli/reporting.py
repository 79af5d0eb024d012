"""Reports of what is stored: ``report`` and ``figures``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.app import MovedStore, Plugins, app, console
from harness.cli.completing import report_names
from harness.cli.runs import print_pages

if TYPE_CHECKING:
    from rich.console import Console

    from harness.contracts import Results
    from harness.registry import Plugin, Registry
    from harness.run.execute import FinishedRun
    from harness.run.merging import Run

COMPARED = Path("runs") / "compared"
"""Where the report of several runs is written unless --out says otherwise."""


@app.command()
def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="A run's folder; several, to compare them; or a folder of runs.",
            show_default=False,
        ),
    ],
    as_: Annotated[
        str | None,
        typer.Option(
            "--as",
            help="These reports instead of the spec's, with commas between them: latex,markdown.",
            show_default=False,
            autocompletion=report_names,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The report's folder.",
            show_default=f"RUN/report; of several runs, {COMPARED}",
        ),
    ] = None,
    store: MovedStore = None,
    plugin: Plugins = [],
) -> None:
    """Writes a run's reports again, from stored results; for a search over several tasks, the reports of each task.

    Several runs are compared in one report. A folder of runs gets an index page, and each of its runs its reports.
    """
    from harness.contracts import BadInput
    from harness.run.results import collected, runs_in

    registry, screen = _registry(plugin), console()
    collection = collected(runs[0]) if len(runs) == 1 else []
    folders = collection or list(dict.fromkeys(folder for run in runs for folder in runs_in(run)))
    if out is not None and (collection or (len(runs) == 1 and len(folders) > 1)):
        raise BadInput("--out: the reports of a folder of runs are written into the runs; leave it out.")
    if len(runs) > 1 and len(folders) > 1:
        complete = _compare(folders, as_, out or COMPARED, store, registry, screen)
    else:
        complete = _renew(folders, as_, out, store, registry, screen, runs[0] if collection else None)
    if not complete:
        raise typer.Exit(1)


@app.command()
def figures(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.", show_default=False)],
    width: Annotated[str, typer.Option(help="Of each figure, such as 3.25in, 84mm, 8.4cm or 240pt.")] = "3.25in",
    height: Annotated[
        str | None, typer.Option(help="Of each figure.", show_default="what suits the width and the legend")
    ] = None,
    format: Annotated[str, typer.Option(help="pdf, svg, or both with a comma between them.")] = "pdf,svg",
    font_size: Annotated[float, typer.Option("--font-size", help="Of ordinary text, in points.")] = 8.0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The folder that the folder figures is made in.", show_default="RUN/report"),
    ] = None,
    store: MovedStore = None,
    plugin: Plugins = [],
) -> None:
    """Draws a run's figures for a paper, as PDF and SVG as wide as a column."""
    from harness.contracts import BadInput
    from harness.run.results import gather, runs_in

    screen = console()
    params: dict[str, Any] = {"width": width, "height": height, "format": format, "font_size": font_size}
    drawer = _registry(plugin).get("report", "figures", "figures").make(params, "figures")
    folders = runs_in(run)
    if out is not None and len(folders) > 1:
        raise BadInput("--out: the figures of several tasks are written into their runs; leave it out.")
    for folder in folders:
        shown = drawer.write(gather(folder, store, _teller(screen)), out or folder / "report")
        screen.print(f"Figures: {shown.parent}", highlight=False, soft_wrap=True)


def _registry(plugins: Sequence[str]) -> Registry:
    from harness.discovery import discover
    from harness.sources import read_source

    return discover([read_source(name) for name in plugins])


def _teller(screen: Console, told: list[str] | None = None) -> Callable[[str], None]:
    """Prints what is damaged, and keeps it in ``told``."""

    def tell(sentence: str) -> None:
        screen.print(sentence, style="red", markup=False, highlight=False, soft_wrap=True)
        if told is not None:
            told.append(sentence)

    return tell


def _renew(
    folders: Sequence[Path],
    as_: str | None,
    out: Path | None,
    store: str | None,
    registry: Registry,
    screen: Console,
    collection: Path | None,
) -> bool:
    """Each run's own reports, and the index of the collection if they are one; whether all is complete."""
    from harness.contracts import BadInput
    from harness.run.execute import write_reports
    from harness.run.merging import merge, read_run

    read: list[Run] = []
    complete = True
    for folder in folders:
        damaged: list[str] = []
        tell = _teller(screen, damaged)
        try:
            run = read_run(folder, store, tell)
        except BadInput as error:
            if collection is None:
                raise
            tell(f"left out: {error}")
            complete = False
            continue
        finished = _write(run.results, as_, out or folder / "report", registry, screen)
        if finished.broken_reports and collection is not None:
            tell(f"{folder}: left out of the index.")
        else:
            read.append(run)
        complete = complete and finished.complete and not damaged
    if collection is None or not read:
        return complete
    pages, broken = write_reports([registry.get("report", "index", "index")], merge(read), collection, screen)
    for page in pages.values():
        screen.print(f"Index: {page.resolve()}", style="bold", highlight=False, soft_wrap=True)
    return complete and not broken


def _compare(
    folders: Sequence[Path], as_: str | None, out: Path, store: str | None, registry: Registry, screen: Console
) -> bool:
    """One report of several runs; whether all is complete."""
    from harness.run.merging import merge, read_run

    damaged: list[str] = []
    results = merge([read_run(folder, store, _teller(screen, damaged)) for folder in folders])
    for difference in results.differences:
        shown = f"{difference.what} is not that of {difference.other}: {'; '.join(difference.reasons)}."
        screen.print(shown, style="yellow", markup=False, highlight=False, soft_wrap=True)
    return _write(results, as_, out, registry, screen).complete and not damaged


def _write(results: Results, as_: str | None, target: Path, registry: Registry, screen: Console) -> FinishedRun:
    from harness.run.execute import FinishedRun, with_claims, write_reports

    results = with_claims(results, registry)
    names = results.spec["reports"] if as_ is None else _named(as_)
    plugins: list[Plugin] = [registry.get("report", name, "reports" if as_ is None else "--as") for name in names]
    finished = FinishedRun(results, *write_reports(plugins, results, target, screen), computed=0)
    print_pages(screen, finished.pages, target)
    return finished


def _named(as_: str) -> list[str]:
    from harness.contracts import BadInput

    names = list(dict.fromkeys(name.strip() for name in as_.split(",") if name.strip()))
    if not names:
        raise BadInput("--as: it names no report; fewcolors list shows all.")
    return names
