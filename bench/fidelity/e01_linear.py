"""E1: a linear autoencoder finds the subspace of PCA (Baldi & Hornik, 1989)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from bench.fidelity.experiment import Check, Experiment, Lab, Result, TrainedRun, at_most

SEEDS = (0, 1, 2)


class PcaComparison(NamedTuple):
    """A linear autoencoder compared to PCA."""

    se: float
    excess: float  # se / PCA's - 1
    angle: float  # the largest principal angle between both subspaces, in degrees


def run_full(lab: Lab) -> Result:
    """Check three seeds on MNIST, and both tied and untied weights on the digits."""
    comparisons = []
    for seed in SEEDS:
        trained = lab.train_variant(
            f"mnist-{seed}", "linear", "mnist", latent_dim=30, training__seed=seed
        )
        comparisons.append(compare_to_pca(trained, 30))
    ses = torch.tensor([comparison.se for comparison in comparisons])
    worst_excess = max(comparison.excess for comparison in comparisons)
    worst_angle = max(comparison.angle for comparison in comparisons)
    return Result(
        [
            Check(
                "test SE, MNIST, 30 units",
                ses.mean().item(),
                (13.85, 14.0),
                paper=13.87,
                spread=ses.std().item(),
            ),
            Check(
                "SE above PCA's own, worst seed, %",
                100 * worst_excess,
                at_most(1.0),
                moonshot=at_most(0.1),
            ),
            Check("largest principal angle to PCA, degrees", worst_angle, at_most(3.0)),
            *check_digits(lab, True),
            *check_digits(lab, False),
        ],
        seeds=SEEDS,
    )


def run_quick(lab: Lab) -> Result:
    """Check untied weights on the digits."""
    return Result(check_digits(lab, False, epochs=120))


def check_digits(lab: Lab, tied: bool, epochs: int = 300) -> list[Check]:
    """Train eight units on all 8 x 8 digits, and check the training SE against its minimum."""
    name = "tied" if tied else "untied"
    trained = lab.train_variant(
        f"digits-{name}",
        "linear",
        "digits",
        latent_dim=8,
        network__tied=tied,
        data__validation_fraction=0,
        training__epochs=epochs,
        training__batch_size=32,
        training__lr=1e-2,
    )
    comparison = compare_to_pca(trained, 8, on_train=True)
    return [
        Check(
            f"training SE above the minimum, digits, 8 units, {name}, %",
            100 * comparison.excess,
            at_most(0.1),
        ),
        Check(f"largest angle to PCA, digits, {name}, degrees", comparison.angle, at_most(3.0)),
    ]


def compare_to_pca(trained: TrainedRun, k: int, on_train: bool = False) -> PcaComparison:
    """Compare a model to PCA fitted to the training set, on the test set or on that of training."""
    sets = load_dataset(trained.run.config().data)
    x, test = (as_float(part.x).flatten(1).double() for part in (sets.train, sets.test))
    test = x if on_train else test
    mean = x.mean(0)
    basis = compute_pca_basis(x, k)
    pca_se = ((test - mean) - (test - mean) @ basis @ basis.T).square().sum(1).mean().item()
    model = trained.model.double()
    reconstructions = model.reconstruct(test.unflatten(1, sets.input_shape)).flatten(1)
    se = (reconstructions - test).square().sum(1).mean().item()
    origin, *units = model.decoder.layer(0, torch.eye(k + 1, k, dtype=torch.float64).roll(1, 0))
    weight = torch.stack(units) - origin
    span = torch.linalg.qr(weight.T).Q
    cosine = torch.linalg.svdvals(span.T @ basis).min().clamp(max=1)
    return PcaComparison(se, se / pca_se - 1, math.degrees(math.acos(cosine)))


def compute_pca_basis(x: Tensor, k: int) -> Tensor:
    """Returns the leading eigenvectors of the covariance: (N, d) -> (d, k)."""
    return torch.linalg.eigh(torch.cov(x.T, correction=0)).eigenvectors[:, -k:]


EXPERIMENT = Experiment(
    "E1",
    "A linear autoencoder is PCA",
    "Trained by squared error, one matrix in and one matrix out span the leading principal "
    "components.",
    "Baldi & Hornik (1989); figure of Hinton & Salakhutdinov (2006), Fig. 2B",
    "https://doi.org/10.1016/0893-6080(89)90014-2",
    run_full,
    run_quick,
)
