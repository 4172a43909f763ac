"""Variational variants: codes follow a known prior, so that new examples can be drawn."""

from __future__ import annotations

from aecore.model.variants.base import (
    DEEP_NETWORK,
    RESIDUAL_NETWORK,
    SE,
    Paper,
    Variant,
    format_objective,
)

KINGMA = Paper(
    "Kingma & Welling (2013), Auto-Encoding Variational Bayes",
    "https://arxiv.org/abs/1312.6114",
)
KL = r"\mathrm{KL}\big(q(z|x)\,\Vert\,\mathcal{N}(0, I)\big)"
ELBO = r"-\mathbb{E}_{q(z|x)}[\ln p(x|z)]"

VARIATIONAL_VARIANTS: dict[str, Variant] = {
    "vae": Variant(
        label="VAE",
        family="Variational",
        colour="#ee6677",
        summary="Encodes each input as a Gaussian; sample the prior to generate new examples.",
        formula=format_objective(ELBO, f"+ {KL}"),
        source=KINGMA,
        model={"bottleneck": {"kind": "gaussian"}},
        latent_dim=20,
        probabilistic=True,
    ),
    "beta-vae": Variant(
        label="beta-VAE",
        family="Variational",
        colour="#bb2233",
        summary="Weights the KL term by beta, for disentangled latents.",
        formula=format_objective(ELBO, rf"+ \beta\, {KL}"),
        source=Paper(
            "Higgins et al. (2017), beta-VAE", "https://openreview.net/forum?id=Sy2fzU9gl"
        ),
        model={"bottleneck": {"kind": "gaussian", "beta": 4.0}},
        latent_dim=20,
        probabilistic=True,
    ),
    "iwae": Variant(
        label="IWAE",
        family="Variational",
        colour="#ff9988",
        summary="A VAE with a tighter bound: K codes are drawn and weighted by importance.",
        formula=r"\min\; -\mathbb{E} \ln \frac{1}{K} \sum_{k=1}^{K} "
        r"\frac{p(x|z_k)\, p(z_k)}{q(z_k|x)}",
        source=Paper(
            "Burda, Grosse & Salakhutdinov (2015), Importance Weighted Autoencoders",
            "https://arxiv.org/abs/1509.00519",
        ),
        model={"bottleneck": {"kind": "gaussian", "bound": "iwae", "samples": 5}},
        latent_dim=20,
        probabilistic=True,
    ),
    "conv-vae": Variant(
        label="Convolutional VAE",
        family="Variational",
        colour="#dd77aa",
        summary="A VAE with convolutions: for images of any size.",
        formula=format_objective(ELBO, f"+ {KL},", r"f, g \text{ convolutional}"),
        source=KINGMA,
        model={"network": {"kind": "conv"}, "bottleneck": {"kind": "gaussian"}},
        pictures={"network": RESIDUAL_NETWORK},
        latent_dim=32,
        probabilistic=True,
    ),
    "wae-mmd": Variant(
        label="WAE-MMD",
        family="Variational",
        colour="#cc6633",
        summary="Only the codes as a whole are drawn towards the prior, not each one.",
        formula=format_objective(
            SE, r"+ \lambda\, \mathrm{MMD}^2\big(q(z),\, \mathcal{N}(0, I)\big)"
        ),
        source=Paper(
            "Tolstikhin et al. (2018), Wasserstein Auto-Encoders",
            "https://arxiv.org/abs/1711.01558",
        ),
        model={"network": DEEP_NETWORK, "penalties": ({"kind": "mmd"},)},
        latent_dim=8,
    ),
}
