"""Your own learned quantizer: one palette for all images, learned through the frozen classifier.

``fewcolors run examples/quickstart.yaml --plugin examples/my_learned_quantizer.py --method learned-palette``
``fewcolors tune examples/tune_my_quantizer.yaml --plugin examples/my_learned_quantizer.py``
"""

import numpy as np

import fewcolors as fc


@fc.quantizer("learned-palette", summary="one palette for all images, learned from the classifier's loss")
class LearnedPalette:
    """temperature: how soft the choice among the colors is in training, in units of normalized color distance."""

    temperature: float = 1.0
    rate: float = 0.1
    epochs: int = 2

    def fit(self, lesson):
        import torch
        from torch import nn
        from torch.nn import functional as F

        mean, std = (torch.tensor(part) for part in (lesson.normalization.mean, lesson.normalization.std))
        with fc.learning.seeded(lesson.seed, "learned-palette"):
            drawn = torch.rand(lesson.colors[0], 3)

        class Palette(nn.Module):
            def __init__(self):
                super().__init__()
                self.colors = nn.Parameter((drawn - mean) / std)

            def forward(self, x):
                distance = (x.permute(0, 2, 3, 1)[..., None, :] - self.colors).square().sum(-1)
                return ((-distance / temperature).softmax(-1) @ self.colors).permute(0, 3, 1, 2)

        network, temperature = Palette(), self.temperature
        (classifier,) = lesson.classifiers

        def loss(images, labels):
            return F.cross_entropy(classifier(network(images)), labels)

        def measure():
            self.palette = ((network.colors.detach().cpu() * std + mean).clamp(0, 1) * 255).round().byte().numpy()
            if not len(lesson.validation):
                return {}
            decoded = self.palettize(lesson.validation.images, lesson.colors[0]).render()
            logits = fc.learning.predict(classifier, decoded, lesson.normalization, lesson.device)
            return {fc.VALIDATION_ACCURACY: float((logits.argmax(1) == lesson.validation.labels).mean())}

        fc.learning.train(
            network,
            loss,
            lesson,
            epochs=self.epochs,
            batch_size=lesson.batch_size,
            schedule=lambda batches: fc.learning.cosine_restarts(self.epochs * batches, self.rate, 0.9),
            weight_decay=0.0,
            measure=measure,
        )
        measure()

    def cycle(self):
        return self.epochs

    def state(self):
        return {"palette": self.palette}

    def load(self, state, device):
        self.palette = state["palette"].cpu().numpy()

    def palettize(self, images, colors):
        palette = self.palette.astype(np.int64)
        distance = np.square(images[..., None, :].astype(np.int64) - palette).sum(-1)
        return fc.Palettized(distance.argmin(-1).astype(np.uint8), np.tile(self.palette, (len(images), 1, 1)))
