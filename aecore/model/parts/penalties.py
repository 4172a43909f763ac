"""Penalties: what is added to the loss to shape the code. Each is its options and, called, the term itself.

A term is already a mean over the batch; its weight is applied here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import jacrev, vjp, vmap

from aecore.errors import ConfigError
from aecore.model.parts.base import Options


class Pass(NamedTuple):
    """One batch on its way through the model, as the penalties see it."""

    x: Tensor  # (N, *input_shape): what the encoder saw
    activations: tuple[
        Tensor, ...
    ]  # (N, width) of each hidden layer, then of the code before the bottleneck
    kinds: tuple[str, ...]  # the non-linearity of each of them
    z: Tensor  # (N, latent_dim): what the decoder got
    encode: Callable[
        [Tensor], Tensor
    ]  # the encoder, (N, *input_shape) -> (N, latent_dim), without noise
    layer: nn.Linear | None  # the encoder's only layer, where it has just one


Weight = Annotated[float, Field(ge=0, le=1e6)]
Layers = Annotated[
    tuple[int, ...],
    Field(
        min_length=1,
        max_length=16,
        description="Encoder layers to penalise, counted from the input; -1 is the code.",
    ),
]


class ActivityPenalty(Options):
    """What the sparsity terms share: the layers they look at."""

    layers: Layers = (-1,)

    def chosen(self, batch: Pass) -> list[tuple[Tensor, str]]:
        """Activations (N, width) and non-linearity of each layer asked for."""
        count = len(batch.activations)
        if bad := [i for i in self.layers if not -count <= i < count]:
            raise ConfigError(
                f"The encoder has {count} layers, got layer {bad[0]}. Use 0 to {count - 1}, or -1."
            )
        return [(batch.activations[i], batch.kinds[i]) for i in self.layers]


class KlSparsity(ActivityPenalty):
    """weight * sum_j rho ln(rho / rho^_j) + (1 - rho) ln((1 - rho) / (1 - rho^_j)).

    rho^_j is the batch mean of unit j, so large batches (200 and more) estimate it well
    (Ng, 2011, CS294A lecture notes). Units must lie in (0, 1): sigmoid, or tanh moved there.
    """

    kind: Literal["kl_sparsity"] = "kl_sparsity"
    weight: Weight = Field(0.1, description="Weight of the sparsity term.")
    rho: float = Field(
        0.05, gt=0, lt=1, description="Wanted share of the time that a unit is active."
    )

    def __call__(self, batch: Pass) -> Tensor:
        return self.weight * sum(
            self.divergence(to_unit_interval(h, kind)) for h, kind in self.chosen(batch)
        )

    def divergence(self, h: Tensor) -> Tensor:
        """h (N, width) in (0, 1) -> scalar in nats, summed over units."""
        mean = h.mean(0).clamp(1e-6, 1 - 1e-6)
        rho = torch.as_tensor(self.rho, dtype=h.dtype, device=h.device)
        return (rho * (rho / mean).log() + (1 - rho) * ((1 - rho) / (1 - mean)).log()).sum()


class L1(ActivityPenalty):
    """weight * mean over the batch of sum_j |h_j|."""

    kind: Literal["l1"] = "l1"
    weight: Weight = Field(0.1, description="Weight of the absolute activations.")

    def __call__(self, batch: Pass) -> Tensor:
        return self.weight * sum(h.abs().sum(1).mean() for h, _ in self.chosen(batch))


class L2(ActivityPenalty):
    """weight * mean over the batch of sum_j h_j^2."""

    kind: Literal["l2"] = "l2"
    weight: Weight = Field(0.1, description="Weight of the squared activations.")

    def __call__(self, batch: Pass) -> Tensor:
        return self.weight * sum(h.square().sum(1).mean() for h, _ in self.chosen(batch))


class Contractive(Options):
    """weight * mean over the batch of |J|_F^2,  J = d encoder(x) / dx  (Rifai et al., 2011).

    closed_form: one layer h = f(Wx + b) has |J|_F^2 = sum_j f'(a_j)^2 |w_j|^2.
    exact: every row of J, by reverse mode. probes: E|J^T v|^2 over random signs v (Hutchinson),
    unbiased, with relative variance at most 2 / probes.
    """

    kind: Literal["contractive"] = "contractive"
    weight: Weight = Field(0.1, description="Weight of the encoder's squared Jacobian norm.")
    method: Literal["auto", "closed_form", "exact", "probes"] = Field(
        "auto",
        description="auto: closed form for one layer, exact up to 16 code units, else probes.",
    )
    probes: int = Field(
        1, ge=1, le=64, description="Random directions of the estimate, for each example."
    )

    def __call__(self, batch: Pass) -> Tensor:
        return self.weight * self.squared_norm(batch).mean()

    def squared_norm(self, batch: Pass) -> Tensor:
        """|J|_F^2 of each example, (N,)."""
        method = self.method
        if method == "auto":
            simple = batch.layer is not None and batch.kinds[-1] in SLOPES
            method = "closed_form" if simple else "exact" if batch.z.shape[1] <= 16 else "probes"
        if method == "closed_form":
            return closed_form_jacobian_norm(batch)
        if method == "exact":
            return exact_jacobian_norm(batch.encode, batch.x)
        return probed_jacobian_norm(batch.encode, batch.x, self.probes)


class Mmd(Options):
    """weight * MMD^2(q(z), N(0, I)), unbiased, with the multi-scale inverse multiquadratic kernel

    k(a, b) = sum_s C_s / (C_s + |a - b|^2),  C_s = 2 d s,  s in {.1, .2, .5, 1, 2, 5, 10}
    (Tolstikhin et al., 2018, Wasserstein Auto-Encoders, algorithm 2).
    """

    kind: Literal["mmd"] = "mmd"
    weight: Weight = Field(200.0, description="Weight of the distance between codes and prior.")

    def __call__(self, batch: Pass) -> Tensor:
        return self.weight * estimate_mmd(batch.z, torch.randn_like(batch.z))


Penalty = Annotated[KlSparsity | L1 | L2 | Contractive | Mmd, Field(discriminator="kind")]


BOUNDED = {"sigmoid", "tanh"}  # non-linearities whose units have a frequency


def explain_unbounded_units(kind: str) -> str:
    """Why a sparsity target cannot be set for such units."""
    return (
        f"kl_sparsity needs units between 0 and 1, got {kind} ones; "
        "use sigmoid or tanh for that layer, or the l1 penalty, or a top_k bottleneck"
    )


def to_unit_interval(h: Tensor, kind: str) -> Tensor:
    """Activations as frequencies in (0, 1)."""
    if kind not in BOUNDED:
        raise ConfigError(explain_unbounded_units(kind))
    return (h + 1) / 2 if kind == "tanh" else h


SLOPES: dict[str, Callable[[Tensor], Tensor]] = {  # f'(a), written with h = f(a)
    "sigmoid": lambda h: h * (1 - h),
    "tanh": lambda h: 1 - h.square(),
    "relu": lambda h: (h > 0).to(h.dtype),
    "linear": torch.ones_like,
}


def closed_form_jacobian_norm(batch: Pass) -> Tensor:
    """|J|_F^2 of a one-layer encoder: (N,)."""
    if batch.layer is None:
        raise ConfigError(
            "The closed form is for an encoder of one layer. Use method auto, exact or probes."
        )
    h, kind = batch.activations[-1], batch.kinds[-1]
    if kind not in SLOPES:
        raise ConfigError(
            f"The Jacobian of a {kind} layer has no closed form here. Use method auto, exact or probes."
        )
    rows = (
        batch.layer.weight[: h.shape[1]].square().sum(1)
    )  # of a variational layer, the means alone
    return SLOPES[kind](h).square() @ rows


def exact_jacobian_norm(encode: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """|J|_F^2 by one reverse pass for each code unit, over the batch at once: (N,)."""
    return vmap(jacrev(lambda one: encode(one[None])[0]))(x).square().flatten(1).sum(1)


def probed_jacobian_norm(encode: Callable[[Tensor], Tensor], x: Tensor, probes: int) -> Tensor:
    """Unbiased estimate of |J|_F^2 from vector-Jacobian products with random signs: (N,)."""
    h, pull = vjp(encode, x)
    signs = torch.randint(0, 2, (probes, *h.shape), device=h.device).to(h.dtype) * 2 - 1
    return sum(pull(v)[0].square().flatten(1).sum(1) for v in signs) / probes


def estimate_mmd(z: Tensor, prior: Tensor) -> Tensor:
    """Unbiased MMD^2 between two samples of one size, (N, d) each; it can be below zero."""
    n = len(z)
    if n < 2:
        return z.new_zeros(())

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        distance = (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp(min=0)
        scales = (2 * z.shape[1] * s for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0))
        return sum(c / (c + distance) for c in scales)

    def off_diagonal_mean(k: Tensor) -> Tensor:
        return (k.sum() - k.diagonal().sum()) / (n * (n - 1))

    return (
        off_diagonal_mean(kernel(z, z))
        + off_diagonal_mean(kernel(prior, prior))
        - 2 * kernel(z, prior).mean()
    )
