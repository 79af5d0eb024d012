"""``docs/notebook.md`` runs from top to bottom, and what stands below its code is what comes out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cells import Cells
from workplace import EXAMPLES, REPOSITORY

BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def test_the_page_runs_and_its_outputs_are_real(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    Path("examples").symlink_to(EXAMPLES)
    blocks = BLOCK.findall((REPOSITORY / "docs" / "notebook.md").read_text())
    assert len(blocks) > 12
    assert sum(bool(expected) for _, expected in blocks) > 9
    with Cells() as notebook:
        for text, expected in blocks:
            shown = notebook.run(text)
            if expected:
                assert shown == expected, text
