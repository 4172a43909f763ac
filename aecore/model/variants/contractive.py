"""Contractive variants: the code changes little when the input changes a little."""

from __future__ import annotations

from aecore.model.variants.base import SE, SIGMOID_NETWORK, Paper, Variant, format_objective

CONTRACTIVE_VARIANTS: dict[str, Variant] = {
    "contractive": Variant(
        label="Contractive",
        family="Contractive",
        colour="#aa3377",
        summary="Punishes codes that move when the input moves a little.",
        formula=format_objective(
            SE, r"+ \lambda \left\lVert \partial f / \partial x \right\rVert_F^2"
        ),
        source=Paper(
            "Rifai et al. (2011), Contractive Auto-Encoders",
            "https://icml.cc/2011/papers/455_icmlpaper.pdf",
        ),
        model={
            "network": {**SIGMOID_NETWORK, "tied": True},
            "penalties": ({"kind": "contractive", "weight": 0.1},),
        },
        latent_dim=256,
    ),
}
