"""Train the classifier whose features compare pictures: `python -m bench.picture_classifier`.

Needs MNIST and CIFAR-10 ($AECORE_DATA or a download); `--cifar PATH` reads CIFAR-10 from a folder
or a .zip of class folders instead. Writes aecore/analysis/classifier/ and prints the accuracy on
both test sets. Some twenty minutes of one core.
"""

from __future__ import annotations

import argparse
import time

import torch
import torch.nn.functional as F
from torch import Tensor

from aecore.analysis.picture_classifier import (
    CLASSIFIER_FILE,
    PictureClassifier,
    fit_classifier_input,
    list_stored_tensors,
    load_picture_classifier,
)
from aecore.data.datasets import load_dataset
from aecore.data.images.fitting import LUMA
from aecore.data.splits import Dataset, as_float
from aecore.model.config import DataConfig
from aecore.model.weights import write_tensors
from bench.timing import load_mnist

DIGITS_AN_EPOCH = 10_000
BATCH, PEAK_RATE, WEIGHT_DECAY = 128, 0.01, 0.02
SHIFT = 3  # pixels at most, to each side
GREY_SHARE = 0.2  # of photographs are shown without their colours
SMOOTHING = 0.1  # of the labels


def main() -> None:
    """Train, write the weights and print their accuracy as they are read back."""
    parser = argparse.ArgumentParser(prog="python -m bench.picture_classifier")
    parser.add_argument("--cifar", default="cifar10", metavar="PATH")
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    sets = load_mnist(), load_dataset(DataConfig(name=options.cifar))
    classifier = train_classifier(sets, options.epochs)
    tensors = {name: value.half() for name, value in list_stored_tensors(classifier).items()}
    CLASSIFIER_FILE.parent.mkdir(exist_ok=True)
    write_tensors(CLASSIFIER_FILE, {name: v.contiguous() for name, v in tensors.items()})
    shipped = load_picture_classifier()
    size = CLASSIFIER_FILE.stat().st_size / 1000
    print(f"{size:.0f} kB; test accuracy {describe_accuracy(shipped, sets)}")


def train_classifier(
    sets: tuple[Dataset, Dataset], epochs: int, seed: int = 0
) -> PictureClassifier:
    """Returns a classifier trained on MNIST and CIFAR-10, by AdamW at a rate that rises and falls.

    Prints the accuracy on both test sets after each epoch.
    """
    torch.manual_seed(seed)
    classifier = PictureClassifier().to(memory_format=torch.channels_last)
    digits, photos = ((shrink_to_bytes(one.train.x), one.train.y) for one in sets)
    steps = epochs * -(-(DIGITS_AN_EPOCH + len(photos[0])) // BATCH)
    optimizer = torch.optim.AdamW(
        classifier.parameters(), PEAK_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, steps, pct_start=0.2)
    started = time.perf_counter()
    for epoch in range(epochs):
        classifier.train()
        rows = torch.randperm(len(digits[0]))[:DIGITS_AN_EPOCH]
        x, y = torch.cat([digits[0][rows], photos[0]]), torch.cat([digits[1][rows], photos[1] + 10])
        for batch in torch.randperm(len(x)).split(BATCH):
            inputs = augment_pictures(x[batch].float() / 255, is_photo=y[batch] >= 10)
            with torch.autocast("cpu", torch.bfloat16):
                logits = classifier(inputs)
            loss = F.cross_entropy(logits.float(), y[batch], label_smoothing=SMOOTHING)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        classifier.eval()
        took = time.perf_counter() - started
        print(f"epoch {epoch + 1}, {took:.0f} s: {describe_accuracy(classifier, sets)}", flush=True)
    return classifier


def shrink_to_bytes(x: Tensor) -> Tensor:
    """Returns pictures as the classifier takes them, as bytes (N, 3, 32, 32)."""
    parts = (fit_classifier_input(as_float(part)) for part in x.split(5000))
    return torch.cat([part.mul(255).round().byte() for part in parts])


def augment_pictures(x: Tensor, is_photo: Tensor) -> Tensor:
    """Returns x (N, 3, 32, 32) moved by a few pixels; photographs also mirrored, or in grey."""
    luma = (x * torch.tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True).expand_as(x)
    is_grey = is_photo & (torch.rand(len(x)) < GREY_SHARE)
    is_mirrored = is_photo & (torch.rand(len(x)) < 0.5)
    x = torch.where(is_grey.view(-1, 1, 1, 1), luma, x)
    x = torch.where(is_mirrored.view(-1, 1, 1, 1), x.flip(3), x)
    moves = torch.randint(0, 2 * SHIFT + 1, (2, len(x), 1))
    rows, columns = (move + torch.arange(x.shape[2]) for move in moves)
    padded = F.pad(x, (SHIFT,) * 4, mode="reflect")
    picked = padded[torch.arange(len(x)).view(-1, 1, 1), :, rows[:, :, None], columns[:, None]]
    return picked.permute(0, 3, 1, 2)


@torch.no_grad()
def describe_accuracy(classifier: PictureClassifier, sets: tuple[Dataset, Dataset]) -> str:
    """Returns the accuracy on both test sets in words; all twenty classes are open to each."""
    texts = []
    for name, first, one in zip(("MNIST", "CIFAR-10"), (0, 10), sets, strict=True):
        parts = zip(one.test.x.split(1000), one.test.y.split(1000), strict=True)
        hits = sum(
            int((classifier(fit_classifier_input(as_float(x))).argmax(1) == y + first).sum())
            for x, y in parts
        )
        texts.append(f"{name} {hits / len(one.test.x):.2%}")
    return ", ".join(texts)


if __name__ == "__main__":
    main()
