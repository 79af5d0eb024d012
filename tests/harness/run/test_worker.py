from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.run import worker
from harness.run.losses import ASKED_TO_END, NODE_LOST, OUT_OF_MEMORY
from harness.run.schedule import JobResult
from harness.run.worker import plainly
from harness.work.bucket import StoreUnreachable


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


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("The actor died because its node has died. Node Id: 7", NODE_LOST),
        ("Task was killed due to the node running low on memory.", OUT_OF_MEMORY),
        ("Worker exits: it receives a SIGTERM. Some common causes include: ...", ASKED_TO_END),
        ("Worker exits: end of file. Some common causes include: SIGTERM", "its worker process died"),
    ],
)
def test_so_is_what_it_says_of_an_actor_whatever_that_died_of(said: str, words: str) -> None:
    exceptions = pytest.importorskip("ray.exceptions")
    error = exceptions.ActorDiedError()
    error.error_msg = said
    assert plainly(error) == words


def test_any_other_error_is_told_by_its_last_line() -> None:
    assert plainly(ValueError("first\nlast \x1b[1m")) == "ValueError: last \\x1b[1m"


@pytest.fixture
def result_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """How a job ends that raises ``error``. stored: what the store then says of its artifact, or raises."""

    def result(error: BaseException, stored: bool | Exception = False) -> JobResult:
        answers: list[bool | Exception] = [False, stored]

        def has(_stage: str, _key: str) -> bool:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        def run_job(_job: Any, _context: Any) -> None:
            raise error

        monkeypatch.setattr(worker, "open_store", lambda _place: SimpleNamespace(has=has))
        monkeypatch.setattr(worker, "run_job", run_job)
        monkeypatch.setattr(worker, "_host", lambda: "host")
        driver: Any = SimpleNamespace(store="s3://x", enter=lambda _on_gpu: None)
        job: Any = SimpleNamespace(stage="cells", key="a" * 64)
        return worker._job_result(job, driver, on_gpu=False)

    return result


def away() -> StoreUnreachable:
    return StoreUnreachable("s3://x cannot be reached")


def raised(error: Exception, *, cause: Exception | None = None, context: Exception | None = None) -> Exception:
    error.__cause__, error.__context__ = cause, context
    return error


@pytest.mark.parametrize(
    ("error", "unreachable"),
    [
        (away(), True),
        (raised(ValueError("no batch"), cause=away()), True),
        (raised(ValueError("no batch"), cause=KeyError("x"), context=raised(OSError("gone"), context=away())), True),
        (raised(ValueError("no batch"), context=KeyError("x")), False),
    ],
)
def test_a_job_says_whether_it_ended_as_the_store_could_not_be_reached(
    result_of: Any, error: Exception, unreachable: bool
) -> None:
    result = result_of(error)
    assert not result.ok
    assert result.store_unreachable is unreachable
    again = result_of(error, stored=away())
    assert again.store_unreachable
    assert again.message == result.message


def test_a_job_whose_artifact_was_stored_all_the_same_is_done(result_of: Any) -> None:
    assert result_of(away(), stored=True).ok
