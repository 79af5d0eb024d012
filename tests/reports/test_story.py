"""The answer in words, for whatever came out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.contracts import Results
from reports.records import Records
from reports.significance import significance_table
from reports.story import answer
from reports.summary import summarize
from reports.tables import cells_table

if TYPE_CHECKING:
    from tests.reports.conftest import Bench


def story(results: Results) -> tuple[str, str]:
    records = Records()
    tasks = summarize(results, cells_table(results, records), significance_table(results, records), records)
    told = answer(tasks[0], results.spec)
    return told.headline.replace("\u202f", " "), " ".join(told.details).replace("\u202f", " ")


def test_a_clear_win(bench: Bench) -> None:
    cells = [bench.plain("median-cut", 2, 0.5), bench.plain("kmeans", 2, 0.9), bench.plain("median-cut", 4, 0.84)]
    cells += [bench.plain("learned", level, share, fitted_on="tinynet") for level, share in ((2, 0.85), (4, 0.845))]
    headline, details = story(bench.results(cells))
    assert headline.startswith(
        "At 2 colors learned keeps 85.0 % of the images recognized where median-cut keeps 50.0 %"
    )
    assert ": +35.0 points [" in headline
    assert headline.endswith("(Holm), not luck.")
    assert "The difference is +0.5 points at 4 colors (a tie)." in details
    assert "The most, 90.0 %, is kept by kmeans." in details
    assert "With all its colors the original keeps 90.0 %." in details


def test_the_learned_method_loses(bench: Bench) -> None:
    cells = [
        bench.plain("median-cut", 2, 0.8),
        bench.plain("learned", 2, 0.4, fitted_on="tinynet"),
        bench.plain("octree", 2, 0.7),
    ]
    headline, details = story(bench.results(cells))
    assert "learned keeps 40.0 %" in headline
    assert "−40.0 points" in headline
    assert headline.endswith("median-cut is better, and that is not luck.")
    assert "The most" not in details


def test_a_tie(bench: Bench) -> None:
    headline, _ = story(bench.results([bench.plain("median-cut", 2, 0.8), bench.plain("octree", 2, 0.805)]))
    assert headline.endswith("p = 0.50 (Holm), a tie, the difference may be luck.")


def test_one_source_is_not_tested(bench: Bench) -> None:
    cells = [bench.cell(bench.frame([k, 1, 0], [4, 4, 4]), name, 2) for k, name in enumerate(("median-cut", "octree"))]
    headline, _ = story(bench.results(cells))
    assert headline.endswith("+33.3 points, the images come from one source, so nothing can be tested.")


@pytest.mark.parametrize(
    ("baseline", "reason"),
    [
        (None, "The spec names no baseline"),
        ("median-cut", "The baseline median-cut has no finished cell"),
        ("other", "No variant shares a level with the baseline other"),
    ],
)
def test_without_comparison(bench: Bench, baseline: str | None, reason: str) -> None:
    cells = [bench.plain("octree", 2, 0.7), bench.plain("kmeans", 2, 0.75), bench.plain("other", 16, 0.9)]
    cells += [bench.cell(None, "median-cut", 2, error="broken")]
    headline, details = story(bench.results(cells, spec={"baseline": baseline}))
    assert headline.startswith("At 2 colors kmeans keeps 75.0 % [")
    assert headline.endswith("of the images recognized, the most of 2 variants.")
    assert reason in details
    assert "1 of 4 cells is missing" in details


def test_only_one_method(bench: Bench) -> None:
    headline, details = story(bench.results([bench.plain("median-cut", 4, 0.7), bench.plain("original", None, 0.9)]))
    assert headline.startswith("At 4 colors median-cut keeps 70.0 % [")
    assert "Only median-cut was measured, so there is nothing to compare it with." in details


def test_only_the_original(bench: Bench) -> None:
    headline, details = story(bench.results([bench.plain("original", None, 0.9)]))
    assert headline.startswith("original keeps 90.0 % [")
    assert "Still recognized" not in details


def test_all_failed(bench: Bench) -> None:
    assert story(bench.results([bench.cell(None, "octree", 2)])) == (
        "Nothing was measured: the only cell failed or waited for something that failed.",
        "",
    )


def test_recognized_counts_the_lower_end(bench: Bench) -> None:
    """The bar is 0.9 x 0.9 = 0.81: a mean of 0.82 clears it, its interval of 200 images does not."""
    cells = [
        bench.plain("octree", 2, 0.5),
        bench.plain("octree", 4, 0.82),
        bench.plain("octree", 8, 0.9),
        bench.plain("octree", 16, 0.95),
    ]
    cells += [bench.plain("kmeans", 2, 0.95), bench.plain("random", 8, 0.1), bench.plain("median-cut", 8, 0.9)]
    cells += [bench.plain("jpeg-like", 9, 0.99, level_kind="quality")]
    _, details = story(bench.results(cells, spec={"baseline": None}))
    assert "at least 90 % of the original's accuracy even at the lower end of the interval" in details
    assert details.endswith("kmeans with 2 colors; median-cut and octree with 8 colors; random at no tested number.")


@pytest.mark.parametrize(("original", "warned"), [(0.4, True), (0.9, False)])
def test_a_classifier_that_guesses_is_named_so(bench: Bench, original: float, warned: bool) -> None:
    notes = {"pixels": 256, "original_accuracy": original}
    _, details = story(bench.results([bench.cell(bench.frame([1, 0, 1]), "median-cut", 2, notes=notes)]))
    assert ("hardly more than the 33.3 % of guessing" in details) == warned


def test_several_seeds_speak_with_one_voice(bench: Bench, right: Callable[..., np.ndarray]) -> None:
    cells = [
        bench.cell(bench.frame(right(300, share, seed + 10 * k)), variant, 2, seed=seed)
        for seed in (0, 1, 2)
        for k, (variant, share) in enumerate([("median-cut", 0.5), ("octree", 0.8)])
    ]
    mean = 100 * np.mean([right(300, 0.8, seed + 10).mean() for seed in (0, 1, 2)])
    headline, _ = story(bench.results(cells))
    assert f"octree keeps {mean:.1f} %" in headline
    assert "p ≤ 0.0002 (Holm), not luck" in headline
