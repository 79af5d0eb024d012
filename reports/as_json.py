"""``report.json``: all that a run's tables hold, with units, its spec and its answers, for other programs."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from harness.contracts import Results, SearchResult
from reports.glossary import BITS, CELLS, CLAIMS, JUDGES, PAIRS, TESTS
from reports.pairs import Apart, separated
from reports.points import Task
from reports.story import answer
from reports.tables import tabulate
from reports.units import type_of, unit_of

FORMAT = 1
"""Raised when a field changes its meaning or goes; new ones may come without."""
_GLOSSARIES = {
    "cells": CELLS,
    "significance": TESTS,
    "pairs": PAIRS,
    "bits": BITS,
    "judges": JUDGES,
    "claims": CLAIMS,
}


def render(results: Results) -> str:
    """Strict JSON; what is missing, not a number or infinite is null. The same results give the same text.

    ``format``: ``FORMAT``. ``name``, ``spec``, ``environment``, ``recipes``, ``classes``: as in ``Results``.
    ``answers``: of each task its ``dataset``, ``classifier``, ``judge``, ``headline``, ``details`` and the ``level``
    that the headline speaks of. ``tables``: by name ``columns`` (``name``, ``type``, ``unit``), ``meanings`` (of
    columns, or of several together) and ``rows``, mappings by column; ``params`` is a mapping. ``searches``: the fields
    of ``SearchResult`` with its ``trials``, and ``start_words``. ``failures``: ``job``, ``message``, ``traceback``,
    ``cells``, ``key``.
    """
    found = tabulate(results)
    content = {
        "format": FORMAT,
        "name": results.name,
        "spec": results.spec,
        "environment": results.environment,
        "answers": _answers(results, found.tasks, separated(found.tables["pairs"])),
        "tables": {name: _table(name, table) for name, table in found.tables.items()},
        "searches": [_search(searched) for searched in results.searches],
        "failures": [vars(failure) for failure in results.failures],
        "recipes": results.recipes,
        "classes": results.classes,
    }
    return json.dumps(_strict(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _answers(results: Results, tasks: Iterable[Task], apart: Apart) -> list[dict[str, Any]]:
    answers = []
    for task in tasks:
        said = answer(task, results.spec, results.recipes, apart)
        where = {"dataset": task.dataset, "classifier": task.classifier, "judge": task.judge}
        answers.append(where | {"headline": said.headline, "details": said.details, "level": said.level})
    return answers


def _search(searched: SearchResult) -> dict[str, Any]:
    return dataclasses.asdict(searched) | {"start_words": searched.start_words}


def _table(called: str, table: pd.DataFrame) -> dict[str, Any]:
    rows = [
        {name: None if value is pd.NA else value for name, value in row.items()} for row in table.to_dict("records")
    ]
    for row in rows:
        if "params" in row:
            row["params"] = json.loads(str(row["params"]))
    columns = [(str(name), type_of(str(name), table[name])) for name in table.columns]
    return {
        "columns": [
            {"name": name, "type": "object" if name == "params" else kind, "unit": unit_of(called, name)}
            for name, kind in columns
        ],
        "meanings": dict(_GLOSSARIES[called]),
        "rows": rows,
    }


def _strict(value: Any) -> Any:
    """Plain JSON values only."""
    if isinstance(value, Mapping):
        return {str(name): _strict(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(each) for each in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
