"""Color difference as people see it, by scikit-image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Images
from harness.registry import metric
from methods.batches import in_slices, limited_by_pixels


@metric("ciede2000", summary="mean color difference, 0 where equal; lower is better (CIEDE2000)")
class ColorDifference:
    """Mean over pixels of the CIEDE2000 difference between the original's and the decoded color; 0 where equal.

    About 1 is what an eye can just tell apart; black and white are 100 apart. sRGB to CIELAB with the white point D65
    and the observer of 2 degrees, weights k_L = k_C = k_H = 1. Source: Sharma, Wu and Dalal, The CIEDE2000
    Color-Difference Formula, Color Research and Application 30(1), 2005; ``skimage.color.deltaE_ciede2000``.
    """

    def measure(self, original: Images, decoded: Images) -> NDArray[np.float64]:
        from skimage.color import deltaE_ciede2000, rgb2lab

        n, height, width, _ = original.shape
        difference = np.empty(n)

        def work(part: slice) -> None:
            each = deltaE_ciede2000(rgb2lab(original[part]), rgb2lab(decoded[part]))
            difference[part] = each.mean(axis=(1, 2), dtype=np.float64)

        in_slices(work, n, limited_by_pixels(height, width))
        return difference
