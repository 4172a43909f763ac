"""E5: VAE and IWAE on freshly binarised MNIST, Burda et al. (2015), Table 1."""

from __future__ import annotations

from itertools import pairwise

import torch

from aecore.analysis.bounds import iwae_bound
from aecore.analysis.pictures import draw_grid
from aecore.data.datasets import load_dataset
from bench.fidelity.experiment import Check, Experiment, Lab, Result, Trained, at_least, at_most

NETWORK = {
    "network__hidden": [200, 200],
    "network__activation": "tanh",
    "data__binarise": "dynamic",
}
TRAINING = {
    "training__epochs": 450,  # the paper's eight stages are 3280 epochs
    "training__batch_size": 100,
    "training__lr": 2e-3,
    "training__schedule": "cosine",
    "training__precision": "bfloat16",
}
BOUNDS = (1, 5, 50, 5000)


def full(lab: Lab) -> Result:
    vae, iwae = (model(lab, variant) for variant in ("vae", "iwae"))
    x = load_dataset(vae.run.config().data).test.x
    bounds = {
        name: [iwae_bound(t.model, x, k) for k in BOUNDS]
        for name, t in (("vae", vae), ("iwae", iwae))
    }
    units = {t: t.run.test_metrics()["active_units"] for t in (vae, iwae)}
    return Result(
        [
            Check(
                "NLL (5000 samples), VAE",
                bounds["vae"][-1],
                at_most(88.2),
                at_most(86.76),
                paper=86.76,
            ),
            Check(
                "NLL (5000 samples), IWAE, K = 5",
                bounds["iwae"][-1],
                at_most(86.7),
                at_most(85.54),
                paper=85.54,
            ),
            Check(
                "IWAE better than VAE by, nats",
                bounds["vae"][-1] - bounds["iwae"][-1],
                (0.6, 2.0),
                paper=1.22,
            ),
            Check("active units, VAE", units[vae], (16, 22), paper=19),
            Check("active units more, IWAE", units[iwae] - units[vae], at_least(1), paper=3),
            Check(
                "smallest fall of the bound from K = 1 to 5 to 50 to 5000",
                least_fall(bounds["vae"]),
                at_least(0.0),
            ),
        ],
        curves={
            "x": "epoch",
            "y": "training loss of the examples held out, nats",
            "lines": {"VAE": vae.curve(), "IWAE, K = 5": iwae.curve()},
            "marks": {"paper, VAE": 86.76, "paper, IWAE": 85.54},
        },
        pictures=[("Drawn from the IWAE's prior.", draw_grid(iwae.model.sample(40), columns=10))],
        notes="Bounds on the NLL of the VAE for K = 1, 5, 50, 5000: "
        + ", ".join(f"{value:.2f}" for value in bounds["vae"])
        + "; of the IWAE: "
        + ", ".join(f"{value:.2f}" for value in bounds["iwae"])
        + ". All 10,000 test images, binarised once. 450 epochs with a cosine schedule stand in for the paper's 3280.",
    )


def model(lab: Lab, variant: str) -> Trained:
    samples = {"bottleneck__samples": 5} if variant == "iwae" else {}
    return lab.trained(variant, variant, "mnist", latent_dim=50, **samples, **NETWORK, **TRAINING)


def least_fall(bounds: list[float]) -> float:
    return min(a - b for a, b in pairwise(bounds))


def quick(lab: Lab) -> Result:
    short = {
        "training__epochs": 40,
        "training__batch_size": 64,
        "network__hidden": [64],
        "data__binarise": "dynamic",
    }
    vae = lab.trained("vae", "vae", "digits", latent_dim=8, **short)
    iwae = lab.trained("iwae", "iwae", "digits", latent_dim=8, bottleneck__samples=5, **short)
    bounds = {t: estimates(t) for t in (vae, iwae)}
    return Result(
        [
            Check("NLL (500 samples), digits, VAE", bounds[vae][-1], (20.0, 27.0)),
            Check(
                "IWAE better than VAE by, nats", bounds[vae][-1] - bounds[iwae][-1], at_least(0.1)
            ),
            Check(
                "smallest fall of the bound from K = 1 to 5 to 50 to 500",
                least_fall(bounds[vae]),
                at_least(0.0),
            ),
            Check(
                "largest fall of the bound from K = 1 to 500",
                bounds[vae][0] - bounds[vae][-1],
                at_most(3.0),
            ),
        ]
    )


def estimates(trained: Trained) -> list[float]:
    x = load_dataset(trained.run.config().data).test.x
    torch.manual_seed(0)
    return [iwae_bound(trained.model, x, k) for k in (1, 5, 50, 500)]


EXPERIMENT = Experiment(
    "E5",
    "More importance samples, a tighter bound",
    "Trained on the average of K weighted codes, the same network finds a better likelihood and uses more of its code.",
    "Burda, Grosse & Salakhutdinov (2015), Importance Weighted Autoencoders, Table 1",
    "https://arxiv.org/abs/1509.00519",
    full,
    quick,
)
