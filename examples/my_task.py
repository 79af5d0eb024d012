"""Your own dataset and classifier.

``fewcolors run examples/quickstart.yaml --plugin examples/my_task.py --dataset stripes --classifier tiny-net``
"""

import numpy as np

import fewcolors as fc


@fc.dataset("stripes", summary="noisy stripes in four directions")
class Stripes:
    images: int = 400
    side: int = 32
    seed: int = 0

    def load(self) -> fc.DatasetArrays:
        draw = np.random.default_rng(self.seed)
        return fc.DatasetArrays(self._split(draw), self._split(draw), ("|", "/", "-", "\\"))

    def _split(self, draw: np.random.Generator) -> fc.Split:
        labels = draw.integers(0, 4, self.images)
        angle, phase = labels[:, None, None] * np.pi / 4, draw.uniform(0, 6.3, (self.images, 1, 1))
        x, y = np.meshgrid(np.arange(self.side), np.arange(self.side))
        waves = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 1.2 + phase)[..., None]
        tints = draw.uniform(20, 60, (self.images, 1, 1, 3))
        noise = draw.normal(0, 30, (self.images, self.side, self.side, 3))
        return fc.Split.of(np.clip(128 + waves * tints + noise, 0, 255).astype(np.uint8), labels)


@fc.classifier("tiny-net", summary="two convolutions, trained by the paper's recipe")
class TinyNet(fc.PaperRecipe):
    channels: int = 16

    def build(self, classes: int):
        from torch import nn

        return nn.Sequential(
            nn.Conv2d(3, self.channels, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(self.channels, self.channels, 3, 2, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(self.channels, classes),
        )
