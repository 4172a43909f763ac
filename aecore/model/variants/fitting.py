"""Fits a variant to the shape, the kind and the number of examples."""

from __future__ import annotations

import math
from typing import Any

from pydantic import TypeAdapter

from aecore.model.config import DataConfig, ModelConfig, RunConfig, TrainConfig, parse_options
from aecore.model.parts.bottlenecks import BottleneckOptions
from aecore.model.parts.column_heads import Head
from aecore.model.parts.networks import Network
from aecore.model.parts.networks.base import NetworkBase
from aecore.model.scaling import CLIP, RowTraits
from aecore.model.variants.base import Variant
from aecore.model.variants.table import find_variant

SMALL = 10_000  # examples; below it the training is adapted
SMALL_BATCH = 32  # batch size for so few examples
SMALL_STEPS = 4700  # about as many training steps for them
MAX_SMALL_EPOCHS = 400
ORDINARY = RowTraits()
WIDE = 64  # units; codes of variants above it are meant to be wider than others


def configure(
    name: str,
    input_shape: tuple[int, ...],
    *,
    kind: str = "image",
    examples: int | None = None,
    data: DataConfig | None = None,
    latent_dim: int | None = None,
    traits: RowTraits = ORDINARY,
) -> RunConfig:
    """Return the run of variant `name` for so many examples of this shape and kind.

    The kind is image, table or manifold; `traits` are those of rows. ConfigError if the variant
    does not apply, such as convolutions to a table.
    """
    variant = find_variant(name)
    if latent_dim is None:
        latent_dim = choose_latent_dim(variant, math.prod(input_shape), kind)
    network = _parse_network(variant).fit_input_shape(input_shape)
    values: dict[str, Any] = {
        **variant.model,
        "variant": name,
        "input_shape": input_shape,
        "latent_dim": latent_dim,
        "missing": traits.has_missing,
        "network": network,
        "bottleneck": _parse_bottleneck(variant).fit_latent_dim(latent_dim),
    }
    is_binary = traits.is_binary and kind != "image" and not values["missing"]
    if kind != "image":
        scaling = choose_scaling(variant, traits, is_binary)
        clip = CLIP if traits.has_extremes and scaling != "none" else None
        values |= {"scaling": scaling, "clip": clip}
    likelihood = choose_likelihood(variant, network, kind, is_binary, traits.heads)
    if likelihood:
        values["likelihood"] = likelihood
    model = parse_options(ModelConfig, values)
    training = parse_options(TrainConfig, variant.training)
    return RunConfig(
        model=model, data=data, training=fit_training_to_size(training, examples, model)
    )


def _parse_network(variant: Variant) -> NetworkBase:
    values = variant.model.get("network", {"kind": "mlp"})
    return TypeAdapter(Network).validate_python(values)


def _parse_bottleneck(variant: Variant) -> Any:
    values = variant.model.get("bottleneck", {"kind": "deterministic"})
    return TypeAdapter(BottleneckOptions).validate_python(values)


def choose_latent_dim(variant: Variant, features: int, kind: str) -> int:
    """Return the variant's own code size, reduced for small inputs so that it is a bottleneck."""
    if variant.overcomplete:
        return max(features + 1, round(features * variant.overcomplete))
    if kind == "manifold":
        return 1 if features == 2 else 2
    if variant.latent_dim > WIDE:
        return min(variant.latent_dim, 2 * features)
    return min(variant.latent_dim, max(2, features // 4))


def choose_scaling(variant: Variant, traits: RowTraits, is_binary: bool) -> str:
    """Return how columns of a table are scaled.

    Columns of two values, modelled as such, become 0 and 1; salt and pepper needs these extremes.
    """
    if is_binary:
        return "none" if traits.is_zero_or_one else "minmax"
    corruption = variant.model.get("corruption", {})
    return "minmax" if corruption.get("kind") == "salt_and_pepper" else "standard"


def choose_likelihood(
    variant: Variant,
    network: NetworkBase,
    kind: str,
    is_binary: bool,
    heads: tuple[Head, ...] = (),
) -> dict[str, Any] | None:
    """Return the likelihood for data of this kind; None leaves the variant's own or the default.

    Columns of several kinds, `heads`, are modelled as what they are where the decoder has weights
    of its own.
    """
    is_image = kind == "image"
    if heads and not is_binary and not network.is_tied and "likelihood" not in variant.model:
        mixed = {"kind": "mixed", "heads": heads}
        return mixed | ({"variance": 0.1} if variant.probabilistic else {})
    if variant.probabilistic:
        has_bits = is_image or is_binary
        return {"kind": "bernoulli"} if has_bits else {"kind": "gaussian", "variance": 0.1}
    # tied linear codes are decoded linearly in their papers
    is_tied_linear = network.is_tied and network.code_activation == "linear"
    if "likelihood" in variant.model or is_tied_linear:
        return None
    if is_binary:
        return {"kind": "bernoulli"}
    return {"kind": "gaussian", "output": "sigmoid"} if is_image else None


def fit_training_to_size(
    training: TrainConfig, examples: int | None, model: ModelConfig
) -> TrainConfig:
    """Return the training with smaller batches and more epochs where there are few examples."""
    if examples is None or examples >= SMALL:
        return training
    needs_large_batch = any(penalty.needs_large_batch for penalty in model.penalties)
    batch_size = training.batch_size if needs_large_batch else SMALL_BATCH
    epochs = min(MAX_SMALL_EPOCHS, round(SMALL_STEPS * batch_size / examples))
    return training.model_copy(
        update={"epochs": max(training.epochs, epochs), "batch_size": batch_size}
    )
