"""Three hosts with nothing but a network and a store at a URI between them: one is cut off, the driver is killed.

And a run that is left to a cluster as a Ray job.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hosts import RAY, SWITCH_ADDRESS, Host, Switch, hosts, lacking
from s3_server import s3_server
from workplace import EXAMPLES, Workplace, wait_until

from harness.run.events import moment

TASK = EXAMPLES / "my_task.py"
STORE = "s3://colors/store"
SPEC = """
datasets: [{name: stripes, params: {images: 100}}]
classifiers: [{name: tiny-net, params: {epochs: 4, batch_size: 20}}]
methods:
  - {name: median-cut, colors: [2, 4]}
  - {name: colorcnn, params: {width: 4, epochs: 10, batch_size: 20}}
  - original
colors: [2]
seeds: [0, 1]
baseline: median-cut
"""


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[Switch]:
    """Three hosts that are one Ray cluster with a token; the first is its head."""
    if reason := lacking():
        pytest.skip(reason)
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    with ExitStack() as stack:
        switch = stack.enter_context(hosts(tmp_path, 3))
        with switch.inside():
            server = stack.enter_context(s3_server(SWITCH_ADDRESS))
            http.client.HTTPConnection(server.endpoint.removeprefix("http://")).request("PUT", "/colors")
        head, *others = switch.hosts
        for host in switch.hosts:
            host.variables.update(server.environment)
        started(head.start_ray(head=True, cpus=1))
        for starting in [host.start_ray(head=False, cpus=1) for host in others]:
            started(starting)
        yield switch


def started(ray: subprocess.Popen[str]) -> None:
    out, _ = ray.communicate()
    assert ray.returncode == 0, out


def test_a_run_outlives_a_host_that_is_cut_off_and_its_driver(switch: Switch, workplace: Workplace) -> None:
    head, *others = switch.hosts
    command = ["run", head.spec(SPEC), "--plugin", TASK, "--store", STORE]
    driver = head.start(*command)
    wait_until(lambda: len(head.computed()) > 1, driver)
    driver.kill()
    assert driver.wait() == -signal.SIGKILL
    before = head.computed()

    driver = head.start(*command)
    at_work: list[tuple[Host, str]] = []
    wait_until(lambda: at_work.extend((h, job) for h in others for job in h.jobs_at("quantizers")) or at_work, driver)
    lost, job = at_work[0]
    switch.cut(lost)
    cut = time.time()
    assert driver.wait() == 0, head.output
    ended = time.time()
    retried = [event for event in head.events() if event["event"] == "retried"]
    assert [event["job"] for event in retried] == [job], retried
    print(f"noticed after {moment(retried[0]['time']).timestamp() - cut:.1f} s, ended after {ended - cut:.1f} s")
    assert ended - cut < 60, "complete within a minute, without a restart"

    assert set(head.computed().values()) == {1}
    assert set(before) <= {event["key"] for event in head.events() if event["event"] == "cached"}
    workplace.fewcolors("run", workplace.spec(SPEC), "--plugin", TASK)
    assert head.numbers() == workplace.numbers()


def test_a_run_can_be_left_to_a_cluster_as_a_ray_job(tmp_path: Path) -> None:
    """The commands of docs/cluster.md: what is in the working directory goes along, what is written needs a path."""
    if reason := lacking():
        pytest.skip(reason)
    pytest.importorskip("aiohttp_cors", reason="Ray takes jobs where ray[default] is installed")
    with hosts(tmp_path, 1) as switch:
        (head,) = switch.hosts
        head.variables["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        started(head.start_ray(head=True, cpus=1, dashboard=True))
        work = head.folder / "work"
        work.mkdir()
        shutil.copy(TASK, work)
        (work / "tiny.yaml").write_text(SPEC.replace("epochs: 10", "epochs: 1"))
        command = ["run", "tiny.yaml", "--plugin", TASK.name, "--store", "/tmp/store", "--out", "/tmp/runs/tiny"]
        for again in (False, True):
            submitted = subprocess.run(
                head.entering(
                    *(*RAY, "job", "submit", "--address", "http://127.0.0.1:8265", "--working-dir", "/tmp/work"),
                    *("--", "fewcolors", *command),
                ),
                env=head.environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            assert submitted.returncode == 0, submitted.stdout + submitted.stderr
            assert ("all stored already" in submitted.stdout) is again
        assert {row["status"] for row in head.cells()} == {"ok"}
