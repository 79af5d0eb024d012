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
}
SAID = {
    "data": {},
    "net": {"network": "n1", "made_from": {}},
    "fit": {"network": "q1", "made_from": {"classifier": "n1"}},
    "applied": {"made_from": {"quantizer": "q1"}},
    "cell": {"made_from": {"classifier": "n1"}},
    "plain": {"made_from": {}},
    "other": {"made_from": {"classifier": "n1"}},
}


NEW = {"made_from": {"classifier": "n2"}}


def outdated(changes):
    said = SAID | changes
    found = outdated_in(JOBS, lambda stage, key: said[key] if JOBS[key]["stage"] == stage else pytest.fail("no such"))
    return {key: found(key) for key in JOBS if found(key) is not None}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, {}),
        ({"net": {"network": "n2"}}, {}),
        ({"net": {"network": "n2"}, "other": NEW}, dict.fromkeys(["fit", "applied", "cell"], "net")),
        ({"net": {"network": "n2"}, "cell": NEW}, dict.fromkeys(["fit", "applied", "cell", "other"], "net")),
        (
            {"fit": {"network": "q2"} | NEW, "net": {"network": "n2"}},
            {"applied": "fit", "cell": "net", "other": "net"},
        ),
        ({"net": None, "other": NEW}, {}),
        ({"net": {}, "other": NEW}, {}),
        ({"net": {"network": "n2"}, "fit": None, "cell": None, "other": NEW}, {}),
        ({"net": {"network": "n2"}, "fit": {"network": "q1"}, "cell": {}, "other": NEW}, {}),
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


def test_no_classifier_is_read_where_all_agree():
    def about(stage, key):
        assert stage != "classifiers"
        return SAID[key]

    assert {outdated_in(JOBS, about)(key) for key in JOBS} == {None}
