"""Every test works in an empty folder of its own, whatever lies where the tests were started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Processes that share cores lose most of their time where each has a thread for every core.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole runs first: a file of theirs takes minutes, and begun last it would leave the other process idle."""
    runs = Path(__file__).with_name("runs")
    items.sort(key=lambda item: runs not in item.path.parents)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FEWCOLORS_STORE", "FEWCOLORS_DATA_ROOT", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
