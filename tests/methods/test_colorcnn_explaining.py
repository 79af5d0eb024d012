import numpy as np
import torch

from harness.contracts import IMAGENET_NORMALIZATION
from harness.learning import freeze, normalize
from methods.colorcnn.explaining import explain
from methods.colorcnn.network import ColorCNN

IMAGES = np.random.default_rng(2).integers(0, 256, (2, 16, 16, 3), np.uint8)


def test_pictures_against_loops():
    torch.manual_seed(1)
    network = freeze(ColorCNN("unet", 4, 3, IMAGENET_NORMALIZATION))
    shown = explain(network, IMAGES)
    x = normalize(torch.from_numpy(IMAGES), IMAGENET_NORMALIZATION)
    m, features = network(x).double().numpy(), network.backbone(x).numpy()
    for n, image in enumerate(IMAGES.astype(float)):
        strength = np.array([[np.mean([abs(v) for v in features[n, :, i, j]]) for j in range(16)] for i in range(16)])
        expected = 255 * (strength - strength.min()) / (strength.max() - strength.min())
        assert np.abs(shown["activation"][n] - expected).max() <= 0.51
        palette = [(m[n, c][..., None] * image).sum((0, 1)) / m[n, c].sum() for c in range(3)]
        soft = sum(m[n, c][..., None] * palette[c] for c in range(3))
        assert np.abs(shown["train-time"][n] - soft).max() <= 0.51
