"""E3: the deep autoencoder of Hinton & Salakhutdinov (2006), Fig. 2B, without its pretraining."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from aecore.analysis.chunks import reconstruct_in_chunks
from aecore.analysis.pictures import draw_grid
from aecore.data.splits import as_float
from bench.fidelity.experiment import Check, Experiment, Lab, Result, TrainedRun, at_most

# He initialisation and batch normalisation do what layer-wise pretraining did in 2006
RECIPE = {
    "network__norm": "batch",
    "network__activation": "gelu",
    "training__lr": 3e-3,
    "training__schedule": "cosine",
    "training__warmup_steps": 300,
}


def train_deep_autoencoder(lab: Lab) -> TrainedRun:
    """Train 784-1000-500-250-30 and back on MNIST; E12 and bench.compression use it too."""
    return lab.train_variant(
        "deep",
        "stacked",
        "mnist",
        latent_dim=30,
        network__hidden=[1000, 500, 250],
        **RECIPE,
        training__batch_size=250,
        training__epochs=100,
        training__precision="bfloat16",
    )


def run_full(lab: Lab) -> Result:
    """Check the test error of the deep autoencoder on MNIST."""
    trained = train_deep_autoencoder(lab)
    test = trained.load_dataset().test.x
    se = trained.run.test_metrics()["se"]
    return Result(
        [
            Check("test SE, 30 units", se, at_most(3.3), moonshot=at_most(3.0), paper=3.0),
            Check("SE as a share of PCA's 13.866", se / 13.866, at_most(0.25)),
        ],
        curves={
            "x": "epoch",
            "y": "SE of the examples held out",
            "lines": {"784-1000-500-250-30": trained.read_curve()},
            "marks": {"paper": 3.0, "PCA": 13.87},
        },
        pictures=[draw_reconstructions(trained, test)],
        notes="GELU units, batch normalisation, Adam with a cosine schedule and products in "
        "bfloat16, in place of logistic units and layer-wise pretraining.",
    )


def draw_reconstructions(
    trained: TrainedRun, test: Tensor, count: int = 10
) -> tuple[str, Image.Image]:
    """Returns a caption, and a picture of test images above their reconstructions."""
    x = as_float(test[torch.linspace(0, len(test) - 1, count).long()])
    images = torch.cat([x, reconstruct_in_chunks(trained.model, x)])
    return "Test images above, their reconstructions below.", draw_grid(images, columns=count)


def run_quick(lab: Lab) -> Result:
    """Check the test error of a smaller one on the digits."""
    trained = lab.train_variant(
        "deep",
        "stacked",
        "digits",
        latent_dim=8,
        network__hidden=[128, 64],
        **RECIPE,
        training__epochs=40,
        training__batch_size=64,
    )
    return Result(
        [
            Check(
                "test SE, digits, 8 units (PCA 1.56)",
                trained.run.test_metrics()["se"],
                at_most(0.95),
            )
        ]
    )


EXPERIMENT = Experiment(
    "E3",
    "A deep autoencoder beats PCA four times over",
    "Seven hidden layers around 30 code units keep far more of a digit than 30 principal "
    "components do.",
    "Hinton & Salakhutdinov (2006), Reducing the Dimensionality of Data with Neural Networks, "
    "Fig. 2B",
    "https://doi.org/10.1126/science.1127647",
    run_full,
    run_quick,
)
