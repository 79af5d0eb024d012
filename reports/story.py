"""The answer in a sentence or two, computed from the tables, for whatever came out of a run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.leaders import leaders
from reports.pairs import Apart
from reports.points import Comparison, Point, Task
from reports.published import original_published
from reports.records import level_words
from reports.significance import TESTS_IN_WORDS, TOO_FEW
from reports.statistics import FEWEST_GROUPS, SIGNIFICANT
from reports.summary import recognized_share
from reports.wording import THIN, in_points, listing, p_value, percent, percent_interval, points, points_interval

QUESTION = "Which method keeps images recognizable with few colors, by how much, and is the difference luck?"
FAR_BELOW = 0.1
"""By so much of accuracy a classifier must miss its published value for the page to remark on it."""


@dataclass(frozen=True)
class Answer:
    """What to say of one task. ``shown``: the points at the level that the headline speaks of, best first.
    ``subject``: the comparison that the headline tells of."""

    headline: str
    details: tuple[str, ...]
    level: str
    shown: tuple[Point, ...]
    subject: Comparison | None = None


def answer(
    task: Task, spec: Mapping[str, Any], recipes: Sequence[Mapping[str, Any]] = (), apart: Apart | None = None
) -> Answer:
    """The headline, what else there is to say, and the points it rests on.

    Args:
        task: The task.
        spec: As in Results.
        recipes: As in Results.
        apart: What ``pairs.separated`` finds. Without it nothing is said of which variants are alike.
    """
    lost = sum(cell.status != "ok" for cell in task.cells)
    measured = [point for point in task.points if point.ok]
    if not measured:
        cells = "the only cell" if lost == 1 else f"all {lost} cells"
        return Answer(f"Nothing was measured: {cells} failed or waited for something that failed.", (), "", ())
    subject = _subject(task, spec.get("headline"))
    if subject:
        shown = _at(measured, subject.level_kind, subject.level)
        named = spec.get("headline") is not None
        sentences = [compared(subject, chosen_from=1 if named else subject.alike)]
        sentences += [_alone(subject)] if named else []
        sentences += [_elsewhere(subject, task), _best(subject, shown, task, apart)]
    else:
        fewest = min(measured, key=_fewest_first)
        shown = _at(measured, fewest.level_kind, fewest.level)
        sentences = [_uncompared(shown), _why_not(task, spec)]
    sentences += [_original(task, recipes), recognized(task, spec)]
    if lost:
        sentences.append(
            f"{lost} of {len(task.cells)} cells {'is' if lost == 1 else 'are'} missing; Failures says why."
        )
    headline, *details = sentences
    level = level_words(shown[0].level_kind, shown[0].level)
    return Answer(headline, tuple(filter(None, details)), level, tuple(shown), subject)


def _fewest_first(item: Point | Comparison) -> tuple[int, int]:
    return ("colors", "quality", "none").index(item.level_kind), item.level or 0


def _at(found: list[Point], kind: str, level: int | None) -> list[Point]:
    same = [point for point in found if (point.level_kind, point.level) == (kind, level)]
    return sorted(same, key=lambda point: (-point.accuracy, point.variant))


def _subject(task: Task, headline: Mapping[str, Any] | None) -> Comparison | None:
    """The comparison to speak of: the one the spec names, else the variant furthest from the baseline at the fewest
    colors."""
    if headline is not None:
        wanted = headline["method"], headline.get("level")
        return next((c for c in task.comparisons if (c.variant_a, c.level) == wanted), None)
    if not task.comparisons:
        return None
    fewest = min(map(_fewest_first, task.comparisons))
    there = [c for c in task.comparisons if _fewest_first(c) == fewest]
    return max(there, key=lambda c: (abs(c.difference), c.variant_a))


def compared(c: Comparison, chosen_from: int = 1) -> str:
    """A comparison in a sentence: both accuracies, their difference with its interval, p and what follows from it.

    Args:
        c: The comparison.
        chosen_from: Of how many it was chosen by its outcome; of several, the interval is the one that holds for all.
    """
    lo, hi = (c.lo, c.hi) if chosen_from == 1 else (c.lo_simultaneous, c.hi_simultaneous)
    interval = "" if math.isnan(lo) else f" {points_interval(lo, hi)}"
    wide = f", an interval for all {chosen_from} compared" if interval and chosen_from > 1 else ""
    p = "" if math.isnan(c.p_holm) else f", {_p(c.p_holm)} ({TESTS_IN_WORDS[c.test]}, Holm)"
    return (
        f"{_where(c.level_kind, c.level)}{c.variant_a} keeps {percent(c.accuracy_a)} of the images recognized where "
        f"{c.variant_b} keeps {percent(c.accuracy_b)}: {points(c.difference)} points{interval}{wide}{p}; {verdict(c)}."
    )


def _p(p: float) -> str:
    return f"p{THIN}{p_value(p).replace(' ', THIN)}"


def _alone(c: Comparison) -> str:
    """Why the interval of the headline leaves out 0 where nothing is separated."""
    if c.verdict != "not separated" or c.p >= SIGNIFICANT:
        return ""
    return (
        f"Asked alone it would be separated ({_p(c.p)}); Holm’s adjustment counts all comparisons with {c.variant_b}."
    )


def verdict(c: Comparison) -> str:
    """What a comparison shows, and of what: the methods, or only the networks that were trained."""
    if c.verdict == "same":
        return f"the same within {in_points(c.margin)}"
    if c.verdict == "not separated":
        return "not separated: this test cannot say which is better"
    if c.verdict not in ("better", "worse"):
        if c.groups < FEWEST_GROUPS:
            sources = "one source" if c.groups == 1 else f"{c.groups} sources"
            return f"the images come from {sources}, too few to say anything"
        return f"on {c.groups} sources, accuracies so near 0 or 100\u202f% leave too few errors to say anything"
    better = c.variant_a if c.verdict == "better" else c.variant_b
    if c.of_methods:
        return f"{better} is better, and that is not luck, over {c.trainings} trainings of the {c.trained}"
    trainings = "one training" if c.trainings == 1 else f"{c.trainings} trainings"
    return (
        f"{better} is better with these networks on such images; {trainings} of the {c.trained} cannot tell whether "
        "another would agree"
    )


def _where(kind: Any, level: int | None) -> str:
    return f"At {level_words(kind, level)} " if level is not None else ""


def _elsewhere(subject: Comparison, task: Task) -> str:
    others = [c for c in task.comparisons if c.variant_a == subject.variant_a and c.level != subject.level]
    weak = {
        "not separated": " (not separated)",
        "same": " (the same within the margin)",
        TOO_FEW: " (too little to test)",
    }
    said = [
        f"{points(c.difference)} points at {level_words(c.level_kind, c.level)}{weak.get(c.verdict, '')}"
        for c in sorted(others, key=_fewest_first)
    ]
    return f"The difference is {listing(said)}." if said else ""


def _best(subject: Comparison, shown: list[Point], task: Task, apart: Apart | None) -> str:
    best = shown[0]
    if best.accuracy <= max(subject.accuracy_a, subject.accuracy_b):
        return ""
    kept = f"The most, {percent(best.accuracy)}, is kept by"
    if apart is None:
        return f"{kept} {best.variant}."
    found = leaders(task, apart)[subject.level_kind, subject.level]
    others = len({point.variant for point in shown if point.cell.method != "original"}) - len(found.best)
    if 1 < others == len(found.alike):
        from_whom = "not separated from any other"
    else:
        from_whom = f"not separated from {listing(list(found.alike))}" if found.alike else "separated from all others"
    return f"{kept} {listing(list(found.best))} ({from_whom}; all pairs, Holm)."


def _uncompared(shown: list[Point]) -> str:
    best, where = shown[0], _where(shown[0].level_kind, shown[0].level)
    interval = percent_interval(best.lo, best.hi)
    kept = f"{where}{best.variant} keeps {percent(best.accuracy)} {interval} of the images recognized"
    return f"{kept}, the most of {len(shown)} variants." if len(shown) > 1 else f"{kept}."


def _why_not(task: Task, spec: Mapping[str, Any]) -> str:
    baseline = spec.get("baseline")
    names = {point.variant for point in task.points if point.ok and point.cell.method != "original"}
    if len(names) == 1:
        return f"Only {names.pop()} was measured, so there is nothing to compare it with."
    if baseline is None:
        return "The spec names no baseline, so no difference was tested."
    if not any(point.ok and point.variant == baseline for point in task.points):
        return f"The baseline {baseline} has no finished cell, so no difference was tested."
    return f"No variant shares a level with the baseline {baseline}, so no difference was tested."


def _original(task: Task, recipes: Sequence[Mapping[str, Any]]) -> str:
    """What the classifier does with the untouched images, and whether that is enough to judge anything by."""
    if math.isnan(task.original):
        return ""
    kept = f"With all its colors the original keeps {percent(task.original)}"
    if task.guessing:
        seeds = [str(seed) for seed in task.guessing]
        some = len(seeds) < len({cell.seed for cell in task.cells})
        which = f" of seed{'s' if len(seeds) > 1 else ''} {listing(seeds)}" if some else ""
        return (
            f"{kept}; the classifier{which} is not told apart from guessing ({percent(task.chance)}) and cannot judge "
            "any method."
        )
    published = original_published(task, recipes)
    if published is not None and task.original < published.value - FAR_BELOW:
        return (
            f"{kept}, far less than the {percent(published.value)} of the article's {published.classifier} "
            f"({published.where}): what holds for this classifier need not hold for that one."
        )
    return f"{kept}."


def recognized(task: Task, spec: Mapping[str, Any]) -> str:
    """The fewest colors at which each variant is still recognized, with 95 % confidence; nothing by a guess."""
    if task.guessing:
        return ""
    by_variant: dict[str, float] = {}
    for point in task.points:
        if point.ok and point.level_kind == "colors" and point.level is not None:
            fewest = by_variant.setdefault(point.variant, math.inf)
            if point.recognized:
                by_variant[point.variant] = min(fewest, point.level)
    if not by_variant:
        return ""
    share = f"{100 * recognized_share(spec):g}"
    what = (
        f"Still recognized, that is, with at least {share}\u202f% of the original's accuracy on the same images, with "
        f"95\u202f% confidence: "
    )
    if len(by_variant) > 1 and all(map(math.isinf, by_variant.values())):
        return f"{what}no variant at any tested number."
    in_order = sorted(by_variant.items(), key=lambda item: (item[1], item[0]))
    said = []
    for fewest, group in itertools.groupby(in_order, key=lambda item: item[1]):
        names = listing([name for name, _ in group])
        said.append(f"{names} at no tested number" if math.isinf(fewest) else f"{names} with {fewest:.0f} colors")
    return f"{what}{'; '.join(said)}."
