"""Sparse variants: only a few code units are active for each example."""

from __future__ import annotations

from aecore.model.variants.base import SE, SIGMOID_NETWORK, Paper, Variant, format_objective

NG = Paper(
    "Ng (2011), Sparse Autoencoder, CS294A lecture notes",
    "https://web.stanford.edu/class/cs294a/",
)

SPARSE_VARIANTS: dict[str, Variant] = {
    "k-sparse": Variant(
        label="k-sparse",
        family="Sparse",
        colour="#228833",
        summary="Keeps only the k strongest code units of each example.",
        formula=format_objective(f"{SE},", r"\hat{x} = W^\top \mathrm{top}_k(Wx + b) + c"),
        source=Paper(
            "Makhzani & Frey (2013), k-Sparse Autoencoders", "https://arxiv.org/abs/1312.5663"
        ),
        model={
            "network": {"kind": "mlp", "hidden": (), "tied": True},
            "bottleneck": {"kind": "top_k", "k": 25},
        },
        latent_dim=1000,
    ),
    "batch-top-k": Variant(
        label="BatchTopK",
        family="Sparse",
        colour="#0b5d3b",
        summary="Keeps the strongest code units of a batch: more of them for complex examples.",
        formula=format_objective(
            f"{SE},", r"\hat{x} = W^\top \mathrm{BatchTop}_k(\mathrm{ReLU}(Wx + b)) + c"
        ),
        source=Paper(
            "Bussmann et al. (2024), BatchTopK Sparse Autoencoders",
            "https://arxiv.org/abs/2412.06410",
        ),
        model={
            "network": {"kind": "mlp", "hidden": (), "tied": True},
            "bottleneck": {"kind": "batch_top_k", "k": 25},
        },
        latent_dim=1000,
    ),
    "jump-relu": Variant(
        label="JumpReLU",
        family="Sparse",
        colour="#778800",
        summary="Learns for each code unit a threshold below which it is off.",
        formula=format_objective(
            SE,
            r"+ \lambda \left( \lVert z \rVert_0 / k - 1 \right)^2,",
            r"z_i = a_i \, H(a_i - \theta_i)",
        ),
        source=Paper(
            "Rajamanoharan et al. (2024), Jumping Ahead: Improving Reconstruction Fidelity with "
            "JumpReLU Sparse Autoencoders",
            "https://arxiv.org/abs/2407.14435",
        ),
        model={
            "network": {"kind": "mlp", "hidden": (), "tied": True},
            "bottleneck": {"kind": "jump_relu", "target": 25},
        },
        latent_dim=1000,
    ),
    "sparse-kl": Variant(
        label="Sparse, KL",
        family="Sparse",
        colour="#66bb55",
        summary="Each code unit may be on only a small share rho of the time.",
        formula=format_objective(SE, r"+ \lambda \sum_j \mathrm{KL}(\rho\,\Vert\,\hat{\rho}_j)"),
        source=NG,
        model={
            "network": SIGMOID_NETWORK,
            "penalties": ({"kind": "kl_sparsity", "weight": 0.3, "rho": 0.05},),
        },
        training={"batch_size": 256},
        latent_dim=256,
    ),
    "sparse-l1": Variant(
        label="Sparse, L1",
        family="Sparse",
        colour="#118877",
        summary="Pays for every active unit by its size, so most stay at zero.",
        formula=format_objective(SE, r"+ \lambda \sum_j |h_j|"),
        source=NG,
        model={
            "network": {"kind": "mlp", "hidden": (), "code_activation": "relu", "tied": True},
            "penalties": ({"kind": "l1", "weight": 0.2},),
        },
        latent_dim=256,
    ),
    "sparse-l2": Variant(
        label="Sparse, L2",
        family="Sparse",
        colour="#aacc77",
        summary="Pays for activity by its square: small everywhere rather than zero.",
        formula=format_objective(SE, r"+ \lambda \sum_j h_j^2"),
        source=NG,
        model={
            "network": {"kind": "mlp", "hidden": (), "code_activation": "relu", "tied": True},
            "penalties": ({"kind": "l2", "weight": 0.2},),
        },
        latent_dim=256,
    ),
}
