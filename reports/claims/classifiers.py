"""The paper's claims on its three classifiers, Table 2 and Section 6.2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.contracts import Cell, JudgedTask, RunView, Term, Verdict, Which
from harness.registry import claim
from reports.claims.cells import one_of_each_seed, words
from reports.claims.contrasts import linear_contrast, steps
from reports.claims.few_colors import ONE_BIT
from reports.claims.variants import CLASSIFIERS, COLORCNN, MEDIAN_CUT


@claim(
    "table-2-order",
    statement="Accuracy on original images rises from AlexNet to VGG16 to ResNet18, on every dataset.",
    source="Section 6.2, Table 2",
)
class TableTwoOrder:
    """Both steps on all datasets must show it; classifiers are trained independently and see the same images."""

    def judge(self, run: RunView) -> Verdict:
        parts = []
        for tasks in _ordered(run):
            cells = _same_seeds([one_of_each_seed(task) for task in tasks])
            if not cells[0]:
                continue
            for weaker, stronger in steps(len(tasks)):
                terms = [(1.0, cells[stronger], "original"), (-1.0, cells[weaker], "original")]
                what = f"{tasks[stronger].classifier} − {tasks[weaker].classifier}"
                parts.append(run.part(tasks[0].dataset, what, terms))
        return run.every(parts, [] if parts else [_NO_DATASET])


@claim(
    "stronger-classifiers-lose-more-median-cut",
    statement="At 1 bit (MedianCut) stronger classifiers lose more accuracy: AlexNet least, ResNet18 most.",
    source="Section 6.2, Fig. 9",
)
class StrongerLoseMoreMedianCut:
    """An ordered contrast of the losses, which no step between neighbors may be shown to reverse."""

    def judge(self, run: RunView) -> Verdict:
        return _losses(run, MEDIAN_CUT)


@claim(
    "stronger-classifiers-lose-more-colorcnn",
    statement="At 1 bit (ColorCNN) stronger classifiers lose more accuracy: AlexNet least, ResNet18 most.",
    source="Section 6.2, Fig. 9",
)
class StrongerLoseMoreColorCNN:
    """An ordered contrast of the losses, which no step between neighbors may be shown to reverse."""

    def judge(self, run: RunView) -> Verdict:
        return _losses(run, COLORCNN)


_NO_DATASET = f"no dataset with {', '.join(CLASSIFIERS[:-1])} and {CLASSIFIERS[-1]}"


def _losses(run: RunView, which: Which) -> Verdict:
    """Loss = original - method, image by image, under each of the classifiers."""
    parts, against = [], []
    for tasks in _ordered(run):
        cells = _same_seeds([run.cells(task, which, ONE_BIT) for task in tasks])
        if not cells[0]:
            continue
        names = [task.classifier for task in tasks]
        kept = [f"{run.values(own, 'original').mean():.1%}" for own in cells]
        note = "originals: " + ", ".join(kept).replace("%", "\u202f%")
        trend = _loss(zip(cells, linear_contrast(len(cells)), strict=True))
        parts.append(run.part(tasks[0].dataset, f"trend of the loss, {names[0]} to {names[-1]}", trend, note=note))
        for weaker, stronger in steps(len(tasks)):
            step = _loss([(cells[weaker], -1.0), (cells[stronger], 1.0)])
            against.append(run.part(tasks[0].dataset, f"loss of {names[stronger]} − {names[weaker]}", step))
    return run.every(parts, [] if parts else [f"{_NO_DATASET}, and {words(which)} at {ONE_BIT} colors"], against)


def _loss(weighted: Iterable[tuple[tuple[Cell, ...], float]]) -> list[Term]:
    """A weighted sum of losses."""
    terms: list[Term] = []
    for cells, weight in weighted:
        if weight:
            terms += [(weight, cells, "original"), (-weight, cells, "correct")]
    return terms


def _ordered(run: RunView) -> Iterator[list[JudgedTask]]:
    """The paper's classifiers on each dataset that has all of them, the weakest first; of each the spec's first."""
    for dataset in dict.fromkeys(task.dataset for task in run.tasks):
        own = [task for task in run.tasks if task.dataset == dataset]
        found = [next((task for task in own if task.classifier_plugin == name), None) for name in CLASSIFIERS]
        present = [task for task in found if task is not None]
        if len(present) == len(CLASSIFIERS):
            yield present


def _same_seeds(sides: Sequence[tuple[Cell, ...]]) -> list[tuple[Cell, ...]]:
    """Those of seeds that all sides have, in order."""
    by_seed = [{cell.seed: cell for cell in side} for side in sides]
    seeds = sorted(set.intersection(*(set(side) for side in by_seed)))
    return [tuple(side[seed] for seed in seeds) for side in by_seed]
