"""Published figures to compare a model's metrics with, by data set, metric and latent dimension."""

from __future__ import annotations

from typing import NamedTuple

from aecore.model.config import ModelConfig, RunConfig
from aecore.model.parts.bottlenecks.gaussian import GaussianCode


class Reference(NamedTuple):
    """A published value of a metric, and where it stands."""

    value: float
    source: str


# Test SE of PCA with so many components, fitted to the training images: the best of any linear
# code. 30 is from Hinton & Salakhutdinov (2006), Fig. 2B; the others are computed in the same way.
PCA_ERRORS = {
    "mnist": {
        2: 43.645,
        8: 29.354,
        10: 26.714,
        16: 21.058,
        20: 18.454,
        24: 16.350,
        30: 13.866,
        32: 13.193,
        50: 9.004,
        64: 7.093,
        100: 4.403,
        128: 3.297,
    },
}
# Bounds of VAEs with so many code units on grey images: Kingma & Welling (2013), Fig. 2, at the
# right ends of its curves.
VAE_BOUNDS = {"mnist": {3: 134.0, 5: 118.8, 10: 103.3, 20: 99.5, 200: 99.4}}


def find_references(config: RunConfig) -> dict[str, Reference]:
    """Returns published values {metric: reference} for such a run; empty where none compares."""
    if config.data is None or config.data.binarise != "none":
        return {}
    references = {}
    name, units = config.data.name, config.model.latent_dim
    if error := PCA_ERRORS.get(name, {}).get(units):
        references["se"] = Reference(error, f"PCA with {units} components")
    bound = VAE_BOUNDS.get(name, {}).get(units)
    if bound and is_plain_vae(config.model):
        references["nll_bound"] = Reference(bound, "Kingma & Welling (2013), Fig. 2")
    return references


def is_plain_vae(model: ModelConfig) -> bool:
    """Returns whether the loss is the evidence bound of a VAE with Bernoulli pixels."""
    code = model.bottleneck
    if not isinstance(code, GaussianCode) or model.likelihood.kind != "bernoulli":
        return False
    return code.beta == 1 and not code.free_bits and code.capacity is None
