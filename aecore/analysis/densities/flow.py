"""A normalising flow of codes: coupling layers of rational-quadratic splines."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aecore.analysis.densities.base import LOG_TWO_PI, Density
from aecore.progress import track_progress

SPLINE_BINS, SPLINE_REACH = 8, 4.0  # the spline is the identity beyond the reach, in deviations
SPLINE_FLOOR = 1e-3  # of widths, heights and slopes
UNIT_SLOPE = math.log(math.e - 1 - SPLINE_FLOOR)  # whose softplus is a slope of 1
FLOW_LAYERS, FLOW_WIDTH = 6, 96
FLOW_EPOCHS, FLOW_STEPS, FLOW_BATCH, FLOW_RATE = 30, 1500, 256, 3e-3
FLOW_HELD_OUT = 0.1  # of the codes, to keep the epoch that describes new codes best
BLUR = 0.05  # deviations of noise on codes: exact repetitions have no density


class SplineCoupling(nn.Module):
    """Half of the coordinates pass; the others go through splines that depend on them."""

    def __init__(self, width: int):
        super().__init__()
        self.passing = width // 2
        outputs = (width - self.passing) * (3 * SPLINE_BINS - 1)
        self.conditioner = nn.Sequential(
            nn.Linear(self.passing + 1, FLOW_WIDTH),
            nn.SiLU(),
            nn.Linear(FLOW_WIDTH, FLOW_WIDTH),
            nn.SiLU(),
            nn.Linear(FLOW_WIDTH, outputs),
        )
        nn.init.zeros_(self.conditioner[-1].weight)
        nn.init.zeros_(self.conditioner[-1].bias)
        self.register_buffer("order", torch.randperm(width))

    def forward(self, u: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
        """u (N, width) -> v (N, width), and ln |dv / du| (N,); or the way back."""
        u = u if inverse else u[:, self.order]
        fixed, moved = u[:, : self.passing], u[:, self.passing :]
        inputs = torch.cat([fixed, torch.ones_like(u[:, :1])], 1)
        options = self.conditioner(inputs).unflatten(1, (moved.shape[1], -1))
        moved, log_slope = apply_splines(moved, options, inverse)
        v = torch.cat([fixed, moved], 1)
        return v[:, self.order.argsort()] if inverse else v, log_slope.sum(1)


def apply_splines(x: Tensor, options: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
    """Returns monotonic splines of x (N, d), and the logarithms of their slopes, (N, d) both.

    options (N, d, 3 SPLINE_BINS - 1) give widths and heights of the bins, and the slopes between
    them. Durkan et al. (2019), Neural Spline Flows, equations 4 to 8.
    """
    widths, heights, slopes = options.split([SPLINE_BINS, SPLINE_BINS, SPLINE_BINS - 1], -1)
    knots_x, knots_y = place_knots(widths), place_knots(heights)
    slopes = F.pad(F.softplus(slopes + UNIT_SLOPE) + SPLINE_FLOOR, (1, 1), value=1.0)
    inside = x.abs() < SPLINE_REACH
    value = torch.where(inside, x, 0.0)
    knots = knots_y if inverse else knots_x
    bins = (value[..., None] >= knots[..., 1:-1]).sum(-1, keepdim=True)

    def pick(values: Tensor) -> Tensor:
        return values.gather(-1, bins).squeeze(-1)

    x0, y0 = pick(knots_x), pick(knots_y)
    width, height = pick(knots_x.diff()), pick(knots_y.diff())
    first, last, steep = pick(slopes), pick(slopes[..., 1:]), height / width
    bend = first + last - 2 * steep
    if inverse:
        share = solve_spline(value - y0, height, first, bend, steep)
    else:
        share = (value - x0) / width
    between = share * (1 - share)
    below = steep + bend * between
    slope = last * share.square() + 2 * steep * between + first * (1 - share).square()
    log_slope = 2 * steep.log() + slope.log() - 2 * below.log()
    if inverse:
        result, log_slope = x0 + share * width, -log_slope
    else:
        result = y0 + height * (steep * share.square() + first * between) / below
    return torch.where(inside, result, x), torch.where(inside, log_slope, 0.0)


def place_knots(sizes: Tensor) -> Tensor:
    """Returns knots (..., bins + 1) from -SPLINE_REACH to SPLINE_REACH for logits of sizes."""
    shares = SPLINE_FLOOR + (1 - SPLINE_FLOOR * SPLINE_BINS) * sizes.softmax(-1)
    inner = 2 * SPLINE_REACH * shares.cumsum(-1)[..., :-1] - SPLINE_REACH
    left = F.pad(inner, (1, 0), value=-SPLINE_REACH)
    return F.pad(left, (0, 1), value=SPLINE_REACH)


def solve_spline(
    rise: Tensor, height: Tensor, first: Tensor, bend: Tensor, steep: Tensor
) -> Tensor:
    """Returns where in its bin, from 0 to 1, a spline has risen so far (equations 29 to 31)."""
    a = height * (steep - first) + rise * bend
    b = height * first - rise * bend
    c = -steep * rise
    root = (b.square() - 4 * a * c).clamp(min=0).sqrt()
    return (2 * c / (-b - root)).clamp(0, 1)


class Flow(nn.Module):
    """Coordinates of any density -> standard normal ones, layer by layer."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width
        self.layers = nn.ModuleList(SplineCoupling(width) for _ in range(FLOW_LAYERS))

    def forward(self, u: Tensor) -> Tensor:
        """Returns the log density (N,) of u (N, width) in nats."""
        total = u.new_zeros(len(u))
        for layer in self.layers:
            u, log_slope = layer(u)
            total = total + log_slope
        return total - 0.5 * (u.square().sum(1) + self.width * LOG_TWO_PI)

    def invert(self, v: Tensor) -> Tensor:
        """Returns the coordinates u (N, width) that become v."""
        for layer in reversed(self.layers):
            v, _ = layer(v, inverse=True)
        return v


def train_flow(u: Tensor, seed: int) -> Flow:
    """Returns a flow fitted to u (N, width) by maximum likelihood, of its best epoch."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        flow, order = Flow(u.shape[1]), torch.randperm(len(u))
        held = max(1, round(FLOW_HELD_OUT * len(u)))
        train, validation = u[order[held:]], u[order[:held]]
        validation = validation + BLUR * torch.randn_like(validation)
        steps = max(1, -(-len(train) // FLOW_BATCH))
        epochs = max(1, min(FLOW_EPOCHS, FLOW_STEPS // steps))
        optimizer = torch.optim.AdamW(flow.parameters(), FLOW_RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps)
        best, kept = -math.inf, copy.deepcopy(flow.state_dict())
        for _ in track_progress(range(epochs)):
            for rows in torch.randperm(len(train)).split(FLOW_BATCH):
                batch = train[rows]
                loss = -flow(batch + BLUR * torch.randn_like(batch)).mean()
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
                optimizer.step()
                schedule.step()
            with torch.no_grad():
                score = float(flow(validation).mean())
            if score > best:
                best, kept = score, copy.deepcopy(flow.state_dict())
        flow.load_state_dict(kept)
    return flow.eval().requires_grad_(False)


class FlowDensity(Density):
    """A neural spline flow."""

    kind = "flow"
    label = "normalising flow"
    help = "Invertible layers of splines (Durkan et al., 2019), trained on the codes for seconds."

    def fit_leading(self, u: np.ndarray, seed: int) -> None:
        self.flow = train_flow(torch.from_numpy(u).float(), seed)

    def sample_leading(self, noise: np.ndarray, seed: int) -> np.ndarray:
        return self.flow.invert(torch.from_numpy(noise).float()).double().numpy()

    def score_leading(self, u: np.ndarray) -> np.ndarray:
        return self.flow(torch.from_numpy(u).float()).double().numpy()
