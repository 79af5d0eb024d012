"""cells.csv and significance.csv against plain loops over the records."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

import reports
from harness.contracts import TAKEN_COLUMNS, ContractError, Results
from harness.registry import Registry
from reports import plugins, significance, tables
from reports.records import Records
from reports.statistics import Discordant, wilson

if TYPE_CHECKING:
    from tests.reports.conftest import Bench

DESIGN_CELLS = (
    "dataset, classifier, method, variant, params, level_kind, level, seed, fitted_on, split, precision, status, "
    "error, n, accuracy, accuracy_lo, accuracy_hi, original_accuracy, colors_per_image, bpp_file, bpp_payload, "
    "bpp_entropy, bpp_nominal, paper_bytes_per_pixel, psnr, seconds, key"
)
DESIGN_SIGNIFICANCE = (
    "dataset, classifier, seed, variant_a, level_a, variant_b, level_b, test, family, n, discordant_a, discordant_b, "
    "difference, lo, hi, p, p_holm, stars"
)


def written(results: Results, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    first = plugins.Tables().write(results, folder)
    assert first == folder / "cells.csv"
    assert sorted(p.name for p in folder.iterdir()) == ["bits.csv", "cells.csv", "pairs.csv", "significance.csv"]
    return pd.read_csv(first), pd.read_csv(folder / "significance.csv")


def test_columns_are_those_of_the_design(bench: Bench, tmp_path: Path) -> None:
    plugins.Tables().write(bench.results([]), tmp_path)
    for name, first in (("cells.csv", DESIGN_CELLS), ("significance.csv", DESIGN_SIGNIFICANCE)):
        columns = (tmp_path / name).read_text().rstrip("\n").split(",")
        assert columns[: len(first.split(", "))] == first.split(", "), "further columns come behind these"


def test_a_cell_is_the_mean_of_its_records(bench: Bench, tmp_path: Path) -> None:
    frame = bench.frame([1, 0, 1, 1, 0], colors=[2, 2, 1, 2, 2], psnr=[10.0, 20.0, math.inf, 30.0, 40.0])
    cells, _ = written(bench.results([bench.cell(frame, "median-cut", 5)]), tmp_path / "report")
    row = cells.iloc[0]
    pixels = 256
    lo, hi = wilson(3, 5)
    expected = {
        "n": 5,
        "accuracy": 0.6,
        "accuracy_lo": lo,
        "accuracy_hi": hi,
        "original_accuracy": 0.9,
        "colors_per_image": 9 / 5,
        "bpp_file": 8 * sum(100 + i for i in range(5)) / 5 / pixels,
        "bpp_payload": 8 * sum(40 + i for i in range(5)) / 5 / pixels,
        "bpp_entropy": 300 / pixels,
        "bpp_nominal": 3,
        "paper_bytes_per_pixel": sum(150 + i for i in range(5)) / 5 / pixels,
        "psnr": 10 * math.log10(255**2 / (sum(255**2 / 10 ** (dB / 10) for dB in (10, 20, 30, 40)) / 5)),
        "seconds": 1.5,
        "psnr_image_mean": 25.0,
        "lossless_share": 0.2,
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-7)
    assert row["params"] == '{"a": [2], "b": 1}'


def test_metrics_are_means_over_images_in_columns_of_their_own(bench: Bench, tmp_path: Path) -> None:
    frame = bench.frame([1, 0, 1]).assign(mse=[1.0, 2.0, 6.0], ssim=[0.5, 1.0, 0.0], zest=[4.0, 4.0, 7.0])
    plain = bench.cell(bench.frame([1, 0, 1]), "median-cut", 2)
    notes = {**plain.notes, "metrics": ["mse", "ssim", "zest"]}
    results = bench.results([plain, bench.cell(frame, "octree", 2, notes=notes)])
    cells, _ = written(results, tmp_path / "report")
    assert list(cells.columns) == [*tables.CELL_COLUMNS, "zest"]
    assert cells.loc[1, ["mse", "ssim", "zest"]].tolist() == [3.0, 0.5, 5.0]
    assert cells.loc[0, ["mse", "ssim", "ciede2000", "zest"]].isna().all()


def test_every_column_but_a_metrics_is_taken() -> None:
    metrics = {"mse", "ssim", "ciede2000"}
    assert set(tables.CELL_COLUMNS) - metrics <= TAKEN_COLUMNS
    assert not metrics & TAKEN_COLUMNS


def test_psnr_rises_when_every_image_gets_better() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        before = rng.uniform(0.01, 5000, 6)
        after = before * rng.uniform(0, 0.99, 6) * (rng.random(6) > 0.3)
        with np.errstate(divide="ignore"):
            worse, better = (tables.mean_psnr(pd.Series(10 * np.log10(255**2 / mse))) for mse in (before, after))
        assert better > worse
        assert worse == pytest.approx(10 * math.log10(255**2 / before.mean()), rel=1e-12)
    assert math.isnan(tables.mean_psnr(pd.Series([10.0, math.nan])))
    assert math.isnan(tables.mean_psnr(pd.Series([], dtype=float)))


def test_what_a_codec_has_not_stays_empty(bench: Bench, tmp_path: Path) -> None:
    frame = bench.frame([1, 0, 1], payload_bytes=None, entropy_bits=None, paper_bytes=None, psnr=math.inf)
    jpeg = bench.cell(frame, "jpeg", 30, level_kind="quality")
    original = bench.cell(frame, "original", None)
    cells, compared = written(bench.results([jpeg, original]), tmp_path / "report")
    empty = ["bpp_payload", "bpp_entropy", "bpp_nominal", "paper_bytes_per_pixel"]
    assert cells[empty].isna().all(axis=None)
    assert cells["psnr"].tolist() == [math.inf, math.inf]
    assert cells["level"].isna().tolist() == [False, True]
    assert ",quality,30,0," in (tmp_path / "report" / "cells.csv").read_text()
    assert compared.empty


def test_a_cell_that_is_not_ok_keeps_its_row(bench: Bench, tmp_path: Path) -> None:
    failed = bench.cell(None, "colorcnn", 2, error='it said "no",\nthen stopped')
    blocked = bench.cell(None, "colorcnn", 4, status="blocked", error="its training failed")
    cells, compared = written(bench.results([blocked, failed]), tmp_path / "report")
    assert cells["status"].tolist() == ["failed", "blocked"]
    assert cells["error"].tolist() == ['it said "no",\nthen stopped', "its training failed"]
    assert cells.loc[:, "n":"seconds"].isna().all(axis=None)
    assert compared.empty


def test_rows_are_a_pure_function_of_the_cells(bench: Bench, tmp_path: Path, right: Callable[..., np.ndarray]) -> None:
    cells = [
        bench.cell(bench.frame(right(40, 0.5 + level / 20, seed + level)), variant, level, seed=seed)
        for variant in ("median-cut", "colorcnn", "jpeg-ish")
        for level in (16, 2, 4)
        for seed in (0, 1)
    ]
    written(bench.results(cells), tmp_path / "a")
    random.Random(0).shuffle(cells)
    written(bench.results(cells), tmp_path / "b")
    for name in ("cells.csv", "significance.csv", "pairs.csv", "bits.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert pd.read_csv(tmp_path / "a" / "cells.csv")["level"].tolist()[:6] == [2, 2, 4, 4, 16, 16]


def test_single_seed_rows_of_independent_images(bench: Bench, tmp_path: Path, right: Callable[..., np.ndarray]) -> None:
    base, better, same = right(200, 0.5, 1), right(200, 0.75, 2), right(200, 0.5, 3)
    cells = [
        bench.cell(bench.frame(base), "median-cut", 2),
        bench.cell(bench.frame(better), "colorcnn", 2),
        bench.cell(bench.frame(same), "octree", 2),
        bench.cell(bench.frame(same), "octree", 4),
    ]
    _, rows = written(bench.results(cells), tmp_path / "report")
    assert rows["variant_a"].tolist() == ["colorcnn", "octree"]
    assert set(rows["test"]) == {"mcnemar-midp"}
    assert set(rows["family"]) == {"toys x tinynet, per seed"}
    for a, row in zip((better, same), rows.itertuples(), strict=True):
        only_a = sum(1 for x, y in zip(a, base, strict=True) if x and not y)
        only_b = sum(1 for x, y in zip(a, base, strict=True) if y and not x)
        assert (row.discordant_a, row.discordant_b, row.n) == (only_a, only_b, 200)
        assert row.difference == pytest.approx(a.mean() - base.mean()) == pytest.approx((only_a - only_b) / 200)
        assert row.p == pytest.approx(Discordant(only_a, only_b, 200).p(), rel=1e-7)
        half = 1.96 * np.std(a - base) / math.sqrt(200)
        assert (row.lo, row.hi) == pytest.approx((row.difference - half, row.difference + half), abs=0.015)
    assert rows["p_holm"].to_numpy() == pytest.approx(multipletests(rows["p"], method="holm")[1], rel=1e-6)
    assert rows["stars"].isna().all(), "one training has no stars"
    assert rows["verdict"].tolist() == ["better", "not separated"]


def test_groups_and_seeds_each_have_their_test(bench: Bench, tmp_path: Path, right: Callable[..., np.ndarray]) -> None:
    groups = np.arange(150) // 3
    cells = [
        bench.cell(bench.frame(right(150, share, 10 * seed + k), groups), variant, 2, seed=seed)
        for seed in (0, 1, 2)
        for k, (variant, share) in enumerate([("median-cut", 0.5), ("colorcnn", 0.8)])
    ]
    _, rows = written(bench.results(cells), tmp_path / "report")
    assert rows["test"].tolist() == ["cluster-t"] * 3 + ["two-part-t"]
    assert rows["seed"].fillna(-1).tolist() == [0, 1, 2, -1]
    across, single = rows.iloc[3], rows.iloc[:3]
    assert across["difference"] == pytest.approx(single["difference"].mean())
    assert across[["n", "discordant_a", "discordant_b"]].tolist() == [
        450,
        single["discordant_a"].sum(),
        single["discordant_b"].sum(),
    ]
    assert rows["family"].nunique() == 2
    assert (rows["lo"] < rows["difference"]).all()
    assert (rows["difference"] < rows["hi"]).all()
    assert across["p_holm"] == across["p"]
    assert rows["trainings"].tolist() == [1, 1, 1, 3]
    assert rows["stars"].fillna("").tolist()[:3] == ["", "", ""]
    assert set(rows["trained"]) == {"classifier"}


def test_one_source_leaves_nothing_to_test(bench: Bench, tmp_path: Path) -> None:
    cells = [
        bench.cell(bench.frame([1, 0, 0], [7, 7, 7]), "median-cut", 2),
        bench.cell(bench.frame([1, 1, 0], [7, 7, 7]), "colorcnn", 2),
    ]
    table, rows = written(bench.results(cells), tmp_path / "report")
    assert rows[["lo", "hi", "p", "p_holm", "stars"]].isna().all(axis=None)
    assert table["accuracy_lo"].isna().all()


def test_a_baseline_without_a_level_meets_every_level(bench: Bench) -> None:
    cells = [bench.cell(bench.frame([1, 1, 0]), "original", None)]
    cells += [bench.cell(bench.frame([1, 0, 0]), "octree", level) for level in (2, 8)]
    rows = significance.significance_table(bench.results(cells, spec={"baseline": "original"}), Records())
    assert rows["level_a"].tolist() == [2, 8]
    assert rows["level_b"].isna().all()


@pytest.mark.parametrize("change", [{"seed": 1}, {"level": 4}, {"dataset": "others"}])
def test_only_like_is_compared_with_like(bench: Bench, change: dict[str, object]) -> None:
    base = bench.cell(bench.frame([1, 0]), "median-cut", 2)
    other = bench.cell(bench.frame([1, 1]), "colorcnn", 2)
    assert len(significance.pairs(bench.results([base, other]))) == 1
    assert significance.pairs(bench.results([base, replace(other, **change)])) == []


def test_a_quantizer_trained_in_bf16_is_compared_with_what_learns_nothing(bench: Bench) -> None:
    base = bench.cell(bench.frame([1, 0]), "median-cut", 2)
    learned = bench.cell(bench.frame([1, 1]), "colorcnn", 2, precision="bf16", fitted_on="tinynet")
    assert len(significance.pairs(bench.results([base, learned]))) == 1


def test_a_quantizer_trained_for_another_classifier_is_named_so(bench: Bench) -> None:
    base = bench.cell(bench.frame([1, 0]), "median-cut", 2)
    own = bench.cell(bench.frame([1, 1]), "colorcnn", 2, fitted_on="tinynet")
    foreign = bench.cell(bench.frame([1, 1]), "colorcnn", 2, fitted_on="vgg16")
    rows = significance.significance_table(bench.results([foreign, own, base]), Records())
    assert rows["variant_a"].tolist() == ["colorcnn", "colorcnn fitted on vgg16"]


@pytest.mark.parametrize(
    "other",
    [{"image": [0, 2, 1]}, {"group": [0, 0, 1]}, {"label": [0, 0, 0]}],
    ids=["order", "groups", "labels"],
)
def test_other_images_are_an_error_not_a_join(bench: Bench, other: dict[str, list[int]]) -> None:
    cells = [
        bench.cell(bench.frame([1, 0, 1]), "median-cut", 2),
        bench.cell(bench.frame([1, 0, 1]).assign(**other), "colorcnn", 2),
    ]
    with pytest.raises(ContractError, match=r"colorcnn at 2 colors .* do not hold the same images in the same order"):
        tables.significance_table(bench.results(cells), Records())


def test_without_a_baseline_nothing_is_compared(bench: Bench) -> None:
    cells = [bench.cell(bench.frame([1, 0]), name, 2) for name in ("median-cut", "colorcnn")]
    for baseline in (None, "no-such-variant"):
        assert significance.significance_table(bench.results(cells, spec={"baseline": baseline}), Records()).empty


def test_the_plugins_are_found() -> None:
    registry = Registry()
    registry.add_module(reports, "built in")
    forms = ["figures", "gallery", "html", "index", "json", "latex", "markdown", "parquet", "tables"]
    assert registry.names("report") == forms


@pytest.mark.parametrize(("module", "absent"), [("plugins", ("pandas", "scipy", "seaborn")), ("tables", ("seaborn",))])
def test_what_is_slow_to_import_is_imported_late(module: str, absent: tuple[str, ...]) -> None:
    code = f"import sys, reports.{module}; sys.exit(bool(sys.modules.keys() & {set(absent)!r}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(reports.__file__).parent.parent).returncode == 0
