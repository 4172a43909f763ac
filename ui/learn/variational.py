"""What the lessons on variational codes share: posteriors of digits, and circles and ellipses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import torch
from torch import Tensor

from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.bottlenecks.gaussian import kl_to_standard_normal
from ui.kit.figures import scale_axes_alike
from ui.kit.surface_chart import make_trace

PRIOR_COLOUR = "#999999"
CIRCLE = np.stack([f(np.linspace(0, 2 * np.pi, 41)) for f in (np.cos, np.sin)], 1)  # (41, 2)


class Posterior(NamedTuple):
    """q(z|x) = N(mean, deviation^2) of examples, both (N, latent_dim)."""

    mean: Tensor
    deviation: Tensor

    def measure_kl(self) -> Tensor:
        """Returns KL(q || N(0, I)) of each example in nats, (N,)."""
        return kl_to_standard_normal(self.mean, 2 * self.deviation.log())


@torch.no_grad()
def encode_posterior(model: Autoencoder, x: Tensor) -> Posterior:
    """Returns the posterior of x (N, *input_shape) by a model with a Gaussian bottleneck."""
    out = model.activate(model.encoder(model.to_scaled(x)).out)
    mean, log_variance = out.chunk(2, dim=1)
    return Posterior(mean, (0.5 * log_variance).exp())


@torch.no_grad()
def measure_decoded_cost(model: Autoencoder, z: Tensor, x: Tensor) -> Tensor:
    """Returns -ln p(x|z) in nats of one example x (1, *input_shape) for codes z (N, d): (N,)."""
    return model.likelihood.loss(model.decode_samples(z[:, None]), model.to_scaled(x), None)[:, 0]


def make_ellipse(mean: Tensor, deviation: Tensor, times: float = 1.0) -> np.ndarray:
    """Returns the outline (41, 2) of a Gaussian of two dimensions at so many deviations."""
    return mean.numpy() + times * CIRCLE * deviation.numpy()


def add_prior_circles(figure: go.Figure) -> None:
    """Add the outlines of the prior at one and two deviations."""
    gap = np.full((1, 2), np.nan)
    line = {"color": PRIOR_COLOUR, "dash": "dot", "width": 2}
    circles = np.concatenate([CIRCLE, gap, 2 * CIRCLE])
    figure.add_trace(make_trace(circles, mode="lines", name="prior, 1 and 2 σ", line=line))


def frame_plane(figure: go.Figure, reach: float) -> None:
    """Let a figure show the plane of codes so far to each side, both numbers in one scale."""
    span = [-reach, reach]
    figure.update_xaxes(range=span, zeroline=False)
    figure.update_yaxes(range=span, zeroline=False)
    scale_axes_alike(figure)
    figure.update_layout(legend={"itemsizing": "constant"})
