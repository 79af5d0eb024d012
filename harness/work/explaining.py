"""What a classifier and a method look at: class activation maps, a method's own pictures, and how both are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.contracts import ContractError, Images, Level, Normalization, Pictures, Split
from harness.encoding import plain_png, stretched

if TYPE_CHECKING:
    import torch

CAM, CAM_ORIGINAL = "cam", "cam-original"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TAKEN = ("original", CAM, CAM_ORIGINAL)


def explain_method(method: Any, images: Images, level: Level) -> dict[str, NDArray[np.uint8]]:
    """What a method's ``explain`` shows of images ``uint8 [N, H, W, 3]``.

    By name, ``uint8 [N, H, W]`` (gray) or ``[N, H, W, 3]``. Raises ContractError for anything else.
    """
    shown = method.explain(np.array(images), level)
    if not isinstance(shown, Mapping):
        raise ContractError(f"explain returned {type(shown).__name__}, it must return a mapping from names to pictures")
    for name, pictures in shown.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _TAKEN:
            raise ContractError(
                f"explain calls a picture {name!r}; it must be words of a-z and 0-9 joined by '-', not {_TAKEN}"
            )
        fits = isinstance(pictures, np.ndarray) and pictures.dtype == np.uint8
        if not fits or pictures.shape not in (images.shape, images.shape[:3]):
            got = (
                f"{pictures.dtype} {list(pictures.shape)}"
                if isinstance(pictures, np.ndarray)
                else type(pictures).__name__
            )
            wanted = " or ".join(str(list(shape)) for shape in (images.shape[:3], images.shape))
            raise ContractError(f"explain's {name!r} are {got}, they must be uint8 {wanted}")
    return dict(shown)


def class_activation_maps(
    network: torch.nn.Module,
    images: Images,
    labels: NDArray[np.int64],
    normalization: Normalization,
    device: str = "cpu",
) -> NDArray[np.uint8] | None:
    """Where a frozen network finds class ``labels[n]`` in image n (Zhou et al. 2016, Eq. 2): ``uint8 [N, H, W]``.

    The last feature maps weighted by the class's row of the final linear layer, bilinearly enlarged to the image,
    each from its least (0) to its greatest value (255). None for a network without ``features`` and ``head``.
    """
    import torch

    from harness.learning import normalize

    features, head = getattr(network, "features", None), getattr(network, "head", None)
    if not callable(features) or not isinstance(head, torch.nn.Linear):
        return None
    with torch.no_grad():
        maps = features(normalize(torch.from_numpy(np.array(images)).to(device), normalization)).float()
        if maps.ndim != 4 or maps.shape[1] != head.in_features:
            return None
        weights = head.weight[torch.from_numpy(np.array(labels)).to(device)].float()
        cam = torch.einsum("nf,nfhw->nhw", weights, maps)[:, None]
        cam = torch.nn.functional.interpolate(cam, images.shape[1:3], mode="bilinear", align_corners=False)[:, 0]
        return stretched(cam.cpu().numpy())


def write_pictures(
    folder: Path, numbers: Sequence[int], originals: Images, decoded: Images, maps: Mapping[str, NDArray[np.uint8]]
) -> None:
    """One PNG per image and kind of picture; row i of each array belongs to test image ``numbers[i]``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, pictures in {"": decoded, "-original": originals, **{f"-{n}": p for n, p in maps.items()}}.items():
        for number, picture in zip(numbers, pictures, strict=True):
            (folder / f"{number}{name}.png").write_bytes(plain_png(picture))


def read_pictures(folder: Path, original_p_true: Mapping[int, float]) -> dict[int, Pictures]:
    """What ``write_pictures`` left, by the images' numbers."""
    found: dict[int, dict[str, Path]] = {}
    for path in sorted(folder.glob("*.png")):
        number, _, name = path.stem.partition("-")
        found.setdefault(int(number), {})[name] = path
    return {
        number: Pictures(
            original=paths.pop("original"),
            decoded=paths.pop(""),
            maps=paths,
            original_p_true=original_p_true.get(number),
        )
        for number, paths in sorted(found.items())
    }


def explain_classifier(
    network: torch.nn.Module,
    test: Split,
    numbers: Sequence[int],
    decoded: Images,
    normalization: Normalization,
    device: str,
) -> tuple[dict[str, NDArray[np.uint8]], dict[int, float]]:
    """Class activation maps of some test images and of what was made of them; p of the true class on the originals.

    decoded: the pictures of just these images, in the order of ``numbers``.
    """
    from scipy.special import softmax

    from harness.learning import predict

    rows = np.array(numbers, np.int64)
    originals, labels = np.array(test.images[rows]), np.array(test.labels[rows])
    logits = predict(network, originals, normalization, device)
    p_true = softmax(logits.astype(np.float64), axis=1)[np.arange(len(rows)), labels]
    maps = {}
    for name, images in ((CAM, decoded), (CAM_ORIGINAL, originals)):
        found = class_activation_maps(network, images, labels, normalization, device)
        if found is not None:
            maps[name] = found
    return maps, {int(number): float(p) for number, p in zip(numbers, p_true, strict=True)}
