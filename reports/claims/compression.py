"""The paper's claims on color quantization as compression, Section 6.2 and Figure 10."""

from __future__ import annotations

from collections.abc import Iterator

from harness.contracts import Cell, JudgedTask, RunView, Verdict
from harness.registry import claim
from reports.claims.cells import levels_of, nowhere
from reports.claims.few_colors import ONE_BIT
from reports.claims.variants import COLORCNN, JPEG, MEDIAN_CUT

SAVED = "bits per pixel saved"
_SOURCE = "Section 6.2, Fig. 10"


@claim(
    "more-accuracy-fewer-bits",
    statement="At 1 bit ColorCNN keeps more images recognized than MedianCut and its files have fewer bits.",
    source=_SOURCE,
)
class MoreForFewerBits:
    """Both must be shown in every task: accuracy above, and bits of the indexed PNG below, image by image."""

    def judge(self, run: RunView) -> Verdict:
        pairs, missing = run.pairs(COLORCNN, MEDIAN_CUT, ONE_BIT)
        parts = []
        for pair in pairs:
            parts.append(run.part(pair.where, pair.what, [(1.0, pair.a, "correct"), (-1.0, pair.b, "correct")]))
            of_one = 8 / pair.a[0].notes["pixels"]
            saved = [(of_one, pair.b, "file_bytes"), (-of_one, pair.a, "file_bytes")]
            what = f"bits saved by {pair.a[0].label} over {pair.b[0].label}"
            parts.append(run.part(pair.where, what, saved, unit=SAVED))
        return run.every(parts, missing if parts or missing else [nowhere(run, ONE_BIT, COLORCNN, MEDIAN_CUT)])


@claim(
    "colorcnn-above-jpeg",
    statement="At 1 bit ColorCNN keeps more images recognized than JPEG at its lowest quality, in every task.",
    source=_SOURCE,
)
class AboveJpeg:
    """Against the lowest of a run's qualities; how many bits both have stands beside it."""

    def judge(self, run: RunView) -> Verdict:
        parts = [
            run.part(task.name, what, [(1.0, a, "correct"), (-1.0, b, "correct")], note=_bits(run, a, b))
            for task, what, a, b in _beside_jpeg(run)
        ]
        return run.every(parts, [] if parts else [nowhere(run, None, COLORCNN, JPEG)])


@claim(
    "ahead-of-jpeg",
    statement="At the lowest rate ColorCNN is 13.2 points above JPEG.",
    source=_SOURCE,
)
class ThirteenPointsAboveJpeg:
    """The paper names neither dataset nor classifier; taken for STL10 with AlexNet, as in its Table 3."""

    def judge(self, run: RunView) -> Verdict:
        from reports.claims.numbers import Measured, all_met
        from reports.published import departures_of

        numbers = [
            Measured(
                run.part(task.name, what, [(1.0, a, "correct"), (-1.0, b, "correct")], note=_bits(run, a, b)),
                0.132,
                run.margin,
                departures_of((), task, a[0].variant, run.recipes),
            )
            for task, what, a, b in _beside_jpeg(run)
            if (task.dataset_plugin, task.classifier_plugin) == ("stl10", "alexnet")
        ]
        return all_met(numbers, [] if numbers else ["no STL10 with AlexNet, ColorCNN at 2 colors, and JPEG"])


def _beside_jpeg(run: RunView) -> Iterator[tuple[JudgedTask, str, tuple[Cell, ...], tuple[Cell, ...]]]:
    """ColorCNN at 1 bit and JPEG at a run's lowest quality, by seed."""
    for task in run.tasks:
        lowest = levels_of(task, JPEG)[0]
        a, b = run.cells(task, COLORCNN, ONE_BIT), run.cells(task, JPEG, lowest)
        seeds = {cell.seed for cell in a} & {cell.seed for cell in b}
        if seeds:
            a, b = (tuple(cell for cell in side if cell.seed in seeds) for side in (a, b))
            yield task, f"{a[0].label} at {ONE_BIT} colors − {b[0].label} at quality {lowest}", a, b


def _bits(run: RunView, a: tuple[Cell, ...], b: tuple[Cell, ...]) -> str:
    """The bits of both, in words."""
    found = [8 * run.values(side, "file_bytes").mean() / side[0].notes["pixels"] for side in (a, b)]
    return "{:.2f} bits per pixel against {:.2f}".format(*found)
