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


def outdated(changes):
    said = SAID | changes
    found = outdated_in(JOBS, lambda stage, key: said[key] if JOBS[key]["stage"] == stage else pytest.fail("no such"))
    return {key: found(key) for key in JOBS if found(key) is not None}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, {}),
        ({"net": {"network": "n2"}}, dict.fromkeys(["fit", "applied", "cell", "other"], "net")),
        ({"fit": {"network": "q2", "made_from": {"classifier": "n1"}}}, dict.fromkeys(["applied", "cell"], "fit")),
        (
            {"net": {"network": "n2"}, "cell": {"made_from": {"classifier": "n2"}}, "other": {"made_from": {}}},
            dict.fromkeys(["fit", "applied", "cell"], "net"),
        ),
        ({"net": None}, {}),
        ({"net": {"network": "n2"}, "fit": None, "cell": None, "other": None}, {}),
        ({"net": {}}, {}),
        ({"cell": {}, "other": {}, "net": {"network": "n2"}, "fit": {"network": "q1"}}, {}),
    ],
    ids=[
        "none",
        "a classifier",
        "a quantizer",
        "judged anew",
        "gone",
        "nothing to compare",
        "older net",
        "older cells",
    ],
)
def test_what_was_made_from_another_network_is_found_and_all_that_rests_on_it(changes, found):
    assert outdated(changes) == found
