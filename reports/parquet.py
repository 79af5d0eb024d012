"""The tables as Parquet, with types, units and what the columns mean."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.contracts import Results
from reports.tables import tabulate
from reports.units import type_of, unit_of


def write_parquet(results: Results, folder: Path) -> Path:
    """Writes a file for each table, as ``write_tables`` does; returns the path of ``cells.parquet``."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = tabulate(results).tables
    for name in ("judges", "claims"):
        if name not in tables:
            (folder / f"{name}.parquet").unlink(missing_ok=True)
    for name, table in tables.items():
        partial = folder / f"{name}.parquet.part"
        pq.write_table(typed(name, table), partial)
        partial.replace(folder / f"{name}.parquet")
    return folder / "cells.parquet"


def typed(name: str, table: pd.DataFrame) -> pa.Table:
    """The table of this name: text as string, whole numbers as int64, others as double, what is missing as null.

    Units are in the fields' metadata.
    """
    fields = [_field(str(column), table[column], unit_of(name, str(column))) for column in table.columns]
    columns = [pa.array(table[field.name], type=field.type, from_pandas=True) for field in fields]
    return pa.table(columns, schema=pa.schema(fields))


_TYPES = {"integer": pa.int64(), "number": pa.float64(), "string": pa.string()}


def _field(name: str, column: pd.Series, unit: str | None) -> pa.Field:
    return pa.field(name, _TYPES[type_of(name, column)], metadata={"unit": unit} if unit else None)
