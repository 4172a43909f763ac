"""E2: a linear VAE reaches the exact likelihood of probabilistic PCA (Tipping & Bishop, 1999; Lucas et al., 2019)."""

from __future__ import annotations

import math
from statistics import mean, stdev
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.bounds import iwae_bound, log_importance_weights
from aecore.data.datasets import load_dataset
from bench.fidelity.experiment import Check, Experiment, Lab, Result, Trained, at_least, at_most

PUBLISHED = {2: 0.00571, 8: 14.20979}  # of these very rows, by the closed form
DRAWS = 2000  # codes a digit for the ELBO: a standard error of 0.001 nats


class Bounds(NamedTuple):
    """Of one model, in nats per image above the exact maximum; its noise variance over the closed form's."""

    elbo: float
    elbo_error: float  # standard error
    iwae: float
    iwae_error: float
    noise: float


def full(lab: Lab) -> Result:
    seeds, found = (0, 1, 2), {}
    for q in (2, 8):
        runs = [trained(lab, q, seed, epochs=150) for seed in seeds]
        found[q] = [bounds(run, q) for run in runs]
    x, exact = rows(runs[0]), {q: ppca(rows(runs[0]), q)[0] for q in found}
    curve = {
        f"seed {seed}": [[e, -v] for e, v in run.curve("loss")]
        for seed, run in zip(seeds, runs, strict=True)
    }
    return Result(
        [check for q in (8, 2) for check in checks(found[q], q, exact[q])],
        seeds=seeds,
        curves={
            "x": "epoch",
            "y": "ELBO of the 8-unit code, nats per image",
            "lines": curve,
            "marks": {"exact maximum": exact[8]},
        },
        notes=f"Exact maxima by the closed form on the same {len(x)} digits. ELBO from {DRAWS} codes a digit.",
    )


def quick(lab: Lab) -> Result:
    run = trained(lab, 8, 0, epochs=20)
    return Result(checks([bounds(run, 8, draws=400)], 8, ppca(rows(run), 8)[0], moonshot=False))


def checks(found: list[Bounds], q: int, exact: float, moonshot: bool = True) -> list[Check]:
    """The bars of one code size; the worst seed is judged."""
    gap = min(b.elbo for b in found)
    over = max(max(b.elbo - 4 * b.elbo_error, b.iwae - 4 * b.iwae_error) for b in found)
    order = min(b.iwae - b.elbo + 4 * (b.iwae_error + b.elbo_error) for b in found)
    spread = stdev(b.elbo for b in found) if len(found) > 1 else None
    return [
        Check(
            f"ELBO per digit, {q} units, nats",
            exact + mean(b.elbo for b in found),
            paper=PUBLISHED[q],
            spread=spread,
        ),
        Check(
            f"ELBO less the exact maximum, {q} units, worst seed, nats",
            gap,
            at_least(-0.05),
            moonshot=at_least(-0.005) if moonshot else None,
        ),
        Check(
            f"either bound above the maximum, beyond 4 standard errors, {q} units",
            over,
            at_most(0.0),
        ),
        Check(f"IWAE-50 less ELBO, with 4 standard errors, {q} units", order, at_least(0.0)),
        Check(
            f"learned noise variance off the closed form, {q} units, %",
            100 * max(abs(b.noise - 1) for b in found),
            at_most(3.0),
        ),
    ]


def trained(lab: Lab, q: int, seed: int, epochs: int) -> Trained:
    """A linear VAE with learned noise on all digits: 64 columns of x/16, centred, which moves no likelihood."""
    path = lab.folder / "digits-ten-times.npz"
    if not path.exists():
        from sklearn.datasets import load_digits

        x = load_digits().data / 16
        x = (x - x.mean(0)).astype(
            np.float32
        )  # what has a mean is slow to learn for a network of one layer
        path.parent.mkdir(parents=True, exist_ok=True)
        # ten passes an epoch, so that its mean loss, which chooses the best one, has little noise
        np.savez(path, x=np.tile(x, (10, 1)), x_test=x)
    return lab.trained(
        f"{q}-units-{seed}",
        "vae",
        str(path),
        latent_dim=q,
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


def rows(run: Trained) -> Tensor:
    return load_dataset(run.run.config().data).test.x.double()  # type: ignore[arg-type]


@torch.no_grad()
def bounds(run: Trained, q: int, draws: int = DRAWS) -> Bounds:
    """ELBO and IWAE of the training rows, with their Monte Carlo errors."""
    model, x = run.model.double(), rows(run)
    exact, noise = ppca(x, q)
    torch.manual_seed(0)
    elbos = []
    for _ in range(draws // 50):
        log_likelihood, kl = log_importance_weights(model, x, 50)
        elbos += (log_likelihood - kl).mean(1).tolist()
    iwaes = [-iwae_bound(model, x, 50) for _ in range(8)]
    return Bounds(
        mean(elbos) - exact,
        stdev(elbos) / math.sqrt(len(elbos)),
        mean(iwaes) - exact,
        stdev(iwaes) / math.sqrt(len(iwaes)),
        model.likelihood.log_variance.exp().item() / noise,
    )


def ppca(x: Tensor, q: int) -> tuple[float, float]:
    """The maximum log likelihood a row and its noise variance, in closed form (Tipping & Bishop, 1999, eq. 8)."""
    values = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)
    d, noise = len(values), values[q:].mean()
    log_determinant = values[:q].log().sum() + (d - q) * noise.log()
    return (-0.5 * (d * math.log(2 * math.pi) + log_determinant + d)).item(), noise.item()


EXPERIMENT = Experiment(
    "E2",
    "A linear VAE is probabilistic PCA",
    "With one matrix in, one matrix out and a learned noise variance, the ELBO rises to the exact maximum likelihood.",
    "Tipping & Bishop (1999), Probabilistic PCA; Lucas et al. (2019), Don't Blame the ELBO!",
    "https://arxiv.org/abs/1911.02469",
    full,
    quick,
)
