"""The paper's claims on made-up runs of which the right verdict is known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.contracts import Results, Verdict
from reports import plugins
from reports.claims.section import claims_section
from reports.page import render
from tests.reports.claims.conftest import IMAGES, PAPER, Study, all_judged, built_in, judged

NUMBERS = "table-3-accuracies"


def at_level(results: Results, level: int) -> Results:
    """A part of a run, with a margin of six points."""
    cells = tuple(cell for cell in results.cells if cell.level == level)
    return replace(results, cells=cells, spec={**results.spec, "margin": 0.06})


@pytest.fixture(scope="module")
def found(paper_run: Results) -> dict[str, Verdict]:
    return judged(paper_run)


@pytest.mark.parametrize(
    ("name", "effect", "parts"),
    [
        ("colorcnn-above-median-cut", 0.2, 3),
        ("colorcnn-above-octree-reference", 0.3, 3),
        ("colorcnn-above-octree-gervautz", 0.25, 3),
        ("colorcnn-above-dithered", 0.3, 3),
        ("clustering-ahead-at-6-bits", 0.1975, 3),
        ("dithering-no-better", 0.1, 6),
        ("colorcnn-above-jpeg", 0.3, 3),
        ("regularizer-helps", 0.2475, 1),
        ("jitter-helps", 0.2475, 1),
        ("gamma-1-best", 0.15, 12),
        ("xi-1-best", 0.15, 12),
        ("gamma-extremes-worse", 0.25, 6),
        ("xi-extremes-worse", 0.25, 6),
        ("unet-above-dncnn", 0.1, 3),
        ("table-2-order", 0.1, 2),
        ("stronger-classifiers-lose-more-median-cut", 0.24, 3),
        ("stronger-classifiers-lose-more-colorcnn", 0.2, 3),
    ],
)
def test_what_the_paper_says_is_supported_where_it_is_so(
    found: dict[str, Verdict], name: str, effect: float, parts: int
) -> None:
    verdict = found[name]
    assert verdict.verdict == "supported", verdict
    assert verdict.effect == pytest.approx(effect, abs=0.0026), "the smallest of all tasks, as they were made"
    assert len(verdict.rows) == parts
    assert verdict.lo <= verdict.effect <= verdict.hi
    assert verdict.p == pytest.approx(max(row.p for row in verdict.rows if "loss of" not in row.what))
    assert verdict.p < 0.05
    assert verdict.missing == ()


def test_claims_in_other_units(found: dict[str, Verdict]) -> None:
    colors = found["fewer-colors-without-regularizer"]
    assert (colors.verdict, colors.effect, colors.unit) == ("supported", 3.0, "colors per image")
    both = found["more-accuracy-fewer-bits"]
    assert both.verdict == "supported"
    assert [row.unit for row in both.rows] == ["accuracy", "bits per pixel saved"] * 3
    assert both.rows[1].effect == pytest.approx(8 * 10 / 256), "each file has ten bytes fewer"
    assert both.p == pytest.approx(max(row.p for row in both.rows))


def test_6_bits_lie_within_a_margin_of_three_points_but_one_point_is_too_little_for_three_trainings(
    paper_run: Results, found: dict[str, Verdict]
) -> None:
    assert found["6-bits-near-original"].verdict == "not enough data"
    assert found["6-bits-near-original"].missing == ("not separated in 3 of 3 parts",)
    wide = judged(at_level(paper_run, 64), "6-bits-near-original")["6-bits-near-original"]
    assert (wide.verdict, wide.effect) == ("supported", pytest.approx(-0.0025))
    assert wide.lo > -0.06


def test_a_claim_is_contradicted_only_where_its_opposite_is_shown(study: Study) -> None:
    """ColorCNN is far behind on one of two datasets; on a third one it would be level."""
    plain = {"params": {"dither": "none"}}
    cells = []
    for dataset, share in (("a", 0.6), ("b", 0.3)):
        cells += study.seeds("colorcnn", 2, share, dataset=dataset)
        cells += study.seeds("median-cut", 2, 0.45, dataset=dataset, **plain)
    verdict = judged(study.bench.results(cells), "colorcnn-above-median-cut")["colorcnn-above-median-cut"]
    assert [row.verdict for row in verdict.rows] == ["supported", "contradicted"]
    assert (verdict.verdict, verdict.effect) == ("contradicted", pytest.approx(-0.15))
    assert verdict.hi < 0
    assert verdict.p == pytest.approx(2 * verdict.rows[1].p), "one of two, so twice its p"
    level = study.seeds("colorcnn", 2, 0.45, dataset="c") + study.seeds("median-cut", 2, 0.45, dataset="c", **plain)
    verdict = judged(study.bench.results(cells[:6] + level), "colorcnn-above-median-cut")["colorcnn-above-median-cut"]
    assert (verdict.verdict, verdict.missing) == ("not enough data", ("not separated in 1 of 2 parts",))


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_trainings_decide_nothing_but_the_effect_is_shown(study: Study, seeds: int) -> None:
    cells = study.seeds("colorcnn", 2, 0.6, range(seeds))
    cells += study.seeds("median-cut", 2, 0.3, range(seeds), params={"dither": "none"})
    verdict = judged(study.bench.results(cells), "colorcnn-above-median-cut")["colorcnn-above-median-cut"]
    assert (verdict.verdict, verdict.effect) == ("not enough data", pytest.approx(0.3))
    assert math.isnan(verdict.lo)
    assert math.isnan(verdict.p)
    assert verdict.missing == (f"{'one training' if seeds == 1 else '2 trainings'}, at least 3 are needed",)


def test_what_failed_keeps_a_claim_from_being_supported(study: Study) -> None:
    cells = study.seeds("colorcnn", 2, 0.6) + study.seeds("median-cut", 2, 0.3, params={"dither": "none"})
    assert (
        judged(study.bench.results(cells), "colorcnn-above-median-cut")["colorcnn-above-median-cut"].verdict
        == "supported"
    )
    lost = {"dataset": "cifar10", "classifier": "alexnet"}
    cells += [
        study.bench.cell(None, "colorcnn", 2, params=PAPER, fitted_on="alexnet", **lost),
        study.cell("median-cut", 2, 0.3, 0, params={"dither": "none"}, **lost),
    ]
    verdict = judged(study.bench.results(cells), "colorcnn-above-median-cut")["colorcnn-above-median-cut"]
    assert verdict.verdict == "not enough data"
    assert verdict.missing == ("cifar10 × alexnet, 2 colors: colorcnn not finished",)


def test_a_classifier_that_guesses_decides_nothing(study: Study) -> None:
    cells = study.seeds("colorcnn", 2, 0.6, original=0.34)
    cells += study.seeds("median-cut", 2, 0.3, original=0.34, params={"dither": "none"})
    verdict = judged(study.bench.results(cells), "colorcnn-above-median-cut")["colorcnn-above-median-cut"]
    assert verdict.rows == ()
    assert "stl10 × alexnet: the classifier is not told apart from guessing" in verdict.missing


def test_a_quantizer_that_learned_from_another_classifier_is_none_of_them(study: Study) -> None:
    cells = study.seeds("colorcnn", 2, 0.6, fitted_on="vgg16") + study.seeds(
        "median-cut", 2, 0.3, params={"dither": "none"}
    )
    assert judged(study.bench.results(cells), "colorcnn-above-median-cut")["colorcnn-above-median-cut"].rows == ()


def test_a_trend_is_not_enough_where_one_step_is_shown_to_go_back(study: Study) -> None:
    """Losses of 20, 5 and 40 points: the trend rises, yet VGG16 loses less than AlexNet."""
    losses = {"alexnet": 0.2, "vgg16": 0.05, "resnet18": 0.4}
    originals = {"alexnet": 0.7, "vgg16": 0.8, "resnet18": 0.9}
    cells = [
        cell
        for name, loss in losses.items()
        for cell in study.seeds("median-cut", 2, originals[name] - loss, classifier=name, params={"dither": "none"})
    ]
    verdict = judged(study.bench.results(cells), "stronger-classifiers-lose-more-median-cut")[
        "stronger-classifiers-lose-more-median-cut"
    ]
    assert [row.verdict for row in verdict.rows] == ["supported", "contradicted", "supported"]
    assert (verdict.verdict, verdict.effect) == ("contradicted", pytest.approx(-0.15))


def test_hsus_best_is_named(found: dict[str, Verdict]) -> None:
    assert found["gamma-1-best"].rows[0].note == "with 95\u202f% confidence the best of these is 1"


def test_numbers_are_met_or_not_and_need_the_papers_recipe(paper_run: Results) -> None:
    wide = at_level(paper_run, 8)
    three = judged(wide, NUMBERS)[NUMBERS]
    assert [(row.what, row.verdict) for row in three.rows] == [
        ("colorcnn", "supported"),
        ("colorcnn gamma=0", "contradicted"),
        ("colorcnn xi=0", "contradicted"),
    ]
    assert (three.verdict, three.effect) == ("contradicted", pytest.approx(0.45 - 0.678))
    assert "ours 45.0\u202f%, stated 67.5\u202f%" in three.rows[1].note
    differs = ["epochs is 2, the paper has 60"]
    recipes = ({"what": "classifier", "name": "alexnet", "plugin": "alexnet", "differs": differs},)
    departing = judged(replace(wide, recipes=recipes), NUMBERS)[NUMBERS]
    assert departing.verdict == "not enough data"
    assert departing.missing == ("the recipe departs from the paper's: epochs is 2, the paper has 60",)
    assert departing.effect == pytest.approx(0.45 - 0.678)


def test_13_points_over_jpeg(found: dict[str, Verdict]) -> None:
    verdict = found["ahead-of-jpeg"]
    assert [row.where for row in verdict.rows] == ["stl10 × alexnet"]
    assert verdict.verdict == "contradicted"
    assert verdict.effect == pytest.approx(0.3 - 0.132, abs=0.001)
    assert found["colorcnn-above-jpeg"].rows[0].note == "9.05 bits per pixel against 18.75"


def test_a_run_without_any_of_it_has_no_table_and_no_section(study: Study, tmp_path: Path) -> None:
    results = study.bench.results(study.seeds("wu", 4, 0.5, [0], dataset="own"), claims=tuple(built_in()))
    (tmp_path / "claims.csv").write_text("of an earlier report")
    plugins.Tables().write(results, tmp_path)
    assert not (tmp_path / "claims.csv").exists()
    others = all_judged(results)
    assert claims_section(others) is None
    assert all(one.verdict.missing for one in others), "each says what it lacks"


def test_the_table_and_the_page_say_the_same(study: Study, tmp_path: Path) -> None:
    other = {"file_bytes": 90 + np.arange(IMAGES), "entropy_bits": np.full(IMAGES, 200.0)}
    other |= {"payload_bytes": 30 + np.arange(IMAGES)}
    cells = study.seeds("colorcnn", 2, 0.6, **other) + study.seeds("median-cut", 2, 0.3, params={"dither": "none"})
    results = study.bench.results(cells, claims=tuple(built_in()))
    plugins.Tables().write(results, tmp_path)
    table = pd.read_csv(tmp_path / "claims.csv").set_index("claim")
    assert list(table.index) == [claim.name for claim in built_in()]
    row = table.loc["colorcnn-above-median-cut"]
    assert (row["verdict"], row["effect"], row["unit"]) == ("supported", pytest.approx(0.3), "accuracy")
    assert set(row["cells"].split()) == {cell.key for cell in cells}
    assert row["parts"].startswith("stl10 × alexnet, 2 colors: colorcnn − median-cut 0.3 [")
    assert table.loc["unet-above-dncnn", "missing"] == "no task with ColorCNN and ColorCNN with DnCNN"
    page = render(results)
    assert 'download="claims.csv"' in page
    assert "✓ supported" in page
    assert "+30.0 points" in page
    assert f'<code title="{cells[0].key}">{cells[0].key[:8]}</code>' in page


def test_colors_of_nothing_are_nothing(study: Study) -> None:
    """A cell without a count of colors is said to lack it."""
    unknown = {"colors": np.full(IMAGES, np.nan)}
    cells = study.seeds("colorcnn", 8, 0.6, **unknown)
    cells += study.seeds("colorcnn", 8, 0.5, params=PAPER | {"gamma": 0.0}, variant="colorcnn gamma=0")
    verdict = judged(study.bench.results(cells), "fewer-colors-without-regularizer")["fewer-colors-without-regularizer"]
    assert (verdict.verdict, verdict.missing) == ("not enough data", ("not measured of every image",))
