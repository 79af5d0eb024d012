"""Workers and drivers are killed at random: nothing finished is lost, nothing is done twice, every number stays."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from workplace import EXAMPLES, Workplace

from harness.spec.schema import STAGES

TASK = EXAMPLES / "my_task.py"
JOBS = tuple(f"ray::{stage}: " for stage in STAGES)
KILLS = int(os.environ.get("FEWCOLORS_TEST_KILLS", "6"))
"""Of workers, 1 to 5 seconds apart; with 50 the test takes some minutes."""
SHORT = 2 + 4 * KILLS
SPEC = f"""
datasets: [{{name: stripes, params: {{images: 400}}}}]
classifiers: [{{name: tiny-net, params: {{epochs: 30, batch_size: 20}}}}]
methods:
  - {{name: median-cut, colors: [{", ".join(map(str, range(2, 2 + SHORT // 2)))}]}}
  - {{name: colorcnn, params: {{width: 4, epochs: 6, batch_size: 20}}, colors: 2}}
  - original
colors: [2]
seeds: [0, 1]
baseline: original
"""


def numbers(workplace: Workplace, run: str) -> list[dict[str, str]]:
    text = (workplace.folder / "runs" / run / "report" / "cells.csv").read_text()
    return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(io.StringIO(text))]


def done(workplace: Workplace, run: str) -> Counter[str]:
    """How often each job was computed, over all starts of a run."""
    lines = (workplace.folder / "runs" / run / "events.jsonl").read_text().splitlines()
    return Counter(event["key"] for event in map(json.loads, lines) if event["event"] == "done")


def busy_workers(address: str) -> list[int]:
    """The processes in which the cluster at ``address`` runs jobs now."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title = (process / "cmdline").read_bytes().decode(errors="replace")
            parent = (process / "stat").read_text().rsplit(")", 1)[1].split()[1]
            command = Path("/proc", parent, "cmdline").read_text()
        except OSError:
            continue
        if title.startswith(JOBS) and address in command:
            found.append(int(process.name))
    return sorted(found)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, address: str) -> Workplace:
    workplace = Workplace(tmp_path_factory.mktemp("calm"), address)
    workplace.fewcolors("run", workplace.spec(SPEC), "--plugin", TASK)
    return workplace


def test_workers_that_are_killed_at_random_cost_time_and_no_number(calm: Workplace) -> None:
    chance = random.Random(0)
    run = subprocess.Popen(
        calm.command("run", calm.spec(SPEC, "chaos"), "--plugin", TASK, "--store", "another"),
        cwd=calm.folder,
        env=calm.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    killed, due = 0, time.monotonic()
    while run.poll() is None:
        due += chance.uniform(1, 5)
        while run.poll() is None and time.monotonic() < due:
            with_time_out(run)
        workers = busy_workers(calm.address)
        if killed < KILLS and workers:
            os.kill(chance.choice(workers), signal.SIGKILL)
            killed += 1
    out, _ = run.communicate()
    assert run.returncode == 0, out
    assert numbers(calm, "chaos") == numbers(calm, "tiny")
    assert killed >= min(KILLS, 3)
    assert sum(event["event"] == "retried" for event in calm.events("chaos")) > 0
    assert set(done(calm, "chaos").values()) == {1}


def with_time_out(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        return


def test_two_runs_at_once_share_one_store_and_compute_everything_once(calm: Workplace) -> None:
    arguments = ["--plugin", TASK, "--store", "shared"]
    runs = [
        subprocess.Popen(
            calm.command("run", calm.spec(SPEC, name), *arguments),
            cwd=calm.folder,
            env=calm.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in ("one", "two")
    ]
    ended = [(run.communicate()[0], run.returncode) for run in runs]
    assert [code for _, code in ended] == [0, 0], ended
    assert numbers(calm, "one") == numbers(calm, "two") == numbers(calm, "tiny")
    computed = done(calm, "one") + done(calm, "two")
    assert set(computed) == {job["key"] for job in calm.plan("one")["jobs"]}
    assert set(computed.values()) == {1}
    assert not list((calm.folder / "shared" / "leases").iterdir())


def test_a_driver_that_is_killed_and_started_again_computes_no_job_again(calm: Workplace) -> None:
    command = calm.command("run", calm.spec(SPEC, "killed"), "--plugin", TASK, "--store", "third")
    run = subprocess.Popen(command, cwd=calm.folder, env=calm.environment(), stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    for line in run.stdout:
        if line.count("applied: "):
            run.kill()
    assert run.wait() == -signal.SIGKILL
    before = done(calm, "killed")
    assert 0 < len(before) < len(calm.plan("killed")["jobs"])
    calm.fewcolors(*command[3:])
    assert numbers(calm, "killed") == numbers(calm, "tiny")
    assert set(done(calm, "killed").values()) == {1}
    cached = {event["key"] for event in calm.events("killed") if event["event"] == "cached"}
    assert set(before) <= cached
