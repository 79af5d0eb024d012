"""Networks of the package timm as classifiers, where it is installed."""

from __future__ import annotations

import difflib
import importlib.util
from typing import TYPE_CHECKING

from harness.contracts import BadInput, Normalization
from harness.registry import classifier
from tasks.imagenet_classifiers import ImageNetClassifier

if TYPE_CHECKING:
    from tasks.imagenet_networks import Form, OwnNormalization


@classifier("timm", summary="a network of the package timm, with weights from a file or trained here")
class TimmClassifier(ImageNetClassifier):
    """A network of the package ``timm`` (``pip install 'fewcolors[timm]'``).

    It sees images by the normalization that timm states for it. Class activation maps are there where its last layer is
    given the mean of its last feature maps, as in ResNets.

    Args:
        network: Its name in timm, such as ``efficientnet_b0`` or ``resnet50.a1_in1k``; with the weights' name behind
            the dot it has the normalization and the side of these.
    """

    network: str

    def check(self) -> None:
        if importlib.util.find_spec("timm") is None:
            raise BadInput(
                "classifier 'timm' needs the package timm, which is not installed: pip install 'fewcolors[timm]'"
            )
        from timm import is_model, list_models

        if not is_model(self.network):
            near = difflib.get_close_matches(self.network.partition(".")[0], list_models(), n=1)
            guess = f", did you mean {near[0]!r}?" if near else "; timm.list_models() lists them."
            raise BadInput(f"network: timm has no network {self.network!r}{guess}")
        self.form()
        super().check()

    def build(self, classes: int) -> OwnNormalization:
        from tasks.timm_networks import timm_network

        return timm_network(self.network, self.form().head, classes)

    def form(self) -> Form:
        from timm.models import get_pretrained_cfg

        from tasks.imagenet_networks import Form

        stated = get_pretrained_cfg(self.network)
        if stated is None or not isinstance(stated.classifier, str):
            raise BadInput(f"network: {self.network} has no single last layer that timm names.")
        return Form(
            stated.classifier,
            Normalization(stated.mean, stated.std),
            only_side=stated.input_size[1] if stated.fixed_input_size else None,
        )
