"""One large photograph through every training-free quantizer, beside Pillow, as a Markdown table.

The photograph is made of scikit-learn's two, enlarged, with a little noise so that it has as many colors as one from a
camera. Each method has a process of its own, in which it and Pillow take turns. Seconds on one thread are processor
time; on several threads they are wall-clock time, which other work on the machine lengthens. ``x Pillow``: one
thread's seconds to Pillow's. ``x Pillow / T``: the seconds on T threads to a T-th of Pillow's. Pillow works on one
thread; the table says which of its methods is compared, ``remap`` is ``quantize(palette=...)``. Bytes: what the
process grew by at its peak on most threads. Run from the root: ``python benchmarks/photographs.py --help``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

from harness.contracts import BadInput
from harness.discovery import discover

VARIANTS: dict[str, list[dict[str, str]]] = {
    "median-cut": [{"dither": "floyd-steinberg"}],
    "kmeans": [{"init": "median-cut"}, {"space": "lab"}],
}
"""Timed beside each method's defaults."""

COMPARED = {
    "max-coverage": "MAXCOVERAGE",
    "octree": "FASTOCTREE",
    "octree-reference": "FASTOCTREE",
    "octree-gervautz": "FASTOCTREE",
    "uniform-grid": "remap",
    "random": "remap",
}
"""Pillow's comparable method, else MEDIANCUT."""


@dataclass(frozen=True)
class Job:
    """A method with parameters, and what is measured of it. photograph: an npy file, ``uint8 [H, W, 3]``."""

    photograph: Path
    name: str
    params: dict[str, str]
    colors: int
    threads: tuple[int, ...]
    repeats: int

    @property
    def title(self) -> str:
        return self.name + "".join(f" {key}={value}" for key, value in self.params.items())


def enlarged_photograph(width: int, height: int, noise: float, seed: int = 0) -> NDArray[np.uint8]:
    """``uint8 [height, width, 3]``: a half of each photograph, with normal noise of this standard deviation."""
    whole = [
        np.asarray(Image.fromarray(photograph).resize((width, height), Image.Resampling.BICUBIC))
        for photograph in load_sample_images().images
    ]
    image = np.concatenate([whole[0][:, : width // 2], whole[1][:, width // 2 :]], axis=1)
    generator = np.random.default_rng(seed)
    for row in image:
        row[:] = np.rint(row + noise * generator.standard_normal(row.shape, np.float32)).clip(0, 255)
    return image


def save_photograph(file: Path, width: int, height: int, noise: float) -> int:
    """Writes it as npy; how many colors it has. In a process of its own, so that its memory is in no other's peak."""
    image = enlarged_photograph(width, height, noise)
    np.save(file, image)
    return len(np.unique(image.reshape(-1, 3).astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)))


def seconds_of(work: Callable[[], object], clock: Callable[[], float], repeats: int) -> float:
    """The shortest of ``repeats`` calls."""
    times = []
    for _ in range(repeats):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)


def pillow_work(image: NDArray[np.uint8], colors: int, compared: str) -> Callable[[], object]:
    whole = Image.fromarray(image)
    if compared == "remap":
        palette = whole.resize((600, 400)).quantize(colors)
        return lambda: whole.quantize(palette=palette, dither=Image.Dither.NONE)
    return lambda: whole.quantize(colors, Image.Quantize[compared])


def is_usable(method: Any) -> bool:
    """Whether what the method needs is installed."""
    try:
        getattr(method, "check", lambda: None)()
    except BadInput:
        return False
    return True


def measure(job: Job) -> str:
    """A row of the table."""
    image = np.load(job.photograph)
    method: Any = next(p for p in discover() if p.name == job.name).make(job.params, job.name)
    method.palettize(image[None, :8, :8], 2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    compared = COMPARED.get(job.name, "MEDIANCUT")
    seconds = []
    for threads in job.threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        clock = time.process_time if threads == 1 else time.perf_counter
        seconds.append(seconds_of(lambda: method.palettize(image[None], job.colors), clock, job.repeats))
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    pillow = seconds_of(pillow_work(image, job.colors, compared), time.process_time, job.repeats)
    ratios = [own * threads / pillow for own, threads in zip(seconds, job.threads, strict=True)]
    figures = " | ".join(f"{own:.2f}" for own in seconds)
    shares = " | ".join(f"{ratio:.2f}" for ratio in ratios)
    bytes_each = grown / (image.shape[0] * image.shape[1])
    return f"| {job.title} | {job.colors} | {figures} | {compared} {pillow:.2f} | {shares} | {bytes_each:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=[6000, 4000], help="width and height (6000 4000)")
    parser.add_argument("--noise", type=float, default=1.5, help="standard deviation of the noise (1.5)")
    parser.add_argument("--colors", type=int, nargs="+", default=[256, 16], help="numbers of colors (256 16)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads (1 2)")
    parser.add_argument("--repeats", type=int, default=2, help="calls, of which the shortest counts (2)")
    parser.add_argument("--methods", nargs="+", help="only these")
    arguments = parser.parse_args()

    shares = [f"x Pillow / {threads}" if threads > 1 else "x Pillow" for threads in arguments.threads]
    heads = ["method", "colors", *(f"{t} thread{'s' * (t > 1)}, s" for t in arguments.threads), "Pillow, s", *shares]
    methods = [
        (plugin.name, params)
        for plugin in discover()
        if plugin.mark.level_kind == "colors" and not plugin.learns
        if arguments.methods is None or plugin.name in arguments.methods
        if is_usable(plugin.make({}, plugin.name))
        for params in [{}, *VARIANTS.get(plugin.name, [])]
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "photograph.npy"
        jobs = [
            Job(file, name, params, colors, tuple(arguments.threads), arguments.repeats)
            for colors in arguments.colors
            for name, params in methods
        ]
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            distinct = pool.apply(save_photograph, (file, *arguments.size, arguments.noise))
            print(f"{arguments.size[0]} x {arguments.size[1]}, {distinct:,} colors, {platform.machine()}\n")
            print("| " + " | ".join([*heads, "bytes a pixel"]) + " |\n" + "|---" * (len(heads) + 1) + "|", flush=True)
            for row in pool.imap(measure, jobs, chunksize=1):
                print(row, flush=True)


if __name__ == "__main__":
    main()
