"""Bits against error on MNIST's test set: `python -m bench.compression` writes docs/results/compression.md.

The 30-unit network of E3 (trained here if its run is not there: some forty minutes on one core), principal components
through the same coder, and JPEG and WebP. Every size is that of a file on disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aecore.data.splits import as_float
from aecore.files import write_text_file
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
from bench.fidelity.e03_deep import deep
from bench.fidelity.experiment import ROOT, Lab, commit
from bench.timing import load_mnist

RESULT = ROOT / "docs" / "results" / "compression.md"
STEPS = (4.0, 3.5, 3.0, 2.5, 2.0, 1.75, 1.5, 1.0, 0.7, 0.5, 0.35, 0.25, 0.12)
QUALITIES = (1, 10, 30, 50, 75, 90)
PICTURES = 2000  # behind JPEG and WebP
BITS, REFERENCE = 120, 14.35  # an image; the error of PCA-30 there, 4 bits a component


def main() -> None:
    sets = load_mnist()
    test = as_float(sets.test.x)
    model = deep(Lab("E3", runs_folder() / "fidelity")).model.cpu()
    lines = {"autoencoder, 30 units": measure_rate_curve(model, test, STEPS)}
    lines["PCA, 30 components"] = measure_pca_curve(model, sets.train.x, test, STEPS)
    for kind in ("JPEG", "WEBP"):
        lines[kind] = measure_image_codec_curve(test[:PICTURES], kind, QUALITIES)
    at = {name: at_bits(points, BITS / 784) for name, points in lines.items() if "30" in name}
    ours, pca = at.values()
    above = [
        p.bits
        for p in lines["PCA, 30 components"]
        if at_bits(lines["autoencoder, 30 units"], p.bits) >= p.se
    ]
    least = min(p.bits for p in lines["PCA, 30 components"] if p.bits > max(above, default=0))
    text = "\n".join(
        [
            "# Bits against error",
            "",
            f"MNIST test, {describe_device(pick_device('auto'))}, commit {commit()}, `python -m bench.compression`.",
            f"Bits are those of the whole file over {len(test):,} images; JPEG and WebP: {PICTURES:,} images, a file each.",
            "SE: squared error, summed over pixels, mean over images.",
            "",
            f"At {BITS} bits an image: autoencoder **SE {ours:.3f}**, PCA through the same coder {pca:.3f}, "
            f"PCA with 4 bits a component {REFERENCE}: {100 * (1 - ours / REFERENCE):.0f} % below it. "
            f"The autoencoder's curve lies under PCA's from {784 * least:.0f} bits an image on, where PCA's SE is "
            f"{at_bits(lines['PCA, 30 components'], least):.1f}; with fewer, a blank mean image (52.7) is not far.",
            f"On disk: {on_disk(model, test)}.",
            "",
            "| coder | setting | bits a pixel | bits an image | SE |",
            "|---|---|---|---|---|",
            *(
                f"| {name} | {p.setting:g} | {p.bits:.4f} | {784 * p.bits:.1f} | {p.se:.3f} |"
                for name, points in lines.items()
                for p in points
            ),
            "",
        ]
    )
    write_text_file(RESULT, text)
    print(text)


def at_bits(points: Sequence[RatePoint], bits: float) -> float:
    """The error at so many bits a pixel, straight between the points; beyond them that of the nearest."""
    known = sorted(points, key=lambda point: point.bits)
    return float(np.interp(bits, [p.bits for p in known], [p.se for p in known]))


def on_disk(model: object, test: object) -> str:
    """A file written, its size looked up, read and opened again."""
    file = compress_examples(model, test, 0.5)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mnist.aez"
        path.write_bytes(file)
        opened = expand_file(model, path.read_bytes())
        point = measure_rate_point(0.5, file, test, opened)
        size = path.stat().st_size
        return (
            f"{size:,} bytes at a step of 0.5, that is {8 * size / len(test):.1f} bits an image; its curve says "
            f"{784 * point.bits:.1f}"
        )


if __name__ == "__main__":
    main()
