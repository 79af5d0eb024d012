"""Tables as CSV that is safe to open: no text in it is taken for a formula."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

_FORMULA = re.compile("'*[=+\\-@\t\n＝＋－＠]")


def csv_text(table: pd.DataFrame, float_format: str | None = None) -> str:
    """A table as CSV, headings first, lines ended by a line feed. Text and headings are defused, numbers are not."""
    safe = table.rename(columns=defused)
    for name in safe.select_dtypes(exclude="number"):
        safe[name] = pd.Series(map(defused, safe[name]), safe.index, dtype=object)
    return safe.to_csv(index=False, float_format=float_format, lineterminator="\n")


def defused(value: Any) -> Any:
    """Text that a spreadsheet would calculate, with an apostrophe before it; anything that is no text as it is.

    That is text that begins with ``=``, ``+``, ``-``, ``@`` (wide ones too), a tab or the end of a line (OWASP, "CSV
    Injection"), or with apostrophes before one of them: so taking away one apostrophe gives the text back. A carriage
    return becomes a line feed, since a CSV writer would not quote it and a spreadsheet would begin a row there.

    >>> defused("=1+1"), defused("'=1+1"), defused("it's"), defused(-1)
    ("'=1+1", "''=1+1", "it's", -1)
    """
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if _FORMULA.match(text) else text
