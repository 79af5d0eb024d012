"""The search for a method's parameters: ``tune``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.cli.app import (
    Address,
    Classifiers,
    Cpus,
    DataRoot,
    Datasets,
    Gpus,
    Out,
    Plugins,
    Scale,
    SpecPath,
    StorePath,
    app,
    console,
    print_interrupted,
)
from harness.cli.runs import print_pages, print_place, print_summary

if TYPE_CHECKING:
    from rich.console import Console

    from harness.contracts import SearchResult


@app.command()
def tune(
    spec: SpecPath,
    out: Out = None,
    store: StorePath = "store",
    plugin: Plugins = [],
    dataset: Datasets = [],
    classifier: Classifiers = [],
    scale: Scale = None,
    data_root: DataRoot = None,  # noqa: ARG001 - its callback has used it
    address: Address = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
) -> None:
    """Searches a spec's space with Ray Tune, then compares the winner with its start on fresh seeds."""
    from harness.run.heartbeat import refuse_another
    from harness.search.table import LOGS
    from harness.search.tuning import execute_search, prepare_search
    from harness.work.folders import working_folder

    request = prepare_search(spec, store, plugin, {"datasets": dataset, "classifiers": classifier}, scale)
    screen, place = console(), out or Path("runs") / request.spec.name
    try:
        with working_folder(place, request.store.name, refuse_another, leave=(LOGS,)) as folder:
            compared = execute_search(request, folder, screen, address, cpus, gpus)
    except KeyboardInterrupt:
        print_interrupted(
            screen,
            "Finished trials are kept, unfinished trainings resume from their last epoch, and no unfinished trial "
            "counts as a result.",
        )
        raise
    for each in compared:
        of_task = str(each.folder).replace(str(folder), str(place))
        for searched in each.searched:
            _print_search_result(screen, searched, of_task)
        if each.found:
            screen.print(f"Spec: {each.folder / 'best.yaml'}", highlight=False, soft_wrap=True)
            print_summary(screen, each.comparison, each.folder)
        else:
            print_pages(screen, each.comparison.pages, each.folder / "report")
    print_place(screen, place)
    if not all(each.complete for each in compared):
        raise typer.Exit(1)


def _print_search_result(screen: Console, searched: SearchResult, folder: str) -> None:
    where = f"{searched.variant} at {searched.level} colors on {searched.dataset}, {searched.classifier}"
    statuses = [trial.status for trial in searched.trials]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses)) or "none was started"
    if searched.best is None:
        sentence = f"{where}: no trial finished ({counts}); see {folder}/trials.csv for the reasons. "
        again = f"To search again, remove {folder} or choose another --out."
        screen.print(sentence + again, style="red", markup=False, highlight=False, soft_wrap=True)
        return
    best, first = searched.trials[searched.best], searched.trials[0]
    values = ", ".join(f"{name}={value}" for name, value in best.chosen.items())
    start = searched.start_words
    beside = "" if first.accuracy is None else f" ({start}: {100 * first.accuracy:.1f} %, {first.status})"
    what = start if searched.best == 0 else f"trial {searched.best}, {values}"
    screen.print(
        f"{where}: {what}, {100 * (best.accuracy or 0):.1f} % of {searched.validation:,} validation images"
        f"{beside if searched.best else ''}; {counts}.",
        highlight=False,
        soft_wrap=True,
    )
