"""Mean squared error of quantizers on CQ100, beside what was published, as a Markdown table.

CQ100 are 100 photographs of 768 x 512 pixels (Celebi and Perez-Delgado, "CQ100: a high-quality image dataset for color
quantization research", Journal of Electronic Imaging 32, 2023; doi 10.17632/vw5ys9hfxw): a folder of PPM files. The
published means over all of them and 32, 64, 128 and 256 colors are from Garzon's "Tool to Compare Classical Color
Quantification Techniques" (GitHub, MarioGarz0n, 2024, ``resultados_mse.pdf``), whose programs cut means off to 8 bits
and give a pixel the mean of its own box or leaf, where ``wu``, ``wan`` and the default of ``binary-splitting`` search
for the nearest; its octree and median cut are other variants than ours. Errors are squared distances of pixels, the sum
over three channels. Run from the root: ``python benchmarks/cq100.py FOLDER``; with ``--every 10`` on a tenth of
the images.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.discovery import discover
from harness.image_files import read_image

COLORS = (32, 64, 128, 256)
METHODS: dict[str, list[dict[str, str]]] = {
    "pnn": [{}],
    "wu": [{}],
    "binary-splitting": [{}, {"mapping": "tree"}],
    "wan": [{}],
    "octree-gervautz": [{}],
    "median-cut": [{}],
    "kmeans": [{}],
}
PUBLISHED = {
    "wu": 221.748311,
    "binary-splitting mapping=tree": 226.556705,
    "wan": 341.427119,
    "octree-gervautz": 508.740200,
    "median-cut": 862.072411,
    "kmeans": 211.414022,
}


def error(method: Any, image: NDArray[np.uint8], colors: int) -> float:
    """Of one image, ``uint8 [H, W, 3]``: the mean over pixels of the squared distance to what is shown."""
    shown = method.palettize(image[None], colors).render()[0]
    return float(np.square(shown.astype(float) - image).sum(axis=-1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where CQ100's PPM files are")
    parser.add_argument("--every", type=int, default=1, help="take every n-th image (1)")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), help="only these")
    arguments = parser.parse_args()

    images = [read_image(file).pixels for file in sorted(arguments.folder.glob("*.ppm"))[:: arguments.every]]
    plugins = {plugin.name: plugin for plugin in discover()}
    print(f"{len(images)} images\n\n| method | " + " | ".join(map(str, COLORS)) + " | mean | published |")
    print("|---" * (len(COLORS) + 3) + "|", flush=True)
    for name in arguments.methods:
        for params in METHODS[name]:
            method = plugins[name].make(params, name)
            means = [np.mean([error(method, image, colors) for image in images]) for colors in COLORS]
            title = name + "".join(f" {key}={value}" for key, value in params.items())
            published = f"{PUBLISHED[title]:.1f}" if title in PUBLISHED else ""
            figures = " | ".join(f"{mean:.1f}" for mean in (*means, np.mean(means)))
            print(f"| {title} | {figures} | {published} |", flush=True)


if __name__ == "__main__":
    main()
