"""Discrete variants: each part of the code takes one of a finite number of values."""

from __future__ import annotations

from aecore.model.variants.base import (
    DEEP_NETWORK,
    RESIDUAL_NETWORK,
    SE,
    Paper,
    Variant,
    format_objective,
)

# a place is a square of 8 pixels, with about as many channels: the density decides what is sent
CODEC_NETWORK = {
    "kind": "residual",
    "code": "spatial",
    "channels": (24, 48, 64),
    "blocks": (0, 0, 1),
    "norm": "none",
}

DISCRETE_VARIANTS: dict[str, Variant] = {
    "vq-vae": Variant(
        label="VQ-VAE",
        family="Discrete",
        colour="#44bb99",
        summary="Codes are words from a learned codebook.",
        formula=format_objective(
            SE,
            r"+ \beta \lVert z_e - \mathrm{sg}[e] \rVert^2,",
            r"e \leftarrow \text{running mean of its } z_e",
        ),
        source=Paper(
            "van den Oord et al. (2017), Neural Discrete Representation Learning",
            "https://arxiv.org/abs/1711.00937",
        ),
        model={
            "network": DEEP_NETWORK,
            "bottleneck": {"kind": "vector_quantized", "update": "ema"},
        },
        pictures={
            "network": RESIDUAL_NETWORK,
            "bottleneck": {"kind": "vector_quantized", "update": "ema", "codes": 512},
        },
        latent_dim=64,
    ),
    "fsq": Variant(
        label="Finite scalar quantised",
        family="Discrete",
        colour="#227788",
        summary="Each code unit is rounded to one of a few levels: the code is bits.",
        formula=format_objective(f"{SE},", r"z_i = \mathrm{round}_L(\tanh f(x)_i)"),
        source=Paper(
            "Mentzer et al. (2023), Finite Scalar Quantization", "https://arxiv.org/abs/2309.15505"
        ),
        model={
            "network": {**DEEP_NETWORK, "code_activation": "tanh"},
            "bottleneck": {"kind": "finite_scalar"},
        },
        pictures={"network": {**RESIDUAL_NETWORK, "code_activation": "tanh"}},
        latent_dim=16,
    ),
    "codec": Variant(
        label="Codec",
        family="Discrete",
        colour="#a05000",
        summary="Codes are rounded, and what they cost is their bits under a learned density.",
        formula=format_objective(
            f"{SE}", r"- \lambda \log_2 p(\tilde{z}),", r"\tilde{z}_i = f(x)_i + s_i\, u_i"
        ),
        source=Paper(
            "Ballé et al. (2018), Variational Image Compression with a Scale Hyperprior",
            "https://arxiv.org/abs/1802.01436",
        ),
        model={"network": DEEP_NETWORK, "bottleneck": {"kind": "rate"}},
        training={"precision": "float32"},  # levels are whole numbers up to hundreds
        pictures={
            "network": CODEC_NETWORK,
            "bottleneck": {"kind": "rate", "bit_weight": 0.02, "width": 40},
            "likelihood": {"kind": "gaussian"},
        },
        latent_dim=32,
    ),
}
