"""Workers and drivers are killed at random: nothing finished is lost, nothing is done twice, every number stays."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest
from processes import busy_workers, processes
from workplace import EXAMPLES, Workplace, look_again

TASK = EXAMPLES / "my_task.py"
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


def busy_workers_of(address: str) -> list[int]:
    """The processes in which the cluster at ``address`` runs jobs now."""
    raylets = [raylet.number for raylet in processes() if raylet.program == "raylet" and address in raylet.title]
    return sorted(worker for raylet in raylets for worker in busy_workers(raylet))


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, address: str) -> Workplace:
    workplace = Workplace(tmp_path_factory.mktemp("calm"), address)
    workplace.fewcolors("run", workplace.spec(SPEC), "--plugin", TASK)
    return workplace


@pytest.mark.timeout(600 + 20 * KILLS)
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
            look_again(run)
        workers = busy_workers_of(calm.address)
        if killed < KILLS and workers:
            os.kill(chance.choice(workers), signal.SIGKILL)
            killed += 1
    out, _ = run.communicate()
    assert run.returncode == 0, out
    assert calm.numbers("chaos") == calm.numbers("tiny")
    assert killed == KILLS
    assert sum(event["event"] == "retried" for event in calm.events("chaos")) > 0
    assert set(calm.computed("chaos").values()) == {1}


def test_of_two_runs_at_once_that_share_a_store_one_is_killed_and_nothing_is_computed_twice(calm: Workplace) -> None:
    commands = {
        name: calm.command("run", calm.spec(SPEC, name), "--plugin", TASK, "--store", "shared")
        for name in ("one", "two")
    }
    one, two = (
        subprocess.Popen(
            command,
            cwd=calm.folder,
            env=calm.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for command in commands.values()
    )
    assert two.stdout is not None
    for line in two.stdout:
        if " done in " in line and "datasets: " not in line:
            two.kill()
    assert two.wait() == -signal.SIGKILL
    before = calm.computed("two")
    assert before
    out, _ = one.communicate()
    assert one.returncode == 0, out
    calm.fewcolors(*commands["two"][3:])
    assert calm.numbers("one") == calm.numbers("two") == calm.numbers("tiny")
    computed = calm.computed("one") + calm.computed("two")
    assert set(computed.values()) == {1}
    cached = {event["key"] for event in calm.events("two") if event["event"] == "cached"}
    assert set(before) <= cached
