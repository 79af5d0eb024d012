"""A search in sentences: what was tried, what it cost, which trial is best, and how the winner compared."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from harness.contracts import SearchResult, Trial, TrialStatus
from reports.points import Comparison, Point, Task
from reports.records import level_words, task_name
from reports.search.axes import domain
from reports.story import compared
from reports.sweeps import identity, in_words
from reports.wording import listing, percent

SAID: Mapping[TrialStatus, str] = {
    "finished": "finished",
    "stopped": "stopped early",
    "unfinished": "unfinished when the budget ended",
    "failed": "failed",
}
_ALGORITHMS = {"optuna": "TPE (Optuna)", "random": "random search", "grid": "the whole grid"}
_SCHEDULERS = {"asha": "ASHA stopping trials that lag behind", "none": "no trial stopped early"}
_HOUR = 3600


def title(searched: SearchResult) -> str:
    """``colorcnn at 2 colors on digits × alexnet``."""
    task = task_name(searched.dataset, searched.classifier)
    return f"{searched.variant} at {level_words('colors', searched.level)} on {task}"


def sentences(searched: SearchResult) -> tuple[tuple[str, str], ...]:
    """What was searched and how, what it cost, what came out of it, how far to trust that: (about what, sentence)."""
    sentences = (
        ("Searched", _how(searched)),
        ("Trials", _trials(searched)),
        ("Cost", _cost(searched)),
        ("Best", _best(searched)),
        ("Caution", _caveat(searched)),
    )
    return tuple((about, sentence) for about, sentence in sentences if sentence)


def settings(values: Mapping[str, Any]) -> str:
    """``gamma 1, backbone unet``."""
    return ", ".join(f"{name} {in_words(value)}" for name, value in values.items())


def trial_of(searched: SearchResult, wanted: int | None) -> Trial | None:
    return next((trial for trial in searched.trials if trial.number == wanted), None)


def _how(searched: SearchResult) -> str:
    algorithm = _ALGORITHMS.get(searched.algorithm, searched.algorithm)
    scheduler = _SCHEDULERS.get(searched.scheduler, searched.scheduler)
    space = listing([_space(searched, parameter) for parameter in searched.space])
    return f"{space}; by {algorithm}, {scheduler}, seed {searched.seed}."


def _space(searched: SearchResult, parameter: str) -> str:
    kind, values = domain(searched, parameter)
    if kind in ("choice", "grid"):
        return f"{parameter} among {', '.join(map(in_words, values))}"
    low, high = map(in_words, values)
    how = {"loguniform": " on a log scale", "randint": " in whole numbers"}.get(kind, "")
    return f"{parameter} from {low} to {high}{how}"


def _trials(searched: SearchResult) -> str:
    if not searched.trials:
        return "No trial was started."
    met = Counter(trial.status for trial in searched.trials)
    ended = listing([f"{met[status]} {words}" for status, words in SAID.items() if met[status]])
    return (
        f"{_counted(len(searched.trials), 'trial')}: {ended}. Each learned from {searched.train:,} training images and "
        f"was judged on {searched.validation:,} others, held out from both quantizer and classifier; of their "
        f"originals the classifier recognizes {percent(searched.classifier_accuracy)}."
    )


def _cost(searched: SearchResult) -> str:
    trainings = {trial.key or trial.number: trial for trial in searched.trials}.values()  # drawn twice, trained once
    seconds = sum(trial.seconds for trial in trainings)
    if not searched.trials or not math.isfinite(seconds):
        return ""
    share, kind = (searched.gpus, "GPU hours") if searched.gpus > 0 else (searched.cpus, "CPU-core hours")
    epochs = sum(trial.epochs for trial in trainings)
    cost = f"{_counted(epochs, 'epoch')} and {_hours(share * seconds / _HOUR)} {kind} ({searched.device})"
    if searched.classifier_seconds:
        cost += f", and {_hours(share * searched.classifier_seconds / _HOUR)} for the classifier it was made with"
    return f"{cost}."


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _hours(hours: float) -> str:
    """``0.021``, ``1.7``, ``350``: two significant digits, and no fraction of what is long."""
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


def _best(searched: SearchResult) -> str:
    best, start = trial_of(searched, searched.best), trial_of(searched, 0)
    if best is None:
        return "No trial finished, so the search chose nothing." if searched.trials else ""
    accuracy = math.nan if best.accuracy is None else best.accuracy
    equals = sum(t.status == "finished" and t.accuracy == best.accuracy for t in searched.trials) - 1
    shared = (
        f" (and so do {equals} more; the first counts)" if equals > 1 else " (and so does one more; the first counts)"
    )
    said = f" ({settings(best.chosen)}) with {percent(accuracy)}{shared if equals else ''}"
    if best.number == 0:
        return f"Of the finished trials, trial 0, {searched.start_words}, is best{said}."
    sentence = f"Of the finished trials, trial {best.number} is best{said}"
    return f"{sentence}; trial 0, {searched.start_words} ({settings(searched.start)}), {_fared(start)}."


def _fared(trial: Trial | None) -> str:
    if trial is None:
        return "was not tried"
    accuracy = "no accuracy" if trial.accuracy is None else percent(trial.accuracy)
    if trial.status == "finished":
        return f"has {accuracy}"
    return f"{SAID[trial.status]}, had {accuracy} after {_counted(trial.epochs, 'epoch')}".replace(
        "stopped", "was stopped"
    )


def _caveat(searched: SearchResult) -> str:
    measured = sum(trial.accuracy is not None for trial in searched.trials)
    if searched.best is None or measured < 2:
        return ""
    return (
        f"The best of {measured} looks better than it is, because it was chosen by these same accuracies. What decides "
        "is the comparison on test images, with classifier and quantizer trained again on all training images with "
        "fresh seeds."
    )


def outcome(searched: SearchResult, tasks: Sequence[Task]) -> str:
    """What became of the winner in the final comparison."""
    best = trial_of(searched, searched.best)
    if best is None:
        return "Nothing was found: no trial finished, so there is no winner to compare."
    if best.number == 0:
        return f"Trial 0, {searched.start_words}, won the search, so there is nothing to compare."
    task = next((task for task in tasks if _is_of(searched, task)), None)
    winner = _point(searched, best.chosen, task)
    start = _point(searched, searched.start, task)
    if task is None or winner is None:
        return "The winner is not among the cells of this run."
    if not winner.ok:
        return (
            f"The winner, {winner.variant}, has no finished cell: {winner.status}, {winner.error or 'no reason given'}."
        )
    for comparison in task.comparisons:
        if (comparison.variant_a, comparison.level_kind, comparison.level) == _place(winner):
            return f"{_roles(searched, comparison, start)} {compared(comparison)}"
    kept = f"The winner, {winner.variant}, keeps {percent(winner.accuracy)} of the test images recognized"
    if start is None or not start.ok:
        return f"{kept}; there is no finished cell of {searched.start_words}, so nothing was tested."
    return f"{kept}, {searched.start_words} {percent(start.accuracy)}; nothing was tested."


def _is_of(searched: SearchResult, task: Task) -> bool:
    """Whether the search was for this task, whose names may lack a parameter that tells it from others searched."""
    pairs = (task.dataset, searched.dataset), (task.classifier, searched.classifier)
    return task.judge == "frozen" and all(set(name.split()) <= set(fuller.split()) for name, fuller in pairs)


def _place(point: Point) -> tuple[Any, ...]:
    return point.variant, point.level_kind, point.level


def _roles(searched: SearchResult, comparison: Comparison, start: Point | None) -> str:
    winner = f"The winner is {comparison.variant_a}"
    if start is not None and start.variant == comparison.variant_b:
        return f"{winner}; {start.variant} has {searched.start_words}."
    own = f", {start.variant}, which keeps {percent(start.accuracy)}" if start is not None and start.ok else ""
    return f"{winner}; {comparison.variant_b}, with which it is compared, is not this search's start{own}."


def _point(searched: SearchResult, values: Mapping[str, Any], task: Task | None) -> Point | None:
    """The searched variant with these values; of several, the one whose name is the most like the search's."""
    words = searched.variant.split()
    found = [
        point
        for point in (task.points if task else ())
        if (point.level_kind, point.level) == ("colors", searched.level)
        and searched.variant.startswith(point.cell.method)
        and all(identity(point.cell.params.get(name)) == identity(value) for name, value in values.items())
    ]
    return max(found, key=lambda point: sum(word in point.variant.split() for word in words), default=None)
