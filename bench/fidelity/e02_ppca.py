"""E2: a linear VAE reaches the exact likelihood of probabilistic PCA.

Tipping & Bishop (1999); Lucas et al. (2019).
"""

from __future__ import annotations

import math
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.bounds import iwae_bound, log_importance_weights
from bench.fidelity.experiment import Check, Experiment, Lab, Result, TrainedRun, at_least, at_most

PUBLISHED = {2: 0.00571, 8: 14.20979}  # of these very rows, by the closed form
SEEDS = (0, 1, 2)
DRAWS = 2000  # codes a digit for the ELBO: a standard error of 0.001 nats


class LikelihoodBounds(NamedTuple):
    """Two bounds of one model, in nats per image above the exact maximum."""

    elbo: float
    elbo_error: float  # standard error
    iwae: float
    iwae_error: float
    noise_ratio: float  # its noise variance over the closed form's


def run_full(lab: Lab) -> Result:
    """Check codes of two sizes, three seeds each."""
    bounds = {}
    for units in PUBLISHED:
        runs = [train_linear_vae(lab, units, seed, epochs=150) for seed in SEEDS]
        bounds[units] = [estimate_bounds(run, units) for run in runs]
    x = load_digit_rows(runs[0])
    exact = {units: fit_ppca(x, units)[0] for units in bounds}
    curves = {
        f"seed {seed}": [[epoch, -loss] for epoch, loss in run.read_curve("loss")]
        for seed, run in zip(SEEDS, runs, strict=True)
    }
    return Result(
        [check for units in (8, 2) for check in check_bounds(bounds[units], units, exact[units])],
        seeds=SEEDS,
        curves={
            "x": "epoch",
            "y": "ELBO of the 8-unit code, nats per image",
            "lines": curves,
            "marks": {"exact maximum": exact[8]},
        },
        notes=f"Exact maxima by the closed form on the same {len(x)} digits. "
        f"ELBO from {DRAWS} codes a digit.",
    )


def run_quick(lab: Lab) -> Result:
    """Check a code of 8 units after few epochs, with few draws."""
    run = train_linear_vae(lab, 8, 0, epochs=20)
    exact = fit_ppca(load_digit_rows(run), 8)[0]
    return Result(check_bounds([estimate_bounds(run, 8, draws=400)], 8, exact, moonshot=False))


def check_bounds(
    bounds: list[LikelihoodBounds], units: int, exact: float, moonshot: bool = True
) -> list[Check]:
    """Returns the checks of one code size, the worst seed being judged."""
    gap = min(bound.elbo for bound in bounds)
    excess = max(
        max(bound.elbo - 4 * bound.elbo_error, bound.iwae - 4 * bound.iwae_error)
        for bound in bounds
    )
    order = min(
        bound.iwae - bound.elbo + 4 * (bound.iwae_error + bound.elbo_error) for bound in bounds
    )
    return [
        Check(
            f"ELBO per digit, {units} units, nats",
            exact + mean(bound.elbo for bound in bounds),
            paper=PUBLISHED[units],
            spread=stdev(bound.elbo for bound in bounds) if len(bounds) > 1 else None,
        ),
        Check(
            f"ELBO less the exact maximum, {units} units, worst seed, nats",
            gap,
            at_least(-0.05),
            moonshot=at_least(-0.005) if moonshot else None,
        ),
        Check(
            f"either bound above the maximum, beyond 4 standard errors, {units} units",
            excess,
            at_most(0.0),
        ),
        Check(f"IWAE-50 less ELBO, with 4 standard errors, {units} units", order, at_least(0.0)),
        Check(
            f"learned noise variance off the closed form, {units} units, %",
            100 * max(abs(bound.noise_ratio - 1) for bound in bounds),
            at_most(3.0),
        ),
    ]


def train_linear_vae(lab: Lab, units: int, seed: int, epochs: int) -> TrainedRun:
    """Train a linear VAE with learned noise on all digits."""
    return lab.train_variant(
        f"{units}-units-{seed}",
        "vae",
        str(write_digits(lab.folder / "digits-ten-times.npz")),
        latent_dim=units,
        scaling="none",
        network__hidden=(),
        likelihood__learned=True,
        data__validation_fraction=0,
        training__epochs=epochs,
        training__batch_size=128,
        training__lr=1e-2,
        training__schedule="cosine",
        training__seed=seed,
        bottleneck__samples=8,
    )


def write_digits(path: Path) -> Path:
    """Write all digits, 64 columns of x/16, unless the file is there; returns its path.

    They are centred, which changes no likelihood; with a mean a network of one layer learns slowly.
    """
    if not path.exists():
        from sklearn.datasets import load_digits

        x = load_digits().data / 16
        x = (x - x.mean(0)).astype(np.float32)
        path.parent.mkdir(parents=True, exist_ok=True)
        # ten passes an epoch, so that its mean loss, which chooses the best one, has little noise
        np.savez(path, x=np.tile(x, (10, 1)), x_test=x)
    return path


def load_digit_rows(run: TrainedRun) -> Tensor:
    """Returns the digits that a run was trained with, once each, in double precision."""
    return run.load_dataset().test.x.double()


@torch.no_grad()
def estimate_bounds(run: TrainedRun, units: int, draws: int = DRAWS) -> LikelihoodBounds:
    """Estimate ELBO and IWAE of the training rows, with their Monte Carlo errors."""
    model, x = run.model.double(), load_digit_rows(run)
    exact, noise = fit_ppca(x, units)
    torch.manual_seed(0)
    elbos = []
    for _ in range(draws // 50):
        log_likelihood, kl = log_importance_weights(model, x, 50)
        elbos += (log_likelihood - kl).mean(1).tolist()
    iwaes = [-iwae_bound(model, x, 50) for _ in range(8)]
    return LikelihoodBounds(
        mean(elbos) - exact,
        stdev(elbos) / math.sqrt(len(elbos)),
        mean(iwaes) - exact,
        stdev(iwaes) / math.sqrt(len(iwaes)),
        model.likelihood.log_variance.exp().item() / noise,
    )


def fit_ppca(x: Tensor, units: int) -> tuple[float, float]:
    """Returns the maximum log likelihood of a row and its noise variance, in closed form.

    Tipping & Bishop (1999), eq. 8.
    """
    values = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)
    d, noise = len(values), values[units:].mean()
    log_determinant = values[:units].log().sum() + (d - units) * noise.log()
    return (-0.5 * (d * math.log(2 * math.pi) + log_determinant + d)).item(), noise.item()


EXPERIMENT = Experiment(
    "E2",
    "A linear VAE is probabilistic PCA",
    "With one matrix in, one matrix out and a learned noise variance, the ELBO rises to the "
    "exact maximum likelihood.",
    "Tipping & Bishop (1999), Probabilistic PCA; Lucas et al. (2019), Don't Blame the ELBO!",
    "https://arxiv.org/abs/1911.02469",
    run_full,
    run_quick,
)
