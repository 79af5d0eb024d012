"""The search's place on the page: what is open, what is folded, how large it gets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from harness.contracts import Results
from reports.page import render

if TYPE_CHECKING:
    from tests.reports.conftest import Bench, Searches


@pytest.fixture
def after_a_search(bench: Bench, searches: type[Searches]) -> Results:
    """A search that found gamma 2, and its final comparison."""
    params = {"gamma": 1.0, "xi": 1.0, "backbone": "unet"}
    cells = [
        bench.plain(name, 8, share, method="net", params=params | changed, fitted_on="tinynet")
        for name, share, changed in (("net", 0.5, {}), ("net gamma=2", 0.75, {"gamma": 2.0}))
    ]
    found = searches.of([searches.trial(0, 0.5), searches.trial(1, 0.7, {"gamma": 2.0})])
    return bench.results(cells, spec={"baseline": "net"}, searches=(found,))


def test_the_search_stands_behind_the_tests_that_its_winner_met(after_a_search: Results) -> None:
    text = render(after_a_search)
    places = [text.index(f'id="{place}"') for place in ("answer-task0", "figures", "cells", "tests", "search")]
    assert places == sorted(places)
    assert '<a href="#search">Search</a>' in text
    outcome = re.search(r"<dt>Outcome</dt><dd>(.*?)</dd>", text)
    assert outcome is not None
    headline = re.search(r'<p class="headline">(.*?)</p>', text)
    assert headline is not None
    assert outcome[1] == f"The winner is net gamma=2; net has the paper&#39;s setting. {headline[1]}"


def test_a_run_without_a_search_says_nothing_of_one(bench: Bench) -> None:
    text = render(bench.results([bench.plain("median-cut", 2, 0.5)]))
    assert 'id="search"' not in text
    assert "#search" not in text


@pytest.mark.parametrize(("trials", "is_open"), [(1, True), (12, True), (13, False)])
def test_long_tables_are_folded(bench: Bench, searches: type[Searches], trials: int, is_open: bool) -> None:
    found = searches.of([searches.trial(i, 0.01 * i, {"gamma": 1.0 + i}) for i in range(trials)])
    text = render(bench.results([], searches=(found,)))
    words = "The trial" if trials == 1 else f"All {trials} trials"
    folded = re.search(rf"<details[^>]*?( open)?><summary>{words}</summary>", text)
    assert folded is not None
    assert bool(folded[1]) == is_open


def test_the_figures_of_the_third_search_are_folded(bench: Bench, searches: type[Searches]) -> None:
    found = [searches.of(searches.drawn(5), level=level) for level in (2, 4, 8)]
    text = render(bench.results([], searches=tuple(found)))
    assert re.findall(r"<details( open)?><summary>Figures</summary>", text) == [" open", " open", ""]


def test_what_failed_is_named(bench: Bench, searches: type[Searches]) -> None:
    trials = [searches.trial(0, 0.5), *(searches.trial(i, None, error=f"Error: number {i % 7}") for i in range(1, 15))]
    text = render(bench.results([], searches=(searches.of(trials),)))
    failed = re.search(r"<dt>Failed</dt><dd>(.*?)</dd>", text)
    assert failed is not None
    assert re.findall(r"Error: number \d</span> \(2 times\)", failed[1]) == [
        f"Error: number {i}</span> (2 times)" for i in range(5)
    ]
    assert failed[1].endswith("2 more in the table.")
    assert "14 trials have no accuracy and are shown at the bottom of the axes." in text


def test_three_hundred_trials_stay_small(bench: Bench, searches: type[Searches]) -> None:
    text = render(bench.results([], searches=(searches.of(searches.drawn(300)),)))
    assert len(text.encode()) < 900_000
    assert "All 300 trials" in text


def test_the_same_search_gives_the_same_bytes(bench: Bench, searches: type[Searches]) -> None:
    first, second = (render(bench.results([], searches=(searches.of(searches.drawn(30)),))) for _ in range(2))
    assert "Importance" in first
    assert first == second
