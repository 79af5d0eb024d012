"""What is said below a search's figures: only what is true of how it was made and how its trials ended."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.contracts import SearchResult
from reports.search import notes
from reports.search.axes import scales
from reports.search.section import sections

if TYPE_CHECKING:
    from tests.reports.conftest import Searches

GRID = {"kappa": {"choice": [0.1, 0.2, 0.5]}, "backbone": {"choice": ["unet", "dncnn"]}}


@pytest.fixture
def grid(searches: type[Searches]) -> SearchResult:
    """Every combination was trained to its end."""
    trials = [
        searches.trial(number, 0.5 + number / 50, {"kappa": kappa, "backbone": backbone})
        for number, (kappa, backbone) in enumerate(itertools.product(*(values["choice"] for values in GRID.values())))
    ]
    return searches.of(trials, space=GRID, algorithm="grid", scheduler="none", published=())


def test_a_grid_without_stopping_says_nothing_of_drawing_or_stopping(grid: SearchResult) -> None:
    (section,) = sections([grid], [])
    texts = [section.note, section.importance_note, *(figure.note for figure in section.figures)]
    for words in ("unevenly", "the search itself chose", "stopped", "Dashed", "not finish", "paper"):
        assert not [text for text in texts if words in text], words
    assert section.note.startswith("All combinations of the listed values were tried, and each trial is a single")
    assert notes.of_figures(replace(grid, trials=grid.trials[:4])).startswith("The grid was begun")


def test_a_search_that_draws_and_stops_says_so(searches: type[Searches]) -> None:
    drawn = searches.of(searches.drawn(21))
    assert "unevenly, mostly where results were best, and a trial that did not finish" in notes.of_figures(drawn)
    assert notes.of_importance(drawn) == (
        "is based on few trials that the search itself chose, uses the last accuracy of trials that did not finish, "
        "and ignores joint effects of parameters"
    )
    assert "Dashed lines did not finish. Thick lines are the best trial and the paper's setting." in notes.of_all(
        drawn, scales(drawn)
    )
    assert "every 2 epochs; trials are stopped only there." in notes.of_epochs(drawn)
    assert notes.of_epochs(replace(drawn, scheduler="none")).endswith("every 2 epochs.")
    assert "Vertical" not in notes.of_epochs(replace(drawn, cycle=5)), "no training is as long"
    assert notes.of_figures(replace(drawn, algorithm="random")).startswith("Values were drawn at random, and each")
    assert "the search itself" not in notes.of_importance(replace(drawn, algorithm="random"))


def test_one_thick_line_may_be_both(searches: type[Searches]) -> None:
    won = searches.of([searches.trial(0, 0.9), searches.trial(1, 0.7)])
    assert "The thick line is the best trial and the paper's setting." in notes.of_all(won, scales(won))
    lost = searches.of([searches.trial(0, None), searches.trial(1, 0.7)])
    assert "The thick line is the best trial." in notes.of_all(lost, scales(lost))


def test_places_within_a_strip_are_said_to_mean_nothing(grid: SearchResult) -> None:
    (section,) = sections([grid], [])
    said = {figure.title: figure.note for figure in section.figures}
    assert said["Over kappa"] == "", "numbers lie at their values"
    assert said["Over backbone"].endswith("where in the strip of its value a trial lies means nothing.")
    assert "On the axis of backbone trials lie side by side" in said["All parameters"]


def test_curves_that_begin_below_the_axis_are_counted(searches: type[Searches]) -> None:
    def history(*accuracies: float) -> tuple[dict[str, float], ...]:
        return tuple({"validation_accuracy": accuracy} for accuracy in accuracies)

    low = searches.trial(0, 0.8, history=history(0.1, 0.8))
    even = searches.trial(1, 0.82, history=history(0.81, 0.82))
    assert "1 curve begins below it and is not drawn there." in notes.of_epochs(searches.of([low, even]))
    twice = searches.of([low, even, replace(low, number=2)])
    assert "2 curves begin below it and are not drawn there." in notes.of_epochs(twice)
    assert "below" not in notes.of_epochs(searches.of([even]))
