"""How long a run still takes, on numbers worked out by hand."""

import pytest

from harness.run.durations import Durations, Kind
from harness.run.estimate import TimeLeft, UnderWay, time_left

NET = Kind("classifiers", "net", "dots", 1, 0.5)
FIT = Kind("quantizers", "learned", "dots", 1, 0.5)
APPLIED = Kind("applied", "learned", "dots", 1, 0)
CELL = Kind("cells", "net", "dots", 1, 0.25)


def measured(**seconds):
    found = Durations()
    for kind, values in ((kind, seconds.get(kind.stage, ())) for kind in (NET, FIT, APPLIED, CELL)):
        for value in values:
            found.add(kind, value)
    return found


@pytest.mark.parametrize(
    ("epochs", "of", "since", "left", "whole"),
    [
        ((), 0, 100, None, None),
        ((9,), 4, 0, 27, 36),
        ((30, 10, 10), 10, 4, 66, 120),  # the first one also compiled
        ((30, 10, 10), 10, 500, 60, 120),  # the epoch under way is late: it ends now, the six after it are to come
        ((1, 90, 90, 10, 10, 10, 10, 10), 9, 0, 10, 241),  # the pace of late is what counts
        ((10, 10), 2, 7, 0, 20),
        ((10, 10, 10), 2, 0, None, None),  # a history of another training
    ],
)
def test_a_training_ends_by_the_pace_of_its_epochs(epochs, of, since, left, whole):
    job = UnderWay(NET, 1e6, epochs, of, since)
    assert (job.left(), job.whole()) == (left, whole)


def test_work_is_spread_over_the_cpus_or_over_the_gpus_whichever_takes_longer():
    known, waiting = measured(classifiers=[60, 100], cells=[4]), {NET: 10, CELL: 40}
    assert time_left([], waiting, known, (4, 0)) == TimeLeft((800 + 160) / 4)
    assert time_left([], waiting, known, (64, 2)) == TimeLeft((0.5 * 800 + 0.25 * 160) / 2)


def test_stages_wait_for_each_other_however_many_cpus_there_are():
    known = measured(quantizers=[50], applied=[7], cells=[4])
    running = [UnderWay(NET, 20, (10, 10), 5, 0), UnderWay(NET, 20, (10, 10), 9, 0)]
    assert time_left(running, {FIT: 2, APPLIED: 2, CELL: 2}, known, (1000, 1000)) == TimeLeft(70 + 50 + 7 + 4)
    assert time_left(running, {}, known, (1000, 1000)) == TimeLeft(70)


def test_what_nothing_is_known_of_is_not_counted_and_named():
    known = measured(applied=[7])
    left = time_left([UnderWay(NET, 360)], {FIT: 2, APPLIED: 2}, known, (1, 0))
    assert left == TimeLeft(14, ("classifiers", "quantizers"))
    assert str(left) == "at least 14 s left, not counting classifiers and quantizers"
    assert left.known
    assert not time_left([UnderWay(NET, 360)], {}, known, (1, 0)).known


def test_a_job_far_beyond_what_is_usual_is_not_expected_to_end_any_moment():
    known = measured(applied=[10])
    lefts = [time_left([UnderWay(APPLIED, gone)], {}, known, (1, 0)) for gone in (4, 15, 21)]
    assert lefts == [TimeLeft(6), TimeLeft(0), TimeLeft(0, ("applied",))]


def test_a_kind_is_judged_by_the_nearest_that_was_measured():
    elsewhere = Kind("quantizers", "learned", "photos", 1, 0.5)
    other = Kind("quantizers", "other", "dots", 1, 0.5)
    known = Durations()
    assert known.usual(FIT) is None
    known.add(other, 100)
    assert known.usual(FIT) == 100
    known.add(elsewhere, 10)
    assert known.usual(FIT) == 10
    known.add(FIT, 1)
    known.add(FIT, 3)
    assert [known.usual(kind) for kind in (FIT, elsewhere, other)] == [2, 10, 100]
    assert known.usual(CELL) is None


def test_trainings_under_way_are_measures_for_those_to_come():
    running = [UnderWay(NET, 30, (10, 10, 10), 10, 0)]
    assert time_left(running, {NET: 2}, Durations(), (1, 0)) == TimeLeft(70 + 2 * 100)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.6, "about 1 s left"), (59.6, "about 1 min 0 s left"), (7300, "about 2 h 1 min left")]
)
def test_in_words(seconds, shown):
    assert str(TimeLeft(seconds)) == shown
