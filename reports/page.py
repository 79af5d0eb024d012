"""``index.html``: one file that needs no other, put together from the tables, the figures and the gallery."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from harness.contracts import Failure, Results
from reports.bits_section import BitsView, bits_views
from reports.costs import costs
from reports.figures import against_colors
from reports.gallery import Strip, gallery, images_for
from reports.glossary import BITS, CELLS, JUDGES, TESTS
from reports.judges import Recovery, recoveries
from reports.originals import originals
from reports.points import Point, Task
from reports.published import Beside, beside, stated
from reports.records import Records
from reports.runs_section import runs_view
from reports.search.section import sections as search_sections
from reports.significance import DEFAULT_MARGIN
from reports.statistics import FEWEST_GROUPS, FEWEST_TRAININGS
from reports.story import QUESTION, Answer, answer
from reports.styles import Style, assign, styles_of
from reports.summary import recognized_share
from reports.sweep_figures import over_parameter
from reports.sweeps import sweeps
from reports.tables import tabulate
from reports.templating import fill_in
from reports.transfer import matrices

_UNFOLDED = 2
"""So many galleries and searches are open at first."""


@dataclass(frozen=True)
class Section:
    """All that the page shows of one task."""

    id: str
    task: Task
    answer: Answer
    colors: Markup
    bits: tuple[BitsView, ...]
    variants: tuple[tuple[str, tuple[Point, ...]], ...]
    beside: tuple[Beside, ...]
    recoveries: tuple[Recovery, ...]
    strips: tuple[Strip, ...]
    unfolded: bool


def render(results: Results) -> str:
    """The page as text; the same results give the same bytes."""
    made = tabulate(results)
    tasks, records = made.tasks, made.records
    points = [point for task in tasks for point in task.points]
    styles = styles_of(results.cells)
    most = images_for(task.cells for task in tasks)
    sections = [_section(number, tasks, results, styles, records, most) for number in range(len(tasks))]
    return fill_in(
        "report.html",
        results=results,
        question=QUESTION,
        sections=sections,
        styles=styles,
        searches=search_sections(results.searches, tasks),
        unfolded=_UNFOLDED,
        sweeps=_sweep_figures(tasks),
        originals=originals(tasks, results.recipes),
        matrices=matrices(tasks),
        runs=runs_view(results),
        costs=costs(tasks),
        article=stated()[0],
        facts=_facts(results, tasks),
        sources=_sources(results),
        baseline=results.spec.get("baseline"),
        recognized=f"{100 * recognized_share(results.spec):g}",
        several_seeds=any(point.seeds > 1 for point in points),
        grouped=any(task.sources < task.images for task in tasks),
        departing=[recipe for recipe in results.recipes if recipe.get("differs")],
        guessing=[task for task in tasks if task.guessing],
        devices=sorted({device for point in points for device in point.devices}),
        failures=_failures(results),
        environment_rows=list(_flat(results.environment)),
        spec=json.dumps(results.spec, indent=2, default=str, ensure_ascii=False),
        fewest_groups=FEWEST_GROUPS,
        fewest_trainings=FEWEST_TRAININGS,
        margin=100 * float(results.spec.get("margin") or DEFAULT_MARGIN),
        glossaries=_glossaries(tasks),
    )


def _glossaries(tasks: list[Task]) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """What the columns of each table are."""
    retrained = [("judges.csv", JUDGES)] if any(task.judge == "retrained" for task in tasks) else []
    return [("cells.csv", CELLS), ("significance.csv", TESTS), ("bits.csv", BITS), *retrained]


def _section(
    number: int, tasks: list[Task], results: Results, styles: Mapping[str, Style], records: Records, most: int
) -> Section:
    task = tasks[number]
    by_variant = itertools.groupby(task.points, key=lambda point: point.variant)
    return Section(
        id=f"task{number}",
        task=task,
        answer=answer(task, results.spec, results.recipes),
        colors=Markup(against_colors(task, styles, f"colors{number}")),  # our own; its texts are escaped by matplotlib
        bits=bits_views(task, styles, results.spec, f"bits{number}"),
        variants=tuple((variant, tuple(points)) for variant, points in by_variant),
        beside=tuple(beside(task, results.recipes)),
        recoveries=recoveries(task, tasks, records),
        strips=tuple(gallery(task.cells, results.classes.get(task.dataset, ()), records, most)),
        unfolded=number < _UNFOLDED,
    )


@dataclass(frozen=True)
class SweepFigure:
    """A sweep with its drawing and the styles of its lines."""

    title: str
    figure: Markup
    lines: Mapping[str, Style]


def _sweep_figures(tasks: list[Task]) -> list[SweepFigure]:
    found = sweeps(tasks)
    styles = assign(sorted(line for sweep in found for line, _ in sweep.lines))
    return [
        SweepFigure(
            sweep.title,
            Markup(over_parameter(sweep, styles, f"sweep{number}")),  # our own figure, as above
            {line: styles[line] for line, _ in sweep.lines},
        )
        for number, sweep in enumerate(found)
    ]


def _facts(results: Results, tasks: list[Task]) -> list[str]:
    """The run in a few words: what was judged, by what, how often."""
    images = {task.dataset: task for task in tasks if task.images}
    test_of = {recipe["name"]: recipe.get("test_of") for recipe in results.recipes if recipe["what"] == "dataset"}
    said = []
    for dataset, task in images.items():
        grouped = task.sources < task.images
        sources = f" from {task.sources:,} sources" if grouped else ""
        chosen, whole = "", ""
        if test_of.get(dataset):
            chosen = f" of {test_of[dataset]:,}"
            whole = ", drawn at random with every class in proportion" + (", whole sources" if grouped else "")
        said.append(f"{dataset}: {task.images:,}{chosen} test images{sources}{whole}")
    seeds = sorted({cell.seed for cell in results.cells})
    if seeds:
        said.append(f"{len(seeds)} seeds" if len(seeds) > 1 else f"one seed ({seeds[0]})")
    precision = results.spec.get("precision")
    if isinstance(precision, Mapping):
        said += [f"{trained} in {arithmetic}" for trained, arithmetic in precision.items()]
    elif precision:
        said.append(precision)
    return said


def _sources(results: Results) -> list[tuple[str, str]]:
    """What datasets say of their sources, by the dataset's name in tables."""
    return [(recipe["name"], recipe["sources"]) for recipe in results.recipes if recipe.get("sources")]


def _failures(results: Results) -> list[Failure]:
    """The failures that were reported, and the errors of cells that no failure tells of."""
    known = {failure.message for failure in results.failures}
    errors = Counter(cell.error for cell in results.cells if cell.status == "failed" and cell.error not in known)
    return [*results.failures, *(Failure("cells", message, "", count) for message, count in sorted(errors.items()))]


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Any:
    """Nested facts as (dotted name, text) rows."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, default=str)
