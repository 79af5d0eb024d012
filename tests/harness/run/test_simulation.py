"""What a run would take on a cluster that exists in numbers only, on plans whose times can be worked out by hand."""

import re

import pytest

from harness.contracts import BadInput
from harness.plan import make_plan
from harness.run.durations import Durations, Kind, epochs_in
from harness.run.simulation import Cluster, Expected, forecast, read_durations

GIVEN = {"datasets": 10.0, "classifiers": 100.0, "quantizers": 1000.0, "applied": 7.0, "cells": 3.0}
CHAIN = sum(GIVEN.values())


@pytest.fixture
def plan(make_spec):
    methods = [{"name": "learned", "colors": [2, 4, 8, 16]}]
    needs = {"gpus": 1, "cpus": 1}
    return make_plan(
        make_spec(
            methods=methods, datasets=["dots"], resources={"classifiers": needs, "quantizers": needs, "cells": needs}
        )
    )


def of(plan, cluster, given=GIVEN, measured=None):
    stages = {job.stage for job in plan.jobs.values()}
    given = {name: seconds for name, seconds in given.items() if name in stages or "/" in name}
    return forecast(plan, list(plan.jobs), Cluster.parse(cluster), Expected(given, measured or Durations()))


def test_on_enough_gpus_it_takes_as_long_as_its_longest_chain(plan):
    found = of(plan, "4x1")
    assert found.seconds == found.critical_seconds == found.no_less == CHAIN
    assert [job.stage for job in found.critical] == list(GIVEN)


def test_on_one_gpu_its_work_is_done_one_after_the_other(plan):
    found = of(plan, "1x1:8")
    fits = 4 * GIVEN["quantizers"]
    on_gpu = GIVEN["classifiers"] + fits + 4 * GIVEN["cells"]
    applied = plan_gpu_share_of_applied(plan) * 4 * GIVEN["applied"]
    assert found.no_less == pytest.approx(on_gpu + applied)
    assert on_gpu + applied <= found.seconds <= on_gpu + 4 * GIVEN["applied"] + GIVEN["datasets"]
    assert found.busy_gpus == pytest.approx((on_gpu + applied) / found.seconds)


def plan_gpu_share_of_applied(plan):
    (share,) = {float(job.needs.gpus) for job in plan.jobs.values() if job.stage == "applied"}
    return share


def test_on_two_gpus_two_trainings_run_at_a_time(plan):
    found = of(plan, "2x1")
    assert found.seconds == pytest.approx(CHAIN + GIVEN["quantizers"], abs=4 * 10)
    assert of(plan, "1x2").seconds == pytest.approx(found.seconds, abs=10)


def test_a_node_does_not_lend_its_gpus_to_another(make_spec):
    wide = {"gpus": 2, "cpus": 1}
    plan = make_plan(make_spec(methods=["flat"], colors=2, datasets=["dots"], resources={"classifiers": wide}))
    assert of(plan, "1x2").seconds > 0
    with pytest.raises(BadInput, match=re.escape("needs 1 CPUs and 2 GPUs, a node has 16 and 1.")):
        of(plan, "2x1")


def test_without_gpus_what_can_do_without_runs_on_cpus(make_spec):
    plan = make_plan(make_spec(methods=["flat"], colors=2, datasets=["dots"]))
    found = of(plan, "3x0:4")
    assert found.busy_gpus is None
    assert 0 < found.busy_cpus < 1
    assert found.seconds == found.critical_seconds


def test_the_most_particular_duration_counts_and_it_is_said_where_each_is_from(plan):
    measured = Durations()
    (dataset,) = [job for job in plan.jobs.values() if job.stage == "datasets"]
    measured.add(Kind("datasets", "dots", dataset.key, 1.0, 0.0), 3.0)
    measured.add(Kind("classifiers", "another net", "another dataset", 1.0, 1.0), 5.0)
    found = of(plan, "4x1", {"quantizers": 5.0, "quantizers/learned": 50.0}, measured)
    assert [job.stage for job in found.critical][2] == "quantizers"
    assert found.origins == {"measured": 1, "taken from others": 1, "given": 4, "guessed": len(plan.jobs) - 6}
    assert found.critical_seconds == pytest.approx(3 + 5 * epochs_of(plan) + 50 + 5 + 5)
    with pytest.raises(BadInput, match=re.escape("--durations: quantizers/learnt: the spec has no such job")):
        of(plan, "4x1", {"quantizers/learnt": 5.0})


def epochs_of(plan):
    (epochs,) = {epochs_in("classifiers", job.params) or 1 for job in plan.jobs.values() if job.stage == "classifiers"}
    return epochs


def test_jobs_that_end_later_than_a_starved_run_is_given_up_are_waited_for(plan):
    found = of(plan, "4x1", GIVEN | {"classifiers": 1e6})
    assert found.seconds == CHAIN - 100 + 1e6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("8x8xH100:128", "8 nodes with 8 H100 and 128 CPUs each"),
        ("1x4", "1 node with 4 GPU and 64 CPUs"),
        ("10x0:32", "10 nodes with 32 CPUs each"),
    ],
)
def test_a_cluster_in_words(text, words):
    assert str(Cluster.parse(text)) == words


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8",
        "8x",
        "x8",
        "0x8",
        "8x8x",
        "8x8x:3x",
        "99999x8",
        "4x0",
        "2x2000",
        "-1x8",
        "8x8:0",
        "\N{SUPERSCRIPT TWO}x8",
    ],
)
def test_what_is_no_cluster_is_refused_in_a_sentence(text):
    with pytest.raises(BadInput, match=r"^--cluster .*\.$"):
        Cluster.parse(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("trainings: 5", "'trainings' is none of datasets, classifiers"),
        ("cells: -1", "-1 must be a number of seconds above 0"),
        ("cells: .inf", "must be a number of seconds above 0"),
        ("cells: true", "must be a number of seconds above 0"),
        ("- cells", "a file of durations is a mapping"),
        ("cells: [", "not valid YAML"),
    ],
)
def test_durations_that_are_none_are_refused(tmp_path, text, sentence):
    path = tmp_path / "durations.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=re.escape(sentence)):
        read_durations(path)


def test_durations_are_read(tmp_path):
    path = tmp_path / "durations.yaml"
    path.write_text("cells: 5\nquantizers/colorcnn: 3.5e3\n")
    assert read_durations(path) == {"cells": 5.0, "quantizers/colorcnn": 3500.0}
