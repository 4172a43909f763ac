"""Published figures that a model's own can be held against, by data set, metric and size of the code."""

from __future__ import annotations

from typing import NamedTuple

from aecore.model.config import RunConfig
from aecore.model.parts.bottlenecks.gaussian import GaussianCode


class Reference(NamedTuple):
    value: float
    source: str


# Test SE of as many principal components, fitted to the training images: what a linear code can do at best.
# 30 is the figure of Hinton & Salakhutdinov (2006), Fig. 2B; the others are computed in the same way.
PCA = {
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
# Bounds of VAEs with so many code units on grey images, read off Kingma & Welling (2013), Fig. 2, at their ends.
AEVB = {"mnist": {3: 134.0, 5: 118.8, 10: 103.3, 20: 99.5, 200: 99.4}}


def find_references(config: RunConfig) -> dict[str, Reference]:
    """What is published for the metrics of such a run: {metric: reference}; empty where nothing compares."""
    if config.data is None or config.data.binarise != "none":
        return {}
    found, name, units = {}, config.data.name, config.model.latent_dim
    if pca := PCA.get(name, {}).get(units):
        found["se"] = Reference(pca, f"PCA with {units} components")
    bottleneck = config.model.bottleneck
    plain = isinstance(bottleneck, GaussianCode) and bottleneck.beta == 1
    if (
        plain
        and config.model.likelihood.kind == "bernoulli"
        and (bound := AEVB.get(name, {}).get(units))
    ):
        found["nll_bound"] = Reference(bound, "Kingma & Welling (2013), Fig. 2")
    return found
