"""Where CQFormer's annotation branch answers, and what its image looks like in training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from harness.contracts import Images
from harness.encoding import stretched
from harness.learning import tensor_of
from methods.colorcnn.equations import soft_image
from methods.cqformer.equations import sharpened
from methods.cqformer.network import CQFormer, unit_images


@torch.no_grad()
def explain(network: CQFormer, images: Images, temperature: float) -> Mapping[str, NDArray[np.uint8]]:
    """``activation`` ``uint8 [N, H, W]`` and ``train-time`` ``uint8 [N, H, W, 3]`` of ``uint8 [N, H, W, 3]``.

    activation: the mean magnitude of the annotation branch's features at each pixel, each map from its least (0) to its
    greatest value (255). train-time: the palette branch's colors mixed by m_tau(x), rounded to 8 bits.
    """
    x = unit_images(tensor_of(images).to(network.head.weight.device))
    probabilities, palette = network(x)
    soft = 255 * soft_image(palette, sharpened(probabilities, temperature))
    return {
        "activation": stretched(network.features(x).abs().mean(dim=1).cpu().numpy()),
        "train-time": soft.permute(0, 2, 3, 1).round().clamp(0, 255).byte().contiguous().cpu().numpy(),
    }
