"""What Tune asks along the way, and what is shown of it."""

import io
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console

from harness.contracts import VALIDATION_ACCURACY
from harness.run.losses import ASKED_TO_END, BLAMELESS_RETRIES, NODE_LOST, PAUSE_SECONDS, PROCESS_DIED, RETRIES
from harness.run.marks import Worker
from harness.search.hooks import (
    CURRENT,
    MAX_INITIAL_FAILURES,
    RETRIED,
    Budget,
    InOrder,
    Rungs,
    RunningSearch,
    TrialEvents,
    mark_of,
    pause_of,
    write_list,
)
from harness.search.progress import SearchProgress
from harness.search.table import TrialTable
from harness.spec.schema import SearchSettings


class Board(dict):
    """What workers write, in this process."""

    def read(self, name):
        return self.get(name, "")

    write = dict.__setitem__

    def remove(self, name):
        self.pop(name, None)


def session_in(folder, listener=lambda *_: None, count=20):
    """A session of a search in which so many trials were drawn."""
    table = TrialTable.read(folder / "trials.json", ("loss", "rate"))
    while len(table.rows) < count:
        table.draw({"loss": "a", "rate": 0.5})
    return RunningSearch(folder, listener, table, Board(), numbers={str(number): number for number in range(count)})


@pytest.fixture
def told(tmp_path):
    """Everything the listener of a search hears."""
    heard = []
    token = CURRENT.set(session_in(tmp_path, lambda *what: heard.append(what)))
    yield heard
    CURRENT.reset(token)


def drawn(number, over=True, **last):
    config = {"loss": "a", "rate": 0.5}
    return SimpleNamespace(
        trial_id=str(number),
        config=config,
        last_result=last,
        is_finished=lambda: over,
    )


@pytest.mark.usefixtures("told")
def test_a_search_is_hopeless_when_its_first_trials_have_all_failed_however_they_began():
    budget = Budget(None)
    for number in range(MAX_INITIAL_FAILURES):
        assert not budget.stop_all()
        budget(str(number), {"validation_accuracy": 0.9})
        budget(str(number), {"error": "ValueError"})
    assert budget.stop_all()


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("sound", range(MAX_INITIAL_FAILURES))
def test_one_sound_trial_among_the_first_is_hope(sound):
    budget = Budget(None)
    for number in range(3 * MAX_INITIAL_FAILURES):
        budget(str(number), {"validation_accuracy": 0.9} if number == sound else {"error": "ValueError"})
    assert not budget.stop_all()


@pytest.mark.usefixtures("told")
def test_trials_whose_workers_keep_dying_are_failures_too_whether_they_reported_or_not():
    budget, callback = Budget(None), TrialEvents()
    for number in range(MAX_INITIAL_FAILURES):
        assert not budget.stop_all()
        if number % 2:
            budget(str(number), {"validation_accuracy": 0.9})
        callback.on_trial_error(0, [], drawn(number))
    assert budget.stop_all()
    token = CURRENT.set(session_in(CURRENT.get().folder))
    assert Budget(None).stop_all(), "a search that goes on knows what was lost before"
    CURRENT.reset(token)


DIED = "The actor is dead because its worker process has died. Worker exit detail: Worker exits: end of file."
ASKED = "The actor is dead because its worker process has died. Worker exit detail: Worker exits: it got a SIGTERM."
NODE = "The actor died because its node has died. Node Id: 7"
STARTING = "before it came to the job or with its node"


def lose(trial, losses):
    """Loses a trial's worker again and again: (epochs by then, Ray's words, whether it had come to its job)."""
    callback, ended, pauses = TrialEvents(), [], []
    trial.status = trial.PENDING = "PENDING"
    tune = SimpleNamespace(get_trials=lambda: [trial], stop_trial=ended.append)
    for epochs, said, *begun in losses:
        session = replace(CURRENT.get(), epochs_of={3: epochs}.get)
        token = CURRENT.set(session)
        with mark_of(session.board, trial.trial_id).working(Worker("7", "far/7", "/log")) as at_a_job:
            if begun != [False]:
                at_a_job()
        with trial.error_file.open("a") as file:
            file.write(f"Failure # 1 (occurred at noon)\nThe actor died\n{said} Some common causes include: SIGTERM\n")
        callback.on_trial_recover(0, [trial], trial)
        pauses.append(float(session.board.pop(pause_of(trial.trial_id), 0)))
        assert not session.board, "the worker is gone"
        assert InOrder().choose_trial_to_run(tune) is trial
        CURRENT.reset(token)
    callback.on_trial_complete(0, [trial], trial)
    return ended, pauses


@pytest.mark.parametrize(
    ("losses", "given_up"),
    [
        ([(2, DIED)] * RETRIES, ""),
        ([(2, DIED)] * (RETRIES + 1), f"5 times at the same place: {PROCESS_DIED}"),
        ([(2, DIED)] * RETRIES + [(3, DIED)] * RETRIES, ""),
        ([(epoch, DIED) for epoch in range(3 * RETRIES)], ""),
        ([(2, ASKED)] * 3 * BLAMELESS_RETRIES, ""),
        ([(2, DIED), (2, ASKED)] * RETRIES, ""),
        ([(2, ASKED), (2, DIED)] * (RETRIES + 1), f"5 times at the same place: {PROCESS_DIED}"),
        ([(2, NODE)] * BLAMELESS_RETRIES, ""),
        ([(2, NODE)] * (BLAMELESS_RETRIES + 1), f"12 times, {STARTING}: {NODE_LOST}"),
        ([(0, DIED, False)] * BLAMELESS_RETRIES, ""),
        ([(0, DIED, False)] * (BLAMELESS_RETRIES + 1), f"12 times, {STARTING}: {PROCESS_DIED}"),
        ([(2, NODE)] * BLAMELESS_RETRIES + [(2, DIED)] * RETRIES, ""),
    ],
)
def test_a_trial_is_given_up_after_as_many_losses_as_a_job_of_a_run(told, tmp_path, losses, given_up):
    trial = drawn(3, over=False)
    trial.error_file = tmp_path / "error.txt"
    ended, pauses = lose(trial, losses)
    row = CURRENT.get().table.rows[3]
    assert (row.state == "lost", ended) == (bool(given_up), [trial] if given_up else [])
    assert row.error == (f"its worker process was lost {given_up}" if given_up else "")
    retried = ["retried"] * (len(losses) - bool(given_up))
    assert [what for what, *_ in told] == [*retried, "lost" if given_up else "ended"]
    assert told[-1][2]["reason"] == row.error
    assert pauses[:2] == [PAUSE_SECONDS, PAUSE_SECONDS * (1 if losses[0][0] != losses[1][0] else 2)]
    assert (pauses[-1] == 0) == bool(given_up)


def test_why_a_trial_is_run_again_is_said_as_in_a_run(told, tmp_path):
    trial = drawn(3, over=False)
    trial.error_file = tmp_path / "error.txt"
    lose(trial, [(2, DIED), (2, NODE), (2, ASKED), (2, DIED)])
    TrialEvents().on_trial_result(0, [trial], trial, {RETRIED: "the store could not be reached; retry 1 of 11"})
    assert [what["reason"] for kind, _, what, _ in told if kind == "retried"] == [
        f"{PROCESS_DIED}; retry 1 of 4",
        f"{NODE_LOST}; retry 1 of 11",
        f"{ASKED_TO_END}; run again",
        f"{PROCESS_DIED}; retry 2 of 4",
        "the store could not be reached; retry 1 of 11",
    ]


@pytest.mark.usefixtures("told")
def test_seconds_of_earlier_sessions_count_wherever_the_search_lies_now():
    write_list(CURRENT.get().spent, [99])
    assert not Budget(100).stop_all()
    write_list(CURRENT.get().spent, [101])
    assert Budget(100).stop_all()


@pytest.mark.usefixtures("told")
def test_a_search_that_goes_on_measures_its_trials_against_those_before():
    def session():
        rungs = Rungs(2)
        rungs.set_search_properties(VALIDATION_ACCURACY, "max")
        return rungs

    def judge(rungs, number, accuracy):
        rungs.on_trial_add(None, drawn(number))
        return rungs.on_trial_result(None, drawn(number), {"cycles": 1, VALIDATION_ACCURACY: accuracy})

    def stopped():
        return [row.number for row in CURRENT.get().table.rows if row.state == "stopped"]

    before = session()
    assert [judge(before, number, accuracy) for number, accuracy in enumerate((0.9, 0.8))] == ["CONTINUE", "STOP"]
    assert stopped() == [1]
    goes_on = session()
    assert judge(goes_on, 2, 0.7) == "STOP", "of an empty rung it would be the best"
    assert judge(goes_on, 0, 0.1) == "CONTINUE", "it was judged here before"
    assert judge(goes_on, 3, 0.95) == "CONTINUE"
    assert stopped() == [1, 2]


def test_what_ended_in_an_earlier_session_is_told_once_and_counts(told):
    callback, third = TrialEvents(), drawn(2, over=False, epoch=1)
    for number in (0, 1):
        CURRENT.get().table.end(number, "ended")
    callback.on_trial_start(0, [third], third)
    callback.on_trial_complete(0, [third], third)
    assert [(what, number, ended) for what, number, _, ended in told] == [
        ("earlier", 0, 2), ("earlier", 1, 2), ("started", 2, 2), ("ended", 2, 3)
    ]  # fmt: skip


def test_progress_shows_the_values_drawn_even_where_a_metric_has_the_same_name():
    screen = Console(file=io.StringIO(), width=200)
    search = SimpleNamespace(space={"loss": None}, first=SimpleNamespace(name="toy"), count=lambda _: 3)
    progress = SearchProgress(screen, search, SearchSettings())
    report = {"config": {"loss": "hinge"}, "loss": 0.25, "validation_accuracy": 0.5, "finished": True}
    progress("earlier", 0, report | {"validation_accuracy": 0.75}, 1)
    progress("ended", 1, report, 2)
    progress("retried", 2, report | {"reason": "gone; retry 1 of 4"}, 2)
    assert screen.file.getvalue().count("\n") == 2
    assert "trial 2 is run again: gone; retry 1 of 4" in screen.file.getvalue()
    assert "2/3: trial 1 (loss=hinge) finished, 50.0 %; best so far: trial 0, 75.0 %" in screen.file.getvalue()
