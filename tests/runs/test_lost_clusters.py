"""A cluster that is lost under a driver costs a sentence; the next run goes on from what is stored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from processes import processes
from workplace import EXAMPLES, Workplace, wait_until

TASK = EXAMPLES / "my_task.py"
SPEC = """
datasets: [{name: stripes, params: {images: 60}}]
classifiers: [{name: tiny-net, params: {epochs: 2, batch_size: 20}}]
methods: [{name: colorcnn, params: {width: 4, epochs: 200, batch_size: 20}}, original]
colors: [2]
seeds: [0]
baseline: original
resources: {quantizers: {gpus: 0}, classifiers: {gpus: 0}}
"""
SHORTER = SPEC.replace("epochs: 200", "epochs: 2")
NO_RAYLET = """
import sys, time
from ray._private import node, services

class Hasty:
    sleep = staticmethod(time.sleep)
    time = staticmethod(time.time)
    monotonic = staticmethod(lambda: 20 * time.monotonic())

def start(self, begin=node.Node.start_ray_processes):
    begin(self)
    node.time = Hasty

node.Node.start_ray_processes = start
services.RAYLET_EXECUTABLE = "/bin/true"
from harness.cli import main
main()
"""
"""Fewcolors where Ray's own process ends at once, and Ray waits for it by a clock that runs fast."""


def child(number: int, program: str) -> int:
    """The number of the process that it has started from a program of this name."""
    (found,) = [process.number for process in processes() if (process.parent, process.program) == (number, program)]
    return found


def test_a_driver_that_loses_ray_says_so_and_the_next_run_goes_on(workplace: Workplace) -> None:
    """First Ray on its machine, then the head of the cluster is killed, in the middle of a training."""
    losses = (("raylet", "Ray on this machine ("), ("gcs_server", "the head of the Ray cluster ("))
    for start, (program, sentence) in enumerate(losses, 1):
        run = ["run", workplace.spec(SPEC), "--plugin", TASK, "--cpus", "1"]
        driver = workplace.start(*run, RAY_ADDRESS="local", RAY_gcs_rpc_server_reconnect_timeout_s="16")
        wait_until(lambda start=start: trains(workplace, start), driver)
        os.kill(child(driver.pid, program), signal.SIGKILL)
        assert driver.wait() == 1, workplace.output
        (said,) = [line for line in workplace.output.splitlines() if line.startswith("fewcolors: ")]
        assert said.startswith(f"fewcolors: {sentence}")
        assert said.endswith("what is finished is kept in the store; start the run again once it is up.")
        assert "Traceback" not in workplace.output
    before = workplace.computed()
    assert len(before) == 2, "the dataset and the classifier"
    workplace.fewcolors("run", workplace.spec(SHORTER), "--plugin", TASK)
    assert {row["status"] for row in workplace.cells()} == {"ok"}
    assert set(before) <= {event["key"] for event in workplace.events() if event["event"] == "cached"}
    assert set(workplace.computed().values()) == {1}


def trains(workplace: Workplace, start: int) -> bool:
    """Whether the run's first, second, ... driver has begun with a training that takes long."""
    begun = [event for event in workplace.all_events() if event["event"] in ("run-started", "started")]
    return sum(event["event"] == "run-started" for event in begun) == start and begun[-1]["stage"] == "quantizers"


def test_a_ray_that_does_not_start_in_time_is_said_before_anything_runs(workplace: Workplace) -> None:
    arguments = ["run", str(workplace.spec(SHORTER)), "--plugin", str(TASK), "--cpus", "1"]
    ended = subprocess.run(
        [sys.executable, "-c", NO_RAYLET, *arguments],
        cwd=workplace.folder,
        env=workplace.environment(RAY_ADDRESS="local", RAY_AUTH_MODE="token"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    *_, said = ended.stderr.splitlines()
    assert said.startswith("fewcolors: Ray cannot be started on this machine: The current node timed out")
    assert "Traceback" not in ended.stderr
    assert not workplace.all_events()
    workplace.fewcolors("run", workplace.spec(SHORTER), "--plugin", TASK)
    assert {row["status"] for row in workplace.cells()} == {"ok"}
