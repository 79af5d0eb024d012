"""Blobs of light, to be counted."""

import numpy as np

import fewcolors as fc


@fc.dataset("blobs", summary="one to four blobs of light: how many are there?")
class Blobs:
    images: int = 400
    side: int = 32
    seed: int = 0

    def load(self) -> fc.DatasetArrays:
        draw = np.random.default_rng(self.seed)
        return fc.DatasetArrays(self._split(draw), self._split(draw), ("one", "two", "three", "four"))

    def _split(self, draw: np.random.Generator) -> fc.Split:
        labels = draw.integers(0, 4, self.images)
        centers = draw.uniform(4, self.side - 4, (self.images, 4, 2, 1, 1))
        shown = np.arange(4) <= labels[:, None]
        x, y = np.meshgrid(np.arange(self.side), np.arange(self.side))
        near = np.exp(-((x - centers[:, :, 0]) ** 2 + (y - centers[:, :, 1]) ** 2) / 6) * shown[..., None, None]
        light = 60 + 190 * near.max(axis=1)[..., None] + draw.normal(0, 10, (self.images, self.side, self.side, 3))
        return fc.Split.of(np.clip(light, 0, 255).astype(np.uint8), labels)
