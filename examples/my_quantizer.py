"""Your own quantizer.

``fewcolors run examples/quickstart.yaml --plugin examples/my_quantizer.py --method my-quantizer``
"""

import numpy as np

import fewcolors as fc


@fc.quantizer("my-quantizer", summary="as many pixels in each of C steps of gray, by brightness")
class MyQuantizer:
    darkest: int = 0

    def palettize(self, images, colors):
        brightness = images.reshape(len(images), -1, 3).mean(axis=2)
        rank = brightness.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
        indices = (rank * colors // rank.shape[1]).astype(np.uint8).reshape(images.shape[:3])
        grays = np.linspace(self.darkest, 255, colors).round().astype(np.uint8)
        return fc.Palettized(indices, np.tile(grays[:, None], (len(images), 1, 3)))
