"""The ColorCNN+ network, and what it is at one color count: a ColorCNN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.contracts import Normalization
from harness.learning import freeze
from methods.colorcnn.network import ColorCNN
from methods.colorcnn.unet import UNet
from methods.colorcnn_plus import equations

LOGITS = 256
"""Of a pixel; their number is divided by each color count."""


class ColorCNNPlus(nn.Module):
    """``[B, 3, H, W]``, normalized, and C -> the probability map m(x) ``[B, C, H, W]``, for any C that was learned.

    A U-Net, a bottleneck of few channels, 256 logits; where they are not ``grouped``, C logits for each C, those of the
    smallest count first. Its normalization and the color counts it is trained for are kept beside the weights, as
    buffers ``mean``, ``std`` and ``counts``.
    """

    mean: Tensor
    std: Tensor
    counts: Tensor

    def __init__(
        self,
        width: int,
        bottleneck: int | None,
        top: int | None,
        counts: Sequence[int],
        normalization: Normalization,
        *,
        grouped: bool = True,
    ) -> None:
        super().__init__()
        self.width, self.top, self.grouped = width, top, grouped
        in_order = sorted(counts)
        self._first_of = dict(zip(in_order, accumulate(in_order, initial=0), strict=False))
        self.backbone = UNet(width)
        self.bottleneck = nn.Sequential()
        if bottleneck is not None:
            self.bottleneck.extend([nn.Conv2d(width, bottleneck, 1), nn.BatchNorm2d(bottleneck), nn.ReLU(inplace=True)])
        self.head = nn.Conv2d(bottleneck or width, LOGITS if grouped else sum(counts), 1, bias=False)
        self.register_buffer("mean", torch.tensor(normalization.mean))
        self.register_buffer("std", torch.tensor(normalization.std))
        self.register_buffer("counts", torch.tensor(in_order))

    def head_of(self, colors: int) -> Tensor:
        """The weights of the 1x1 convolution whose outputs are each color's logit, ``[C, K, 1, 1]``: the means of those
        of the 256 logits, or the count's own."""
        if self.grouped:
            return equations.grouped_mean(self.head.weight[None], colors)[0]
        return self.head.weight.narrow(0, self._first_of[colors], colors)

    def forward(self, x: Tensor, colors: int) -> Tensor:
        logits = F.conv2d(self.bottleneck(self.backbone(x)), self.head_of(colors)).float()
        return equations.top_softmax(logits, self.top)


class AtColors(ColorCNN):
    """A ColorCNN+ at one color count, in the form of a ColorCNN: the backbone, and a head that gives C logits.

    Backbone and bottleneck are the network's own, not copies; the last layer's weights are what they are now.

    Args:
        network: The ColorCNN+.
        colors: C.
        top: Over how many logits the softmax is taken; None: over all. At test time that makes no difference, as the
            largest is the largest either way, but that of equals the first counts, whatever the batch.
    """

    def __init__(self, network: ColorCNNPlus, colors: int, top: int | None = None) -> None:
        nn.Module.__init__(self)
        self.colors, self.width, self.top = colors, network.width, top
        self.backbone = network.backbone
        weights = network.head_of(colors).detach()
        last = nn.Conv2d(weights.shape[1], colors, 1, bias=False, device="meta")
        last.weight = nn.Parameter(weights, requires_grad=False)
        self.head = nn.Sequential(*network.bottleneck, last)
        self.register_buffer("mean", network.mean)
        self.register_buffer("std", network.std)
        self.train(network.training)

    def forward(self, x: Tensor) -> Tensor:
        return equations.top_softmax(self.head(self.backbone(x)).float(), self.top)


def restore(
    width: int, bottleneck: int | None, top: int | None, state: Mapping[str, Any], *, grouped: bool = True
) -> ColorCNNPlus:
    """The frozen network of a ``state_dict``.

    Args:
        width: The U-Net's channels at full resolution.
        bottleneck: Channels in front of the logits; None: the U-Net's.
        top: Over how many logits the softmax is taken; None: over all.
        state: Tensors or arrays by their names in the network.
        grouped: Whether there are 256 logits for all color counts; otherwise each has its own.

    Returns:
        The network in eval mode, in channels-last memory on the CPU.

    Raises:
        KeyError: The state has no color counts.
        RuntimeError: Names or shapes are those of another network.
    """
    tensors = {name: torch.as_tensor(value) for name, value in state.items()}
    counts = tensors["counts"].tolist()
    plain = Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    network = ColorCNNPlus(width, bottleneck, top, counts, plain, grouped=grouped)
    network.load_state_dict(tensors)
    freeze(network)
    return network.to(memory_format=torch.channels_last)
