"""What the page says of a search and of its winner, held against counts and against the tables."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.contracts import Cell, SearchResult
from reports.points import Task
from reports.records import Records
from reports.search.section import sections
from reports.search.story import outcome, sentences, title
from reports.significance import significance_table
from reports.summary import summarize
from reports.tables import cells_table

if TYPE_CHECKING:
    from tests.reports.conftest import Bench, Searches


def said(searched: SearchResult) -> dict[str, str]:
    return {about: sentence.replace("\u202f", " ") for about, sentence in sentences(searched)}


def tasks(bench: Bench, cells: list[Cell], baseline: str | None = "net") -> list[Task]:
    records, results = Records(), bench.results(cells, spec={"baseline": baseline})
    return summarize(results, cells_table(results, records), significance_table(results, records), records)


def variant(bench: Bench, share: float | None, name: str, level: int = 8, **changes: Any) -> Cell:
    """A learned variant's cells; "net gamma=2" has gamma 2, all else at the start."""
    chosen = dict(part.split("=") for part in name.split()[1:])
    params = {"gamma": 1.0, "xi": 1.0, "backbone": "unet", "width": 4.0} | {
        key: float(value) if key != "backbone" else value for key, value in chosen.items()
    }
    changes = {"method": "net", "params": params, "fitted_on": "tinynet"} | changes
    return bench.cell(None, name, level, **changes) if share is None else bench.plain(name, level, share, **changes)


@pytest.fixture
def drawn(searches: type[Searches]) -> SearchResult:
    return searches.of(searches.drawn(21))


def test_all_that_was_done_is_counted(drawn: SearchResult) -> None:
    assert title(drawn) == "net at 8 colors on toys × tinynet"
    found = said(drawn)
    assert found["Searched"] == (
        "gamma from 0.01 to 100 on a log scale, xi from 0 to 2 and backbone among unet, dncnn; by TPE (Optuna), ASHA "
        "stopping trials that lag behind, seed 0."
    )
    assert found["Trials"].startswith(
        "21 trials: 5 finished, 8 stopped early, 4 unfinished when the budget ended and 4 failed. "
        "Each learned from 340 training images and was judged on 60 others"
    )
    assert "recognizes 95.0 %" in found["Trials"]
    epochs = 0
    for trial in drawn.trials:
        epochs += trial.epochs
    assert found["Cost"] == f"{epochs} epochs and 10 CPU-core hours (cpu).", "21 times a quarter of an hour, two cores"
    assert found["Caution"].startswith("The best of 19 looks better than it is")


@pytest.mark.parametrize(
    ("gpus", "seconds", "cost"),
    [
        (0.5, 900.0, "8 epochs and 0.25 GPU hours (cuda)."),
        (0.0, 900.0, "8 epochs and 1 CPU-core hours (cuda)."),
        (1.0, 3_600_000.0, "8 epochs and 2,000 GPU hours (cuda)."),
        (0.25, 20.0, "8 epochs and 0.0028 GPU hours (cuda)."),
        (0.25, math.nan, None),
    ],
)
def test_hours_are_of_what_a_trial_occupies(
    searches: type[Searches], gpus: float, seconds: float, cost: str | None
) -> None:
    trials = [searches.trial(i, 0.5, seconds=seconds) for i in range(2)]
    assert said(searches.of(trials, gpus=gpus, device="cuda")).get("Cost") == cost


def test_the_best_beside_the_papers_setting(searches: type[Searches]) -> None:
    trials = [
        searches.trial(0, 0.5),
        searches.trial(1, 0.7, {"gamma": 71.56}),
        searches.trial(2, 0.9, status="stopped"),
    ]
    best = "Of the finished trials, trial 1 is best (gamma 71.56, xi 1, backbone unet) with 70.0 %"
    paper = "; trial 0, the paper's setting (gamma 1, xi 1, backbone unet), "
    assert said(searches.of(trials))["Best"] == f"{best}{paper}has 50.0 %."
    stopped = searches.trial(0, 0.5, status="stopped", epochs=2)
    assert said(searches.of([stopped, *trials[1:]]))["Best"].endswith("was stopped early, had 50.0 % after 2 epochs.")
    failed = searches.trial(0, None)
    assert said(searches.of([failed, *trials[1:]]))["Best"].endswith("failed, had no accuracy after 0 epochs.")
    assert said(searches.of(trials[1:]))["Best"].endswith("was not tried.")
    equal = searches.trial(3, 0.7)
    assert "(and so does one more; the first counts)" in said(searches.of([*trials, equal]))["Best"]
    twice = [*trials, equal, replace(equal, number=4)]
    assert "(and so do 2 more; the first counts)" in said(searches.of(twice))["Best"]


def test_where_the_papers_setting_wins_it_says_so(searches: type[Searches]) -> None:
    won = searches.of([searches.trial(0, 0.9), searches.trial(1, 0.7)])
    assert said(won)["Best"] == (
        "Of the finished trials, trial 0, the paper's setting, is best (gamma 1, xi 1, backbone unet) with 90.0 %."
    )
    assert outcome(won, []) == "Trial 0, the paper's setting, won the search, so there is nothing to compare."
    assert "Caution" not in said(searches.of([searches.trial(0, 0.9)])), "one trial is no choice"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_where_nothing_finished(searches: type[Searches], count: int) -> None:
    lost = searches.of([searches.trial(i, None, error="OutOfMemoryError: no room") for i in range(count)])
    found = said(lost)
    assert ("Best" in found) == bool(count)
    assert "Caution" not in found
    assert outcome(lost, []) == "Nothing was found: no trial finished, so there is no winner to compare."
    (section,) = sections([lost], [])
    assert section.figures == ()
    assert section.errors == ((("OutOfMemoryError: no room", count),) if count else ())
    assert section.without == len(section.rows) == count


def test_failures_are_grouped_by_what_they_say(searches: type[Searches]) -> None:
    messages = ["a: rare", "b: often", "b: often", "", "b: often"]
    trials = [searches.trial(i, None, error=message) for i, message in enumerate(messages)]
    (section,) = sections([searches.of(trials)], [])
    assert section.errors == (("b: often", 3), ("a: rare", 1), ("no reason given", 1))


def test_the_outcome_is_what_the_tables_say(bench: Bench, searches: type[Searches]) -> None:
    cells = [
        variant(bench, 0.5 + 0.3 * (name != "net") + 0.01 * seed, name, seed=seed)
        for seed in (1, 2)
        for name in ("net", "net gamma=2")
    ]
    cells += [variant(bench, 0.9, "net gamma=2", level=4), bench.plain("median-cut", 8, 0.7)]
    found = searches.of([searches.trial(0, 0.5), searches.trial(1, 0.7, {"gamma": 2})])
    table = significance_table(bench.results(cells, spec={"baseline": "net"}), Records())
    row = table[table["seed"].isna() & (table["variant_a"] == "net gamma=2")].iloc[0]
    lo, hi, difference = (100 * row[name] for name in ("lo", "hi", "difference"))
    text = outcome(found, tasks(bench, cells)).replace("\u202f", " ").replace("−", "-")
    assert text.startswith(
        "The winner is net gamma=2; net has the paper's setting. At 8 colors net gamma=2 keeps 81.5 % "
    )
    assert f"where net keeps 51.5 %: {difference:+.1f} points [{lo:+.1f}, {hi:+.1f}], p " in text
    assert text.endswith("2 trainings of the classifier and quantizer cannot tell whether another would agree.")


def test_a_winner_that_loses_in_the_end_is_told(bench: Bench, searches: type[Searches]) -> None:
    found = searches.of([searches.trial(0, 0.5), searches.trial(1, 0.7, {"gamma": 2})])
    cells = [variant(bench, 0.9, "net"), variant(bench, 0.4, "net gamma=2")]
    text = outcome(found, tasks(bench, cells))
    assert "−50.0 points" in text
    assert "net is better with these networks" in text


def test_a_winner_without_numbers(bench: Bench, searches: type[Searches]) -> None:
    found = searches.of([searches.trial(0, 0.5), searches.trial(1, 0.7, {"gamma": 2})])
    paper, winner = variant(bench, 0.5, "net"), variant(bench, 0.75, "net gamma=2")
    lost = variant(bench, None, "net gamma=2", error="ValueError: boom")
    assert outcome(found, tasks(bench, [paper])) == "The winner is not among the cells of this run."
    assert outcome(found, tasks(bench, [paper, lost])) == (
        "The winner, net gamma=2, has no finished cell: failed, ValueError: boom."
    )
    assert outcome(found, tasks(bench, [winner])).replace("\u202f", " ") == (
        "The winner, net gamma=2, keeps 75.0 % of the test images recognized; there is no finished cell of the "
        "paper's setting, so nothing was tested."
    )
    untested = outcome(found, tasks(bench, [paper, winner], baseline=None)).replace("\u202f", " ")
    assert untested.endswith(
        "keeps 75.0 % of the test images recognized, the paper's setting 50.0 %; nothing was tested."
    )
    one_of_two = replace(found, dataset="toys images=9", classifier="tinynet width=2")
    assert outcome(one_of_two, tasks(bench, [paper, winner])) == outcome(found, tasks(bench, [paper, winner]))
    elsewhere = replace(found, classifier="bignet")
    assert outcome(elsewhere, tasks(bench, [paper, winner])) == "The winner is not among the cells of this run."


def test_two_searches_of_one_method_find_their_own_winners(bench: Bench, searches: type[Searches]) -> None:
    """Both found gamma 2; what else they hold fixed tells them apart, and only one starts from the baseline."""
    names = ("net width=4", "net width=8", "net width=4 gamma=2", "net width=8 gamma=2")
    cells = [variant(bench, 0.5 + 0.1 * number, name) for number, name in enumerate(names)]
    found = searches.of([searches.trial(0, 0.5), searches.trial(1, 0.7, {"gamma": 2})])
    narrow, wide = (
        outcome(replace(found, variant=f"net width={w}"), tasks(bench, cells, baseline="net width=4")) for w in (4, 8)
    )
    assert narrow.startswith("The winner is net width=4 gamma=2; net width=4 has the paper's setting. At 8 colors")
    assert wide.replace("\u202f", " ").startswith(
        "The winner is net width=8 gamma=2; net width=4, with which it is compared, is not this search's start, net "
        "width=8, which keeps 60.0 %. At 8"
    )
    unfinished = [replace(cells[1], status="failed", records=None), *cells[:1], *cells[2:]]
    wide = outcome(replace(found, variant="net width=8"), tasks(bench, unfinished, baseline="net width=4"))
    assert "is not this search's start. At 8" in wide


def test_the_table_has_every_trial_the_most_accurate_first(drawn: SearchResult) -> None:
    (section,) = sections([drawn], [])
    assert sorted(row.trial.number for row in section.rows) == list(range(21))
    accuracies = [row.trial.accuracy for row in section.rows]
    measured = [accuracy for accuracy in accuracies if accuracy is not None]
    assert accuracies[: len(measured)] == sorted(measured, reverse=True)
    assert {row.trial.number: row.marked for row in section.rows if row.marked} == {0: "paper", drawn.best: "best"}
    for row in section.rows:
        gamma, xi, backbone = row.values
        assert (float(gamma), float(xi)) == pytest.approx((row.trial.chosen["gamma"], row.trial.chosen["xi"]))
        assert backbone == row.trial.chosen["backbone"]


def test_accuracies_that_are_no_numbers_count_as_none(searches: type[Searches]) -> None:
    trials = [searches.trial(0, 0.5), searches.trial(1, 0.6, status="failed", history=())]
    found = searches.of([trials[0], replace(trials[1], accuracy=math.nan)])
    (section,) = sections([found], [])
    assert section.without == 1
    drawn = "".join(str(figure.figure) for figure in section.figures)
    assert "nan" not in re.sub(r"<metadata.*?</metadata>", "", drawn)


def test_a_method_of_no_paper_starts_from_its_defaults(bench: Bench, searches: type[Searches]) -> None:
    found = searches.of([searches.trial(0, 0.5), searches.trial(1, 0.7, {"gamma": 2})], published=())
    cells = [variant(bench, 0.5, "net"), variant(bench, 0.75, "net gamma=2")]
    won = searches.of([searches.trial(0, 0.9), searches.trial(1, 0.7)], published=())
    texts = [outcome(of, tasks(bench, among)) for of in (found, won) for among in (cells, cells[1:])]
    texts += [outcome(found, tasks(bench, cells, baseline=None)), *said(found).values(), *said(won).values()]
    assert "trial 0, the method's defaults (gamma 1, xi 1, backbone unet), has 50.0 %." in said(found)["Best"]
    assert "net has the method's defaults." in texts[0]
    assert texts[2] == "Trial 0, the method's defaults, won the search, so there is nothing to compare."
    sections_of = sections([found, won], tasks(bench, cells))
    texts += [figure.note + str(figure.figure) for section in sections_of for figure in section.figures]
    texts += [row.marked for section in sections_of for row in section.rows]
    assert not [text for text in texts if "paper" in re.sub("var\\(--paper\\)|<metadata.*?>", "", text)]
    assert {section.start for section in sections_of} == {"the method's defaults"}
    assert [row.marked for section in sections_of for row in section.rows] == ["best", "defaults", "best, defaults", ""]
