"""Structural similarity, by scikit-image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Images
from harness.registry import metric
from methods.batches import in_slices, limited_by_pixels

WINDOW = 7


@metric("ssim", summary="structural similarity, 1 where equal; higher is better (Wang et al. 2004)")
class StructuralSimilarity:
    """Mean SSIM with a uniform window of 7 x 7 pixels and the sample covariance, mean of the three channels.

    -1 to 1, 1 where both images are equal. Only windows that lie in the image wholly count. In images with a side
    below 7 the window is the largest odd number that fits: 5, 3 or 1; a window of one pixel has no variance, so that
    it compares brightness only. Source: Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment: From Error
    Visibility to Structural Similarity, IEEE TIP 13(4), 2004; ``skimage.metrics.structural_similarity`` with its
    defaults and a data range of 255.
    """

    def measure(self, original: Images, decoded: Images) -> NDArray[np.float64]:
        from skimage.metrics import structural_similarity

        n, height, width, channels = original.shape
        window = min(WINDOW, height - (height + 1) % 2, width - (width + 1) % 2)
        inside = slice(window // 2, height - window // 2), slice(window // 2, width - window // 2)
        similarity = np.empty(n)

        def work(part: slice) -> None:
            """One call for images below each other: windows across their borders are left out, so none sees another."""
            below = [images[part].reshape(-1, width, channels) for images in (original, decoded)]
            _, found = structural_similarity(
                *below, win_size=window, data_range=255, channel_axis=2, use_sample_covariance=window > 1, full=True
            )
            each = found.reshape(-1, height, width, channels)[:, *inside]
            similarity[part] = each.mean(axis=(1, 2, 3), dtype=np.float64)

        in_slices(work, n, limited_by_pixels(height, width))
        return similarity
