import numpy as np
import pytest
from PIL import Image

from harness.contracts import Palettized
from methods.octree import Octree, OctreeGervautz, OctreeReference


@pytest.mark.parametrize("colors", [2, 16, 256])
def test_is_the_nearest_of_pillows_palette(photos, special, colors):
    for images in (photos[:4], special):
        result = Octree().palettize(images, colors)
        for image, indices in zip(images, result.indices, strict=True):
            listed = Image.fromarray(image).quantize(colors, Image.Quantize.FASTOCTREE).getpalette()
            palette = np.array(listed).reshape(-1, 3)
            distances = ((image[:, :, None].astype(int) - palette) ** 2).sum(axis=3)
            assert (indices == distances.argmin(axis=2)).all()


def test_is_better_than_pillows_own_map(photos, mse):
    result = Octree().palettize(photos, 2)
    pillows = np.stack([np.asarray(Image.fromarray(p).quantize(2, Image.Quantize.FASTOCTREE)) for p in photos])
    assert (mse(result, photos) <= mse(Palettized(pillows, result.palettes), photos)).all()
    assert mse(result, photos).mean() < 0.9 * mse(Palettized(pillows, result.palettes), photos).mean()


@pytest.mark.parametrize("colors", [2, 8, 256])
def test_reference_shows_what_pillow_shows(photos, special, colors):
    for images in (photos, special):
        shown = OctreeReference().palettize(images, colors).render()
        for image, seen in zip(images, shown, strict=True):
            pillows = Image.fromarray(image).quantize(colors, Image.Quantize.FASTOCTREE).convert("RGB")
            assert (seen == np.asarray(pillows)).all()


def test_reference_leaves_what_it_does_not_list_to_index_0(photos):
    reference, nearest = OctreeReference().palettize(photos, 2), Octree().palettize(photos, 2)
    assert (reference.palettes == nearest.palettes).all()
    differing = reference.indices != nearest.indices
    assert differing.mean() > 0.1
    assert (reference.indices[differing] == 0).mean() > 0.7


class Node:
    """An octree as the article has it: children by octant, and the pixels below."""

    def __init__(self):
        self.children, self.pixels = {}, []

    def insert(self, color, level=0):
        self.pixels.append(color)
        if level < 8:
            octant = tuple(channel >> (7 - level) & 1 for channel in color)
            self.children.setdefault(octant, Node()).insert(color, level + 1)

    def at(self, level):
        ordered = [child for _, child in sorted(self.children.items())]
        return [self] if level == 0 else [node for child in ordered for node in child.at(level - 1)]

    def leaves(self):
        ordered = [child for _, child in sorted(self.children.items())]
        return [leaf for child in ordered for leaf in child.leaves()] or [self]


def octree_slowly(image, colors, reduce):
    """Each color of an image and what it is shown as, a reduction at a time."""
    root = Node()
    for color in image.reshape(-1, 3).tolist():
        root.insert(color)
    sign, left = 1 if reduce == "fewest" else -1, len(root.leaves())
    for level in range(7, -1, -1):
        for node in sorted(root.at(level), key=lambda node: sign * len(node.pixels)):
            if left > colors:
                smallest = sorted(node.children.items(), key=lambda child: (len(child[1].pixels), child[0]))
                merged = Node()
                for octant, child in smallest[: left - colors + 1]:
                    merged.pixels += child.pixels
                    del node.children[octant]
                if node.children:
                    node.children[2, 2, 2] = merged
                left -= min(len(smallest), left - colors + 1) - 1
    shown = {}
    for leaf in root.leaves():
        shown |= dict.fromkeys(map(tuple, leaf.pixels), np.rint(np.mean(leaf.pixels, axis=0)).tolist())
    assert len(root.leaves()) == left
    return shown


@pytest.mark.parametrize("reduce", ["fewest", "most"])
@pytest.mark.parametrize("colors", [2, 3, 7, 8, 40, 200])
def test_gervautz_is_the_octree_a_reduction_at_a_time(photos, special, colors, reduce):
    for images in (photos[::5, 8:24, 8:24], special[:2]):
        shown = OctreeGervautz(reduce=reduce).palettize(images, colors).render()
        for image, seen in zip(images, shown, strict=True):
            expected = octree_slowly(image, colors, reduce)
            for color, other in zip(image.reshape(-1, 3).tolist(), seen.reshape(-1, 3).tolist(), strict=True):
                assert expected[tuple(color)] == other


@pytest.mark.parametrize("colors", [2, 3, 5, 16, 100])
def test_gervautz_has_exactly_as_many_leaves_as_asked_for(photos, colors):
    indices = OctreeGervautz().palettize(photos, colors).indices
    distinct = [len(np.unique(image.reshape(-1, 3), axis=0)) for image in photos]
    assert [len(np.unique(image)) for image in indices] == [min(colors, available) for available in distinct]


def test_gervautz_does_not_mind_the_order_of_pixels(photos):
    mixed = np.random.default_rng(0).permutation(photos.reshape(len(photos), -1, 3), axis=1).reshape(photos.shape)
    assert (OctreeGervautz().palettize(mixed, 9).palettes == OctreeGervautz().palettize(photos, 9).palettes).all()


def test_gervautz_leaves_images_with_few_colors_as_they_are(special):
    for image, reduced in zip(special, OctreeGervautz().palettize(special, 64).render(), strict=True):
        if len(np.unique(image.reshape(-1, 3), axis=0)) <= 64:
            assert (reduced == image).all()


def test_reducing_small_nodes_first_costs_less(photos, mse):
    few, most = (mse(OctreeGervautz(reduce=rule).palettize(photos, 24), photos).mean() for rule in ("fewest", "most"))
    assert few < most
