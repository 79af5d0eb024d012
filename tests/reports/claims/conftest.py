"""A made-up run that has something to say on every claim, with shares that are known exactly."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reports
from harness.contracts import Cell, Results, RunView, StatedClaim, Verdict
from harness.registry import Plugin, Registry
from reports.claims.judged import Judged, judge_claims
from reports.records import Records
from reports.significance import significance_table
from reports.summary import summarize
from reports.tables import cells_table
from tests.reports.conftest import Bench

PAPER = {"backbone": "unet", "gamma": 1.0, "xi": 1.0}
ORIGINAL = {"alexnet": 0.7, "vgg16": 0.8, "resnet18": 0.9}
IMAGES = 400
_COLUMNS = ("colors", "file_bytes", "payload_bytes", "entropy_bits", "paper_bytes")


class Study:
    """Makes cells of 400 images, each easy or hard for all; exactly the share that is asked for is recognized."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.draw = np.random.default_rng(0)
        self.hard = self.draw.normal(size=IMAGES)
        bench.pictures = lambda *_: {}  # type: ignore[method-assign]

    def recognized(self, share: float) -> np.ndarray:
        order = np.argsort(self.hard + self.draw.normal(size=IMAGES))
        right = np.zeros(IMAGES, np.int64)
        right[order[: round(share * IMAGES)]] = 1
        return right

    def cell(self, method: str, level: int | None, share: float, seed: int, **changes: Any) -> Cell:
        """``share`` is met on average of the seeds 0 to 2: seed 0 has half a point less, seed 2 half a point more."""
        classifier = changes.setdefault("classifier", "alexnet")
        columns = {name: changes.pop(name) for name in _COLUMNS if name in changes}
        labels = np.arange(IMAGES) % 3
        original = changes.pop("original", ORIGINAL.get(classifier, 0.9))
        kept = np.arange(IMAGES) < round((original + 0.005 * (seed - 1)) * IMAGES)
        columns["original_predicted"] = np.where(kept, labels, (labels + 1) % 3)
        frame = self.bench.frame(self.recognized(share + 0.005 * (seed - 1)), **columns)
        if method == "colorcnn":
            changes = {"fitted_on": classifier, "params": PAPER, **changes}
        changes.setdefault("dataset", "stl10")
        variant = changes.pop("variant", method)
        return self.bench.cell(frame, variant, level, method=method, seed=seed, **changes)

    def seeds(
        self, method: str, level: int | None, share: float, seeds: Iterable[int] = range(3), **changes: Any
    ) -> list[Cell]:
        return [self.cell(method, level, share, seed, **changes) for seed in seeds]


@pytest.fixture
def study(bench: Bench) -> Study:
    return Study(bench)


def built_in() -> list[StatedClaim]:
    registry = Registry()
    for name in reports.PLUGIN_MODULES:
        registry.add_module(importlib.import_module(name), "built in")
    return [stated(plugin) for plugin in registry.of("claim")]


def stated(plugin: Plugin) -> StatedClaim:
    def judge(run: RunView) -> Verdict:
        verdict: Verdict = plugin.make({}, "").judge(run)
        return verdict

    return StatedClaim(plugin.name, plugin.mark.summary, plugin.mark.source, judge)


def judged(results: Results, *names: str) -> dict[str, Verdict]:
    """The verdicts of built-in claims, all of them or some, by name."""
    return {one.claim.name: one.verdict for one in all_judged(results, *names)}


def all_judged(results: Results, *names: str) -> tuple[Judged, ...]:
    claims = tuple(claim for claim in built_in() if not names or claim.name in names)
    results = replace(results, spec={**results.spec, "baseline": None}, claims=claims)
    records = Records()
    tasks = summarize(results, cells_table(results, records), significance_table(results, records), records)
    return judge_claims(results, tasks, records)


def paper_cells(study: Study) -> list[Cell]:
    """Figures 9 to 11 and Table 3 as the paper tells of them: three classifiers, three seeds."""
    cells: list[Cell] = []
    for number, classifier in enumerate(ORIGINAL):
        one: Mapping[str, Any] = {"classifier": classifier}
        own = ORIGINAL[classifier]
        plain, dithered = {"params": {"dither": "none"}}, {"params": {"dither": "floyd-steinberg-clipped"}}
        for level, share in ((2, 0.4 - 0.02 * number), (64, own - 0.0025)):
            cells += study.seeds("median-cut", level, share, **plain, **one)
            cells += study.seeds("median-cut", level, share - 0.1, variant="median-cut dither=fs", **dithered, **one)
        cells += study.seeds("octree-reference", 2, 0.3, **one)
        cells += study.seeds("octree-gervautz", 2, 0.35, **one)
        cells += study.seeds("jpeg", 1, 0.3, level_kind="quality", file_bytes=np.full(IMAGES, 600), **one)
        fewer = {"file_bytes": 90 + np.arange(IMAGES)}
        cells += study.seeds("colorcnn", 2, 0.6, **fewer, **one)
        cells += study.seeds("colorcnn", 64, own - 0.2, **one)
        for name in ("gamma", "xi"):
            for value, share in ((0.01, 0.35), (0.1, 0.45), (10.0, 0.44), (100.0, 0.3)):
                changed = {"params": PAPER | {name: value}, "variant": f"colorcnn {name}={value:g}"}
                cells += study.seeds("colorcnn", 2, share, **changed, **one)
        dncnn = {"params": PAPER | {"backbone": "dncnn"}, "variant": "colorcnn backbone=dncnn"}
        cells += study.seeds("colorcnn", 2, 0.5, **dncnn, **one)
    cells += study.seeds("colorcnn", 8, 0.697, colors=np.full(IMAGES, 8))
    for name, colors in (("gamma", 5), ("xi", 8)):
        changed = {"params": PAPER | {name: 0.0}, "variant": f"colorcnn {name}=0"}
        cells += study.seeds("colorcnn", 8, 0.45, colors=np.full(IMAGES, colors), **changed)
    return cells


@pytest.fixture(scope="session")
def paper_run(tmp_path_factory: pytest.TempPathFactory) -> Results:
    study = Study(Bench(Path(tmp_path_factory.mktemp("claims"))))
    return study.bench.results(paper_cells(study), claims=tuple(built_in()))
