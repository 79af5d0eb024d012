"""bits.csv and the page's section on bits: each variant's front and its differences from the baseline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from harness.contracts import Cell, Results
from reports import plugins
from reports.bjontegaard import bd_accuracy, bd_rate
from reports.page import render

if TYPE_CHECKING:
    from tests.reports.conftest import Bench

SHARES = {
    "median-cut": {2: 0.40, 4: 0.60, 8: 0.75, 16: 0.80},
    "wu": {2: 0.50, 4: 0.70, 8: 0.78, 16: 0.79},
    "jpeg": {5: 0.42, 50: 0.77},
    "webp": {90: 0.99},
    "original": {None: 0.9},
}
BITS = {"median-cut": 1.0, "wu": 1.1, "jpeg": 0.9, "webp": 1.2, "original": 20.0}
PIXELS = 256


def cost(variant: str, level: int | None) -> float:
    """Bits per pixel of a file, as ``run_of`` makes it."""
    return BITS[variant] * (1 if level is None else float(np.log2(level)))


def run_of(bench: Bench, *variants: str, **spec: Any) -> Results:
    """Files of ``cost`` bits per pixel, payloads of half of that; codecs have no entropy, ``original`` no payload."""
    cells: list[Cell] = []
    for variant in variants:
        for level, share in SHARES[variant].items():
            size = cost(variant, level) * PIXELS / 8
            columns: dict[str, Any] = {"file_bytes": np.full(200, size), "payload_bytes": np.full(200, size / 2)}
            if variant in ("jpeg", "webp", "original"):
                columns["entropy_bits"] = np.nan
            if variant == "original":
                columns["payload_bytes"] = np.nan
            kind = {"level_kind": "quality"} if variant in ("jpeg", "webp") else {}
            right = (np.arange(200) < round(200 * share)).astype(int)
            cells.append(bench.cell(bench.frame(right, **columns), variant, level, **kind))
    return bench.results(cells, spec=spec)


def table_of(results: Results, folder: Path) -> pd.DataFrame:
    plugins.Tables().write(results, folder)
    return pd.read_csv(folder / "bits.csv", keep_default_na=False, na_values=[""])


def test_every_variant_stands_against_the_baseline_in_each_kind_of_bits(bench: Bench, tmp_path: Path) -> None:
    table = table_of(run_of(bench, *SHARES), tmp_path)
    assert {kind: list(rows["variant"]) for kind, rows in table.groupby("bits", sort=False)} == {
        "file": ["original", "jpeg", "median-cut", "webp", "wu"],
        "payload": ["jpeg", "median-cut", "webp", "wu"],
        "entropy": ["median-cut", "wu"],
    }
    curves = {v: [(cost(v, level), share) for level, share in SHARES[v].items()] for v in SHARES}
    for row in table.to_dict("records"):
        if row["variant"] in ("jpeg", "wu") and row["bits"] != "entropy":
            half = 1.0 if row["bits"] == "file" else 0.5
            own, base = ([(half * b, a) for b, a in curves[v]] for v in (row["variant"], "median-cut"))
            rate, accuracy = bd_rate(own, base), bd_accuracy(own, base)
            found = [row[name] for name in ("bd_rate", "accuracy_from", "accuracy_to", "accuracy_share")]
            assert found == pytest.approx([rate.value, rate.lo, rate.hi, rate.share], rel=1e-6)
            found = [row[name] for name in ("bd_accuracy", "bits_from", "bits_to", "bits_share")]
            assert found == pytest.approx([accuracy.value, accuracy.lo, accuracy.hi, accuracy.share], rel=1e-6)
        elif row["bits"] != "entropy":
            assert np.isnan(row["bd_rate"])
            assert np.isnan(row["bd_accuracy"])
    files = table[table["bits"] == "file"].set_index("variant")
    assert files["front"].fillna("").to_dict() == {
        "original": "", "jpeg": "", "webp": "quality 90", "wu": "2 colors; 4 colors; 8 colors",
        "median-cut": "2 colors; 4 colors; 8 colors; 16 colors",
    }  # fmt: skip
    assert files.loc["jpeg", "near_front"] == "quality 50", "beaten within its interval only"


def test_what_to_know_of_a_number_stands_beside_it(bench: Bench, tmp_path: Path) -> None:
    table = table_of(run_of(bench, *SHARES), tmp_path)
    remarks = table[table["bits"] == "file"].set_index("variant")["remarks"].fillna("").to_dict()
    said = {variant: words.replace("\u202f", " ") for variant, words in remarks.items()}
    assert said["median-cut"] == ""
    assert said["wu"] == ""
    assert said["webp"] == said["original"] == "its one point is no curve"
    assert said["jpeg"] == "few points: a curve has 2, 4 are usual"


def test_a_bd_rate_over_accuracies_that_are_equal_within_their_intervals_is_marked(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = {variant: {2: 0.50, 4: 0.51, 8: 0.52, 16: 0.53} for variant in ("median-cut", "wu")}
    monkeypatch.setitem(globals(), "SHARES", flat)
    table = table_of(run_of(bench, "median-cut", "wu"), tmp_path)
    (remarks,) = table.loc[(table["variant"] == "wu") & (table["bits"] == "file"), "remarks"]
    said = "BD-rate over 3.0 points of accuracy, and a 95 % interval is 13.7 wide, so it says little"
    assert remarks.replace("\u202f", " ") == said


FAR = {"median-cut": {2: 0.2, 4: 0.3, 8: 0.4, 16: 0.35}, "wu": {2: 0.5, 4: 0.6, 8: 0.7, 16: 0.8}}


def test_why_there_is_no_number_is_said(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "SHARES", FAR)
    monkeypatch.setitem(BITS, "wu", 3.0)
    table = table_of(run_of(bench, "median-cut", "wu"), tmp_path)
    (row,) = table[(table["variant"] == "wu") & (table["bits"] == "file")].to_dict("records")
    assert np.isnan(row["bd_rate"])
    assert row["bd_accuracy"] > 0
    assert row["remarks"].replace("\u202f", " ") == (
        "few points: a curve has 3, 4 are usual; BD-rate leaves out 1 of the baseline's 4 points: fewer bits recognize "
        "as many; no BD-rate: no range of accuracies in common (50.0 % to 80.0 %; baseline 20.0 % to 40.0 %); "
        "BD-accuracy over a short range: 21 % of the shorter curve's bits"
    )
    monkeypatch.setitem(BITS, "wu", 30.0)
    results = run_of(type(bench)(tmp_path / "again"), "median-cut", "wu")
    assert "no BD-accuracy: no range of bits in common (30 to 120; baseline 1 to 4)" in render(results)


@pytest.mark.parametrize("baseline", [None, "original", "octree"])
def test_without_a_baseline_that_is_a_curve_there_is_the_front_alone(
    bench: Bench, tmp_path: Path, baseline: str | None
) -> None:
    results = run_of(bench, "median-cut", "wu", "original", baseline=baseline)
    table = table_of(results, tmp_path)
    assert table[["bd_rate", "bd_accuracy"]].isna().all(axis=None)
    assert table["front"].notna().any()
    assert ("the baseline&#39;s one point is no curve" in render(results)) == (baseline == "original")


@pytest.mark.parametrize("chosen", [None, "file", "payload", "entropy"])
def test_the_kind_of_bits_that_the_spec_names_is_shown_first(bench: Bench, chosen: str | None) -> None:
    text = render(run_of(bench, *SHARES, bits=chosen))
    inputs = re.findall(r'<input type="radio" name="([^"]*)" id="([^"]*)"( checked)?><label for="([^"]*)">(\w+)<', text)
    assert [kind for *_, kind in inputs] == ["file", "payload", "entropy"]
    assert len({group for group, *_ in inputs}) == 1
    assert all(name == of for _, name, _, of, _ in inputs)
    assert [kind for *_, checked, _, kind in inputs if checked] == [chosen or "file"]
    tables = re.findall(r"<details( open)?><summary>Bits of ([^<]*)</summary>", text)
    assert [words for opened, words in tables if opened] == [f"the {chosen or 'file'}"] == [tables[0][1]]
    assert "Left out: original (payload not defined)." in text
    assert "Left out: original, jpeg and webp (entropy not defined)." in text


def test_bits_that_nothing_has_are_not_offered_and_another_kind_is_shown(bench: Bench) -> None:
    text = render(run_of(bench, "original", "jpeg", bits="entropy"))
    inputs = re.findall(r'<input type="radio"[^>]*id="[^"]*-(\w+)"( checked)?>', text)
    assert inputs == [("file", " checked"), ("payload", "")]
