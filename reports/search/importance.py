"""How much of the accuracies' variance each searched parameter explains by itself (fANOVA; Hutter et al. 2014)."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

from harness.contracts import SearchResult, Trial
from reports.search.axes import domain
from reports.sweeps import identity, is_number

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FEWEST_TRIALS = 8
_SEED = 0


def importances(searched: SearchResult) -> tuple[tuple[str, float], ...]:
    """Parameters with their shares of what single parameters explain, greatest first; shares add up to 1.

    Empty where there is nothing to tell: fewer than two parameters that were varied, fewer than ``FEWEST_TRIALS``
    trials within the space that have an accuracy, or the same accuracy everywhere.
    """
    trials = judged(searched)
    varied = [name for name in searched.space if len({identity(trial.chosen[name]) for trial in trials}) > 1]
    if len(trials) < FEWEST_TRIALS or len(varied) < 2 or len({trial.accuracy for trial in trials}) < 2:
        return ()
    shares = _fanova(searched, trials, varied)
    return tuple(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def judged(searched: SearchResult) -> list[Trial]:
    """The trials that importance is computed from: those with an accuracy whose values are all within the space."""
    return [
        trial
        for trial in searched.trials
        if trial.accuracy is not None and all(_within(searched, name, trial) for name in searched.space)
    ]


def _within(searched: SearchResult, name: str, trial: Trial) -> bool:
    kind, values = domain(searched, name)
    value = trial.chosen.get(name)
    if kind in ("choice", "grid"):
        return identity(value) in map(identity, values)
    return is_number(value) and values[0] <= float(value or 0) <= values[1]


def _fanova(searched: SearchResult, trials: list[Trial], varied: list[str]) -> dict[str, float]:
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(_SEED))
            for trial in trials:
                study.add_trial(
                    optuna.trial.create_trial(
                        params={name: _value(searched, name, trial) for name in varied},
                        distributions={name: _distribution(searched, name) for name in varied},
                        value=trial.accuracy,
                    )
                )
            explained = optuna.importance.FanovaImportanceEvaluator(seed=_SEED).evaluate(study)
    finally:
        optuna.logging.set_verbosity(verbosity)
    total = sum(explained.values())
    return {name: float(part / total) for name, part in explained.items()} if total > 0 else {}


def _value(searched: SearchResult, name: str, trial: Trial) -> str | float | int:
    kind, values = domain(searched, name)
    value = trial.chosen[name]
    if kind in ("choice", "grid"):
        return identity(value)
    if kind == "loguniform":
        return min(max(math.log10(value), math.log10(values[0])), math.log10(values[1]))
    return int(value) if kind == "randint" else float(value)


def _distribution(searched: SearchResult, name: str) -> BaseDistribution:
    """What values were drawn from. Logarithms are taken here: optuna's fANOVA weighs log scales as plain ones."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    kind, values = domain(searched, name)
    if kind in ("choice", "grid"):
        return CategoricalDistribution([identity(value) for value in values])
    low, high = values
    if kind == "randint":
        return IntDistribution(low, high)
    if kind == "loguniform":
        return FloatDistribution(math.log10(low), math.log10(high))
    return FloatDistribution(low, high)
