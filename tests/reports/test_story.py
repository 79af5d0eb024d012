"""The answer in words, for whatever came out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.contracts import Results
from reports.pairs import pair_table, separated
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
    told = answer(tasks[0], results.spec, results.recipes, separated(pair_table(results, records)))
    return told.headline.replace("\u202f", " "), " ".join(told.details).replace("\u202f", " ")


def test_a_clear_win(bench: Bench) -> None:
    cells = [bench.plain("median-cut", 2, 0.5), bench.plain("kmeans", 2, 0.9), bench.plain("median-cut", 4, 0.84)]
    cells += [bench.plain("learned", level, share, fitted_on="tinynet") for level, share in ((2, 0.85), (4, 0.845))]
    headline, details = story(bench.results(cells))
    assert headline.startswith("At 2 colors kmeans keeps 90.0 % of the images recognized where median-cut keeps 50.0 %")
    assert ": +40.0 points [" in headline
    assert "], an interval for all 2 compared, p " in headline
    assert headline.endswith(
        "kmeans is better with these networks on such images; one training of the classifier cannot tell whether "
        "another would agree."
    )
    named, details = story(bench.results(cells, spec={"headline": {"method": "learned", "level": 2}}))
    assert named.startswith("At 2 colors learned keeps 85.0 % of the images recognized where median-cut keeps 50.0 %")
    assert "an interval for all" not in named
    assert "one training of the classifier and quantizer cannot tell" in named
    assert "The difference is +0.5 points at 4 colors (not separated)." in details
    assert "The most, 90.0 %, is kept by kmeans (separated from all others; all pairs, Holm)." in details
    near = [*cells, bench.plain("wu", 2, 0.895)]
    _, details = story(bench.results(near, spec={"headline": {"method": "learned", "level": 2}}))
    assert "The most, 90.0 %, is kept by kmeans (not separated from wu; all pairs, Holm)." in details
    assert "With all its colors the original keeps 90.0 %." in details


def test_the_best_of_variants_that_no_test_separates(bench: Bench) -> None:
    near = [bench.plain(name, 2, share) for name, share in (("median-cut", 0.88), ("kmeans", 0.9), ("wu", 0.895))]
    _, details = story(bench.results(near, spec={"headline": {"method": "wu", "level": 2}}))
    assert "The most, 90.0 %, is kept by kmeans (not separated from any other; all pairs, Holm)." in details


def test_the_learned_method_loses(bench: Bench) -> None:
    cells = [
        bench.plain("median-cut", 2, 0.8),
        bench.plain("learned", 2, 0.4, fitted_on="tinynet"),
        bench.plain("octree", 2, 0.7),
    ]
    headline, details = story(bench.results(cells))
    assert "learned keeps 40.0 %" in headline
    assert "−40.0 points" in headline
    assert "; median-cut is better with these networks" in headline
    assert "The most" not in details


@pytest.mark.parametrize(
    ("margin", "verdict"),
    [(None, "not separated: this test cannot say which is better."), (0.05, "the same within 5 points.")],
)
def test_no_claim_without_a_test(bench: Bench, margin: float | None, verdict: str) -> None:
    cells = [bench.plain("median-cut", 2, 0.8), bench.plain("octree", 2, 0.805)]
    headline, _ = story(bench.results(cells, spec={"margin": margin}))
    assert headline.endswith(f"(McNemar's mid-p, Holm); {verdict}")


def test_what_only_the_adjustment_leaves_open_is_said(bench: Bench) -> None:
    """The interval beside it is of one comparison and would seem to contradict the verdict."""
    cells = [bench.plain("median-cut", 2, 0.8), bench.plain("octree", 2, 0.83)]
    cells += [bench.plain(f"other {n}", 2, 0.8 + 0.005 * n) for n in range(4)]
    results = bench.results(cells, spec={"headline": {"method": "octree", "level": 2}})
    _, details = story(results)
    table = significance_table(results, Records()).set_index("variant_a")
    p, p_holm = table.loc["octree", ["p", "p_holm"]]
    assert p < 0.05 <= p_holm
    assert details.replace("\u2009", " ").startswith(f"Asked alone it would be separated (p = {p:.3f}); Holm’s")


def test_one_source_is_not_tested(bench: Bench) -> None:
    cells = [bench.cell(bench.frame([k, 1, 0], [4, 4, 4]), name, 2) for k, name in enumerate(("median-cut", "octree"))]
    headline, _ = story(bench.results(cells))
    assert headline.endswith("+33.3 points; the images come from one source, too few to say anything.")


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
    """The bar is 0.9 x 0.9 = 0.81: a mean of 0.82 clears it, but not with 95 % confidence on 200 images."""
    cells = [
        bench.plain("octree", 2, 0.5),
        bench.plain("octree", 4, 0.82),
        bench.plain("octree", 8, 0.9),
        bench.plain("octree", 16, 0.95),
    ]
    cells += [bench.plain("kmeans", 2, 0.95), bench.plain("random", 8, 0.1), bench.plain("median-cut", 8, 0.9)]
    cells += [bench.plain("jpeg-like", 9, 0.99, level_kind="quality")]
    _, details = story(bench.results(cells, spec={"baseline": None}))
    assert "at least 90 % of the original's accuracy on the same images, with 95 % confidence" in details
    assert details.endswith("kmeans with 2 colors; median-cut and octree with 8 colors; random at no tested number.")


def test_where_nothing_is_recognized_no_name_is_listed(bench: Bench) -> None:
    cells = [bench.plain("octree", 2, 0.5), bench.plain("kmeans", 2, 0.6)]
    _, details = story(bench.results(cells, spec={"baseline": None}))
    assert details.endswith("with 95 % confidence: no variant at any tested number.")


@pytest.mark.parametrize(("sources", "shown"), [(200, "octree with 2 colors"), (20, "octree at no tested number")])
def test_few_sources_cannot_show_what_is_still_recognized(bench: Bench, sources: int, shown: str) -> None:
    cell = bench.cell(bench.frame(np.arange(200) < 196, np.arange(200) % sources), "octree", 2)
    _, details = story(bench.results([cell], spec={"baseline": None}))
    assert details.endswith(f"confidence: {shown}.")


def test_a_difference_without_a_test_is_said_to_be_one(bench: Bench) -> None:
    few = np.arange(200) % 20
    cells = [
        bench.cell(bench.frame(np.arange(200) < right, few), name, level)
        for name, right in (("median-cut", 150), ("octree", 170))
        for level in (2, 4)
    ]
    _, details = story(bench.results(cells))
    assert "points at 4 colors (too little to test)" in details


@pytest.mark.parametrize(
    ("originals", "which"),
    [((0.4, 0.42), "the classifier is"), ((0.9, 0.4), "the classifier of seed 1 is"), ((0.9, 0.55), "")],
)
def test_a_classifier_that_guesses_is_named_so(bench: Bench, originals: tuple[float, ...], which: str) -> None:
    n = 100
    labels = np.arange(n) % 3
    cells = []
    for seed, share in enumerate(originals):
        predicted = np.where(np.arange(n) < n * share, labels, (labels + 1) % 3)
        cells.append(bench.cell(bench.frame(np.ones(n), original_predicted=predicted), "median-cut", 2, seed=seed))
    _, details = story(bench.results(cells))
    assert (f"{which} not told apart from guessing (34.0 %)" in details) == bool(which)


@pytest.mark.parametrize(("share", "said"), [(0.7, True), (0.85, False)])
def test_a_classifier_far_below_the_article_is_a_remark(bench: Bench, share: float, said: bool) -> None:
    n = 100
    labels = np.arange(n) % 3
    predicted = np.where(np.arange(n) < n * share, labels, (labels + 1) % 3)
    frame = bench.frame(np.ones(n), original_predicted=predicted)
    _, details = story(bench.results([bench.cell(frame, "otsu", 2, dataset="cifar10", classifier="alexnet")]))
    assert ("far less than the 86.8 % of the article's alexnet (Table 2)" in details) == said


def test_several_seeds_speak_with_one_voice(bench: Bench, right: Callable[..., np.ndarray]) -> None:
    cells = [
        bench.cell(bench.frame(right(300, share, seed + 10 * k)), variant, 2, seed=seed)
        for seed in (0, 1, 2)
        for k, (variant, share) in enumerate([("median-cut", 0.5), ("octree", 0.8)])
    ]
    mean = 100 * np.mean([right(300, 0.8, seed + 10).mean() for seed in (0, 1, 2)])
    headline, _ = story(bench.results(cells))
    assert f"octree keeps {mean:.1f} %" in headline
    assert headline.endswith(
        "(two-part t, Holm); octree is better, and that is not luck, over 3 trainings of the classifier."
    )
