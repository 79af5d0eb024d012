"""Which stored artifacts were made from a network that is stored no longer."""

import pytest

from harness.run.outdated import outdated_in

JOBS = {
    "data": {"stage": "datasets", "inputs": {}},
    "net": {"stage": "classifiers", "inputs": {"dataset": ["datasets", "data"]}},
    "fit": {"stage": "quantizers", "inputs": {"dataset": ["datasets", "data"], "classifier": ["classifiers", "net"]}},
    "applied": {"stage": "applied", "inputs": {"dataset": ["datasets", "data"], "quantizer": ["quantizers", "fit"]}},
    "cell": {"stage": "cells", "inputs": {"applied": ["applied", "applied"], "classifier": ["classifiers", "net"]}},
    "plain": {"stage": "applied", "inputs": {"dataset": ["datasets", "data"]}},
    "other": {"stage": "cells", "inputs": {"applied": ["applied", "plain"], "classifier": ["classifiers", "net"]}},
    "tuned": {"stage": "classifiers", "inputs": {"classifier": ["classifiers", "net"]}},
    "again": {
        "stage": "cells",
        "inputs": {
            "applied": ["applied", "plain"],
            "classifier": ["classifiers", "tuned"],
            "original": ["classifiers", "net"],
        },
    },
}
SAID = {
    "data": {},
    "net": {"network": "n1", "made_from": {}},
    "fit": {"network": "q1", "made_from": {"classifier": "n1"}},
    "applied": {"made_from": {"quantizer": "q1"}},
    "cell": {"made_from": {"classifier": "n1"}},
    "plain": {"made_from": {}},
    "other": {"made_from": {"classifier": "n1"}},
    "tuned": {"network": "t1", "made_from": {"classifier": "n1"}},
    "again": {"made_from": {"classifier": "t1", "original": "n1"}},
}


NEW = {"made_from": {"classifier": "n2"}}
RETRAINED = ("tuned", "again")


def outdated(changes, cells=("cell", "other", "again"), far=False):
    said = SAID | changes

    def about(stage, key):
        assert JOBS[key]["stage"] == stage
        return said[key]

    found = outdated_in(JOBS, about, cells, far=far)
    return {key: found(key) for key in JOBS if found(key) is not None}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, {}),
        ({"net": {"network": "n2"}}, {}),
        ({"net": {"network": "n2"}, "other": NEW}, dict.fromkeys(["fit", "applied", "cell", *RETRAINED], "net")),
        (
            {"net": {"network": "n2"}, "cell": NEW},
            dict.fromkeys(["fit", "applied", "cell", "other", *RETRAINED], "net"),
        ),
        (
            {"fit": {"network": "q2"} | NEW, "net": {"network": "n2"}},
            {"applied": "fit", "cell": "net", "other": "net"} | dict.fromkeys(RETRAINED, "net"),
        ),
        ({"net": None, "other": NEW}, {}),
        ({"net": {}, "other": NEW}, {}),
        ({"net": {"network": "n2"}, "fit": None, "cell": None, "other": NEW, "tuned": None, "again": None}, {}),
        (
            {"net": {"network": "n2"}, "fit": {"network": "q1"}, "cell": {}, "other": NEW, "tuned": {}, "again": {}},
            {},
        ),
    ],
    ids=[
        "nothing",
        "a classifier that nothing was made from yet",
        "judged anew",
        "judged anew with an old quantizer",
        "fitted anew",
        "gone",
        "an older version's",
        "nothing to compare",
        "made by an older version",
    ],
)
def test_what_was_made_from_another_network_is_found_and_all_that_rests_on_it(changes, found):
    assert outdated(changes) == found


def test_a_classifier_that_was_retrained_from_another_network_is_found():
    changes = {"net": {"network": "n2"}, "again": {"made_from": {"classifier": "t1", "original": "n2"}}}
    assert outdated(changes, cells=["again"]) == dict.fromkeys(["fit", "applied", "cell", "other", *RETRAINED], "net")
    assert outdated(changes, cells=["again"], far=True) == {}, "that would take long"


def test_what_no_finished_cell_rests_on_is_not_read_nor_is_any_network_where_all_agree():
    read = []

    def about(stage, key):
        read.append((stage, key))
        return SAID[key]

    found = outdated_in(JOBS, about, ["other"], far=True)
    assert {found(key) for key in JOBS} == {None}
    assert read == [("cells", "other")]
