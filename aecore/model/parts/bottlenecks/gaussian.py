"""Variational codes: the encoder gives the mean and the log variance of a Gaussian."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from aecore.model.parts.base import LIVE, CodeGrid
from aecore.model.parts.bottlenecks.base import Bottleneck, BottleneckBase, Code

MAX_LOG_VARIANCE = 6.0  # of a code, above which it grows like a logarithm


class GaussianCode(BottleneckBase):
    """q(z|x) = N(mu, sigma^2),  z = mu + sigma * eps,  p(z) = N(0, I).

    bound="elbo":  cost = beta * 1/2 sum(mu^2 + sigma^2 - 1 - ln sigma^2)   (Kingma & Welling, 2013;
    beta: Higgins et al., 2017), averaged over the samples.
    bound="iwae":  -ln 1/K sum_k p(x|z_k) [p(z_k) / q(z_k|x)]^beta          (Burda et al., 2015).

    With KL_j of unit j, the mean over the batch, the cost of the elbo may instead be

    free_bits:  beta * sum_j max(free_bits, KL_j)   (Kingma et al., 2016, Improved Variational
                                                     Inference with Inverse Autoregressive Flow)
    capacity:   beta * |sum_j KL_j - C|             (Burgess et al., 2018, Understanding
                                                     Disentangling in beta-VAE)

    where C rises from 0 to `capacity` in the first half of the training.
    """

    kind: Literal["gaussian"] = "gaussian"
    beta: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="Weight of the KL term. A larger one makes codes simpler and reconstructions "
        "blurrier. Bounds are reported at 1.",
        json_schema_extra=LIVE,
    )
    samples: int = Field(
        1,
        ge=1,
        le=1000,
        description="Codes drawn for each example at each step. More make gradients less noisy and "
        "the bound of IWAE tighter.",
    )
    bound: Literal["elbo", "iwae"] = Field(
        "elbo",
        description="elbo: the mean loss of the samples. iwae: the tighter, importance-weighted "
        "bound.",
    )
    free_bits: float = Field(
        0.0,
        ge=0,
        le=100,
        description="Nats of KL that each unit may use without cost; against posterior collapse.",
    )
    capacity: float | None = Field(
        None,
        ge=0,
        le=10_000,
        description="Nats that the KL of an example is held to, rising from 0 in the first half "
        "of the training; beta then weights the distance from it.",
    )

    menu_position: ClassVar[int] = 3
    is_variational: ClassVar[bool] = True
    allows_path: ClassVar[bool] = True
    values_per_unit: ClassVar[int] = 2  # a mean and a log variance

    @model_validator(mode="after")
    def check(self) -> GaussianCode:
        """Raise ValueError where options of the KL term do not fit each other."""
        if self.free_bits and self.capacity is not None:
            raise ValueError("the KL has free bits or a capacity, not both: leave one out")
        if (self.free_bits or self.capacity is not None) and self.bound != "elbo":
            raise ValueError("free_bits and capacity change the KL in closed form: use bound elbo")
        return self

    def build(self, latent_dim: int, grid: CodeGrid | None = None) -> Bottleneck:
        return GaussianBottleneck(self, latent_dim)

    @property
    def sample_count(self) -> int:
        return self.samples

    def cost_weight(self, kl_weight: float | Tensor) -> float | Tensor:
        return kl_weight * self.beta

    def combine_losses(self, losses: Tensor) -> Tensor:
        """Return the mean of losses (samples, N), or -ln mean exp(-loss) for IWAE's bound: (N,)."""
        if self.bound == "elbo":
            return losses.mean(0)
        samples = torch.tensor(float(len(losses)), dtype=losses.dtype, device=losses.device)
        return samples.log() - torch.logsumexp(-losses, 0)


class GaussianBottleneck(Bottleneck):
    """Draws codes by the reparametrisation trick."""

    # Initial weights near zero make every posterior the prior. A unit then starts to carry
    # information when this lowers the loss by more than its KL, instead of first having to unlearn
    # noise: ten epochs of a VAE on MNIST end about a nat lower.
    head_scale = 0.1

    def __init__(self, options: GaussianCode, latent_dim: int):
        super().__init__(latent_dim, options.values_per_unit)
        self.has_sampled_cost = options.bound == "iwae"
        self.free_bits = options.free_bits
        self.capacity = self.final_capacity = options.capacity

    def forward(self, h: Tensor, samples: int) -> Code:
        mean, log_variance = h.chunk(2, dim=1)
        z, log_ratio = self.draw(mean, log_variance, samples)
        if self.has_sampled_cost:
            return Code(z, log_ratio, mean)
        kl = kl_of_units(mean, log_variance)
        cost = self.price(kl).expand(samples, -1)
        return Code(z, cost, mean, kl.sum(-1).expand(samples, -1))

    def price(self, kl: Tensor) -> Tensor:
        """Return what codes with these KL (N, latent_dim) cost, (N,); its mean is the term."""
        if self.free_bits:
            paying = kl.mean(0) > self.free_bits
            return torch.where(paying, kl, self.free_bits).sum(-1)
        total = kl.sum(-1)
        if self.capacity is None:
            return total
        distance = total - self.capacity  # the sign is that of the batch's mean
        return distance * distance.mean().detach().sign()

    def anneal(self, progress: float) -> bool:
        if self.final_capacity is not None:
            self.capacity = self.final_capacity * min(1.0, 2 * progress)
        return self.capacity != self.final_capacity

    @property
    def annealed_value(self) -> float | None:
        return self.capacity

    def draw(self, mean: Tensor, log_variance: Tensor, samples: int) -> tuple[Tensor, Tensor]:
        eps = self.draw_noise(mean, samples)
        z = mean + (0.5 * log_variance).exp() * eps
        # the terms ln 2 pi of q and p cancel
        log_ratio = 0.5 * (z.square() - eps.square() - log_variance).sum(-1)
        return z, log_ratio

    def draw_noise(self, mean: Tensor, samples: int) -> Tensor:
        """Return standard normal numbers (samples, N, latent_dim) for codes with this mean."""
        return torch.randn(samples, *mean.shape, device=mean.device, dtype=mean.dtype)


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, variance) || N(0, I)) in nats, (N, d) -> (N,)."""
    return kl_of_units(mean, log_variance).sum(-1)


def kl_of_units(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the KL of each unit of N(mean, variance) to N(0, I) in nats, (N, d) -> (N, d).

    Kingma & Welling (2013), appendix B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def bound_log_variances(log_variances: Tensor) -> Tensor:
    """Return log variances that grow like a logarithm above MAX_LOG_VARIANCE.

    Those of a trained model are hardly above 0, the prior's. Where an odd example takes one far
    beyond, its exponential would be the loss of all others.
    """
    excess = (log_variances - MAX_LOG_VARIANCE).clamp(min=0)
    return log_variances - excess + excess.log1p()
