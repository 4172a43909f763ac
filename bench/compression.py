"""Bits against error on MNIST's test set: `python -m bench.compression` writes compression.md.

Compares the 30-unit network of E3 (trained here if its run is not there: some forty minutes on one
core), principal components through the same coder, and JPEG and WebP. Every size is that of a file
on disk. The result is docs/results/compression.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import runs_folder
from aecore.tasks.compress import (
    compress_examples,
    expand_file,
)
from aecore.tasks.rate_distortion import (
    RatePoint,
    measure_image_codec_curve,
    measure_pca_curve,
    measure_rate_curve,
    measure_rate_point,
)
from aecore.training.devices import describe_device, pick_device
from bench.fidelity.e03_deep import train_deep_autoencoder
from bench.fidelity.experiment import Lab
from bench.results import describe_commit, write_result
from bench.timing import load_mnist

STEPS = (4.0, 3.5, 3.0, 2.5, 2.0, 1.75, 1.5, 1.0, 0.7, 0.5, 0.35, 0.25, 0.12)
QUALITIES = (1, 10, 30, 50, 75, 90)
PICTURES = 2000  # behind JPEG and WebP
PIXELS = 784
COMPARED_BITS = 120  # an image
REFERENCE_SE = 14.35  # of PCA-30 at these bits, 4 bits a component
AUTOENCODER, PCA = "autoencoder, 30 units", "PCA, 30 components"

Curves = Mapping[str, Sequence[RatePoint]]  # of each coder


def main() -> None:
    """Measure every coder and write the result."""
    sets = load_mnist()
    test = as_float(sets.test.x)
    model = train_deep_autoencoder(Lab("E3", runs_folder() / "fidelity")).model.cpu()
    curves = {
        AUTOENCODER: measure_rate_curve(model, test, STEPS),
        PCA: measure_pca_curve(model, sets.train.x, test, STEPS),
    }
    for codec in ("JPEG", "WEBP"):
        curves[codec] = measure_image_codec_curve(test[:PICTURES], codec, QUALITIES)
    lines = [
        "# Bits against error",
        "",
        f"MNIST test, {describe_device(pick_device('auto'))}, commit {describe_commit()}, "
        "`python -m bench.compression`.",
        f"Bits are those of the whole file over {len(test):,} images; "
        f"JPEG and WebP: {PICTURES:,} images, a file each.",
        "SE: squared error, summed over pixels, mean over images.",
        "",
        *describe_curves(curves),
        f"On disk: {describe_file_on_disk(model, test)}.",
        "",
        "| coder | setting | bits a pixel | bits an image | SE |",
        "|---|---|---|---|---|",
        *format_curves(curves),
        "",
    ]
    write_result("compression.md", lines)


def describe_curves(curves: Curves) -> list[str]:
    """Returns two sentences: errors at COMPARED_BITS, and where the autoencoder is ahead of PCA."""
    autoencoder_se, pca_se = (
        interpolate_error(curves[name], COMPARED_BITS / PIXELS) for name in (AUTOENCODER, PCA)
    )
    bits = find_advantage(curves[AUTOENCODER], curves[PCA])
    return [
        f"At {COMPARED_BITS} bits an image: autoencoder **SE {autoencoder_se:.3f}**, "
        f"PCA through the same coder {pca_se:.3f}, "
        f"PCA with 4 bits a component {REFERENCE_SE}: "
        f"{100 * (1 - autoencoder_se / REFERENCE_SE):.0f} % below it. "
        f"The autoencoder's curve lies under PCA's from {PIXELS * bits:.0f} bits an image on, "
        f"where PCA's SE is {interpolate_error(curves[PCA], bits):.1f}; "
        "with fewer, a blank mean image (52.7) is not far."
    ]


def find_advantage(points: Sequence[RatePoint], others: Sequence[RatePoint]) -> float:
    """Returns the bits a pixel from which on `points` have less error than every other point."""
    behind = [other.bits for other in others if interpolate_error(points, other.bits) >= other.se]
    return min(other.bits for other in others if other.bits > max(behind, default=0))


def interpolate_error(points: Sequence[RatePoint], bits: float) -> float:
    """Returns the error at these bits a pixel, interpolated linearly.

    Outside the measured range it is that of the nearest point.
    """
    in_order = sorted(points, key=lambda point: point.bits)
    rates, errors = [point.bits for point in in_order], [point.se for point in in_order]
    return float(np.interp(bits, rates, errors))


def format_curves(curves: Curves) -> list[str]:
    """Returns a row of the table for each point of each coder."""
    return [
        f"| {name} | {point.setting:g} | {point.bits:.4f} | {PIXELS * point.bits:.1f} "
        f"| {point.se:.3f} |"
        for name, points in curves.items()
        for point in points
    ]


def describe_file_on_disk(model: Autoencoder, test: Tensor) -> str:
    """Write a compressed file, and return its size on disk and that of its curve."""
    file = compress_examples(model, test, 0.5)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mnist.aez"
        path.write_bytes(file)
        expanded = expand_file(model, path.read_bytes())
        point = measure_rate_point(0.5, file, test, expanded)
        size = path.stat().st_size
    return (
        f"{size:,} bytes at a step of 0.5, that is {8 * size / len(test):.1f} bits an image; "
        f"its curve says {PIXELS * point.bits:.1f}"
    )


if __name__ == "__main__":
    main()
