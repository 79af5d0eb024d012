"""How long a report takes, and how much memory: a run of many cells and images, from records on disk to page.

    python benchmarks/reporting.py --cells 1000 --images 10000
    python benchmarks/reporting.py --cells 100 --profile

The made-up run has three classifiers, two datasets and three seeds; its records have the columns of real ones.
Seconds of the process's own CPU time are what to compare where a machine is busy.
"""

from __future__ import annotations

import argparse
import cProfile
import itertools
import pstats
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from harness.contracts import Cell, Pictures, Results
from reports.page import render
from reports.tables import write_tables

DATASETS, CLASSIFIERS, SEEDS, LEVELS = (
    ("photos", "digits"),
    ("alexnet", "vgg16", "resnet18"),
    (0, 1, 2),
    (2, 4, 8, 16, 64),
)
CLASSES, SIDE = 10, 32


def made_up(folder: Path, cells: int, images: int) -> Results:
    """A run of so many cells, its records and a picture on disk."""
    original, reduced = folder / "original.png", folder / "reduced.png"
    draw = np.random.default_rng(0)
    Image.fromarray(draw.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(original)
    Image.fromarray(draw.integers(0, 2, (SIDE, SIDE, 3), np.uint8) * 255).save(reduced)
    labels = {dataset: draw.integers(0, CLASSES, images) for dataset in DATASETS}
    made = [
        _cell(folder, number, place, labels[place[0]], Pictures(original, reduced))
        for number, place in enumerate(itertools.islice(_places(), cells))
    ]
    spec = {
        "baseline": "method-0",
        "seeds": list(SEEDS),
        "reports": ["tables", "html"],
        "methods": [],
        "precision": "fp32",
    }
    classes = {dataset: tuple(f"class {n}" for n in range(CLASSES)) for dataset in DATASETS}
    return Results(name="made-up", spec=spec, cells=tuple(made), classes=classes)


def _places() -> Iterator[tuple[str, str, int, int, int]]:
    """Method by method: dataset, classifier, seed, level and the method's number."""
    for method in itertools.count():
        for dataset, classifier, seed, level in itertools.product(DATASETS, CLASSIFIERS, SEEDS, LEVELS):
            yield dataset, classifier, seed, level, method


def _cell(
    folder: Path, number: int, place: tuple[str, str, int, int, int], labels: np.ndarray, pictures: Pictures
) -> Cell:
    dataset, classifier, seed, level, method = place
    path = folder / f"{number}" / "records.parquet"
    path.parent.mkdir()
    _records(number, level, method, labels).to_parquet(path)
    name = f"method-{method}"
    return Cell(
        dataset=dataset,
        classifier=classifier,
        method=name,
        variant=name,
        params={"number": method},
        level_kind="colors",
        level=level,
        seed=seed,
        fitted_on=classifier if method % 2 else "",
        split="test",
        precision="fp32",
        key=f"{number:064x}",
        status="ok",
        records=path,
        gallery={0: pictures, 1: pictures},
        notes={
            "pixels": SIDE * SIDE,
            "original_accuracy": 0.9,
            "seconds": 1.0,
            "device": "cpu",
            "metrics": ["mse", "ssim"],
        },
    )


def _records(number: int, level: int, method: int, labels: np.ndarray) -> pd.DataFrame:
    draw, n = np.random.default_rng(number + 1), len(labels)
    right = draw.random(n) < 0.3 + 0.08 * np.log2(level) + 0.01 * (method % 10)
    known = np.random.default_rng(7).random(n) < 0.9
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
        print(f"page {len(page.encode()) / 1e6:.1f} MB, peak memory {_peak():.2f} GB")
        if asked.profile:
            pstats.Stats(profile).sort_stats("cumulative").print_stats(45)


def _peak() -> float:
    """GB that the process held at most, with what it took to make the run up."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
