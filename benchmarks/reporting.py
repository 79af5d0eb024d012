"""How long a report takes, and how much memory: a run of many cells and images, from records on disk to page.

    python benchmarks/reporting.py --cells 1000 --images 10000
    python benchmarks/reporting.py --cells 100 --profile

The made-up run has three classifiers, two datasets and three seeds, the methods that the paper's claims speak of, and
beside them k-means in as many variants as it takes. Its records have the columns of real ones; all claims are judged.
Seconds of the process's own CPU time are what to compare where a machine is busy.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib
import itertools
import pstats
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

import reports
from harness.contracts import Cell, LevelKind, Pictures, Results
from harness.registry import Registry
from harness.run.execute import with_claims
from reports.page import render
from reports.tables import tabulate, write_tables

DATASETS, SEEDS = ("stl10", "cifar10"), (0, 1, 2)
CLASSIFIERS = {"alexnet": 0.8, "vgg16": 0.85, "resnet18": 0.9}
"""With the share of the untouched images that each recognizes."""
LEVELS = ((2, 64), (4, 8, 16))
"""Few cells have the first two levels of several methods, not all levels of one."""
CLASSES, SIDE = 10, 32


@dataclass(frozen=True)
class Variant:
    """kept: how much more than the other methods it keeps of what the classifier recognizes, as a share."""

    method: str
    name: str
    kept: float = 0.0
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def learned(self) -> bool:
        return self.method == "colorcnn"

    @property
    def level_kind(self) -> LevelKind:
        return "quality" if self.method == "jpeg" else "colors"


_PAPER = {"backbone": "unet", "gamma": 1.0, "xi": 1.0}
VARIANTS = (
    Variant("median-cut", "median-cut", params={"dither": "none"}),
    Variant("colorcnn", "colorcnn", 0.15, _PAPER),
    Variant("octree-reference", "octree-reference", -0.03),
    Variant("jpeg", "jpeg", -0.06),
    Variant("median-cut", "median-cut dither=fs", -0.04, {"dither": "floyd-steinberg-clipped"}),
    Variant("octree-gervautz", "octree-gervautz", -0.02),
    Variant("colorcnn", "colorcnn gamma=0", 0.1, {**_PAPER, "gamma": 0.0}),
    Variant("colorcnn", "colorcnn xi=0", 0.08, {**_PAPER, "xi": 0.0}),
    Variant("colorcnn", "colorcnn backbone=dncnn", 0.11, {**_PAPER, "backbone": "dncnn"}),
    Variant("colorcnn", "colorcnn gamma=10", 0.05, {**_PAPER, "gamma": 10.0}),
)


@dataclass(frozen=True)
class Place:
    dataset: str
    classifier: str
    seed: int
    level: int
    variant: Variant


def made_up(folder: Path, cells: int, images: int) -> Results:
    """A run of so many cells, its records and a picture on disk."""
    original, reduced = folder / "original.png", folder / "reduced.png"
    draw = np.random.default_rng(0)
    Image.fromarray(draw.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(original)
    Image.fromarray(draw.integers(0, 2, (SIDE, SIDE, 3), np.uint8) * 255).save(reduced)
    labels = {dataset: draw.integers(0, CLASSES, images) for dataset in DATASETS}
    made = [
        _cell(folder, number, place, labels[place.dataset], Pictures(original, reduced))
        for number, place in enumerate(itertools.islice(_places(), cells))
    ]
    spec = {
        "baseline": "median-cut",
        "seeds": list(SEEDS),
        "reports": ["tables", "html"],
        "methods": [],
        "precision": "fp32",
    }
    classes = {dataset: tuple(f"class {n}" for n in range(CLASSES)) for dataset in DATASETS}
    return with_claims(Results(name="made-up", spec=spec, cells=tuple(made), classes=classes), _claims())


def _claims() -> Registry:
    registry = Registry()
    for name in reports.PLUGIN_MODULES:
        registry.add_module(importlib.import_module(name), "built in")
    return registry


def _places() -> Iterator[Place]:
    """Method by method; those of the claims at the first levels, then at the others, then k-means at all."""
    named = ((levels, variant) for levels in LEVELS for variant in VARIANTS)
    further = (
        (tuple(sorted(itertools.chain(*LEVELS))), Variant("kmeans", f"kmeans restarts={n}", params={"restarts": n}))
        for n in itertools.count(1)
    )
    for levels, variant in itertools.chain(named, further):
        for dataset, classifier, seed, level in itertools.product(DATASETS, CLASSIFIERS, SEEDS, levels):
            yield Place(dataset, classifier, seed, level, variant)


def _cell(folder: Path, number: int, place: Place, labels: np.ndarray, pictures: Pictures) -> Cell:
    path = folder / f"{number}" / "records.parquet"
    path.parent.mkdir()
    frame = _records(number, place, labels)
    frame.to_parquet(path)
    return Cell(
        dataset=place.dataset,
        classifier=place.classifier,
        method=place.variant.method,
        variant=place.variant.name,
        params=place.variant.params,
        level_kind=place.variant.level_kind,
        level=place.level,
        seed=place.seed,
        fitted_on=place.classifier if place.variant.learned else "",
        split="test",
        precision="fp32",
        key=f"{number:064x}",
        status="ok",
        records=path,
        gallery={0: pictures, 1: pictures},
        notes={
            "pixels": SIDE * SIDE,
            "original_accuracy": float((frame["original_predicted"] == frame["label"]).mean()),
            "seconds": 1.0,
            "device": "cpu",
            "metrics": ["mse", "ssim"],
        },
    )


def _records(number: int, place: Place, labels: np.ndarray) -> pd.DataFrame:
    draw, n, level = np.random.default_rng(number + 1), len(labels), place.level
    own = CLASSIFIERS[place.classifier]
    of_classifier = np.random.default_rng([DATASETS.index(place.dataset), list(CLASSIFIERS).index(place.classifier)])
    hard = of_classifier.random(n)
    known = hard + 0.02 * np.random.default_rng([7, place.seed]).normal(size=n) < own
    right = hard + 0.05 * draw.normal(size=n) < own * min(0.4 + 0.1 * np.log2(level) + place.variant.kept, 1.0)
    wrong = (labels + 1 + draw.integers(0, CLASSES - 1, n)) % CLASSES
    confidence = draw.random(n)
    file_bytes = 100 + 40 * level + draw.integers(0, 200, n)
    return pd.DataFrame(
        {
            "image": np.arange(n),
            "group": np.arange(n),
            "label": labels,
            "predicted": np.where(right, labels, wrong),
            "correct": right,
            "confidence": confidence,
            "p_true": np.where(right, confidence, 1 - confidence),
            "colors": np.full(n, level),
            "file_bytes": file_bytes,
            "payload_bytes": file_bytes - 60,
            "entropy_bits": 8.0 * file_bytes,
            "paper_bytes": 2 * file_bytes,
            "psnr": draw.normal(20, 3, n),
            "original_predicted": np.where(known, labels, (labels + 1) % CLASSES),
            "mse": draw.random(n) * 1000,
            "ssim": draw.random(n),
            "name": [f"test/class-{label}/{i:06d}.png" for i, label in enumerate(labels)],
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        results = made_up(folder, asked.cells, asked.images)
        profile = cProfile.Profile()
        wall, cpu = time.perf_counter(), time.process_time()
        if asked.profile:
            profile.enable()
        page = render(results)
        between = time.process_time()
        write_tables(results, folder / "report")
        profile.disable()
        print(f"{asked.cells} cells of {asked.images} images")
        print(f"tables and page {between - cpu:.1f} s, CSV {time.process_time() - between:.1f} s of CPU time")
        print(f"{time.perf_counter() - wall:.1f} s on the clock")
        verdicts = Counter(one.verdict.verdict for one in tabulate(results).judged)
        print("claims:", ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())))
        print(f"page {len(page.encode()) / 1e6:.1f} MB, peak memory {_peak():.2f} GB")
        if asked.profile:
            pstats.Stats(profile).sort_stats("cumulative").print_stats(45)


def _peak() -> float:
    """GB that the process held at most, with what it took to make the run up."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
