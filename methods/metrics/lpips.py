"""Perceptual distance by a network's features, where the package lpips is installed."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.contracts import BadInput, Images
from harness.registry import metric
from methods.batches import limited_by_pixels

if TYPE_CHECKING:
    from torch import Tensor, nn


@metric("lpips", summary="distance of network features, 0 where equal; lower is better (Zhang et al. 2018)")
class PerceptualDistance:
    """LPIPS, version 0.1, of images as they are; 0 where equal. They need a side of 32 pixels or more.

    The package ``lpips`` (``pip install 'fewcolors[lpips]'``) holds the weights of the layers on top. Those of the
    network below, trained on ImageNet, it would download; here they are a file, as torchvision publishes it or as
    safetensors. Always on the CPU, in fp32. Source: Zhang, Isola, Efros, Shechtman and Wang, The Unreasonable
    Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018.

    Args:
        weights: The file with the network's state.
        network: Which network that is; ``alex`` is the authors' choice for comparisons.
    """

    weights: str
    network: Literal["alex", "vgg", "squeeze"] = "alex"
    fingerprinted = ("weights",)

    def __post_init__(self) -> None:
        self._distance: nn.Module | None = None

    def check(self) -> None:
        if importlib.util.find_spec("lpips") is None:
            raise BadInput(
                "metric 'lpips' needs the package lpips, which is not installed: pip install 'fewcolors[lpips]'"
            )
        if not Path(self.weights).expanduser().is_file():
            raise BadInput(
                f"weights: there is no file {self.weights}; metric 'lpips' needs torchvision's ImageNet weights of "
                f"{self.network} from a file."
            )

    def fingerprint(self) -> str:
        """sha256 of the weights."""
        with Path(self.weights).expanduser().open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()

    def measure(self, original: Images, decoded: Images) -> NDArray[np.float64]:
        import torch

        if self._distance is None:
            self._distance = self._load()
        step = limited_by_pixels(*original.shape[1:3])
        found = []
        with torch.inference_mode():
            for start in range(0, len(original), step):
                pair = (_scaled(images[start : start + step]) for images in (original, decoded))
                found.append(self._distance(*pair).flatten().double().numpy())
        return np.concatenate(found) if found else np.empty(0)

    def _load(self) -> nn.Module:
        """The package's network with the weights of the file; BadInput where they are another network's."""
        import lpips

        self.check()
        distance: Any = lpips.LPIPS(net=self.network, pnet_rand=True, verbose=False)
        given = _read(Path(self.weights).expanduser())
        wanted = distance.net.state_dict()  # such as slice2.3.weight for torchvision's features.3.weight
        state = {name: given.get("features." + name.partition(".")[2]) for name in wanted}
        for name, tensor in state.items():
            if tensor is None or tensor.shape != wanted[name].shape:
                raise BadInput(f"weights: {self.weights} does not hold the weights of torchvision's {self.network}.")
        distance.net.load_state_dict(state)
        frozen: nn.Module = distance.eval()
        return frozen


def _read(path: Path) -> dict[str, Any]:
    import torch

    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _scaled(images: Images) -> Tensor:
    """``uint8 [N, H, W, 3]`` as ``float32 [N, 3, H, W]`` from -1 to 1."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
