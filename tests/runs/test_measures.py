"""What is measured, and what it costs in memory, with the built-in methods and metrics."""

import itertools
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from harness import encoding
from harness.discovery import discover
from harness.work import applying
from harness.work.applying import apply_method, palettize_all
from reports.tables import mean_psnr, psnr_image_mean


def made(kind, name):
    return discover().get(kind, name, "test").make({}, "test")


def test_psnr_does_not_fall_when_both_images_get_better():
    """Four grays are lossless at 4 colors, and then no more in the mean over images that lost something."""
    easy = np.arange(100, 104).repeat(64).reshape(16, 16, 1).repeat(3, 2)
    hard = np.random.default_rng(0).integers(0, 256, (16, 16, 3))
    images = np.stack([easy, hard]).astype(np.uint8)
    kmeans = made("method", "kmeans")
    two, four = (pd.Series(encoding.psnr(images, palettize_all(kmeans, images, c).render())) for c in (2, 4))
    assert (four > two).all()
    assert mean_psnr(four) > mean_psnr(two)
    assert psnr_image_mean(four) < psnr_image_mean(two)


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("uniform-grid", 64),
        ("kmeans", 16),
        ("median-cut", 16),
        ("octree-gervautz", 16),
        ("jpeg", 50),
        ("original", None),
    ],
)
def test_the_memory_of_applying_and_measuring_is_that_of_a_chunk(name, level, tmp_path, monkeypatch):
    monkeypatch.setattr(applying, "CHUNK", 16)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    method = made("method", name)
    metrics = {metric: made("metric", metric) for metric in ("mse", "ssim", "ciede2000")}
    small = np.random.default_rng(0).integers(0, 256, (192, 4, 4, 3), np.uint8)
    images = small.repeat(8, axis=1).repeat(8, axis=2)
    apply_method(method, images[:16], level, tmp_path, metrics)  # what is imported or compiled first is not counted
    peaks = []
    for count in (32, 192):
        tracemalloc.start()
        apply_method(method, images[:count], level, tmp_path, metrics)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert all(later < 1.2 * first for first, later in itertools.pairwise(peaks)), peaks
