"""E5: VAE and IWAE on freshly binarised MNIST, Burda et al. (2015), Table 1."""

from __future__ import annotations

from itertools import pairwise

import torch

from aecore.analysis.bounds import iwae_bound
from aecore.analysis.pictures import draw_grid
from bench.fidelity.experiment import Check, Experiment, Lab, Result, TrainedRun, at_least, at_most

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
SAMPLE_COUNTS = (1, 5, 50, 5000)


def run_full(lab: Lab) -> Result:
    """Check bounds and active units of a VAE and an IWAE on MNIST."""
    vae, iwae = (train_burda_network(lab, variant) for variant in ("vae", "iwae"))
    x = vae.load_dataset().test.x
    bounds = {
        name: [iwae_bound(trained.model, x, k) for k in SAMPLE_COUNTS]
        for name, trained in (("vae", vae), ("iwae", iwae))
    }
    active_vae, active_iwae = (
        trained.run.test_metrics()["active_units"] for trained in (vae, iwae)
    )
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
            Check("active units, VAE", active_vae, (16, 22), paper=19),
            Check("active units more, IWAE", active_iwae - active_vae, at_least(1), paper=3),
            Check(
                "smallest fall of the bound from K = 1 to 5 to 50 to 5000",
                find_smallest_fall(bounds["vae"]),
                at_least(0.0),
            ),
        ],
        curves={
            "x": "epoch",
            "y": "training loss of the examples held out, nats",
            "lines": {"VAE": vae.read_curve(), "IWAE, K = 5": iwae.read_curve()},
            "marks": {"paper, VAE": 86.76, "paper, IWAE": 85.54},
        },
        pictures=[("Drawn from the IWAE's prior.", draw_grid(iwae.model.sample(40), columns=10))],
        notes="Bounds on the NLL of the VAE for K = 1, 5, 50, 5000: "
        + ", ".join(f"{value:.2f}" for value in bounds["vae"])
        + "; of the IWAE: "
        + ", ".join(f"{value:.2f}" for value in bounds["iwae"])
        + ". All 10,000 test images, binarised once. 450 epochs with a cosine schedule stand in "
        "for the paper's 3280.",
    )


def train_burda_network(lab: Lab, variant: str) -> TrainedRun:
    """Train 784-200-200-50 in tanh as "vae" or as "iwae" with K = 5."""
    samples = {"bottleneck__samples": 5} if variant == "iwae" else {}
    return lab.train_variant(
        variant, variant, "mnist", latent_dim=50, **samples, **NETWORK, **TRAINING
    )


def find_smallest_fall(bounds: list[float]) -> float:
    """Returns the smallest difference between a bound and the next one."""
    return min(a - b for a, b in pairwise(bounds))


def run_quick(lab: Lab) -> Result:
    """Check the bounds of a small VAE and a small IWAE on the digits."""
    short = {
        "training__epochs": 40,
        "training__batch_size": 64,
        "network__hidden": [64],
        "data__binarise": "dynamic",
    }
    vae = lab.train_variant("vae", "vae", "digits", latent_dim=8, **short)
    iwae = lab.train_variant("iwae", "iwae", "digits", latent_dim=8, bottleneck__samples=5, **short)
    vae_bounds, iwae_bounds = estimate_digit_bounds(vae), estimate_digit_bounds(iwae)
    return Result(
        [
            Check("NLL (500 samples), digits, VAE", vae_bounds[-1], (20.0, 27.0)),
            Check("IWAE better than VAE by, nats", vae_bounds[-1] - iwae_bounds[-1], at_least(0.1)),
            Check(
                "smallest fall of the bound from K = 1 to 5 to 50 to 500",
                find_smallest_fall(vae_bounds),
                at_least(0.0),
            ),
            Check(
                "largest fall of the bound from K = 1 to 500",
                vae_bounds[0] - vae_bounds[-1],
                at_most(3.0),
            ),
        ]
    )


def estimate_digit_bounds(trained: TrainedRun) -> list[float]:
    """Estimate the bound with 1, 5, 50 and 500 samples."""
    x = trained.load_dataset().test.x
    torch.manual_seed(0)
    return [iwae_bound(trained.model, x, k) for k in (1, 5, 50, 500)]


EXPERIMENT = Experiment(
    "E5",
    "More importance samples, a tighter bound",
    "Trained on the average of K weighted codes, the same network finds a better likelihood "
    "and uses more of its code.",
    "Burda, Grosse & Salakhutdinov (2015), Importance Weighted Autoencoders, Table 1",
    "https://arxiv.org/abs/1509.00519",
    run_full,
    run_quick,
)
