"""Denoising variants: rebuild the clean input from a corrupted one."""

from __future__ import annotations

from aecore.model.variants.base import DEEP_NETWORK, Paper, Variant, format_objective

VINCENT = Paper(
    "Vincent et al. (2010), Stacked Denoising Autoencoders",
    "https://www.jmlr.org/papers/v11/vincent10a.html",
)
NORMALISED_NETWORK = {**DEEP_NETWORK, "norm": "batch"}

DENOISING_VARIANTS: dict[str, Variant] = {
    "denoising-gaussian": Variant(
        label="Denoising, Gaussian",
        family="Denoising",
        colour="#ddaa33",
        summary="Rebuilds the clean input from one with Gaussian noise.",
        formula=r"\min\; \mathbb{E}_{\varepsilon} \lVert x - g(f(x + \sigma\varepsilon)) \rVert^2",
        source=VINCENT,
        model={"network": NORMALISED_NETWORK, "corruption": {"kind": "gaussian", "sigma": 0.5}},
    ),
    "denoising-masking": Variant(
        label="Denoising, masking",
        family="Denoising",
        colour="#997700",
        summary="Fills in values that were set to zero.",
        formula=format_objective(
            r"\mathbb{E}_{m} \lVert x - g(f(x \odot m)) \rVert^2,",
            r"m_i \sim \mathrm{Bernoulli}(1-\nu)",
        ),
        source=VINCENT,
        model={"network": NORMALISED_NETWORK, "corruption": {"kind": "masking", "fraction": 0.25}},
    ),
    "denoising-salt-and-pepper": Variant(
        label="Denoising, salt and pepper",
        family="Denoising",
        colour="#eecc66",
        summary="Repairs values that were flipped to black or white.",
        formula=format_objective(
            r"\mathbb{E} \lVert x - g(f(\tilde{x})) \rVert^2,",
            r"\tilde{x}_i \in \{0, 1\} \text{ with prob. } \nu",
        ),
        source=VINCENT,
        model={
            "network": NORMALISED_NETWORK,
            "corruption": {"kind": "salt_and_pepper", "fraction": 0.25},
        },
    ),
}
