import threading

import numba.core.caching
import numpy as np
import pytest

from methods.batches import IMAGES_PER_SLICE, in_slices
from methods.compiled import compiled


@pytest.mark.parametrize("threads", ["1", "2", "5"])
@pytest.mark.parametrize("images", [0, 1, 2, 7, 64, 1000])
def test_slices_cover_every_image_once(monkeypatch, threads, images):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    visits, lock = np.zeros(images, int), threading.Lock()

    def work(part):
        assert part.stop - part.start <= IMAGES_PER_SLICE
        with lock:
            visits[part] += 1

    in_slices(work, images)
    assert (visits == 1).all()


@pytest.mark.parametrize("threads", ["1", "4"])
def test_an_exception_in_a_slice_reaches_the_caller(monkeypatch, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)

    def work(part):
        if part.start <= 70 < part.stop:
            raise ValueError("image 70")

    with pytest.raises(ValueError, match="image 70"):
        in_slices(work, 100)


def test_a_loop_is_compiled_also_where_its_code_can_be_kept_nowhere(monkeypatch):
    for implementation in (numba.core.caching.CompileResultCacheImpl, numba.core.caching.CacheImpl):
        monkeypatch.setattr(implementation, "_locator_classes", [])

    def add(a, b):
        return a + b

    assert compiled()(add)(2, 3) == 5
