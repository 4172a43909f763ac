"""A normalising flow of codes: affine coupling layers (Dinh et al., 2017, RealNVP) to a mixture."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from aecore.analysis.densities.base import CODE_BLUR, LOG_TWO_PI, Density
from aecore.analysis.densities.mixture import MixtureDensity
from aecore.progress import track_progress

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

FLOW_LAYERS, FLOW_WIDTH = 6, 128
LOG_SCALE_LIMIT = 2.0  # of one layer
FLOW_EPOCHS, FLOW_BATCH, FLOW_RATE = 30, 512, 2e-3
FLOW_HELD_OUT = 0.1  # of the codes, to keep the epoch that describes new codes best
MAX_GRADIENT = 5.0

LogDensity = Callable[[Tensor], Tensor]  # (N, k) -> (N,) in nats


class AffineCoupling(nn.Module):
    """Half of the coordinates pass; the others are scaled and moved by what depends on them."""

    passing: Tensor  # (width,) 1 for coordinates that pass, else 0

    def __init__(self, width: int):
        super().__init__()
        passing = torch.ones(width).index_fill(0, torch.randperm(width)[width // 2 :], 0.0)
        self.register_buffer("passing", passing)
        self.conditioner = nn.Sequential(
            nn.Linear(width, FLOW_WIDTH),
            nn.SiLU(),
            nn.Linear(FLOW_WIDTH, FLOW_WIDTH),
            nn.SiLU(),
            nn.Linear(FLOW_WIDTH, 2 * width),
        )
        for parameter in self.conditioner[-1].parameters():
            nn.init.zeros_(parameter)  # the identity

    def forward(self, u: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
        """u (N, width) -> v (N, width) and ln |dv / du| (N,); `inverse` gives u for v."""
        raw, shift = self.conditioner(u * self.passing).chunk(2, 1)
        moving = 1 - self.passing
        log_scale = LOG_SCALE_LIMIT * torch.tanh(raw / LOG_SCALE_LIMIT) * moving
        shift = shift * moving
        moved = (u - shift) * (-log_scale).exp() if inverse else u * log_scale.exp() + shift
        return moved, log_scale.sum(1)


class Flow(nn.Module):
    """Coordinates of codes -> coordinates of the base density, layer by layer; first the same."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.ModuleList(AffineCoupling(width) for _ in range(FLOW_LAYERS))

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """u (N, width) -> v (N, width), and ln |dv / du| (N,)."""
        total = u.new_zeros(len(u))
        for layer in self.layers:
            u, log_slope = layer(u)
            total = total + log_slope
        return u, total

    def invert(self, v: Tensor) -> Tensor:
        """Returns the coordinates u (N, width) that become v."""
        for layer in reversed(self.layers):
            v, _ = layer(v, inverse=True)
        return v


def make_mixture_density(mixture: GaussianMixture) -> LogDensity:
    """Returns the log density of a fitted mixture as a function of float32 tensors."""
    factors = torch.from_numpy(mixture.precisions_cholesky_).float()  # (components, k, k)
    means = torch.from_numpy(mixture.means_).float()
    shifts = (means[:, None] @ factors)[:, 0]
    volumes = factors.diagonal(dim1=1, dim2=2).log().sum(1) - 0.5 * means.shape[1] * LOG_TWO_PI
    constants = torch.from_numpy(mixture.weights_).float().log() + volumes

    def score(v: Tensor) -> Tensor:
        distances = (v @ factors - shifts[:, None]).square().sum(2)  # (components, N)
        return (constants[:, None] - 0.5 * distances).logsumexp(0)

    return score


def train_flow(u: Tensor, score_base: LogDensity, seed: int) -> Flow:
    """Returns a flow from u (N, k) to the base density by maximum likelihood, of its best epoch."""
    chance = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        flow = Flow(u.shape[1])
    order = torch.randperm(len(u), generator=chance)
    held = max(1, round(FLOW_HELD_OUT * len(u)))
    train, validation = u[order[held:]], blur_codes(u[order[:held]], chance)
    steps = FLOW_EPOCHS * -(-len(train) // FLOW_BATCH)
    optimizer = torch.optim.AdamW(flow.parameters(), FLOW_RATE, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best, kept = score_flow(flow, validation, score_base), copy.deepcopy(flow.state_dict())
    for _ in track_progress(range(FLOW_EPOCHS)):
        for rows in torch.randperm(len(train), generator=chance).split(FLOW_BATCH):
            v, log_slope = flow(blur_codes(train[rows], chance))
            optimizer.zero_grad(set_to_none=True)
            (-score_base(v) - log_slope).mean().backward()
            nn.utils.clip_grad_norm_(flow.parameters(), MAX_GRADIENT)
            optimizer.step()
            schedule.step()
        score = score_flow(flow, validation, score_base)
        if score > best:
            best, kept = score, copy.deepcopy(flow.state_dict())
    flow.load_state_dict(kept)
    return flow.eval().requires_grad_(False)


def blur_codes(u: Tensor, chance: torch.Generator) -> Tensor:
    """Returns codes with a little noise."""
    return u + CODE_BLUR * torch.randn(u.shape, generator=chance)


@torch.no_grad()
def score_flow(flow: Flow, u: Tensor, score_base: LogDensity) -> float:
    """Returns the mean log density of u (N, k); minus infinity where it is no number."""
    v, log_slope = flow(u)
    value = float((score_base(v) + log_slope).mean())
    return value if math.isfinite(value) else -math.inf


class FlowDensity(Density):
    """A mixture, bent by invertible layers until it describes the codes."""

    kind = "flow"
    label = "normalising flow"
    help = (
        "The mixture, bent by invertible layers (Dinh et al., 2017) that are trained on the codes "
        "for seconds."
    )

    def fit_leading(self, u: np.ndarray, seed: int) -> None:
        self.base = MixtureDensity()
        self.base.fit_leading(u, seed)
        score_base = make_mixture_density(self.base.mixture)
        self.flow = train_flow(torch.from_numpy(u).float(), score_base, seed)

    def sample_leading(self, noise: np.ndarray, seed: int) -> np.ndarray:
        v = self.base.sample_leading(noise, seed)
        return self.flow.invert(torch.from_numpy(v).float()).double().numpy()

    def score_leading(self, u: np.ndarray) -> np.ndarray:
        v, log_slope = self.flow(torch.from_numpy(u).float())
        return self.base.score_leading(v.double().numpy()) + log_slope.double().numpy()
