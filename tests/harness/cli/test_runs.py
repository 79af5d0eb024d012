"""What ``fewcolors run`` says at its end."""

from pathlib import Path
from types import SimpleNamespace

import pytest

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
