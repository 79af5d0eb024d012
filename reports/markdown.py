"""``report.md``: the answers and the tables as text, for an issue, a wiki or a README."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from harness.contracts import Failure, Results
from reports.claims.section import ClaimsSection, claims_section
from reports.grids import Entry, Grid, grids
from reports.pairs import Apart, separated
from reports.points import Task
from reports.records import level_words
from reports.significance import TESTS_IN_WORDS
from reports.story import QUESTION, answer
from reports.tables import tabulate
from reports.trade_offs import KINDS, Bits, TradeOff, first_kind, trade_offs
from reports.wording import (
    MISSING,
    effect,
    effect_interval,
    in_points,
    listing,
    p_value,
    percent,
    percent_interval,
    points,
    points_interval,
    signed,
    status_command,
)


def render(results: Results) -> str:
    """The report as Markdown with GitHub's tables; the same results give the same text."""
    made = tabulate(results)
    parts = [f"# {escaped(results.name)}", QUESTION]
    apart = separated(made.tables["pairs"])
    for task in made.tasks:
        parts += _task(task, results, apart)
    if not made.tasks:
        parts.append("This run has no cells, so there is nothing to tell.")
    claims = claims_section(made.judged)
    if claims:
        parts += _claims(claims)
    if results.failures:
        parts.append("## Failures")
        parts.append(_bullets(map(_failure, results.failures)))
    departing = [recipe for recipe in results.recipes if recipe.get("differs")]
    if departing:
        parts.append("## Not the paper's recipe")
        parts.append(_bullets(f"{recipe['name']}: {'; '.join(recipe['differs'])}" for recipe in departing))
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Any text as Markdown shows it, in one line; it opens no tag, link, table or formula."""
    in_line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~$#])", r"\\\1", in_line)


def _failure(failure: Failure) -> str:
    more = f" ({status_command(failure.key)})" if failure.key else ""
    return f"{failure.job}: {failure.message}{more}"


def _bullets(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(sentence)}" for sentence in sentences)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]], words: int) -> str:
    """words: how many columns at the left are words; numbers stand at the right."""
    names = list(heads)
    rule = ["---" if i < words else "---:" for i in range(len(names))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (names, rule, *rows))


def _task(task: Task, results: Results, apart: Apart) -> Iterator[str]:
    said = answer(task, results.spec, results.recipes, apart)
    yield f"## {escaped(task.name)}"
    yield f"**{escaped(said.headline)}**"
    yield from (escaped(detail) for detail in said.details)
    if any(point.ok for point in task.points):
        for grid in grids(task, apart):
            yield from _accuracies(grid)
    if task.comparisons:
        yield from _comparisons(task, results.spec.get("baseline"))
    kind = next(bits for bits in KINDS if bits.kind == first_kind(results.spec))
    rows = trade_offs(task, kind, results.spec.get("baseline"))
    if rows:
        yield from _bits(rows, kind)


def _accuracies(grid: Grid) -> Iterator[str]:
    by = {"colors": " by colors per image, at most", "quality": " by quality"}.get(grid.kind, "")
    yield f"### Accuracy{by}"
    heads = ["variant", *(map(str, grid.levels) if grid.levels else ["accuracy"])]
    rows = [[escaped(variant), *map(_accuracy, entries)] for variant, entries in grid.rows]
    for point in grid.flat:
        shown = f"{percent(point.accuracy)} {percent_interval(point.lo, point.hi)}".rstrip()
        rows.append([escaped(point.variant), *[shown] * max(len(grid.levels), 1)])
    yield _table(heads, rows, words=1)
    if grid.rows:
        yield (
            "With 95 % intervals. Bold: the best at a level. †: no test separates it from the best (paired tests of "
            "all pairs at a level, Holm, 0.05)."
        )


def _accuracy(entry: Entry | None) -> str:
    if entry is None or not entry.point.ok:
        return MISSING
    shown = percent(entry.point.accuracy)
    marked = f"**{shown}**" if entry.best else f"{shown} †" if entry.alike else shown
    return f"{marked} {percent_interval(entry.point.lo, entry.point.hi)}".rstrip()


def _comparisons(task: Task, baseline: str | None) -> Iterator[str]:
    yield f"### Less {escaped(str(baseline))}, on the same images"
    rows = [
        [
            escaped(c.variant_a),
            level_words(c.level_kind, c.level) or MISSING,
            f"{points(c.difference)} {points_interval(c.lo, c.hi)}".rstrip(),
            p_value(c.p_holm).removeprefix("= ").replace("<", "&lt;"),
            c.verdict,
        ]
        for c in task.comparisons
    ]
    yield _table(["variant", "level", "points, 95 % interval", "p, Holm", "verdict"], rows, words=2)
    tests = listing(list(dict.fromkeys(TESTS_IN_WORDS[c.test] for c in task.comparisons)))
    yield (
        f"p by {tests}, adjusted by Holm. Not separated: the test cannot say which is better; same: the difference "
        f"lies within ±{in_points(task.comparisons[0].margin)}, tested likewise."
    )


def _claims(claims: ClaimsSection) -> Iterator[str]:
    yield "## Claims"
    yield f"Statements that were made before this run, held against its numbers: {claims.outcome}."
    rows = [
        [
            escaped(f"{one.claim.statement} ({one.claim.source})" if one.claim.source else one.claim.statement),
            f"{claims.marks[one.verdict.verdict]} {one.verdict.verdict}",
            escaped(effect(one.verdict.effect, one.verdict.unit)),
            escaped(effect_interval(one.verdict.lo, one.verdict.hi, one.verdict.unit)) or MISSING,
            MISSING if math.isnan(one.verdict.p) else escaped(p_value(one.verdict.p).removeprefix("= ")),
        ]
        for one in claims.measured
    ]
    yield _table(["claim", "verdict", "effect", "95 % interval", "p"], rows, words=2)
    yield (
        "The effect is that of the part which supports the claim least, its interval holds for the smallest of all "
        "parts. Each claim is tested at 5 % by itself."
    )
    if claims.others:
        yield f"The run has no numbers for {len(claims.others)} more."


def _bits(rows: tuple[TradeOff, ...], bits: Bits) -> Iterator[str]:
    yield f"### Bits of {bits.words}"
    yield _table(
        ["variant", "on the front", "BD-rate, %", "BD-accuracy, points"],
        (
            [
                escaped(row.variant),
                listing([level_words(p.level_kind, p.level) or "yes" for p in row.on_front]) or MISSING,
                MISSING if row.rate is None or math.isnan(row.rate.value) else signed(100 * row.rate.value, 1),
                MISSING if row.accuracy is None else points(row.accuracy.value),
            ]
            for row in rows
        ),
        words=2,
    )
