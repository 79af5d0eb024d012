"""What a trained ColorCNN attends to, and what its image looks like in training (Fig. 3, 6 and 8 of the article)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from harness.contracts import Images
from harness.encoding import stretched
from harness.learning import normalize
from methods.colorcnn import equations
from methods.colorcnn.network import ColorCNN


@torch.no_grad()
def explain(network: ColorCNN, images: Images) -> Mapping[str, NDArray[np.uint8]]:
    """``activation`` ``uint8 [N, H, W]`` and ``train-time`` ``uint8 [N, H, W, 3]`` of ``uint8 [N, H, W, 3]``.

    activation: the mean magnitude of the backbone's features at each pixel, each map from its least (0) to its
    greatest value (255). train-time: x~ of Eq. 6 and 7, without jitter and palette norm, rounded to 8 bits.
    """
    pixels = torch.from_numpy(np.array(images)).to(network.mean.device)
    x = normalize(pixels, network.normalization)
    activation = network.backbone(x).abs().mean(dim=1)
    m = network(x)
    colors = pixels.permute(0, 3, 1, 2).float()
    soft = equations.soft_image(equations.soft_palette(colors, m), m)
    return {
        "activation": stretched(activation.cpu().numpy()),
        "train-time": soft.permute(0, 2, 3, 1).round().clamp(0, 255).byte().contiguous().cpu().numpy(),
    }
