"""A run's figures for a paper: as wide as a column, with text sized for print, as PDF and SVG."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from harness.contracts import BadInput, Results, SearchResult
from reports.critical_difference import is_tested, ranks_figure
from reports.drawing import Marked, Sheet, drawing
from reports.figures import bits_figure, colors_figure, colors_title, legend_of, with_colors
from reports.file_names import free, slug
from reports.leaderboard import Leaderboard, leaderboard
from reports.legends import Entry, put_above, room_for
from reports.points import Task
from reports.records import level_words
from reports.search import notes
from reports.search.axes import scales
from reports.search.figures import parameter_figure, plane_figure
from reports.search.lines import MOST_UPRIGHTS, epochs_figure, legend_of_ends, parallel_figure
from reports.search.marks import legend_of_trials
from reports.search.story import title
from reports.significance import margin_of
from reports.styles import Style, assign, styles_of
from reports.sweep_figures import legend_of as legend_of_lines
from reports.sweep_figures import sweep_figure
from reports.sweeps import sweeps
from reports.tables import tabulate
from reports.trade_offs import KINDS, with_bits

FOLDER = "figures"
_NOT_FROM_ZERO = "The axis of accuracies need not begin at zero."
_PROPORTION = 0.72
"""Of the height of a figure without its legend to its width, where no height is stated."""
_FEWEST_LETTERS, _LOWEST = 25, 9
"""Of ordinary text, across a figure and from its bottom to its legend: what axes with their labels need."""
_LEAST_OF_ITS_OWN = 0.8
"""Of the height that a figure takes by itself, where it does not follow the sheet: lines of names come closer."""
_SAVED: Mapping[str, Mapping[str, Any]] = {
    "pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
    "svg": {"metadata": {"Date": None, "Creator": None}},
}
"""Nothing of when and by what, so that the same results give the same bytes."""


@dataclass(frozen=True)
class Printed:
    """A figure for a paper. draw: on any sheet. legend: of its lines."""

    name: str
    caption: str
    draw: Callable[[Sheet], Marked | None]
    legend: tuple[Entry, ...] = ()


def write_figures(
    results: Results, folder: Path, width: float, height: float | None, text: float, formats: Iterable[str]
) -> Path:
    """Writes every figure and ``captions.md``, whose path it returns.

    Args:
        results: Of the run.
        folder: Where the folder ``figures`` is made.
        width: Inches of each figure.
        height: Inches; None: what suits the width, and the legend's beyond it.
        text: Points of ordinary text.
        formats: Of the files.
    """
    if 72 * width < _FEWEST_LETTERS * text:
        raise BadInput(f"figures: {width:.3g} in hold no axes with text of {text:g} pt; make them wider.")
    target = folder / FOLDER
    target.mkdir(parents=True, exist_ok=True)
    captions = ["# Figures"]
    for printed in figures_of(results):
        figure = on_paper(printed, width, height, text)
        if figure is None:
            continue
        for format in formats:
            _write(target / f"{printed.name}.{format}", saved(figure, printed.name, format, text))
        captions.append(f"**{printed.name}**: {printed.caption}")
    _write(target / "captions.md", ("\n\n".join(captions) + "\n").encode())
    return target / "captions.md"


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.part")
    partial.write_bytes(content)
    partial.replace(path)


def figures_of(results: Results) -> list[Printed]:
    """Accuracy against colors and every kind of bits of each task, mean ranks over tasks, all sweeps, and searches."""
    made = tabulate(results)
    tasks = made.tasks
    board = leaderboard(tasks, made.tables["pairs"], results.spec.get("baseline"), margin_of(results))
    styles = styles_of(results.cells)
    found: dict[str, Printed] = {}
    groups = [
        *(_of_task(task, styles) for task in tasks),
        _of_ranks(board, styles),
        _of_sweeps(tasks),
        *map(_of_search, results.searches),
    ]
    for printed in (printed for group in groups for printed in group):
        name = free(printed.name, found)
        found[name] = replace(printed, name=name)
    return list(found.values())


def _of_task(task: Task, styles: Mapping[str, Style]) -> Iterator[Printed]:
    name = slug(task.name)
    bars = f"Bars: 95 % intervals. Lines across: the untouched images, and chance. {_NOT_FROM_ZERO}"
    yield Printed(
        f"colors-{name}",
        f"{colors_title(task)}. {bars}",
        lambda sheet: colors_figure(task, styles, f"colors-{name}", sheet, named=False),
        legend_of(with_colors(task), styles),
    )
    for bits in KINDS:
        yield Printed(
            f"bits-{bits.kind}-{name}",
            f"Accuracy against bits per pixel of {bits.words}, {task.name}. {bars} Steps: the most that is reached "
            "with at most so many bits. Numbers: levels, where there is room.",
            functools.partial(bits_figure, task, styles, f"bits-{bits.kind}-{name}", bits),
            legend_of(with_bits(task, bits), styles),
        )


def _of_ranks(found: Leaderboard | None, styles: Mapping[str, Style]) -> Iterator[Printed]:
    """The critical-difference diagram of each level of which Friedman's test is made."""
    if found is None:
        return
    for board in filter(is_tested, found.boards):
        level = level_words(board.level_kind, board.level)
        name = f"ranks-{slug(level)}"
        yield Printed(
            name,
            f"Mean ranks at {level} over {len(found.tasks)} tasks, the best at the left. Bars join "
            "variants whose ranks differ by less than the critical difference of Nemenyi's test.",
            functools.partial(ranks_figure, board, styles, name),
        )


def _of_sweeps(tasks: Sequence[Task]) -> Iterator[Printed]:
    found = sweeps(tasks)
    styles = assign(sorted(line for sweep in found for line, _ in sweep.lines))
    for sweep in found:
        name = f"sweep-{slug(sweep.title)}"
        yield Printed(
            name,
            f"Accuracy, {sweep.title}. Bars: 95 % intervals. {_NOT_FROM_ZERO}",
            functools.partial(sweep_figure, sweep, styles, name),
            legend_of_lines(sweep, styles),
        )


def _of_search(searched: SearchResult) -> Iterator[Printed]:
    """Every parameter, the plane of the first two numeric ones, all parameters together, and over epochs."""
    if all(trial.accuracy is None for trial in searched.trials):
        return
    name, legend = f"search-{slug(title(searched))}", legend_of_trials(searched)
    axes = scales(searched)
    numeric = [scale for scale in axes if scale.is_numeric]
    rings = f"Square: {searched.start_words}. Circle: the best trial."
    for scale in axes:
        yield Printed(
            f"{name}-{slug(scale.parameter)}",
            f"Validation accuracy of every trial over {scale.parameter}, {title(searched)}. {rings} "
            f"{notes.of_parameter(scale)}".rstrip(),
            functools.partial(parameter_figure, searched, scale, f"{name}-{slug(scale.parameter)}"),
            legend,
        )
    for across, up in [numeric[:2]] if len(numeric) > 1 else []:
        yield Printed(
            f"{name}-plane",
            f"Validation accuracy over {across.parameter} and {up.parameter}, {title(searched)}. {rings}",
            functools.partial(plane_figure, searched, across, up, f"{name}-plane"),
            legend_of_trials(searched, hollow=True),
        )
    if len(axes) > 1:
        shown = axes[:MOST_UPRIGHTS]
        yield Printed(
            f"{name}-all",
            f"Parameters and validation accuracy of every trial, {title(searched)}. {notes.of_all(searched, shown)}",
            functools.partial(parallel_figure, searched, shown, f"{name}-all"),
            legend_of_ends(searched),
        )
    yield Printed(
        f"{name}-epochs",
        f"Validation accuracy over epochs, {title(searched)}. {notes.of_epochs(searched)}",
        functools.partial(epochs_figure, searched, f"{name}-epochs"),
        legend,
    )


def on_paper(printed: Printed, width: float, height: float | None, text: float) -> Figure | None:
    """A figure with its legend above it; None where there is nothing to draw. width, height: inches. text: points."""
    sheet = Sheet(width, _PROPORTION * width, text)
    with drawing(printed.name, sheet):
        room = room_for(printed.legend) if printed.legend else None
    if height is not None:
        sheet = replace(sheet, height=height - (0.0 if room is None else room.height))
        if 72 * sheet.height < _LOWEST * text:
            raise _too_low(height, printed.name)
    found = printed.draw(sheet)
    if found is None:
        return None
    figure, _ = found
    if height is not None:
        if sheet.height < _LEAST_OF_ITS_OWN * figure.get_figheight():
            raise _too_low(height, printed.name)
        figure.set_size_inches(width, sheet.height)
    if room is None:
        return figure
    with drawing(printed.name, sheet):
        put_above(figure, printed.legend, room)
    return figure


def _too_low(height: float, name: str) -> BadInput:
    return BadInput(f"figures: {height:.3g} in are too low for {name} and its legend; make them higher.")


def saved(figure: Figure, name: str, format: str, text: float) -> bytes:
    """The bytes of a file: in PDF fonts are embedded as TrueType (Type 42), in SVG letters are outlines."""
    stream = io.BytesIO()
    width, height = figure.get_size_inches()
    fonts: Any = {"pdf.fonttype": 42, "svg.fonttype": "path"}
    with drawing(name, Sheet(width, height, text)), rc_context(fonts):
        figure.savefig(stream, format=format, **_SAVED[format])
    return stream.getvalue()
