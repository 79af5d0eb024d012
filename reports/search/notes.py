"""What has to be known to read a search's figures: only what is true of how this one was made and how it ended."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.contracts import SearchResult
from reports.search.axes import Scale, domain
from reports.search.lines import cut_off, cycle_ends
from reports.sweeps import identity
from reports.wording import listing

PLANE = "Color is accuracy; hollow: none was measured."
_ASIDE = "side by side so that each is seen: where in the strip of its value a trial lies means nothing"


def of_parameter(scale: Scale) -> str:
    """Of the accuracies over one parameter."""
    return "" if scale.is_numeric else f"Trials of one value lie {_ASIDE}."


def of_all(searched: SearchResult, scales: Sequence[Scale]) -> str:
    """Of the parallel coordinates."""
    measured = [trial for trial in searched.trials if trial.accuracy is not None]
    said = ["Each line is a trial, and its color shows its accuracy."]
    if any(trial.status != "finished" for trial in measured):
        said.append("Dashed lines did not finish.")
    thick = {trial.number for trial in measured}
    words = ["the best trial"] if searched.best in thick else []
    words += [searched.start_words] if 0 in thick else []
    if words:
        lines = "The thick line is" if searched.best == 0 or len(words) == 1 else "Thick lines are"
        said.append(f"{lines} {listing(words)}.")
    strips = [scale.parameter for scale in scales if not scale.is_numeric]
    if strips:
        said.append(f"On the {'axis' if len(strips) == 1 else 'axes'} of {listing(strips)} trials lie {_ASIDE}.")
    return " ".join(said)


def of_epochs(searched: SearchResult) -> str:
    """Of the learning curves."""
    said = ["The last mark shows how a trial ended; the accuracy axis may not begin at zero."]
    below = cut_off(searched)
    if below:
        begin, are = ("curve begins", "is") if below == 1 else ("curves begin", "are")
        said.append(f"{below} {begin} below it and {are} not drawn there.")
    if cycle_ends(searched):
        stopped = "; trials are stopped only there" if searched.scheduler == "asha" else ""
        said.append(f"Vertical lines end a cycle, every {searched.cycle} epochs{stopped}.")
    return " ".join(said)


def of_figures(searched: SearchResult) -> str:
    """Of all figures: how values were chosen, and what can be read off them."""
    early = ", and a trial that did not finish is shown with its last accuracy" if _are_early(searched) else ""
    if searched.algorithm == "optuna":
        return (
            f"The search chose values unevenly, mostly where results were best{early}. So the figures show what was "
            "tried, not how accuracy depends on a parameter, and they have no intervals."
        )
    ways = {"random": "Values were drawn at random", "grid": _of_grid(searched)}
    how = ways.get(searched.algorithm, "Values were chosen by the search")
    return (
        f"{how}, and each trial is a single training{early}. So the figures have no intervals and cannot tell what a "
        "parameter does from chance."
    )


def of_importance(searched: SearchResult) -> str:
    """What an importance rests on, in the middle of a sentence."""
    chosen = " that the search itself chose" if searched.algorithm == "optuna" else ""
    early = ", uses the last accuracy of trials that did not finish" if _are_early(searched) else ""
    both = "," if early else ""
    return f"is based on few trials{chosen}{early}{both} and ignores joint effects of parameters"


def _are_early(searched: SearchResult) -> bool:
    return any(trial.status != "finished" and trial.accuracy is not None for trial in searched.trials)


def _of_grid(searched: SearchResult) -> str:
    whole = math.prod(len(domain(searched, name)[1]) for name in searched.space)
    tried = {tuple(identity(trial.chosen.get(name)) for name in searched.space) for trial in searched.trials}
    return "All combinations of the listed values were tried" if len(tried) >= whole else "The grid was begun"
