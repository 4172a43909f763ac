"""The contractive penalty: the squared Jacobian norm of the encoder, by three methods."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.func import jacrev, vjp, vmap

from aecore.errors import ConfigError
from aecore.model.parts.networks.base import NetworkBase
from aecore.model.parts.penalties.base import Pass, PenaltyBase, Weight

MAX_EXACT_UNITS = 16  # code units for which `auto` computes every row of the Jacobian
SLOPES: dict[str, Callable[[Tensor], Tensor]] = {  # f'(a), written with h = f(a)
    "sigmoid": lambda h: h * (1 - h),
    "tanh": lambda h: 1 - h.square(),
    "relu": lambda h: (h > 0).to(h.dtype),
    "linear": torch.ones_like,
}


class Contractive(PenaltyBase):
    """weight * mean over the batch of |J|_F^2,  J = d encoder(x) / dx  (Rifai et al., 2011).

    closed_form: one layer h = f(Wx + b) has |J|_F^2 = sum_j f'(a_j)^2 |w_j|^2.
    exact: every row of J, by reverse mode. probes: E|J^T v|^2 over random signs v (Hutchinson),
    unbiased, with relative variance at most 2 / probes.
    """

    kind: Literal["contractive"] = "contractive"
    weight: Weight = Field(
        0.1,
        description="Weight of the encoder's squared Jacobian norm: with a larger one codes change "
        "less when the input does.",
    )
    method: Literal["auto", "closed_form", "exact", "probes"] = Field(
        "auto",
        description="How the Jacobian is computed. auto: closed form for one layer, exact up to 16 "
        "code units, else estimated by probes.",
    )
    probes: int = Field(
        1, ge=1, le=64, description="Random directions per example by which the norm is estimated."
    )

    menu_position: ClassVar[int] = 4
    allows_path: ClassVar[bool] = False

    def __call__(self, batch: Pass) -> Tensor:
        return self.weight * self.squared_norm(batch).mean()

    def check_network(self, network: NetworkBase) -> None:
        if self.method == "closed_form" and len(network.layer_activations) > 1:
            raise ValueError("contractive: the closed form is for an encoder without hidden layers")
        if network.uses_batch_norm:
            raise ValueError(
                "contractive: an example's Jacobian must not depend on the batch; use norm layer"
            )

    def squared_norm(self, batch: Pass) -> Tensor:
        """Return |J|_F^2 of each example, (N,)."""
        method = self.choose_method(batch) if self.method == "auto" else self.method
        if method == "closed_form":
            return closed_form_jacobian_norm(batch)
        if method == "exact":
            return exact_jacobian_norm(batch.encode, batch.x)
        return probed_jacobian_norm(batch.encode, batch.x, self.probes)

    def choose_method(self, batch: Pass) -> str:
        """Return the fastest method for this encoder."""
        if batch.layer is not None and batch.kinds[-1] in SLOPES:
            return "closed_form"
        return "exact" if batch.z.shape[1] <= MAX_EXACT_UNITS else "probes"


def closed_form_jacobian_norm(batch: Pass) -> Tensor:
    """Return |J|_F^2 of a one-layer encoder, (N,); ConfigError if the encoder has more layers."""
    if batch.layer is None:
        raise ConfigError(
            "The closed form is for an encoder of one layer. Use method auto, exact or probes."
        )
    h, activation = batch.activations[-1], batch.kinds[-1]
    if activation not in SLOPES:
        raise ConfigError(
            f"The Jacobian of a {activation} layer has no closed form here. "
            "Use method auto, exact or probes."
        )
    weight = batch.layer.weight[: h.shape[1]]  # a variational layer gives the means first
    return SLOPES[activation](h).square() @ weight.square().sum(1)


def exact_jacobian_norm(encode: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return |J|_F^2 by one reverse pass for each code unit, over the batch at once: (N,)."""
    jacobian_of_example = jacrev(lambda example: encode(example[None])[0])
    return vmap(jacobian_of_example)(x).square().flatten(1).sum(1)


def probed_jacobian_norm(encode: Callable[[Tensor], Tensor], x: Tensor, probes: int) -> Tensor:
    """Return an unbiased estimate of |J|_F^2 from products J^T v with random signs v: (N,)."""
    h, vector_jacobian_product = vjp(encode, x)[:2]
    signs = torch.randint(0, 2, (probes, *h.shape), device=h.device).to(h.dtype) * 2 - 1
    norms = (vector_jacobian_product(v)[0].square().flatten(1).sum(1) for v in signs)
    return reduce(torch.add, norms) / probes
