"""A classifier that does no better than guessing: a run says so at once and goes on, a search does not begin."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from flipping import PoolHere
from typer.testing import CliRunner
from workplace import EXAMPLES

from harness.cli import app
from harness.contracts import BadInput
from harness.run import cluster, pool

SPEC = """
datasets: [{name: stripes, params: {images: 80, side: 8}}]
classifiers: [{name: tiny-net, params: {epochs: 1, channels: 2, rate: 1.0e-9}}]
reports: [tables]
"""
SAID = "guessing ("


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pool, "RayPool", PoolHere)
    monkeypatch.setattr(cluster, "connect", lambda *_: nullcontext())
    monkeypatch.chdir(tmp_path)


def test_a_run_says_it_before_anything_is_judged_and_again_when_all_is_stored() -> None:
    Path("spec.yaml").write_text(SPEC + "methods: [median-cut]\ncolors: [2]")
    said = []
    for _ in range(2):
        ended = CliRunner().invoke(app, ["run", "spec.yaml", "--plugin", str(EXAMPLES / "my_task.py")])
        assert ended.exit_code == 0, ended.output
        said.append(ended.output)
    assert all("tiny-net on stripes" in text and SAID in text for text in said)
    assert said[0].index(SAID) < said[0].index("cells: ")


def test_a_search_ends_before_its_first_trial() -> None:
    Path("spec.yaml").write_text(
        SPEC + "methods: [{name: learned-palette, search: {rate: {uniform: [0.01, 1]}}}]\ncolors: [2]"
    )
    plugins = ["--plugin", str(EXAMPLES / "my_task.py"), "--plugin", str(EXAMPLES / "my_learned_quantizer.py")]
    for _ in range(2):
        ended = CliRunner().invoke(app, ["tune", "spec.yaml", *plugins])
        assert isinstance(ended.exception, BadInput)
        assert SAID in str(ended.exception)
        assert str(ended.exception).endswith("The search cannot start.")
        assert not list(Path("runs").glob("*/searches*"))
