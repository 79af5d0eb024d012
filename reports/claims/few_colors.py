"""The paper's claims on few and on many colors, Sections 5 and 6.2 and Figure 9."""

from __future__ import annotations

from harness.contracts import RunView, Verdict
from harness.registry import claim
from reports.claims.cells import nowhere
from reports.claims.variants import COLORCNN, DITHERED, MEDIAN_CUT, OCTREE_GERVAUTZ, OCTREE_REFERENCE

ONE_BIT, SIX_BITS = 2, 64
"""Numbers of colors."""
_SOURCE = "Section 6.2, Fig. 9"


@claim(
    "colorcnn-above-median-cut",
    statement="At 1 bit ColorCNN keeps more images recognized than MedianCut, in every task.",
    source=_SOURCE,
)
class AboveMedianCut:
    """All tasks must show it (intersection-union)."""

    def judge(self, run: RunView) -> Verdict:
        return run.ahead(COLORCNN, MEDIAN_CUT, ONE_BIT)


@claim(
    "colorcnn-above-octree-reference",
    statement="At 1 bit ColorCNN keeps more images recognized than the octree of the authors' code, in every task.",
    source=_SOURCE,
)
class AboveOctreeReference:
    """All tasks must show it (intersection-union)."""

    def judge(self, run: RunView) -> Verdict:
        return run.ahead(COLORCNN, OCTREE_REFERENCE, ONE_BIT)


@claim(
    "colorcnn-above-octree-gervautz",
    statement="At 1 bit ColorCNN keeps more images recognized than the octree as published, in every task.",
    source=_SOURCE,
)
class AboveOctreeGervautz:
    """All tasks must show it (intersection-union)."""

    def judge(self, run: RunView) -> Verdict:
        return run.ahead(COLORCNN, OCTREE_GERVAUTZ, ONE_BIT)


@claim(
    "colorcnn-above-dithered",
    statement="At 1 bit ColorCNN keeps more images recognized than MedianCut with dithering, in every task.",
    source=_SOURCE,
)
class AboveDithered:
    """All tasks must show it (intersection-union); of several ditherings the spec's first counts."""

    def judge(self, run: RunView) -> Verdict:
        return run.ahead(COLORCNN, DITHERED, ONE_BIT)


@claim(
    "clustering-ahead-at-6-bits",
    statement="At 6 bits clustering (MedianCut) keeps more images recognized than ColorCNN, in every task.",
    source="Sections 5 and 6.2, Fig. 9",
)
class ClusteringAhead:
    """MedianCut stands for clustering, named before anything was measured; all tasks must show it."""

    def judge(self, run: RunView) -> Verdict:
        return run.ahead(MEDIAN_CUT, COLORCNN, SIX_BITS)


@claim(
    "6-bits-near-original",
    statement="At 6 bits MedianCut and the octrees fall behind the original images by less than the margin.",
    source="Section 5",
)
class NearOriginal:
    """Accuracy less the original's lies above -margin, for each of these methods in the run and in every task."""

    def judge(self, run: RunView) -> Verdict:
        parts, missing = [], list[str]()
        for variant in (MEDIAN_CUT, OCTREE_REFERENCE, OCTREE_GERVAUTZ):
            pairs, lost = run.pairs(variant, variant, SIX_BITS)
            missing += lost
            for pair in pairs:
                terms = [(1.0, pair.a, "correct"), (-1.0, pair.a, "original")]
                parts.append(run.part(pair.where, f"{pair.a[0].label} − original", terms, -run.margin))
        return run.every(parts, missing if parts or missing else [nowhere(run, SIX_BITS, MEDIAN_CUT)])


@claim(
    "dithering-no-better",
    statement="Dithering does not raise MedianCut's accuracy by more than the margin, at any number of colors.",
    source=_SOURCE,
)
class DitheringNoBetter:
    """MedianCut less dithered MedianCut lies above -margin in every task, at all color counts that both have."""

    def judge(self, run: RunView) -> Verdict:
        return run.ahead(MEDIAN_CUT, DITHERED, margin=run.margin)
