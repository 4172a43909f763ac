"""Basic variants: a code that is too narrow, or too free, to copy the input."""

from __future__ import annotations

from aecore.model.variants.base import RESIDUAL_NETWORK, SE, Paper, Variant, format_objective

BENGIO = Paper(
    "Bengio, Courville & Vincent (2013), Representation Learning",
    "https://arxiv.org/abs/1206.5538",
)
HINTON = Paper(
    "Hinton & Salakhutdinov (2006), Reducing the Dimensionality of Data with Neural Networks",
    "https://doi.org/10.1126/science.1127647",
)

BASIC_VARIANTS: dict[str, Variant] = {
    "vanilla": Variant(
        label="Vanilla",
        family="Basic",
        colour="#4477aa",
        summary="Squeezes the input through a narrow code and rebuilds it.",
        formula=format_objective(f"{SE},", r"\hat{x} = g(f(x))"),
        source=BENGIO,
        model={"network": {"kind": "mlp", "hidden": (400,)}},
    ),
    "linear": Variant(
        label="Linear",
        family="Basic",
        colour="#77aadd",
        summary="One matrix in, one matrix out: it finds the subspace of PCA.",
        formula=format_objective(f"{SE},", r"\hat{x} = W_2(W_1 x + b_1) + b_2"),
        source=Paper(
            "Baldi & Hornik (1989), Neural Networks and Principal Component Analysis",
            "https://doi.org/10.1016/0893-6080(89)90014-2",
        ),
        model={"network": {"kind": "mlp", "hidden": ()}, "likelihood": {"kind": "gaussian"}},
        training={"epochs": 40, "batch_size": 256, "lr": 5e-3},
    ),
    "stacked": Variant(
        label="Stacked",
        family="Basic",
        colour="#3366cc",
        summary="Several layers deep, optionally trained one layer at a time first.",
        formula=format_objective(f"{SE},", r"f = f_L \circ \dots \circ f_1"),
        source=HINTON,
        model={"network": {"kind": "mlp", "hidden": (512, 256, 128), "norm": "batch"}},
        training={"epochs": 20},
    ),
    "overcomplete": Variant(
        label="Overcomplete",
        family="Basic",
        colour="#99ddff",
        summary="A code wider than the input: free to copy, which is why others add a penalty.",
        formula=format_objective(f"{SE},", r"\dim z > \dim x"),
        source=BENGIO,
        model={"network": {"kind": "mlp", "hidden": (), "code_activation": "relu"}},
        overcomplete=1.25,
    ),
    "conv": Variant(
        label="Convolutional",
        family="Basic",
        colour="#7788ee",
        summary="Convolutions instead of full layers: for images of any size.",
        formula=format_objective(f"{SE},", r"f, g \text{ convolutional}"),
        source=Paper(
            "Masci et al. (2011), Stacked Convolutional Auto-Encoders",
            "https://doi.org/10.1007/978-3-642-21735-7_7",
        ),
        model={"network": {"kind": "conv"}},
        pictures={"network": RESIDUAL_NETWORK},
    ),
}
