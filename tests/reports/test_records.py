"""Records kept as small arrays give the tables that whole records give, byte for byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.contracts import Cell, ContractError
from reports import tables
from reports.records import Records


class Whole(Records):
    """Reads every column of every cell anew, and compares whole frames."""

    def of(self, cell: Cell) -> pd.DataFrame:
        assert cell.records is not None
        return pd.read_parquet(cell.records)

    def correct(self, cells):
        return np.stack([self.of(cell)["correct"].to_numpy(np.int64) for cell in cells])

    def original_correct(self, cells):
        return np.stack([(self.of(c)["original_predicted"] == self.of(c)["label"]).to_numpy(np.int64) for c in cells])

    def groups(self, cell):
        return self.of(cell)["group"].to_numpy(np.int64)

    def labels(self, cell):
        return self.of(cell)["label"].to_numpy(np.int64)


def test_tables_are_the_same_byte_for_byte(bench, right, tmp_path: Path, monkeypatch) -> None:
    sources = np.arange(240) // 3
    cells = [
        bench.cell(
            bench.frame(
                right(240, 0.4 + 0.1 * i + level / 50, 10 * i + seed), sources, psnr=np.linspace(10, 30 + i, 240)
            ),
            variant,
            level,
            seed=seed,
            dataset=dataset,
            judge=judge,
            fitted_on="tinynet" * i,
        )
        for i, variant in enumerate(("median-cut", "net"))
        for level in (2, 8)
        for seed in (0, 1, 2)
        for dataset in ("toys", "balls")
        for judge in ("frozen", "retrained")
    ]
    results = bench.results(cells)
    tables.write_tables(results, tmp_path / "small")
    monkeypatch.setattr(tables, "Records", Whole)
    tables.write_tables(replace(results), tmp_path / "whole")
    for name in ("cells", "significance", "bits", "judges"):
        small, whole = ((tmp_path / kind / f"{name}.csv").read_bytes() for kind in ("small", "whole"))
        assert small == whole
        assert small.count(b"\n") > 1


def test_other_images_are_told_and_equal_ones_kept_once(bench) -> None:
    records = Records()
    a, b = bench.plain("a", 2, 0.5), bench.plain("b", 2, 0.6)
    assert records.correct([a, b]).shape == (2, 200)
    assert records.groups(a) is records.groups(b)
    assert records.labels(a).tolist() == [i % 3 for i in range(200)]
    moved = bench.cell(bench.frame(np.ones(200), np.arange(200) + 1), "c", 2)
    with pytest.raises(ContractError, match="do not hold the same images in the same order"):
        records.correct([a, moved])


def test_a_column_is_that_of_the_whole_records(bench) -> None:
    frame = bench.frame(np.arange(200) % 2, psnr=np.linspace(10, 30, 200)).astype({"colors": "Int64"})
    frame.loc[3, "colors"] = pd.NA
    cell, records = bench.cell(frame, "a", 2), Records()
    for name in ("correct", "psnr", "colors", "label"):
        expected = frame[name].to_numpy(np.float64, na_value=np.nan)
        np.testing.assert_array_equal(records.column(cell, name), expected)
    records.of(cell)
    np.testing.assert_array_equal(records.column(cell, "psnr"), frame["psnr"])
    assert np.isnan(records.column(cell, "colors")[3])


def test_the_record_of_a_picture(bench) -> None:
    records, cell = Records(), bench.plain("a", 2, 0.5)
    other = bench.plain("b", 2, 0.5)
    records.of(other)
    assert records.pictured(cell, 1) == records.of(cell).to_dict("records")[1]
    assert records.pictured(other, 0)["image"] == 0
