"""Tables for a paper in LaTeX: they need ``booktabs`` and nothing else."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from harness.contracts import Level, LevelKind, Results
from reports.claims.judged import Judged
from reports.claims.section import claims_section
from reports.file_names import free, slug
from reports.grids import Entry, Grid, grids
from reports.pairs import separated
from reports.points import Comparison, Task
from reports.records import level_words
from reports.significance import TESTS_IN_WORDS
from reports.statistics import SIGNIFICANT
from reports.tables import tabulate
from reports.templating import write_page
from reports.wording import effect, effect_interval, in_points, points, rounded_p

FOLDER = "latex"
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",
    "*": "{*}",
    "\u202f": r"\,",
    "\u00a0": "~",
    "×": r"$\times$",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "±": r"$\pm$",
} | {character: f"\\{character}" for character in "{}$&#%_"}
_MISSING = "--"
_LONG_NAME = 24
"""Characters of a name that is broken into lines."""
_WIDEST = "10em"
_MOST_LINES = 36
"""Of a table of comparisons on one page."""
_CLAIM, _VERDICT, _EFFECT = "15em", "5em", "8em"
_LETTERS = 30
"""Of a claim, in a line of its column."""
_SMALLEST_P = 1e-15
_HEADS = {"colors": "colors per image, at most", "quality": "quality"}


def write_latex(results: Results, folder: Path) -> Path:
    """Writes a file for each table, and ``tables.tex``, which shows them all; returns the path of the latter."""
    texts = latex_tables(results)
    for stale in (folder / FOLDER).glob("*.tex"):
        stale.unlink()
    for name, text in texts.items():
        write_page(text, folder / FOLDER / f"{name}.tex")
    return write_page(_document(texts, texts.values()), folder / FOLDER / "tables.tex")


def latex_tables(results: Results) -> dict[str, str]:
    """The tables by the names of their files: of every task its accuracies and its comparisons with the baseline.

    Last, the claims that the run has numbers for.
    """
    made = tabulate(results)
    apart = separated(made.tables["pairs"])
    found: dict[str, str] = {}
    for task in made.tasks:
        place = slug(task.name)
        for grid in grids(task, apart):
            name = free(f"accuracy-{place}" if grid.kind == "none" else f"accuracy-{grid.kind}-{place}", found)
            names = [*(variant for variant, _ in grid.rows), *(point.variant for point in grid.flat)]
            columns = _names_column(names) + "r" * max(len(grid.levels), 1)
            found[name] = _table(name, _accuracy_caption(grid), columns, _accuracy_lines(grid))
        parts = list(_parts(task.comparisons))
        for number, part in enumerate(parts, 1):
            name = free(f"comparison-{place}", found)
            which = f" Part {number} of {len(parts)}." if len(parts) > 1 else ""
            columns = _names_column(c.variant_a for c in part) + "rlll"
            found[name] = _table(name, _comparison_caption(task) + which, columns, _comparison_lines(part), r"\small")
    claims = claims_section(made.judged)
    pages = list(_pages(claims.measured)) if claims else []
    for number, page in enumerate(pages, 1):
        name = free("claims", found)
        which = f" Part {number} of {len(pages)}." if len(pages) > 1 else ""
        columns = f"p{{{_CLAIM}}}p{{{_VERDICT}}}p{{{_EFFECT}}}l"
        found[name] = _table(name, _CLAIMS_CAPTION + which, columns, _claim_lines(page), r"\small")
    return found


def escaped(text: str) -> str:
    """Any text as LaTeX prints it, in one line."""
    in_line = " ".join(text.split())
    apart = re.sub("-(?=-)", "-\0", in_line)  # LaTeX would draw two hyphens as one dash
    return "".join(_SPECIAL.get(character, character) for character in apart).replace("\0", "{}")


def _document(names: Iterable[str], texts: Iterable[str]) -> str:
    needs_unicode = any(ord(character) > 0xFF for text in texts for character in text)
    said = (
        ["% Compile with LuaLaTeX or XeLaTeX: names have characters that pdfLaTeX may lack."] if needs_unicode else []
    )
    inputs = [f"\\input{{{name}}}" for name in names]
    return "\n".join(
        [
            *said,
            r"\documentclass{article}",
            r"\usepackage{booktabs}",
            r"\setlength{\belowcaptionskip}{6pt}",
            r"\begin{document}",
            *inputs,
            r"\end{document}",
            "",
        ]
    )


def _table(name: str, caption: str, columns: str, lines: Iterable[str], size: str = "") -> str:
    """One float. columns, lines: of the tabular, the heads first. size: of its letters."""
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{name}}}",
            *filter(None, [size]),
            rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            r"\toprule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _row(*entries: str) -> str:
    return " & ".join(entries) + r" \\"


def _names_column(names: Iterable[str]) -> str:
    """The first column: long names are broken into lines, so that the table fits an article's text."""
    return f"p{{{_WIDEST}}}" if max(map(len, names), default=0) > _LONG_NAME else "l"


def _name(variant: str) -> str:
    shown = escaped(variant)
    return r"\raggedright " + shown.replace("=", r"=\allowbreak{}") if len(variant) > _LONG_NAME else shown


def _accuracy_lines(grid: Grid) -> Iterator[str]:
    """The heads, a line a variant, and below a rule the variants without a level."""
    wide = max(len(grid.levels), 1)
    if grid.levels:
        yield _row("", rf"\multicolumn{{{wide}}}{{c}}{{accuracy, \%, by {_HEADS[grid.kind]}}}")
        yield rf"\cmidrule(l){{2-{wide + 1}}}"
        yield _row("variant", *map(str, grid.levels))
    else:
        yield _row("variant", r"accuracy, \%")
    yield r"\midrule"
    for variant, entries in grid.rows:
        yield _row(_name(variant), *map(_accuracy, entries))
    if grid.rows and grid.flat:
        yield r"\midrule"
    for point in grid.flat:
        share = f"{100 * point.accuracy:.1f}" if point.ok else _MISSING
        yield _row(_name(point.variant), rf"\multicolumn{{{wide}}}{{c}}{{{share}}}" if grid.levels else share)


def _accuracy(entry: Entry | None) -> str:
    if entry is None or not entry.point.ok:
        return _MISSING
    share = f"{100 * entry.point.accuracy:.1f}"
    if entry.best:
        return rf"\textbf{{{share}}}"
    return rf"\underline{{{share}}}" if entry.alike else share


def _accuracy_caption(grid: Grid) -> str:
    task = grid.task
    means = f", means over {grid.seeds} seeds" if grid.seeds > 1 else ""
    said = [f"Accuracy on {task.images:,} test images, {escaped(task.name)}{means}."]
    if grid.rows:
        tests = rf"paired tests of all pairs at a level, Holm, {SIGNIFICANT:g}"
        said.append(rf"Bold: the best at a level; underlined: no test separates it from the best ({tests}).")
    if not math.isnan(grid.reach):
        said.append(rf"The 95\,\% intervals reach at most {100 * grid.reach:.1f} points from the accuracies.")
    if task.guessing:
        said.append("The classifier is not told apart from guessing.")
    return " ".join(said)


def _comparison_caption(task: Task) -> str:
    baselines = " or ".join(dict.fromkeys(escaped(c.variant_b) for c in task.comparisons))
    tests = ", ".join(dict.fromkeys(TESTS_IN_WORDS[c.test] for c in task.comparisons))
    return (
        f"Each variant less {baselines}, on the same test images, {escaped(task.name)}; $p$ by {tests}, adjusted by "
        r"Holm. ``Not separated'': the test cannot say which is better; ``same'': the difference lies within "
        rf"$\pm${in_points(task.comparisons[0].margin)}, tested likewise."
    )


def _parts(comparisons: Iterable[Comparison]) -> Iterator[list[Comparison]]:
    """As many whole levels together as a page has room for."""
    part: list[Comparison] = []
    for _, together in itertools.groupby(comparisons, key=_place):
        level = list(together)
        if part and _height([*part, *level]) > _MOST_LINES:
            yield part
            part = []
        part += level
    if part:
        yield part


def _height(comparisons: Sequence[Comparison]) -> int:
    """In lines, with those that say the level."""
    return len(set(map(_place, comparisons))) + sum(1 + (len(c.variant_a) > _LONG_NAME) for c in comparisons)


def _place(c: Comparison) -> tuple[LevelKind, Level]:
    return c.level_kind, c.level


def _comparison_lines(comparisons: Iterable[Comparison]) -> Iterator[str]:
    yield _row("", "difference,", r"95\,\% interval,", "", "")
    yield _row("variant", "points", "points", "$p$", "verdict")
    rule = r"\midrule"
    for (kind, level), together in itertools.groupby(comparisons, key=_place):
        yield rule
        rule = r"\addlinespace"
        if level is not None:
            yield _row(rf"\multicolumn{{5}}{{@{{}}l}}{{\emph{{{level_words(kind, level)}}}}}")
        for c in together:
            interval = _MISSING if math.isnan(c.lo) else f"[{_points(c.lo)}, {_points(c.hi)}]"
            yield _row(_name(c.variant_a), _points(c.difference), interval, p_value(c.p_holm), escaped(c.verdict))


_CLAIMS_CAPTION = (
    "Statements made before the run, held against its numbers. The effect is that of the part which supports the claim "
    r"least, its 95\,\% interval holds for the smallest of all parts. Each claim is tested at 5\,\% by itself."
)


def _pages(claims: Iterable[Judged]) -> Iterator[list[Judged]]:
    """As many claims together as a page has room for."""
    page: list[Judged] = []
    lines = 0
    for one in claims:
        own = max(math.ceil(len(_claim(one)) / _LETTERS), 3) + 1
        if page and lines + own > _MOST_LINES:
            yield page
            page, lines = [], 0
        page.append(one)
        lines += own
    if page:
        yield page


def _claim(one: Judged) -> str:
    return f"{one.claim.statement} ({one.claim.source})" if one.claim.source else one.claim.statement


def _claim_lines(claims: Iterable[Judged]) -> Iterator[str]:
    yield _row("claim", "verdict", r"effect, 95\,\% interval", "$p$")
    rule = r"\midrule"
    for one in claims:
        yield rule
        rule = r"\addlinespace"
        said = one.verdict
        numbers = f"{effect(said.effect, said.unit)} {effect_interval(said.lo, said.hi, said.unit)}".rstrip()
        words = (rf"\raggedright {escaped(words)}" for words in (_claim(one), said.verdict, numbers))
        yield _row(*words, _MISSING if math.isnan(said.p) else p_value(said.p))


def _points(difference: float) -> str:
    return f"${points(difference).replace('−', '-')}$"


def p_value(p: float) -> str:
    """As ``wording.p_value``, in mathematics."""
    if math.isnan(p):
        return "not tested"
    if p < _SMALLEST_P:
        return rf"$<10^{{{round(math.log10(_SMALLEST_P))}}}$"
    if p >= 0.001:
        return rounded_p(p)
    mantissa, exponent = f"{p:.1e}".split("e")
    return rf"${mantissa}\cdot10^{{{int(exponent)}}}$"
