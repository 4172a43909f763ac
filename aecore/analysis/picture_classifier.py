"""A small classifier of pictures, whose features tell how alike two sets of pictures are.

It knows the ten digits of MNIST and the ten classes of CIFAR-10, takes grey and colour pictures of
any size at 32 x 32 pixels, and comes with the package. The weights of torchvision's Inception-v3
are a pickle, which is never loaded here: distances on these features are therefore no FID, and
are named after the features. `python -m bench.picture_classifier` trains it; README.md beside the
weights holds its accuracy, the sources of its data and their licences.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aecore.data.splits import as_float
from aecore.model.weights import read_tensors
from aecore.progress import track_progress

CLASSIFIER_FILE = Path(__file__).parent / "classifier" / "picture_classifier.safetensors"
CLASSIFIER_SIDE = 32  # pixels
CLASSIFIER_CLASSES = 20  # MNIST's ten, then CIFAR-10's
FEATURE_COUNT = 128
CLASSIFIED_ROWS = 250  # pictures at a time


class ConvUnit(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, side: int = 3):
        super().__init__(
            nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class PictureClassifier(nn.Module):
    """Pictures (N, 3, 32, 32) in [0, 1] -> logits (N, 20); `features` are those before the last."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvUnit(3, 48, 2, side=5)
        self.middle, self.narrow = ConvUnit(48, 48), ConvUnit(48, 96, 2)
        self.deep, self.last = ConvUnit(96, 96), ConvUnit(96, FEATURE_COUNT, 2)
        self.head = nn.Linear(FEATURE_COUNT, CLASSIFIER_CLASSES)

    def features(self, x: Tensor) -> Tensor:
        """Returns the features (N, 128) of pictures (N, 3, 32, 32)."""
        x = self.stem(2 * x - 1)
        x = self.narrow(x + self.middle(x))
        return self.last(x + self.deep(x)).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits (N, 20) of pictures (N, 3, 32, 32)."""
        return self.head(self.features(x))


def fit_classifier_input(x: Tensor) -> Tensor:
    """Returns pictures (N, 1 or 3, H, W) in [0, 1] as the classifier takes them."""
    side = (CLASSIFIER_SIDE, CLASSIFIER_SIDE)
    if tuple(x.shape[2:]) != side:
        x = F.interpolate(x, size=side, mode="bilinear", antialias=True, align_corners=False)
    return x.clamp(0, 1).expand(-1, 3, -1, -1)


@cache
def load_picture_classifier() -> PictureClassifier:
    """Returns the shipped classifier, which nobody changes."""
    classifier = PictureClassifier()
    expected = {name: value.half() for name, value in list_stored_tensors(classifier).items()}
    classifier.load_state_dict(read_tensors(CLASSIFIER_FILE, expected), strict=False)
    return classifier.eval().requires_grad_(False)


def list_stored_tensors(classifier: PictureClassifier) -> dict[str, Tensor]:
    """Returns the tensors that the file holds: all but the counts of batches."""
    return {name: value for name, value in classifier.state_dict().items() if value.dim()}


@torch.no_grad()
def extract_picture_features(x: Tensor) -> Tensor:
    """Returns features (N, 128) of pictures (N, 1 or 3, H, W), bytes or floats in [0, 1]."""
    classifier = load_picture_classifier()
    parts = track_progress(x.split(CLASSIFIED_ROWS))
    inputs = (fit_classifier_input(as_float(part)) for part in parts)
    return torch.cat([classifier.features(part) for part in inputs])
