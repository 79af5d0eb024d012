"""A trained method as ONNX, compared with the method itself. Needs the packages of the extra ``onnx``."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.complaints import one_line
from harness.contracts import BadInput, ContractError, Images, Palettized

if TYPE_CHECKING:
    import torch

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
INPUT, OUTPUTS = "pixels", ("indices", "palettes")
ROUNDING = 0.001
"""Share of pixels that may get another color: sums are rounded differently, and some lie between two colors."""

_PIXELS_AT_A_TIME = 2**18


@dataclass(frozen=True)
class Onnx:
    """An exported model and how well it agrees. dynamic: of N, H, W those of any size. Shares are fractions."""

    content: bytes
    dynamic: tuple[str, ...]
    images: int
    equal_pixels: float
    equal_palette_entries: float

    def card(self, name: str) -> dict[str, Any]:
        """What an export's card says of it."""
        compared = {"test_images": self.images, "equal_pixels": self.equal_pixels}
        return {
            "file": name,
            "any_size": list(self.dynamic),
            "compared": compared | {"equal_palette_entries": self.equal_palette_entries},
        }

    def in_words(self) -> str:
        sizes = "images of any size" if "H" in self.dynamic else "images of the dataset's size only"
        return (
            f"{sizes}; on {self.images} test images onnxruntime gives {self.equal_pixels:.4%} of the pixels the same "
            f"color as ours, and {self.equal_palette_entries:.4%} of the palette entries are equal"
        )


def check_packages() -> None:
    """Raises BadInput that names the packages which are missing."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise BadInput(f"--onnx needs {' and '.join(missing)}, not installed here: pip install 'fewcolors[onnx]'")


def export_onnx(method: Any, colors: int, images: Images) -> Onnx:
    """The method's ``onnx_module`` exported, run by onnxruntime on ``uint8 [N, H, W, 3]`` and compared.

    One input ``pixels`` as the images; outputs ``indices`` ``uint8 [N, H, W]`` and ``palettes`` ``uint8 [N, C, 3]``.
    Any N, H and W where the exporter manages that, else the images' H and W. Raises ContractError where it cannot be
    exported or run, or gives other results than rounding explains.
    """
    content, dynamic = _exported(method.onnx_module(colors).cpu(), np.array(images[:2]))
    run = _runner(content)
    agreement = compare(method.palettize(images, colors), run(images))
    if {"H", "W"} <= set(dynamic):
        other = np.ascontiguousarray(images[:8, : -(-images.shape[1] * 3 // 4), : -(-images.shape[2] * 2 // 3)])
        compare(method.palettize(other, colors), run(other))
    return Onnx(content, dynamic, len(images), *agreement)


def compare(ours: Palettized, theirs: Palettized) -> tuple[float, float]:
    """Shares of equal pixels and of equal palette entries. Raises ContractError for more than rounding.

    Palettes of images whose index maps are the same may differ by one level of 255.
    """
    for name in OUTPUTS:
        mine, other = getattr(ours, name), getattr(theirs, name)
        if other.dtype != np.uint8 or other.shape != mine.shape:
            got, wanted = f"{other.dtype} {list(other.shape)}", f"uint8 {list(mine.shape)}"
            raise ContractError(f"the ONNX model's {name} are {got}, they must be {wanted}")
    same = ours.indices == theirs.indices
    if 1 - same.mean() > ROUNDING:
        raise ContractError(f"the ONNX model gives {1 - same.mean():.2%} of the pixels another color")
    whole = same.all(axis=(1, 2))
    off = np.abs(ours.palettes[whole].astype(int) - theirs.palettes[whole]).max(initial=0)
    if off > 1:
        raise ContractError(f"the ONNX model's palettes are off by up to {off} of 255 where its indices are the same")
    return float(same.mean()), float((ours.palettes == theirs.palettes).all(axis=2).mean())


def _exported(module: torch.nn.Module, example: Images) -> tuple[bytes, tuple[str, ...]]:
    """The model's bytes, and which of N, H, W are of any size."""
    import torch

    any_size = torch.export.Dim.DYNAMIC
    reason: BaseException
    for axes in ("NHW", "N"):
        try:
            with tempfile.TemporaryDirectory() as scratch, _quiet(), torch.no_grad():
                path = Path(scratch) / "model.onnx"
                torch.onnx.export(
                    module,
                    (torch.from_numpy(example),),
                    path,
                    input_names=[INPUT],
                    output_names=list(OUTPUTS),
                    dynamic_shapes=(dict.fromkeys(range(len(axes)), any_size),),
                    custom_translation_table={torch.ops.aten.sort.stable: _stable_sort},
                    dynamo=True,
                    external_data=False,
                    verbose=False,
                )
                return _without_traces(path), tuple(axes)
        except Exception as error:  # noqa: BLE001 - exporters fail in many ways
            reason = _first_cause(error)
    raise ContractError(f"it cannot be exported to ONNX ({one_line(reason)[:300]})")


def _stable_sort(values: Any, *, stable: bool | None, dim: int = -1, descending: bool = False) -> Any:  # noqa: ARG001
    """What PyTorch's exporter has no translation of: of equals, ONNX's TopK takes the first as a stable sort does."""
    from onnxscript import opset18

    axis: Any = opset18.Constant(value_ints=[dim])
    size = opset18.Gather(opset18.Shape(values), axis, axis=0)
    return opset18.TopK(values, size, axis=dim, largest=descending, sorted=True)


def _first_cause(error: BaseException) -> BaseException:
    return error if error.__cause__ is None else _first_cause(error.__cause__)


def _without_traces(path: Path) -> bytes:
    """The model without what the exporter notes of the machine it ran on."""
    import onnx

    model = onnx.load(path)
    for node in (*model.graph.node, *(node for function in model.functions for node in function.node)):
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer):
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
    model.graph.ClearField("metadata_props")
    model.ClearField("metadata_props")
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _runner(content: bytes) -> Callable[[Images], Palettized]:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(images: Images) -> Palettized:
        """Raises ContractError where onnxruntime cannot run it."""
        step = max(1, _PIXELS_AT_A_TIME // (images.shape[1] * images.shape[2]))
        parts = [np.ascontiguousarray(images[start : start + step]) for start in range(0, len(images), step)]
        try:
            outputs = [session.run(list(OUTPUTS), {INPUT: part}) for part in parts]
        except Exception as error:
            raise ContractError(f"onnxruntime cannot run the model ({one_line(error)[:300]})") from error
        indices, palettes = (np.concatenate(arrays) for arrays in zip(*outputs, strict=True))
        return Palettized(indices, palettes)

    return run


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's own warnings, log lines and prints are of no use to the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
