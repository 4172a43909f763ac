"""Bottleneck: from the encoder's last layer to the code, and what that passage costs."""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from aecore.model.parts.base import Options


class Code(NamedTuple):
    """What the decoder gets, and what it costs."""

    z: Tensor  # (samples, N, latent_dim)
    cost: Tensor  # (samples, N): added to the reconstruction; for variational codes a KL in nats
    mean: Tensor  # (N, latent_dim): the code without noise, what `encode` returns


class Deterministic(Options):
    """z = f(x). No cost."""

    kind: Literal["deterministic"] = "deterministic"

    def build(self, latent_dim: int) -> Bottleneck:
        return Bottleneck(latent_dim)


class TopK(Options):
    """z_i = a_i where |a_i| is among the k largest, else 0; gradient through the kept ones alone.

    `by="value"` keeps the k largest a_i themselves, as in Makhzani & Frey (2013), k-Sparse
    Autoencoders. Exactly k survive, also among ties and outside training. A small k from the first
    step on leaves units that are never among the k; the paper lets k fall (section 4.2.1): `start`.
    """

    kind: Literal["top_k"] = "top_k"
    k: int = Field(25, ge=1, le=16384, description="How many code units stay on for one example.")
    start: int | None = Field(
        None,
        ge=1,
        le=16384,
        description="k at first, falling evenly to k in the first half of the training.",
    )
    by: Literal["magnitude", "value"] = Field(
        "magnitude", description="Rank by |a| or, as the paper, by a."
    )

    def build(self, latent_dim: int) -> Bottleneck:
        return TopKCode(self, latent_dim)


class GaussianCode(Options):
    """q(z|x) = N(mu, sigma^2),  z = mu + sigma * eps,  p(z) = N(0, I).

    bound="elbo":  cost = beta * 1/2 sum(mu^2 + sigma^2 - 1 - ln sigma^2)   (Kingma & Welling, 2013;
    beta: Higgins et al., 2017), averaged over the samples.
    bound="iwae":  -ln 1/K sum_k p(x|z_k) [p(z_k) / q(z_k|x)]^beta          (Burda et al., 2015).
    """

    kind: Literal["gaussian"] = "gaussian"
    beta: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="Weight of the KL term in training; bounds are reported at 1.",
    )
    samples: int = Field(
        1, ge=1, le=1000, description="K, how many codes are drawn for each example."
    )
    bound: Literal["elbo", "iwae"] = Field(
        "elbo", description="Average the K losses, or their likelihoods (IWAE)."
    )

    def build(self, latent_dim: int) -> Bottleneck:
        return GaussianBottleneck(self, latent_dim)


class VectorQuantized(Options):
    """z = e_j, the codebook vector nearest to the encoder's; straight-through gradient.

    cost = |sg[z_e] - e|^2 + commitment * |z_e - sg[e]|^2      (van den Oord et al., 2017, eq. 3)
    The code is cut into `latent_dim / dim` vectors that share one codebook.
    """

    kind: Literal["vector_quantized"] = "vector_quantized"
    codes: int = Field(256, ge=2, le=65536, description="Vectors in the codebook.")
    dim: int = Field(
        4, ge=1, le=1024, description="Length of one codebook vector; divides latent_dim."
    )
    commitment: float = Field(
        0.25, ge=0, le=100, description="Weight of the commitment (encoder) term."
    )

    def build(self, latent_dim: int) -> Bottleneck:
        return Quantizer(self, latent_dim)


class FiniteScalar(Options):
    """z_i = the nearest of `levels` even steps from -1 to 1; straight-through gradient. No cost.

    Mentzer et al. (2023), Finite Scalar Quantization: a codebook that needs no learning. The code
    takes latent_dim * log2(levels) bits. Use code_activation tanh, which keeps codes in range.
    """

    kind: Literal["finite_scalar"] = "finite_scalar"
    levels: int = Field(16, ge=2, le=65536, description="Values that one code unit can take.")

    def build(self, latent_dim: int) -> Bottleneck:
        return FiniteScalarCode(self, latent_dim)


BottleneckOptions = Annotated[
    Deterministic | TopK | GaussianCode | VectorQuantized | FiniteScalar,
    Field(discriminator="kind"),
]


class Bottleneck(nn.Module):
    """The deterministic code; the others replace `forward`, and `snap` where not every z is a code."""

    # How many values a part of the code can take, where they are countable. Such codes also have `indices`, from
    # z (N, latent_dim) to which value each part takes, (N, parts) int64, and `values`, the way back.
    levels: int | None = None
    head_scale = 1.0  # how far from zero the weights begin that give the code, against other layers

    def __init__(self, latent_dim: int):
        super().__init__()
        self.latent_dim = self.inputs = latent_dim  # how many values the encoder has to give

    def forward(self, h: Tensor, samples: int) -> Code:
        """h (N, inputs) -> Code; only variational codes have more than one sample to give."""
        z = self.snap(h)
        return Code(z[None], z.new_zeros(1, len(z)), z)

    def snap(self, z: Tensor) -> Tensor:
        """The valid code nearest to z (N, latent_dim)."""
        return z

    def anneal(self, done: float) -> bool:
        """Be as it should at this share of the training; True while the loss is not yet that of the end."""
        return False


class TopKCode(Bottleneck):
    # Near zero, as in the paper: units with large random weights would be the k largest everywhere, and the others
    # never learn.
    head_scale = 0.1

    def __init__(self, options: TopK, latent_dim: int):
        super().__init__(latent_dim)
        self.k = self.last = min(options.k, latent_dim)
        self.first = min(options.start or options.k, latent_dim)
        self.by_magnitude = options.by == "magnitude"

    def anneal(self, done: float) -> bool:
        self.k = round(self.first + (self.last - self.first) * min(1.0, 2 * done))
        return self.k != self.last

    def snap(self, z: Tensor) -> Tensor:
        kept = (z.abs() if self.by_magnitude else z).topk(self.k, dim=1).indices
        return torch.zeros_like(z).scatter(1, kept, z.gather(1, kept))


class GaussianBottleneck(Bottleneck):
    # Near zero every posterior is the prior: a unit wakes when it pays for its KL, instead of being noise that must
    # first be unlearned. Ten epochs of a VAE on MNIST end about a nat lower.
    head_scale = 0.1

    def __init__(self, options: GaussianCode, latent_dim: int):
        super().__init__(latent_dim)
        self.inputs = 2 * latent_dim
        self.sampled_cost = options.bound == "iwae"

    def forward(self, h: Tensor, samples: int) -> Code:
        mean, log_variance = h.chunk(2, dim=1)
        z, log_ratio = self.draw(mean, log_variance, samples)
        kl = kl_to_standard_normal(mean, log_variance)
        return Code(z, log_ratio if self.sampled_cost else kl.expand(samples, -1), mean)

    def draw(self, mean: Tensor, log_variance: Tensor, samples: int) -> tuple[Tensor, Tensor]:
        """Codes z (samples, N, d) of q(z|x) and ln q(z|x) - ln p(z), (samples, N)."""
        eps = torch.randn(samples, *mean.shape, device=mean.device, dtype=mean.dtype)
        z = mean + (0.5 * log_variance).exp() * eps
        return z, 0.5 * (z.square() - eps.square() - log_variance).sum(
            -1
        )  # the ln 2 pi of both cancel


class Quantizer(Bottleneck):
    def __init__(self, options: VectorQuantized, latent_dim: int):
        super().__init__(latent_dim)
        self.commitment, self.levels = options.commitment, options.codes
        self.codebook = nn.Parameter(torch.empty(options.codes, options.dim))
        nn.init.normal_(self.codebook, std=1 / math.sqrt(options.dim))

    def forward(self, h: Tensor, samples: int) -> Code:
        z = self.snap(h)
        cost = (h.detach() - z).square() + self.commitment * (h - z.detach()).square()
        through = (
            h + (z - h).detach()
        )  # after the cost: the straight-through copy has no gradient to give it
        return Code(through[None], cost.sum(1)[None], z)

    def snap(self, z: Tensor) -> Tensor:
        return self.values(self.indices(z))

    def values(self, indices: Tensor) -> Tensor:
        return F.embedding(indices, self.codebook).flatten(1)

    def indices(self, z: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, latent_dim / dim): the nearest codebook vector of each part."""
        parts = z.detach().unflatten(1, (-1, self.codebook.shape[1]))
        book = self.codebook.detach()
        return (book.square().sum(1) - 2 * parts @ book.T).argmin(-1)


class FiniteScalarCode(Bottleneck):
    def __init__(self, options: FiniteScalar, latent_dim: int):
        super().__init__(latent_dim)
        self.levels, self.steps = options.levels, options.levels - 1

    def forward(self, h: Tensor, samples: int) -> Code:
        z = self.snap(h)
        through = h + (z - h).detach()
        return Code(through[None], z.new_zeros(1, len(z)), z)

    def snap(self, z: Tensor) -> Tensor:
        return self.values(self.indices(z).to(z.dtype))

    def indices(self, z: Tensor) -> Tensor:
        return ((z.clamp(-1, 1) + 1) / 2 * self.steps).round().long()

    def values(self, indices: Tensor) -> Tensor:
        return indices / self.steps * 2 - 1


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, I)) in nats, (N, d) -> (N,): Kingma & Welling (2013), appendix B."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)
