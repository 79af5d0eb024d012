"""What ``fewcolors run`` says at its end, and ``fewcolors plan``."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner
from workplace import EXAMPLES

from harness import environment
from harness.cli import app
from harness.cli.runs import _what_is_kept
from harness.work.bucket import StoreUnreachable
from harness.work.store import Store


class Away(Store):
    def has(self, stage, key):  # noqa: ARG002
        raise StoreUnreachable("s3://x cannot be reached")


@pytest.mark.parametrize(
    ("kind", "said"),
    [(Store, "0 of 1 jobs are finished and kept in store"), (Away, "What is finished is kept in store")],
)
def test_an_interrupted_run_says_what_is_kept_also_where_its_store_is_away(kind, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = {"a": SimpleNamespace(stage="cells", key="a")}
    request = SimpleNamespace(plan=SimpleNamespace(jobs=jobs), store=kind(Path("store")))
    assert _what_is_kept(request) == said


SPEC = """
datasets: [{name: stripes, params: {images: 20}}]
classifiers: [tiny-net]
methods: [{name: colorcnn, params: {width: [16, 200, 400]}}, otsu]
colors: [2]
"""


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """What ``fewcolors plan`` says below its table, on a machine with so much memory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    Path("big.yaml").write_text(SPEC)

    def plan(memory):
        monkeypatch.setattr(environment, "memory_here", lambda: memory)
        ended = CliRunner().invoke(app, ["plan", "big.yaml", "--plugin", str(EXAMPLES / "my_task.py")])
        assert ended.exit_code == 0, ended.output
        *_, last = ended.output.split(" to run.\n")
        return last

    return plan


def test_a_plan_says_what_this_machine_has_too_little_memory_for(planned, monkeypatch):
    assert planned(2**40) == planned(None) == ""
    assert planned(2**30) == (
        "quantizers: colorcnn width=400 at 2 colors on stripes, tiny-net, seed 0 needs 1.9 GiB of memory at the least, "
        "and 1 more of the jobs too much; this machine has 1.0 GiB, and a run here will be refused.\n"
    )
    assert ", and 3 more of the jobs too much; this machine has 0.4 GiB" in planned(0.4 * 2**30)
    monkeypatch.setenv("RAY_ADDRESS", "far:6379")
    assert planned(2**30) == "", "a cluster may have room for it"
