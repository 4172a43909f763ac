"""Variants: named combinations of parts, each with its formula, its paper and good settings.

`configure` fits one to the shape of some data. A new variant is one entry in the table below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aecore.errors import ConfigError
from aecore.model.config import DataConfig, ModelConfig, RunConfig, TrainConfig, parse_options


@dataclass(frozen=True)
class Variant:
    """A named combination. `model` and `training` hold what differs from the defaults."""

    label: str
    family: str  # groups variants in menus and pages
    summary: str  # one sentence for people
    formula: str  # LaTeX
    paper: str
    url: str
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    latent_dim: int = 32  # for images of MNIST's size and more; smaller inputs get a smaller code
    overcomplete: float = 0.0  # code units for each input value, for codes wider than the input
    probabilistic: bool = False  # its loss is a likelihood, so pixels want the cross-entropy


SE = r"\lVert x - \hat{x} \rVert^2"
BENGIO = (
    "Bengio, Courville & Vincent (2013), Representation Learning",
    "https://arxiv.org/abs/1206.5538",
)
VINCENT = (
    "Vincent et al. (2010), Stacked Denoising Autoencoders",
    "https://www.jmlr.org/papers/v11/vincent10a.html",
)
NG = (
    "Ng (2011), Sparse Autoencoder, CS294A lecture notes",
    "https://web.stanford.edu/class/cs294a/",
)
KINGMA = (
    "Kingma & Welling (2013), Auto-Encoding Variational Bayes",
    "https://arxiv.org/abs/1312.6114",
)
HINTON = (
    "Hinton & Salakhutdinov (2006), Reducing the Dimensionality of Data with Neural Networks",
    "https://doi.org/10.1126/science.1127647",
)
SIGMOID_CODE = {"hidden": (), "code_activation": "sigmoid"}
DEEP = {"kind": "mlp", "hidden": (512, 256)}
NORMALISED = {**DEEP, "norm": "batch"}
KL = r"\mathrm{KL}\big(q(z|x)\,\Vert\,\mathcal{N}(0, I)\big)"
ELBO = r"-\mathbb{E}_{q(z|x)}[\ln p(x|z)]"


def format_objective(first: str, *rest: str) -> str:
    """An objective in LaTeX, broken where a narrow column needs it."""
    return r"\begin{aligned} \min\; &" + r" \\ &".join((first, *rest)) + r" \end{aligned}"


SMALL = 10_000  # examples; below it the training is adapted


VARIANTS: dict[str, Variant] = {
    "vanilla": Variant(
        "Vanilla",
        "Basic",
        "Squeezes the input through a narrow code and rebuilds it.",
        format_objective(f"{SE},", r"\hat{x} = g(f(x))"),
        *BENGIO,
        model={"network": {"kind": "mlp", "hidden": (400,)}},
    ),
    "linear": Variant(
        "Linear",
        "Basic",
        "One matrix in, one matrix out: it finds the subspace of PCA.",
        format_objective(f"{SE},", r"\hat{x} = W_2(W_1 x + b_1) + b_2"),
        "Baldi & Hornik (1989), Neural Networks and Principal Component Analysis",
        "https://doi.org/10.1016/0893-6080(89)90014-2",
        model={"network": {"kind": "mlp", "hidden": ()}, "likelihood": {"kind": "gaussian"}},
        training={"epochs": 40, "batch_size": 256, "lr": 5e-3},
    ),
    "stacked": Variant(
        "Stacked",
        "Basic",
        "Several layers deep, optionally trained one layer at a time first.",
        format_objective(f"{SE},", r"f = f_L \circ \dots \circ f_1"),
        *HINTON,
        model={"network": {"kind": "mlp", "hidden": (512, 256, 128), "norm": "batch"}},
        training={"epochs": 20},
    ),
    "overcomplete": Variant(
        "Overcomplete",
        "Basic",
        "A code wider than the input: free to copy, which is why others add a penalty.",
        format_objective(f"{SE},", r"\dim z > \dim x"),
        *BENGIO,
        model={"network": {"kind": "mlp", "hidden": (), "code_activation": "relu"}},
        overcomplete=1.25,
    ),
    "conv": Variant(
        "Convolutional",
        "Basic",
        "Convolutions instead of full layers: for images of any size.",
        format_objective(f"{SE},", r"f, g \text{ convolutional}"),
        "Masci et al. (2011), Stacked Convolutional Auto-Encoders",
        "https://doi.org/10.1007/978-3-642-21735-7_7",
        model={"network": {"kind": "conv"}},
    ),
    "denoising-gaussian": Variant(
        "Denoising, Gaussian",
        "Denoising",
        "Rebuilds the clean input from one with Gaussian noise.",
        r"\min\; \mathbb{E}_{\varepsilon} \lVert x - g(f(x + \sigma\varepsilon)) \rVert^2",
        *VINCENT,
        model={"network": NORMALISED, "corruption": {"kind": "gaussian", "sigma": 0.5}},
    ),
    "denoising-masking": Variant(
        "Denoising, masking",
        "Denoising",
        "Fills in values that were set to zero.",
        format_objective(
            r"\mathbb{E}_{m} \lVert x - g(f(x \odot m)) \rVert^2,",
            r"m_i \sim \mathrm{Bernoulli}(1-\nu)",
        ),
        *VINCENT,
        model={"network": NORMALISED, "corruption": {"kind": "masking", "fraction": 0.25}},
    ),
    "denoising-salt-and-pepper": Variant(
        "Denoising, salt and pepper",
        "Denoising",
        "Repairs values that were flipped to black or white.",
        format_objective(
            r"\mathbb{E} \lVert x - g(f(\tilde{x})) \rVert^2,",
            r"\tilde{x}_i \in \{0, 1\} \text{ with prob. } \nu",
        ),
        *VINCENT,
        model={"network": NORMALISED, "corruption": {"kind": "salt_and_pepper", "fraction": 0.25}},
    ),
    "k-sparse": Variant(
        "k-sparse",
        "Sparse",
        "Keeps only the k strongest code units of each example.",
        format_objective(f"{SE},", r"\hat{x} = W^\top \mathrm{top}_k(Wx + b) + c"),
        "Makhzani & Frey (2013), k-Sparse Autoencoders",
        "https://arxiv.org/abs/1312.5663",
        model={
            "network": {"kind": "mlp", "hidden": (), "tied": True},
            "bottleneck": {"kind": "top_k", "k": 25},
        },
        latent_dim=1000,
    ),
    "sparse-kl": Variant(
        "Sparse, KL",
        "Sparse",
        "Each code unit may be on only a small share rho of the time.",
        format_objective(SE, r"+ \lambda \sum_j \mathrm{KL}(\rho\,\Vert\,\hat{\rho}_j)"),
        *NG,
        model={
            "network": SIGMOID_CODE,
            "penalties": ({"kind": "kl_sparsity", "weight": 0.3, "rho": 0.05},),
        },
        training={"batch_size": 256},
        latent_dim=256,
    ),
    "sparse-l1": Variant(
        "Sparse, L1",
        "Sparse",
        "Pays for every active unit by its size, so most stay at zero.",
        format_objective(SE, r"+ \lambda \sum_j |h_j|"),
        *NG,
        model={
            "network": {"kind": "mlp", "hidden": (), "code_activation": "relu", "tied": True},
            "penalties": ({"kind": "l1", "weight": 0.2},),
        },
        latent_dim=256,
    ),
    "sparse-l2": Variant(
        "Sparse, L2",
        "Sparse",
        "Pays for activity by its square: small everywhere rather than zero.",
        format_objective(SE, r"+ \lambda \sum_j h_j^2"),
        *NG,
        model={
            "network": {"kind": "mlp", "hidden": (), "code_activation": "relu", "tied": True},
            "penalties": ({"kind": "l2", "weight": 0.2},),
        },
        latent_dim=256,
    ),
    "contractive": Variant(
        "Contractive",
        "Contractive",
        "Punishes codes that move when the input moves a little.",
        format_objective(SE, r"+ \lambda \left\lVert \partial f / \partial x \right\rVert_F^2"),
        "Rifai et al. (2011), Contractive Auto-Encoders",
        "https://icml.cc/2011/papers/455_icmlpaper.pdf",
        model={
            "network": {**SIGMOID_CODE, "tied": True},
            "penalties": ({"kind": "contractive", "weight": 0.1},),
        },
        latent_dim=256,
    ),
    "vae": Variant(
        "Variational",
        "Variational",
        "Codes are distributions near N(0, I), so new examples can be drawn.",
        format_objective(ELBO, f"+ {KL}"),
        *KINGMA,
        model={"bottleneck": {"kind": "gaussian"}},
        latent_dim=20,
        probabilistic=True,
    ),
    "beta-vae": Variant(
        "beta-VAE",
        "Variational",
        "A VAE that pays beta times more for its code, to keep its axes apart.",
        format_objective(ELBO, rf"+ \beta\, {KL}"),
        "Higgins et al. (2017), beta-VAE",
        "https://openreview.net/forum?id=Sy2fzU9gl",
        model={"bottleneck": {"kind": "gaussian", "beta": 4.0}},
        latent_dim=20,
        probabilistic=True,
    ),
    "iwae": Variant(
        "IWAE",
        "Variational",
        "A VAE with a tighter bound: K codes are drawn and weighted by importance.",
        r"\min\; -\mathbb{E} \ln \frac{1}{K} \sum_{k=1}^{K} \frac{p(x|z_k)\, p(z_k)}{q(z_k|x)}",
        "Burda, Grosse & Salakhutdinov (2015), Importance Weighted Autoencoders",
        "https://arxiv.org/abs/1509.00519",
        model={"bottleneck": {"kind": "gaussian", "bound": "iwae", "samples": 5}},
        latent_dim=20,
        probabilistic=True,
    ),
    "conv-vae": Variant(
        "Convolutional VAE",
        "Variational",
        "A VAE with convolutions: for images of any size.",
        format_objective(ELBO, f"+ {KL},", r"f, g \text{ convolutional}"),
        *KINGMA,
        model={"network": {"kind": "conv"}, "bottleneck": {"kind": "gaussian"}},
        latent_dim=32,
        probabilistic=True,
    ),
    "wae-mmd": Variant(
        "WAE-MMD",
        "Variational",
        "Only the codes as a whole are drawn towards the prior, not each one.",
        format_objective(SE, r"+ \lambda\, \mathrm{MMD}^2\big(q(z),\, \mathcal{N}(0, I)\big)"),
        "Tolstikhin et al. (2018), Wasserstein Auto-Encoders",
        "https://arxiv.org/abs/1711.01558",
        model={"network": DEEP, "penalties": ({"kind": "mmd"},)},
        latent_dim=8,
    ),
    "vq-vae": Variant(
        "VQ-VAE",
        "Discrete",
        "Codes are words from a learned codebook.",
        format_objective(
            SE,
            r"+ \lVert \mathrm{sg}[z_e] - e \rVert^2 + \beta \lVert z_e - \mathrm{sg}[e] \rVert^2",
        ),
        "van den Oord et al. (2017), Neural Discrete Representation Learning",
        "https://arxiv.org/abs/1711.00937",
        model={"network": DEEP, "bottleneck": {"kind": "vector_quantized"}},
        latent_dim=64,
    ),
    "fsq": Variant(
        "Finite scalar quantised",
        "Discrete",
        "Each code unit is rounded to one of a few levels: the code is bits.",
        format_objective(f"{SE},", r"z_i = \mathrm{round}_L(\tanh f(x)_i)"),
        "Mentzer et al. (2023), Finite Scalar Quantization",
        "https://arxiv.org/abs/2309.15505",
        model={
            "network": {**DEEP, "code_activation": "tanh"},
            "bottleneck": {"kind": "finite_scalar"},
        },
        latent_dim=16,
    ),
}


def find_variant(name: str) -> Variant:
    """The variant of that name; ConfigError lists the known ones."""
    if name not in VARIANTS:
        raise ConfigError(f"There is no variant {name!r}. Known: {', '.join(VARIANTS)}.")
    return VARIANTS[name]


def configure(
    name: str,
    input_shape: tuple[int, ...],
    *,
    kind: str = "image",
    examples: int | None = None,
    data: DataConfig | None = None,
    latent_dim: int | None = None,
) -> RunConfig:
    """The run that `name` makes of so many examples of this shape and kind (image, table or manifold).

    ConfigError where the variant does not apply, such as convolutions on a table.
    """
    variant = find_variant(name)
    image = kind == "image"
    model: dict[str, Any] = {**variant.model, "variant": name, "input_shape": input_shape}
    default = choose_latent_dim(variant, math.prod(input_shape), kind)
    model["latent_dim"] = default if latent_dim is None else latent_dim
    if variant.probabilistic and image:
        model["likelihood"] = {"kind": "bernoulli"}
    elif image and "likelihood" not in model and not is_tied_linear(model):
        model["likelihood"] = {"kind": "gaussian", "output": "sigmoid"}
    if not image:
        salted = (
            model.get("corruption", {}).get("kind") == "salt_and_pepper"
        )  # its 0 and 1 must be the extremes
        model["scaling"] = "minmax" if salted else "standard"
    model["missing"] = data is not None and data.missing == "keep"
    if variant.probabilistic and not image:
        model["likelihood"] = {"kind": "gaussian", "variance": 0.1}
    fit_parts_to_shape(model, input_shape)
    model_config = parse_options(ModelConfig, model)
    training = fit_training_to_size(
        parse_options(TrainConfig, variant.training), examples, model_config
    )
    return RunConfig(model=model_config, data=data, training=training)


def fit_training_to_size(
    training: TrainConfig, examples: int | None, model: ModelConfig
) -> TrainConfig:
    """Small data need smaller batches and more epochs for as many steps."""
    if examples is None or examples >= SMALL:
        return training
    # but a term that is estimated from the batch needs a large one
    batch = (
        training.batch_size
        if any(p.kind in ("kl_sparsity", "mmd") for p in model.penalties)
        else 32
    )
    epochs = max(training.epochs, min(400, round(4700 * batch / examples)))
    return training.model_copy(update={"epochs": epochs, "batch_size": batch})


def is_tied_linear(model: Mapping[str, Any]) -> bool:
    """Tied linear codes decode linearly in their papers."""
    network = model.get("network", {})
    return network.get("tied", False) and network.get("code_activation", "linear") == "linear"


def choose_latent_dim(variant: Variant, features: int, kind: str) -> int:
    """The variant's own code size, narrowed for small inputs so that there is something to squeeze."""
    if variant.overcomplete:
        return max(features + 1, round(features * variant.overcomplete))
    if kind == "manifold":
        return 1 if features == 2 else 2
    narrow = max(2, features // 4)
    if variant.latent_dim > 64:  # sparse codes are meant to be wide
        return min(variant.latent_dim, 2 * features)
    return min(variant.latent_dim, narrow)


def fit_parts_to_shape(model: dict[str, Any], input_shape: tuple[int, ...]) -> None:
    """Adapt what depends on the sizes: widths, levels, kept units, the length of codebook vectors."""
    features, d = math.prod(input_shape), model["latent_dim"]
    network = {"kind": "mlp", **model.get("network", {})}
    if network["kind"] == "conv" and len(input_shape) == 3:
        network.setdefault("channels", choose_channels(min(input_shape[1:])))
    if network["kind"] == "mlp" and features < 64 and network.get("hidden", (400,)):
        network["hidden"] = tuple(
            max(16, min(width, 64)) for width in network.get("hidden", (400,))
        )
    model["network"] = network
    bottleneck = dict(model.get("bottleneck", {"kind": "deterministic"}))
    if bottleneck["kind"] == "top_k":
        bottleneck["k"] = min(bottleneck["k"], max(1, d // 4))
    if bottleneck["kind"] == "vector_quantized":
        bottleneck["dim"] = math.gcd(d, 4)
    model["bottleneck"] = bottleneck


def choose_channels(side: int) -> tuple[int, ...]:
    """Channels for a convolutional network: halve until the shorter side is 8 or less."""
    count = max(1, math.ceil(math.log2(max(side, 1) / 8))) if side > 8 else 1
    return tuple(min(32 * 2**i, 256) for i in range(count))


def override_config(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """A run with some fields replaced, each named by its path.

    `bottleneck.samples`, `network.hidden` and so on are the model's; `training.lr` and `data.limit`
    are the others'; `penalties.contractive.weight` names a penalty by its kind. Naming another
    `kind` starts that part anew from its defaults. ConfigError names what does not exist.
    """
    values = config.model_dump(mode="json")
    for path, value in settings.items():
        head, *rest = path.split(".")
        if path.removeprefix("model.") in ("variant", "input_shape"):
            raise ConfigError(f"{path} cannot be set: choose another variant, or other data.")
        at = values if head in ("model", "training", "data") else values["model"]
        set_option(at, [head, *rest], value, path)
    return parse_options(RunConfig, values)


def set_option(at: dict[str, Any], keys: list[str], value: Any, path: str) -> None:
    """Set at[k1][k2]... = value, on the way opening parts that were absent."""
    head, *rest = keys
    if head not in at:
        raise ConfigError(f"There is no option {path}. Here one can set: {', '.join(at)}.")
    part = at[head]
    if not rest:
        at[head] = value
    elif head == "penalties" and isinstance(part, list):
        set_penalty_option(part, rest, value, path)
    elif rest == ["kind"] and (
        part is None or (isinstance(part, dict) and part.get("kind") != value)
    ):
        at[head] = {"kind": value}
    elif part is None:
        raise ConfigError(f"{path} has no meaning while {head} is off. Set {head}.kind first.")
    elif not isinstance(part, dict):
        raise ConfigError(f"There is no option {path}: {head} is a value, {part!r}.")
    elif len(rest) == 1 and rest[0] not in part and "kind" in part:
        part[rest[0]] = value  # a part that was just opened: its own check knows the field
    else:
        set_option(part, rest, value, path)


def set_penalty_option(penalties: list[Any], keys: list[str], value: Any, path: str) -> None:
    """penalties.<kind>.<field>: change the penalty of that kind, or add it."""
    if len(keys) != 2:
        raise ConfigError(f"Name a penalty's field as penalties.KIND.FIELD, got {path}.")
    kind, name = keys
    found = next((p for p in penalties if isinstance(p, dict) and p.get("kind") == kind), None)
    if found is None:
        penalties.append({"kind": kind, name: value})
    else:
        found[name] = value
