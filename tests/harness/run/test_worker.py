from __future__ import annotations

import pytest

from harness.run.worker import NODE_LOST, plainly


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("WorkerCrashedError", "its worker process died"),
        ("NodeDiedError", NODE_LOST),
        ("LocalRayletDiedError", NODE_LOST),
    ],
)
def test_what_ray_says_of_a_loss_is_told_in_words(name: str, words: str) -> None:
    exceptions = pytest.importorskip("ray.exceptions")
    error = getattr(exceptions, name)
    assert plainly(error("no matter") if name == "NodeDiedError" else error()) == words


def test_any_other_error_is_told_by_its_last_line() -> None:
    assert plainly(ValueError("first\nlast \x1b[1m")) == "ValueError: last \\x1b[1m"
