"""What is read back of a run in which two variants are one and the same."""

from types import SimpleNamespace

import pandas as pd

from harness.contracts import Cell
from harness.interactive.loaded import CHOICE, Run


def test_variants_that_share_a_key_are_told_apart_by_their_names(tmp_path):
    records = tmp_path / "records.parquet"
    pd.DataFrame({"image": [0, 1], "correct": [True, False]}).to_parquet(records)
    common = {"dataset": "d", "classifier": "c", "method": "m", "level_kind": "colors", "level": 2, "seed": 0}
    common |= {"fitted_on": "c", "precision": "fp32", "key": "k", "split": "test", "status": "ok", "records": records}
    cells = [Cell(variant=variant, params={}, **common) for variant in ("m", "m norm=1")]
    shown = pd.DataFrame({"key": "k", "dataset": "d", "variant": [cell.variant for cell in cells]})
    run = Run(tmp_path, SimpleNamespace(cells=cells), SimpleNamespace(cells=lambda _: shown), None)
    assert run.records["variant"].tolist() == ["m", "m", "m norm=1", "m norm=1"]
    for number, cell in enumerate(cells):
        assert run._chosen(shown.iloc[number], (None,) * len(CHOICE)) is cell
