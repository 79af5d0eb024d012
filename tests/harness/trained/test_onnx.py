"""ONNX export by the contract's ``onnx_module`` alone, with toy methods; ColorCNN's is exported in tests/runs."""

import io

import numpy as np
import pytest
import torch

from harness.contracts import BadInput, ContractError, Palettized
from harness.trained import onnx as onnx_export
from harness.trained.onnx import check_packages, compare, export_onnx

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 12, 10, 3), np.uint8)


class Threshold(torch.nn.Module):
    def __init__(self, cut):
        super().__init__()
        self.register_buffer("cut", torch.tensor(float(cut)))

    def forward(self, pixels):
        indices = (pixels.float().mean(dim=3) > self.cut).byte()
        palette = torch.tensor([[0, 0, 0], [255, 255, 255]], dtype=torch.uint8)
        return indices, palette[None].expand(pixels.shape[0], -1, -1).clone()


class Method:
    def __init__(self, cut=127.5, module=Threshold):
        self.cut, self.module = cut, module

    def palettize(self, images, _colors):
        indices = (images.astype(np.float32).mean(axis=3) > self.cut).astype(np.uint8)
        return Palettized(indices, np.tile(np.array([[[0] * 3, [255] * 3]], np.uint8), (len(images), 1, 1)))

    def onnx_module(self, _colors):
        return self.module(127.5).eval()


def test_an_export_gives_the_same_on_images_of_any_size(capsys):
    made = export_onnx(Method(), 2, IMAGES)
    assert (made.dynamic, made.images, made.equal_pixels, made.equal_palette_entries) == (("N", "H", "W"), 5, 1, 1)
    assert capsys.readouterr() == ("", ""), "the exporter's own talk is kept from users"
    import onnx
    import onnxruntime

    assert b"test_trained_onnx" not in made.content, "no path of this machine"
    model = onnx.load(io.BytesIO(made.content))
    shapes = [[d.dim_value for d in value.type.tensor_type.shape.dim] for value in model.graph.input]
    assert shapes == [[0, 0, 0, 3]]
    session = onnxruntime.InferenceSession(made.content)
    indices, palettes = session.run(["indices", "palettes"], {"pixels": IMAGES[:1, :5, :7]})
    assert np.array_equal(indices, Method().palettize(IMAGES[:1, :5, :7], 2).indices)
    assert (palettes.shape, palettes.dtype) == ((1, 2, 3), np.uint8)


class FirstDark(Threshold):
    """A palette of the first two dark pixels: which of equals come first decides."""

    def forward(self, pixels):
        indices = super().forward(pixels)[0]
        order = indices.flatten(1).float().argsort(dim=1, stable=True)
        return indices, pixels.flatten(1, 2).gather(1, order[:, :2, None].expand(-1, -1, 3))


def test_a_stable_sort_is_stable_in_onnx_too():
    class Sorting(Method):
        def palettize(self, images, _colors):
            return Palettized(*(out.numpy() for out in FirstDark(self.cut)(torch.from_numpy(images))))

    assert export_onnx(Sorting(module=FirstDark), 2, IMAGES).equal_palette_entries == 1


def test_large_sets_are_compared_in_parts(monkeypatch):
    monkeypatch.setattr(onnx_export, "_PIXELS_AT_A_TIME", 250)
    assert export_onnx(Method(), 2, IMAGES).images == 5


def test_an_export_that_gives_something_else_is_an_error():
    with pytest.raises(ContractError, match=r"gives \d+\.\d\d% of the pixels another color"):
        export_onnx(Method(cut=120), 2, IMAGES)


class Hopeless(Threshold):
    def forward(self, _pixels):
        raise RuntimeError("there is no way")


class WithoutPalettes(Threshold):
    def forward(self, pixels):
        return super().forward(pixels)[0]


@pytest.mark.parametrize(
    ("module", "sentence"),
    [(Hopeless, "cannot be exported to ONNX .*no way"), (WithoutPalettes, "cannot run the model .*palettes")],
)
def test_a_module_that_cannot_be_exported_or_run_is_an_error(module, sentence):
    with pytest.raises(ContractError, match=sentence):
        export_onnx(Method(module=module), 2, IMAGES)


def test_where_only_one_size_can_be_exported_that_is_said():
    class Fixed(Threshold):
        def forward(self, pixels):
            indices, palettes = super().forward(pixels)
            if pixels.shape[1] != 12:
                indices = indices + 1
            return indices, palettes

    made = export_onnx(Method(module=Fixed), 2, IMAGES)
    assert made.dynamic == ("N",)
    assert "of the dataset's size only" in made.in_words()
    assert made.card("a.onnx")["any_size"] == ["N"]


SAME = Method().palettize(IMAGES, 2)


@pytest.mark.parametrize(
    ("theirs", "sentence"),
    [
        (Palettized(SAME.indices.astype(np.int64), SAME.palettes), r"indices are int64 .*must be uint8 \[5, 12, 10\]"),
        (
            Palettized(SAME.indices, SAME.palettes[:, :1]),
            r"palettes are uint8 \[5, 1, 3\], they must be uint8 \[5, 2, 3\]",
        ),
        (Palettized(1 - SAME.indices, SAME.palettes), "100.00% of the pixels"),
        (Palettized(SAME.indices, np.where(SAME.palettes == 255, np.uint8(253), 0)), "off by up to 2 of 255"),
    ],
)
def test_more_than_rounding_is_named(theirs, sentence):
    with pytest.raises(ContractError, match=sentence):
        compare(SAME, theirs)


def test_rounding_is_counted_and_forgiven():
    indices, palettes = np.zeros((2, 50, 20), np.uint8), np.full((2, 2, 3), 100, np.uint8)
    other, entries = indices.copy(), palettes.copy()
    other[0, 0, 0] = 1
    entries[0] = 7
    entries[1, 0, 2] = 101
    pixels, equal = compare(Palettized(indices, palettes), Palettized(other, entries))
    assert (pixels, equal) == (1 - 1 / 2000, 1 / 4)


def test_missing_packages_are_named_with_how_to_get_them(monkeypatch):
    check_packages()
    found = onnx_export.importlib.util.find_spec
    monkeypatch.setattr(onnx_export.importlib.util, "find_spec", lambda n: None if n.startswith("onnxs") else found(n))
    with pytest.raises(BadInput, match=r"--onnx needs onnxscript, not installed here: pip install 'fewcolors\[onnx\]'"):
        check_packages()
