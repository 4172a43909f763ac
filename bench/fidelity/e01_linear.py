"""E1: a linear autoencoder finds the subspace of PCA (Baldi & Hornik, 1989)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from bench.fidelity.experiment import Check, Experiment, Lab, Result, TrainedRun, at_most


def run_full(lab: Lab) -> Result:
    found, angles = [], []
    for seed in (0, 1, 2):
        trained = lab.train_variant(
            f"mnist-{seed}", "linear", "mnist", latent_dim=30, training__seed=seed
        )
        gap, angle, se = against_pca(trained, 30)
        found.append((se, gap))
        angles.append(angle)
    ses = torch.tensor([se for se, _ in found])
    gaps = [gap for _, gap in found]
    tied = digits(lab, True) + digits(lab, False)
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
                100 * max(gaps),
                at_most(1.0),
                moonshot=at_most(0.1),
            ),
            Check("largest principal angle to PCA, degrees", max(angles), at_most(3.0)),
            *tied,
        ],
        seeds=(0, 1, 2),
    )


def run_quick(lab: Lab) -> Result:
    return Result(digits(lab, False, epochs=120))


def digits(lab: Lab, tied: bool, epochs: int = 300) -> list[Check]:
    """Eight units on the whole of the 8 x 8 digits: training SE against the exact minimum."""
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
    gap, angle, _ = against_pca(trained, 8, on_train=True)
    return [
        Check(
            f"training SE above the minimum, digits, 8 units, {name}, %", 100 * gap, at_most(0.1)
        ),
        Check(f"largest angle to PCA, digits, {name}, degrees", angle, at_most(3.0)),
    ]


def against_pca(trained: TrainedRun, k: int, on_train: bool = False) -> tuple[float, float, float]:
    """(SE / PCA's SE - 1, largest principal angle in degrees, SE); PCA is fitted to the training set."""
    sets = load_dataset(trained.run.config().data)
    x, test = (as_float(part.x).flatten(1).double() for part in (sets.train, sets.test))
    test = x if on_train else test
    mean = x.mean(0)
    basis = pca_basis(x, k)
    best = ((test - mean) - (test - mean) @ basis @ basis.T).square().sum(1).mean().item()
    model = trained.model.double()
    rebuilt = model.reconstruct(test.unflatten(1, sets.input_shape)).flatten(1)
    se = (rebuilt - test).square().sum(1).mean().item()
    origin, *units = model.decoder.layer(0, torch.eye(k + 1, k, dtype=torch.float64).roll(1, 0))
    weight = torch.stack(units) - origin
    span = torch.linalg.qr(weight.T).Q
    cosine = torch.linalg.svdvals(span.T @ basis).min().clamp(max=1)
    return se / best - 1, math.degrees(math.acos(cosine)), se


def pca_basis(x: Tensor, k: int) -> Tensor:
    """(N, d) -> (d, k): the leading eigenvectors of the covariance."""
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
