"""Images per second of every training-free quantizer, on crops of scikit-learn's two sample photographs.

Also Floyd-Steinberg in plain Python (a loop over pixels, numpy within a pixel), and how much faster the compiled
one is: alone, and with all of ``median-cut`` around it, most of whose time is Pillow's. ``--beside-pillow`` prints
instead what an image of 32x32 takes on one thread, beside the slowest of Pillow's built-in methods. Run from the root:
``python benchmarks/quantizers.py --help``. The first call compiles (some seconds, kept on disk) and is not timed.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

from harness.contracts import BadInput, Images
from harness.discovery import discover
from harness.encoding import thread_count

VARIANTS = {
    "median-cut": [{"dither": "floyd-steinberg"}],
    "kmeans": [{"init": "random"}, {"init": "maximin"}, {"init": "median-cut"}, {"space": "lab"}],
}
"""Timed beside each method's defaults."""

PILLOW = [Image.Quantize.MEDIANCUT, Image.Quantize.MAXCOVERAGE, Image.Quantize.FASTOCTREE]
"""What every Pillow has built in."""


def floyd_steinberg_slowly(
    image: NDArray[np.uint8], palette: NDArray[np.uint8], errors: str = "bounded"
) -> NDArray[np.int64]:
    """The obvious loop over pixels: ``uint8 [H, W, 3]`` and ``uint8 [C, 3]`` to indices ``[H, W]``."""
    height, width = image.shape[:2]
    wanted, entries = image.astype(float), palette.astype(float)
    apart = np.square(entries[:, None] - entries[None]).sum(-1)
    gap = max((row[row > 0].min() for row in apart if (row > 0).any()), default=0.0)
    indices = np.zeros((height, width), np.int64)
    for y in range(height):
        for x in range(width):
            color = np.clip(wanted[y, x], 0, 255) if errors == "clipped" else wanted[y, x]
            if errors == "bounded":
                step = color - image[y, x]
                limits = np.where(color > 280.5, 280.5, np.where(color < -25.5, -25.5, color))
                shares = [(limit - p) / s for limit, p, s in zip(limits, image[y, x], step, strict=True) if s]
                color = image[y, x] + min([1.0, *shares]) * step
            indices[y, x] = np.argmin(((entries - color) ** 2).sum(axis=1))
            error = color - entries[indices[y, x]]
            if errors == "bounded" and np.square(error).sum() > gap:
                error = 0.75 * error
            for dx, dy, share in ((1, 0, 7), (-1, 1, 3), (0, 1, 5), (1, 1, 1)):
                if 0 <= x + dx < width and y + dy < height:
                    wanted[y + dy, x + dx] += error * share / 16
    return indices


def crops(count: int, side: int, seed: int = 0) -> Images:
    """``uint8 [count, side, side, 3]``: squares from random places of the photographs, in turn."""
    photographs = load_sample_images().images
    generator = np.random.default_rng(seed)
    squares = []
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        top, left = generator.integers(0, np.array(photograph.shape[:2]) - side)
        squares.append(photograph[top : top + side, left : left + side])
    return np.stack(squares)


def images_per_second(work: Callable[[Images], object], images: Images, seconds: float) -> float:
    """The best of repeated passes over ``images``, as many as fit into ``seconds``, at least one."""
    best, end = np.inf, time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        work(images)
        best = min(best, time.perf_counter() - start)
        if time.perf_counter() > end:
            return len(images) / best


def microseconds(works: dict[str, Callable[[Images], object]], images: Images, passes: int) -> dict[str, float]:
    """Processor time of each for an image, the least of so many passes, one of each in turn."""
    least = dict.fromkeys(works, np.inf)
    for work in works.values():
        work(images[:2])
    for _ in range(passes):
        for title, work in works.items():
            start = time.process_time()
            work(images)
            least[title] = min(least[title], (time.process_time() - start) / len(images) * 1e6)
    return least


def compare_with_pillow(methods: dict[str, Any], colors: list[int], passes: int = 5) -> None:
    """Prints what 32x32 pixels take on one thread, and the ratio to Pillow's slowest of the same run."""
    os.environ["OMP_NUM_THREADS"] = "1"
    images = crops(128, 32)
    columns = []
    for count in colors:
        works = {title: lambda batch, m=method, c=count: m.palettize(batch, c) for title, method in methods.items()}
        for kind in PILLOW:
            works[f"Pillow's {kind.name}"] = lambda batch, k=kind, c=count: [
                Image.fromarray(image).quantize(c, k) for image in batch
            ]
        columns.append(microseconds(works, images, passes))
    slowest = [max(column[f"Pillow's {kind.name}"] for kind in PILLOW) for column in columns]
    print("us of processor time an image of 32x32, one thread; in brackets the share of Pillow's slowest")
    print(f"{'':36}" + "".join(f"{f'C={count}':>14}" for count in colors))
    for title in columns[0]:
        cells = [
            f"{column[title]:.0f} ({column[title] / most:.2f})" for column, most in zip(columns, slowest, strict=True)
        ]
        print(f"{title:36}" + "".join(f"{cell:>14}" for cell in cells))


def is_usable(method: Any) -> bool:
    """Whether what the method needs is installed; says what is missing."""
    try:
        getattr(method, "check", lambda: None)()
    except BadInput as missing:
        print(f"left out: {missing}")
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 96], help="image sides in pixels (32 96)")
    parser.add_argument("--colors", type=int, nargs="+", default=[2, 16], help="numbers of colors (2 16)")
    parser.add_argument("--pixels", type=int, default=1 << 20, help="pixels in a batch (2^20: 1,024 images at 32x32)")
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each figure (1.0)")
    parser.add_argument("--beside-pillow", action="store_true", help="32x32 on one thread, 2 to 64 colors")
    arguments = parser.parse_args()

    candidates = [
        (plugin.name + "".join(f" {key}={value}" for key, value in params.items()), plugin.make(params, plugin.name))
        for plugin in discover()
        if plugin.mark.level_kind == "colors" and not plugin.learns
        for params in ([{}] if arguments.beside_pillow else [{}, *VARIANTS.get(plugin.name, [])])
    ]
    methods = [(title, method) for title, method in candidates if is_usable(method)]
    if arguments.beside_pillow:
        compare_with_pillow(dict(methods), [2, 8, 16, 32, 64])
        return
    columns = [(side, colors) for side in arguments.sides for colors in arguments.colors]
    batches = {side: crops(max(1, arguments.pixels // side**2), side) for side in arguments.sides}

    print(f"images/s on {thread_count()} threads, {platform.machine()}, crops of two photographs")
    print(f"{'':36}" + "".join(f"{f'{side}x{side} C={colors}':>14}" for side, colors in columns))

    def line(title: str, figures: list[float]) -> None:
        print(f"{title:36}" + "".join(f"{figure:14,.0f}" for figure in figures), flush=True)

    speed = {}
    for title, method in methods:
        method.palettize(batches[arguments.sides[0]][:2], 2)
        speed[title] = [
            images_per_second(lambda batch, m=method, c=colors: m.palettize(batch, c), batches[side], arguments.seconds)
            for side, colors in columns
        ]
        line(title, speed[title])

    from methods.dithering import floyd_steinberg

    fast, slow = [], []
    for side, colors in columns:
        few = batches[side][: max(2, 16 * 32**2 // side**2)]
        palettes = dict(methods)["median-cut"].palettize(batches[side], colors).palettes
        fast.append(images_per_second(lambda batch, p=palettes: floyd_steinberg(batch, p), batches[side], 1))
        slow.append(
            images_per_second(
                lambda batch, p=palettes: [floyd_steinberg_slowly(*pair) for pair in zip(batch, p, strict=False)],
                few,
                0,
            )
        )
    line("Floyd-Steinberg alone, compiled", fast)
    line("Floyd-Steinberg alone, plain Python", slow)
    line("ratio, Floyd-Steinberg alone", [f / s for f, s in zip(fast, slow, strict=True)])
    both = speed["median-cut dither=floyd-steinberg"]
    line("ratio, all of median-cut dithered", [f / s for f, s in zip(both, slow, strict=True)])


if __name__ == "__main__":
    main()
