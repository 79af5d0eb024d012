"""``index.html``: one file that needs no other, put together from the tables, the figures and the gallery."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from harness.contracts import Failure, Results
from reports.bits_section import BitsView, bits_views
from reports.claims.section import claims_section
from reports.classes import MOST_CLASSES, ByClass, by_class
from reports.costs import costs
from reports.critical_difference import rank_diagram
from reports.duel import MOST_NAMED, Duel, duel
from reports.figures import against_colors
from reports.gallery import Strip, gallery, images_for
from reports.glossary import BITS, CELLS, CLAIMS, JUDGES, PAIRS, TESTS
from reports.judges import Recovery, recoveries
from reports.leaderboard import USUAL_TASKS, Board, leaderboard
from reports.originals import originals
from reports.pair_matrix import PairMatrix, pair_matrices
from reports.pairs import Apart, separated
from reports.points import Point, Task
from reports.published import Beside, beside, stated
from reports.records import Records, task_name
from reports.runs_section import runs_view
from reports.search.section import sections as search_sections
from reports.significance import margin_of
from reports.stage_costs import stage_costs
from reports.statistics import FEWEST_GROUPS, FEWEST_TRAININGS
from reports.story import QUESTION, Answer, answer
from reports.styles import Style, assign, styles_of
from reports.summary import recognized_share
from reports.sweep_figures import over_parameter
from reports.sweeps import sweeps
from reports.tables import tabulate
from reports.templating import fill_in
from reports.transfer import matrices
from reports.wording import in_points, listing

_UNFOLDED = 2
"""So many galleries and searches are open at first."""
_UNFOLDED_POINTS = 16
"""A table of more points is folded, so that what follows is not out of reach."""


@dataclass(frozen=True)
class Section:
    """All that the page shows of one task."""

    id: str
    task: Task
    answer: Answer
    colors: Markup
    bits: tuple[BitsView, ...]
    pairs: tuple[PairMatrix, ...]
    variants: tuple[tuple[str, tuple[Point, ...]], ...]
    beside: tuple[Beside, ...]
    recoveries: tuple[Recovery, ...]
    duel: Duel | None
    classes: ByClass | None
    strips: tuple[Strip, ...]
    unfolded: bool


def render(results: Results) -> str:
    """The page as text; the same results give the same bytes."""
    tabulated = tabulate(results)
    tasks, records, pairs = tabulated.tasks, tabulated.records, tabulated.tables["pairs"]
    points = [point for task in tasks for point in task.points]
    styles = styles_of(results.cells)
    most = images_for(task.cells for task in tasks)
    claims = claims_section(tabulated.judged)
    apart = separated(pairs)
    sections = [_section(number, tasks, results, styles, records, most, pairs, apart) for number in range(len(tasks))]
    standings = leaderboard(tasks, pairs, results.spec.get("baseline"), margin_of(results))
    return fill_in(
        "report.html",
        script="script.js",
        results=results,
        question=QUESTION,
        sections=sections,
        styles=styles,
        searches=search_sections(results.searches, tasks),
        unfolded=_UNFOLDED,
        sweeps=_sweep_figures(tasks),
        originals=originals(tasks, results.recipes),
        claims=claims,
        matrices=matrices(tasks),
        runs=runs_view(results),
        costs=costs(tasks),
        stage_costs=stage_costs(tasks),
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
        made=results.environment.get("run"),
        environment_rows=_environment_rows(results),
        origins=[(origin, _environment_rows(origin.results)) for origin in results.origins],
        spec=json.dumps(results.spec, indent=2, default=str, ensure_ascii=False),
        fewest_groups=FEWEST_GROUPS,
        fewest_trainings=FEWEST_TRAININGS,
        margin=in_points(margin_of(results)),
        leaderboard=standings,
        boards=_boards(standings.boards, styles) if standings else [],
        usual_tasks=USUAL_TASKS,
        unfolded_points=_UNFOLDED_POINTS,
        most_named=MOST_NAMED,
        most_classes=MOST_CLASSES,
        glossaries=_glossaries(tasks, claims is not None),
        csv_files=tabulated.csv_files(),
    )


def _glossaries(tasks: list[Task], claimed: bool) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """What the columns of each table are."""
    retrained = [("judges.csv", JUDGES)] if any(task.judge == "retrained" for task in tasks) else []
    claims = [("claims.csv", CLAIMS)] if claimed else []
    always = [("cells.csv", CELLS), ("significance.csv", TESTS), ("pairs.csv", PAIRS), ("bits.csv", BITS)]
    return [*always, *retrained, *claims]


def _section(
    number: int,
    tasks: list[Task],
    results: Results,
    styles: Mapping[str, Style],
    records: Records,
    most: int,
    pairs: pd.DataFrame,
    apart: Apart,
) -> Section:
    task = tasks[number]
    said = answer(task, results.spec, results.recipes, apart)
    classes = results.classes.get(task.dataset, ())
    by_variant = itertools.groupby(task.points, key=lambda point: point.variant)
    return Section(
        id=f"task{number}",
        task=task,
        answer=said,
        colors=Markup(against_colors(task, styles, f"colors{number}")),  # our own; its texts are escaped by matplotlib
        bits=bits_views(task, styles, results.spec, f"bits{number}"),
        pairs=pair_matrices(task, pairs),
        variants=tuple((variant, tuple(points)) for variant, points in by_variant),
        beside=tuple(beside(task, results.recipes)),
        recoveries=recoveries(task, tasks, records),
        duel=duel(task, said.subject, classes, records) if said.subject else None,
        classes=_by_class(task, said, classes, records),
        strips=tuple(gallery(task.cells, classes, records, most)),
        unfolded=number < _UNFOLDED,
    )


def _by_class(task: Task, said: Answer, classes: tuple[str, ...], records: Records) -> ByClass | None:
    """The headline's two methods class by class; where it tells of none, the best at its level."""
    if not said.shown:
        return None
    place = said.shown[0].level_kind, said.shown[0].level
    subject = said.subject
    names = (subject.variant_a, subject.variant_b) if subject else (said.shown[0].variant,)
    return by_class(task, names, place, classes, records)


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


def _boards(boards: Sequence[Board], styles: Mapping[str, Style]) -> list[tuple[Board, Markup]]:
    """Each level of the leaderboard with its diagram."""
    return [(one, Markup(rank_diagram(one, styles, f"ranks{number}"))) for number, one in enumerate(boards)]


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
    said += _seeds(results)
    precision = results.spec.get("precision")
    if isinstance(precision, Mapping):
        said += [f"{trained} in {arithmetic}" for trained, arithmetic in precision.items()]
    elif precision:
        said.append(precision)
    return said


def _seeds(results: Results) -> list[str]:
    """How many seeds there are, of each task apart where tasks differ in that."""
    by_task: dict[tuple[str, str], set[int]] = {}
    for cell in results.cells:
        by_task.setdefault((cell.dataset, cell.judged_by), set()).add(cell.seed)
    alike: dict[tuple[int, ...], list[tuple[str, str]]] = {}
    for task, seeds in by_task.items():
        alike.setdefault(tuple(sorted(seeds)), []).append(task)
    said = []
    for among, those in alike.items():
        words = f"{len(among)} seeds" if len(among) > 1 else f"one seed ({among[0]})"
        said.append(f"{words} on {listing(_tasks_in_words(those, list(by_task)))}" if len(alike) > 1 else words)
    return said


def _tasks_in_words(these: Sequence[tuple[str, str]], tasks: Sequence[tuple[str, str]]) -> list[str]:
    """Datasets, where these have all of a dataset's tasks, else tasks."""
    partly = {dataset for dataset, judge in tasks if (dataset, judge) not in these}
    return list(dict.fromkeys(task_name(*task) if task[0] in partly else task[0] for task in these))


def _environment_rows(results: Results) -> list[tuple[str, str]]:
    return list(_flat({name: said for name, said in results.environment.items() if name != "run"}))


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
            yield f"{prefix}{name}", _said(value)


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return json.dumps(value, default=str)
