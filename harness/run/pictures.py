"""Any test image of a stored cell as PNG bytes: as it is, and as a decoder shows it after the method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from harness.contracts import BadInput
from harness.discovery import discover
from harness.encoding import plain_png
from harness.registry import Registry
from harness.work.artifacts import open_decoded
from harness.work.remote import is_uri
from harness.work.store import Store, digest_of, read_manifest, wrong_in

Show = Callable[[int], tuple[bytes, bytes] | None]
IMAGES = "test_images.npy"


def pictures_in(jobs: Mapping[str, Mapping[str, Any]], store: Store) -> Callable[[str], Show | None]:
    """Tells of a cell, by its key, how to see its test images.

    Args:
        jobs: Of a run's ``plan.json``, by key.
        store: The run's. Of one at a URI nothing is shown: whole datasets would have to be fetched for it.

    Returns:
        A function from a cell's key to ``Cell.picture``. What is read is held against its checksum first.
    """
    if is_uri(store.name):
        return lambda _key: None
    registry = cache(lambda: discover([]))

    @cache
    def is_sound(applied: str) -> bool:
        return not wrong_in(store.path("applied", applied))

    @cache
    def has_originals(dataset: str) -> bool:
        folder = store.path("datasets", dataset)
        try:
            return digest_of(folder / IMAGES) == read_manifest(folder).get(IMAGES)
        except (OSError, ValueError):
            return False

    def show_of(cell: str) -> Show:
        roles = jobs[cell]["inputs"]
        (_, dataset), (_, applied) = roles["dataset"], roles["applied"]

        def show(number: int) -> tuple[bytes, bytes] | None:
            sound = has_originals(dataset) and is_sound(applied)
            return _show(store, dataset, applied, number, registry()) if sound else None

        return show

    return show_of


def _show(store: Store, dataset: str, applied: str, number: int, registry: Registry) -> tuple[bytes, bytes] | None:
    """None where the images are files of a codec that is not installed here."""
    try:
        (decoded,) = open_decoded(store, applied, registry).take([number])
    except BadInput:
        return None
    original = np.load(store.path("datasets", dataset) / IMAGES, mmap_mode="r")[number]
    return plain_png(np.asarray(original)), plain_png(decoded)
