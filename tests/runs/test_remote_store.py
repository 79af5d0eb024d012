"""A run whose store is on a server that speaks S3: the numbers of a run on a disk, and nothing computed twice."""

from __future__ import annotations

import shutil

import pytest
from s3_server import s3_server
from workplace import EXAMPLES, Workplace

TASK = EXAMPLES / "my_task.py"
SPEC = """
datasets: [{name: stripes, params: {images: 60}}]
classifiers: [{name: tiny-net, params: {epochs: 2, batch_size: 20}}]
methods: [median-cut, {name: colorcnn, params: {width: 4, epochs: 2, batch_size: 20}}, original]
colors: [2]
seeds: [0]
baseline: median-cut
"""


def test_a_store_at_a_uri_gives_the_same_numbers_and_serves_another_machine(workplace: Workplace) -> None:
    s3fs = pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    run = ["run", workplace.spec(SPEC), "--plugin", TASK]
    workplace.fewcolors(*run)
    on_disk = workplace.numbers()
    with s3_server() as server:
        key, secret = (server.environment[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
        s3fs.S3FileSystem(key=key, secret=secret, endpoint_url=server.endpoint).mkdir("colors")
        cache = workplace.folder / "cache"
        remote = server.environment | {"FEWCOLORS_CACHE": str(cache), "RAY_ADDRESS": "local"}
        workplace.fewcolors(*run, "--store", "s3://colors/store", "--cpus", "2", **remote)
        assert workplace.numbers() == on_disk
        assert workplace.plan()["store"] == "s3://colors/store"
        assert {event["event"] for event in workplace.events()} >= {"started", "done", "run-ended"}
        shutil.rmtree(cache)
        again = workplace.fewcolors(*run, "--store", "s3://colors/store", **remote)
        assert "all stored already" in again.out
        assert workplace.numbers() == on_disk
        workplace.fewcolors("report", "runs/tiny", **remote)
        assert workplace.numbers() == on_disk
