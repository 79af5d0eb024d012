"""The tables as Parquet, with types, units and what the columns mean."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.contracts import Results
from reports.tables import tabulate
from reports.units import UNITS, type_of


def write_parquet(results: Results, folder: Path) -> Path:
    """Writes a file for each table, as ``write_tables`` does; returns the path of ``cells.parquet``."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = tabulate(results).tables
    if "judges" not in tables:
        (folder / "judges.parquet").unlink(missing_ok=True)
    for name, table in tables.items():
        partial = folder / f"{name}.parquet.part"
        pq.write_table(typed(table), partial)
        partial.replace(folder / f"{name}.parquet")
    return folder / "cells.parquet"


def typed(table: pd.DataFrame) -> pa.Table:
    """Text as string, whole numbers as int64, others as double, what is missing as null; units as fields' metadata."""
    fields = [_field(str(name), table[name]) for name in table.columns]
    columns = [pa.array(table[field.name], type=field.type, from_pandas=True) for field in fields]
    return pa.table(columns, schema=pa.schema(fields))


_TYPES = {"integer": pa.int64(), "number": pa.float64(), "string": pa.string()}


def _field(name: str, column: pd.Series) -> pa.Field:
    unit = UNITS.get(name)
    return pa.field(name, _TYPES[type_of(name, column)], metadata={"unit": unit} if unit else None)
