"""E12: codes for image search, for a map of two dimensions, and for compression to bits."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageColor
from torch import Tensor

from aecore.analysis.chunks import encode_in_chunks
from aecore.tasks.features import compute_neighbour_accuracy
from aecore.tasks.search import score_retrieval
from bench.fidelity.e03_deep import RECIPE, draw_reconstructions, train_deep_autoencoder
from bench.fidelity.experiment import Check, Experiment, Lab, Result, TrainedRun, at_least, at_most

TRAINING = {
    **RECIPE,
    "training__batch_size": 250,
    "training__precision": "bfloat16",
}

CLASS_COLOURS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#66ccee",
    "#aa3377",
    "#bbbbbb",
    "#ee8866",
    "#117733",
    "#882255",
)


def run_full(lab: Lab) -> Result:
    """Check codes of 30 units, of two units and of 64 bits on MNIST."""
    deep = train_deep_autoencoder(Lab("E3", lab.folder))  # the same run, trained once
    planar, bits = train_planar_codes(lab), train_bit_codes(lab)
    sets = deep.load_dataset()
    train, test = (encode_in_chunks(deep.model, part.x) for part in (sets.train, sets.test))
    retrieval = score_retrieval(train, sets.train.y, test, sets.test.y, k=10)
    z = encode_in_chunks(planar.model, sets.test.x)
    accuracy = compute_neighbour_accuracy(z, sets.test.y)
    return Result(
        [
            Check(
                "1-NN error from 30-D codes, %",
                100 * (1 - retrieval.precision_at_1),
                at_most(2.82),
                at_most(2.3),
                paper=2.82,
            ),
            Check(
                "precision at 10 from 30-D codes",
                retrieval.precision_at_k,
                at_least(0.956),
                paper=0.956,
            ),
            Check(
                "2-D codes, leave-one-out accuracy of 10 neighbours",
                accuracy,
                at_least(0.86),
                at_least(0.92),
                paper=0.8715,
            ),
            Check("test SE, 2-D code", planar.run.test_metrics()["se"], at_most(27.5), paper=26.9),
            Check(
                "test SE, 64-bit codes",
                bits.run.test_metrics()["se"],
                at_most(14.69),
                at_most(10.0),
                paper=14.69,
            ),
        ],
        curves={
            "x": "epoch",
            "y": "SE of the examples held out",
            "lines": {"2-D": planar.read_curve(), "64 bits": bits.read_curve()},
            "marks": {"64 bits by product quantisation": 14.69},
        },
        pictures=[
            ("The test set in two dimensions, coloured by class.", draw_scatter(z, sets.test.y)),
            draw_reconstructions(bits, sets.test.x),
        ],
        notes="The reference for search is PCA with as many numbers, that for two dimensions the "
        "plain autoencoder of Moor et al. (2020), that for 64 bits product quantisation of PCA "
        "codes. 64 bits: 16 units of 16 levels.",
    )


def train_planar_codes(lab: Lab) -> TrainedRun:
    """Train 784-1000-500-250-2 and back on MNIST."""
    return lab.train_variant(
        "two",
        "stacked",
        "mnist",
        latent_dim=2,
        network__hidden=[1000, 500, 250],
        **TRAINING,
        training__epochs=60,
    )


def train_bit_codes(lab: Lab) -> TrainedRun:
    """Train codes of 16 units with 16 levels each on MNIST: 64 bits."""
    return lab.train_variant(
        "bits",
        "fsq",
        "mnist",
        latent_dim=16,
        network__hidden=[1000, 500],
        **TRAINING,
        training__epochs=40,
    )


def draw_scatter(z: Tensor, y: Tensor, side: int = 480) -> Image.Image:
    """Draw points (N, 2), one colour per class, without the outermost 0.2 % at each side."""
    low, high = z.quantile(0.002, 0), z.quantile(0.998, 0)
    pixels = ((z - low) / (high - low) * (side - 3)).clamp(0, side - 3).long().numpy()
    palette = np.array([ImageColor.getrgb(colour) for colour in CLASS_COLOURS], np.uint8)
    colours = palette[y.numpy() % len(palette)]
    canvas = np.full((side, side, 3), 255, np.uint8)
    for dx in (0, 1):
        for dy in (0, 1):
            canvas[side - 2 - pixels[:, 1] + dy, pixels[:, 0] + dx] = colours
    return Image.fromarray(canvas)


def run_quick(lab: Lab) -> Result:
    """Check codes of two units, of 32 bits and of a codebook on the digits."""
    planar = lab.train_variant(
        "two",
        "stacked",
        "digits",
        latent_dim=2,
        network__hidden=[128, 64],
        **RECIPE,
        training__epochs=60,
        training__batch_size=64,
    )
    bits = lab.train_variant(
        "bits",
        "fsq",
        "digits",
        latent_dim=8,
        network__hidden=[128],
        **RECIPE,
        training__epochs=60,
        training__batch_size=64,
    )
    codebook = lab.train_variant(
        "book",
        "vq-vae",
        "digits",
        latent_dim=16,
        network__hidden=[128],
        training__epochs=60,
        training__batch_size=64,
    )
    sets = planar.load_dataset()
    accuracy = compute_neighbour_accuracy(
        encode_in_chunks(planar.model, sets.test.x), sets.test.y, k=5
    )
    return Result(
        [
            Check("2-D codes, digits, leave-one-out accuracy", accuracy, at_least(0.65)),
            Check("test SE, digits, 32-bit codes", bits.run.test_metrics()["se"], at_most(1.4)),
            Check(
                "test SE, digits, four words of a codebook",
                codebook.run.test_metrics()["se"],
                at_most(1.6),
            ),
        ]
    )


EXPERIMENT = Experiment(
    "E12",
    "Codes for search, maps and compression",
    "Codes of a deep autoencoder find like images, draw a map and pack a picture into bits "
    "better than linear ones.",
    "PCA and product quantisation as measured here; Moor et al. (2020), Topological Autoencoders",
    "https://arxiv.org/abs/1906.00722",
    run_full,
    run_quick,
)
