"""How long jobs take, as a store keeps it from run to run."""

import pytest

from harness.run.durations import GUESSED, KEPT, MOST_KEPT, Durations, Kind
from harness.work.store import Store

FIT = Kind("quantizers", "learned", "dots", 1, 0.5, epochs=10)
APPLIED = Kind("applied", "learned", "dots", 1, 0.0)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def kept(store, *measured):
    run = Durations()
    for kind, seconds in measured:
        run.add(kind, seconds)
    run.keep_in(store)
    return Durations.kept_in(store)


def test_a_store_keeps_the_mean_over_runs(store):
    kept(store, (FIT, 100), (APPLIED, 3))
    found = kept(store, (FIT, 200), (FIT, 300))
    assert (found.usual(FIT), found.usual(APPLIED)) == (200, 3)


def test_a_training_is_expected_to_take_as_long_as_its_epochs(store):
    found = kept(store, (FIT, 100))
    longer = Kind("quantizers", "learned", "photos", 1, 0.5, epochs=60)
    assert found.usual(longer) == 600
    found.add(longer, 60)
    assert found.usual(longer) == 60
    assert found.usual(Kind("quantizers", "other", "dots", 1, 0.5, epochs=7)) == pytest.approx(7 * 160 / 70)


def test_where_nothing_was_measured_it_is_guessed():
    assert Durations().expected(FIT) == 10 * GUESSED["quantizers"]
    assert Durations().expected(APPLIED) == GUESSED["applied"]


DAMAGED = [
    b"",
    b"{",
    b"[" * 100_000,
    b'{"kinds": 3}',
    b'{"kinds": {}}',
    b'{"kinds": [], "sha256": "0"}',
    *(
        b'{"kinds": [%s]}' % row
        for row in (
            b"[1]",
            b'["applied", "m", "d", 1.0, 0.0, 1e999, 1.0, 1]',
            b'["applied", "m", "d", 1.0, 0.0, 0, 1e999, 1]',
            b'["applied", "m", "d", 1.0, 0.0, 0, NaN, 1]',
            b'["applied", "m", "d", 1.0, 0.0, 0, -1.0, 1]',
            b'["applied", "m", "d", 1.0, 0.0, 0, 1.0, 1%s]' % (b"0" * 400),
            b'["applied", "m", "d", 1.0, 0.0, 0, 1.0, 0]',
            b'["applied", ["m"], "d", 1.0, 0.0, 0, 1.0, 1]',
            b'["elsewhere", "m", "d", 1.0, 0.0, 0, 1.0, 1]',
        )
    ),
]


@pytest.mark.parametrize("content", DAMAGED)
def test_what_cannot_be_read_is_as_if_it_were_not_there(store, content):
    store.write_note(KEPT, content)
    assert len(Durations.kept_in(store)) == 0
    assert kept(store, (FIT, 100)).usual(FIT) == 100


def test_a_damaged_row_costs_only_itself(store):
    store.write_note(KEPT, b'{"kinds": [[1], ["applied", "learned", "dots", 1.0, 0.0, 0, 6.0, 2]]}')
    assert Durations.kept_in(store).usual(APPLIED) == 3


def test_those_not_seen_for_longest_are_dropped(store):
    kinds = [Kind("applied", f"method-{n}", "dots", 1, 0.0) for n in range(MOST_KEPT + 1)]
    kept(store, *((kind, 1.0) for kind in kinds[:MOST_KEPT]))
    found = kept(store, (kinds[0], 1.0), (kinds[-1], 1.0))
    assert len(found) == MOST_KEPT
    again = Durations.kept_in(store)
    assert {kind for kind in kinds if kind in again} == {*kinds} - {kinds[1]}
