"""CSV that is safe to open: what a spreadsheet would calculate is text, and nothing else changes."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.spreadsheets import csv_text, defused

STARTS = "=+-@\t\r\n＝＋－＠"


@pytest.mark.parametrize("start", STARTS)
def test_a_formula_is_text(start: str) -> None:
    assert defused(f"{start}cmd|' /C calc'!A0").startswith("'")
    assert defused(f"'{start}1").startswith("''")


@pytest.mark.parametrize("same", ["", "median-cut", "it's", "'quoted'", "a=1", " =1", 0, -1, -0.5, None, True])
def test_anything_else_stays(same: object) -> None:
    assert defused(same) is same


@given(st.text(alphabet=[*STARTS.replace("\r", ""), "'", "a", "1", " ", ","], max_size=5))
def test_taking_one_apostrophe_away_gives_the_text_back(text: str) -> None:
    safe = defused(text)
    assert safe[:1] not in [*STARTS]
    assert safe in (text, f"'{text}")
    begins_as_formula = safe.lstrip("'")[:1] in [*STARTS] and safe.lstrip("'") != ""
    assert (safe.removeprefix("'") if begins_as_formula else safe) == text


def test_a_table_keeps_its_numbers_and_its_shape() -> None:
    table = pd.DataFrame(
        {
            "=name": ["-1", "a\r=2", 'quoted, "twice"'],
            "level": pd.array([2, None, -4], dtype="Int64"),
            "share": [-0.123456789123, 1.0, float("nan")],
            "mixed": pd.Series([-1, "+1", None], dtype=object),
        }
    )
    text = csv_text(table, "%.8g")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows == [
        ["'=name", "level", "share", "mixed"],
        ["'-1", "2", "-0.12345679", "-1"],
        ["a\n=2", "", "1", "'+1"],
        ['quoted, "twice"', "-4", "", ""],
    ]
    assert list(table) == ["=name", "level", "share", "mixed"], "the table itself keeps the true names"
    plain = table.drop(columns=["=name", "mixed"])
    assert csv_text(plain, "%.8g") == plain.to_csv(index=False, float_format="%.8g", lineterminator="\n")
