"""Where jobs go on clusters of nodes with and without GPUs."""

import pytest

from harness.run.placing import Node, Placing, Work

HEAD, SMALL, GPUS = Node("head", 4, 0, 8e9), Node("small", 2, 0, 8e9), Node("gpus", 16, 4, 64e9)
SHORT, LONG = Work(1, 0, 1e9, short=True), Work(1, 0, 0, short=False)
TRAINING = Work(1, 0.5, 0, short=False)


def placing_on(*nodes, jobs=((1, 0.5), (1, 0))):
    placing = Placing()
    placing.look(nodes)
    for cpus, gpus in jobs:
        placing.count(cpus, gpus)
    return placing


def fill(placing, work):
    """Submits as much of it as may be; gives where each went and with what turn."""
    sent = []
    while len(sent) < 99:
        turn, node = placing.decide(work)
        if turn == "not yet":
            return sent
        placing.enter(len(placing._placed), work, node)
        sent.append((turn, node and node.name))
    return sent


def test_what_occupies_no_gpu_goes_to_the_emptiest_node_without_one_and_then_comes_last():
    sent = fill(placing_on(HEAD, SMALL, GPUS), SHORT)
    assert sent[:6] == [("now", name) for name in ("head", "head", "head", "small", "head", "small")]
    assert set(sent[6:]) == {("last", None)}


def test_long_jobs_take_only_the_cpus_that_gpus_cannot_make_use_of():
    assert fill(placing_on(HEAD, GPUS), LONG) == [("now", "head")] * 4 + [("last", None)] * (16 - 4 * 2)
    assert fill(placing_on(HEAD, GPUS, jobs=[(1, 0.25), (1, 0.5)]), LONG) == [("now", "head")] * 4
    whole_node = Work(9, 0, 0, short=False)
    assert placing_on(Node("head", 9, 0, 0), GPUS).decide(whole_node)[0] == "now"
    placing = placing_on(Node("head", 9, 0, 0), GPUS, GPUS)
    placing.enter("other", whole_node, placing.decide(whole_node)[1])
    assert placing.decide(whole_node)[0] == "not yet", "eight are left beside each"


def test_memory_counts_too():
    placing = placing_on(HEAD, GPUS)
    assert placing.decide(Work(1, 0, 5e9, short=True))[1] == HEAD
    placing.enter("first", Work(1, 0, 5e9, short=True), HEAD)
    assert placing.decide(Work(1, 0, 5e9, short=True)) == ("last", None)
    placing.leave("first")
    assert placing.decide(Work(1, 0, 5e9, short=True))[1] == HEAD


@pytest.mark.parametrize(
    ("nodes", "jobs", "work"),
    [
        ((HEAD, SMALL), [(1, 0.5)], LONG),
        ((GPUS,), [(1, 0.5)], LONG),
        ((Node("head", 0, 0, 8e9), GPUS), [(1, 0.5)], LONG),
        ((HEAD, GPUS), [(1, 0)], LONG),
        ((HEAD, GPUS), [(1, 0.5)], Work(8, 0, 0, short=False)),
        ((HEAD, GPUS), [(1, 0.5)], Work(1, 0, 32e9, short=False)),
    ],
    ids=["no GPUs", "GPUs everywhere", "a head that works at nothing", "no jobs on GPUs", "many CPUs", "much memory"],
)
def test_where_there_is_nothing_to_decide_it_goes_wherever_there_is_room(nodes, jobs, work):
    assert fill(placing_on(*nodes, jobs=jobs), work) == [("now", None)] * 99


def test_jobs_on_gpus_leave_the_cpus_of_other_nodes_to_others():
    placing = placing_on(HEAD, Node("gpus", 2, 8, 64e9))
    assert fill(placing, TRAINING) == [("now", None)] * 2
    assert fill(placing, SHORT)[:4] == [("now", "head")] * 4
    placing.leave(0)
    assert placing.decide(TRAINING) == ("now", None)
    assert fill(placing_on(Node("gpus", 2, 8, 64e9)), TRAINING) == [("now", None)] * 99


def test_nodes_that_come_and_go_count():
    placing = placing_on(HEAD, GPUS)
    assert placing.decide(LONG) == ("now", HEAD)
    placing.look([SMALL, GPUS])
    assert placing.decide(LONG) == ("now", SMALL)
    placing.look([GPUS])
    assert placing.decide(LONG) == ("now", None)


@pytest.mark.parametrize("work", [Work(8, 0, 0, short=False), Work(1, 0, 64e9, short=True), Work(1, 2, 0, short=False)])
def test_what_no_node_could_hold_waits_even_if_all_together_have_enough(work):
    one_gpu = Node("one", 4, 1, 8e9), Node("another", 4, 1, 8e9)
    assert placing_on(*one_gpu).decide(work) == ("not yet", None)
    assert placing_on(*one_gpu).decide(TRAINING)[0] == "now"
