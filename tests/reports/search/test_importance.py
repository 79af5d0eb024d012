"""Parameter importance, held against a plain decomposition of variance on complete grids."""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pytest

from harness.contracts import SearchResult
from reports.search.importance import importances, judged

if TYPE_CHECKING:
    from tests.reports.conftest import Searches

TWO = {"gamma": {"loguniform": [0.01, 100.0]}, "xi": {"uniform": [0.0, 2.0]}}


def grid(
    searches: type[Searches], space: Mapping[str, Any], values: Sequence[Sequence[Any]], accuracy: Callable[..., float]
) -> SearchResult:
    trials = [
        searches.trial(number, accuracy(*point), dict(zip(space, point, strict=True)))
        for number, point in enumerate(itertools.product(*values))
    ]
    return searches.of(trials, space=space, start=dict(trials[0].chosen))


def main_effects(searched: SearchResult) -> dict[str, float]:
    """Variance of the mean accuracy at each value of one parameter, as a share of what all of them explain."""
    explained = {}
    for name in searched.space:
        by_value: dict[Any, list[float]] = {}
        for trial in searched.trials:
            by_value.setdefault(trial.chosen[name], []).append(trial.accuracy or 0.0)
        explained[name] = float(np.var([np.mean(found) for found in by_value.values()]))
    return {name: part / sum(explained.values()) for name, part in explained.items()}


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.5, 0.5), (0.2, 0.6)])
def test_shares_are_those_of_a_decomposition_of_variance(
    searches: type[Searches], weights: tuple[float, float]
) -> None:
    a, b = weights
    found = grid(
        searches,
        TWO,
        (np.geomspace(0.01, 100, 9).tolist(), np.linspace(0, 2, 9).tolist()),
        lambda gamma, xi: 0.2 + 0.1 * a * (np.log10(gamma) + 2) / 4 + 0.1 * b * xi / 2,
    )
    shares, expected = dict(importances(found)), main_effects(found)
    assert sum(shares.values()) == pytest.approx(1)
    for name in TWO:
        assert shares[name] == pytest.approx(expected[name], abs=0.06)


def test_a_log_scale_counts_as_one(searches: type[Searches]) -> None:
    """Accuracy changes at gamma 0.1 only: a fifth of a log axis, next to nothing of a plain one."""
    values = (np.geomspace(0.01, 100, 12).tolist(), np.linspace(0, 2, 6).tolist())
    found = grid(searches, TWO, values, lambda gamma, xi: 0.2 + 0.2 * (gamma > 0.1) + 0.05 * xi)
    plain = replace(found, space=TWO | {"gamma": {"uniform": [0.01, 100.0]}})
    assert dict(importances(found))["gamma"] == pytest.approx(main_effects(found)["gamma"], abs=0.12)
    assert dict(importances(plain))["gamma"] < 0.2


def test_choices_and_whole_numbers_are_taken_as_they_are(searches: type[Searches]) -> None:
    space = {"net": {"choice": ["a", None, [1, 2]]}, "depth": {"randint": [1, 4]}, "on": {"grid": [True, 1]}}
    values = (["a", None, [1, 2]], [1, 2, 3, 4], [True, 1])
    found = grid(searches, space, values, lambda net, depth, _: 0.5 + 0.2 * (net is None) + 0.01 * depth)
    (first, share), *rest = importances(found)
    assert first == "net"
    assert share > 0.9
    assert {name for name, _ in rest} == {"depth", "on"}


def test_where_there_is_nothing_to_tell(searches: type[Searches]) -> None:
    trials = searches.drawn(40)
    whole = searches.of(trials)
    assert {name for name, _ in importances(whole)} == set(whole.space)
    measured = [trial for trial in trials if trial.accuracy is not None]
    assert importances(replace(whole, trials=tuple(measured[:8]))) != ()
    assert importances(replace(whole, trials=tuple(measured[:7]))) == ()
    assert importances(replace(whole, trials=tuple(replace(t, accuracy=0.5) for t in measured))) == ()
    assert importances(replace(whole, space={"gamma": whole.space["gamma"]})) == (), "one parameter explains all"
    same = tuple(replace(t, chosen={**t.chosen, "xi": 1.0, "backbone": "unet"}) for t in measured)
    assert importances(replace(whole, trials=same)) == (), "only one was varied"
    assert importances(replace(whole, trials=())) == ()


def test_a_start_outside_the_space_is_left_out(searches: type[Searches]) -> None:
    trials = searches.drawn(40)
    space = {"gamma": {"loguniform": [10.0, 100.0]}, "backbone": {"choice": ["dncnn"]}}
    inside = [
        t for t in trials if t.accuracy is not None and t.chosen["gamma"] >= 10 and t.chosen["backbone"] == "dncnn"
    ]
    assert judged(searches.of(trials, space=space)) == inside
    nameless = replace(trials[0], chosen={"gamma": None, "backbone": "dncnn"})
    assert judged(searches.of([nameless], space=space)) == []


def test_it_is_silent_and_the_same_every_time(searches: type[Searches], capfd: pytest.CaptureFixture[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    found = searches.of(searches.drawn(30))
    assert importances(found) == importances(found) != ()
    assert optuna.logging.get_verbosity() == logging.INFO, "as it was before"
    assert capfd.readouterr() == ("", "")


def test_neither_torch_nor_ray_is_needed() -> None:
    code = (
        "import sys, reports.page; assert 'optuna' not in sys.modules; import optuna.importance; "
        "sys.exit(bool({'torch', 'ray'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
