"""Fits a variant to the shape, the kind and the number of examples."""

from __future__ import annotations

import math
from typing import Any

from pydantic import TypeAdapter

from aecore.model.config import (
    DataConfig,
    ModelConfig,
    RunConfig,
    TrainConfig,
    parse_options,
)
from aecore.model.parts.bottlenecks import BottleneckOptions
from aecore.model.parts.bottlenecks.base import BottleneckBase
from aecore.model.parts.bottlenecks.gaussian import GaussianCode
from aecore.model.parts.column_heads import Head
from aecore.model.parts.networks import Network
from aecore.model.parts.networks.base import NetworkBase
from aecore.model.scaling import CLIP, RowTraits
from aecore.model.training import Augmentation
from aecore.model.variants.base import Variant
from aecore.model.variants.table import find_variant

SMALL = 10_000  # examples; below it the training is adapted
SMALL_BATCH = 32  # batch size for so few examples
STEPS = 4700  # of every variant's training, about; more where ten epochs of large sets need them
PICTURE_STEPS = 2500  # of residual networks, whose steps take longer and which start as PCA
MAX_SMALL_EPOCHS = 400  # in batches of that size
ORDINARY_BATCH, ORDINARY_EPOCHS = 128, 10
ORDINARY = RowTraits()
BETA_FEATURES = 28 * 28  # from which on the beta of a variant is as its paper has it
LEAST_BETA = 1.5  # of fewer features
PICTURE_VARIANTS = ("conv", "conv-vae")  # to begin with on photographs
FEW_PICTURES = 20_000  # below it a residual network would learn the training pictures by heart
AUGMENTATION: tuple[Augmentation, ...] = ("flip", "shift")
PICTURE_SIDE = 32  # pixels from which on grey pictures are more than digits
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
    as_published: bool = False,
) -> RunConfig:
    """Return the run of variant `name` for so many examples of this shape and kind.

    The kind is image, table or manifold; `traits` are those of the examples. It gets a linear path
    where its parts can have one, as many steps as every other variant and a likelihood for the
    data; with `as_published` none of these, as its paper has it. ConfigError if the variant does
    not apply, such as convolutions to a table.
    """
    variant = find_variant(name)
    if not as_published and kind == "image" and is_beyond_digits(input_shape):
        variant = variant.fit_pictures()
    bottleneck = _parse_bottleneck(variant)
    network, latent_dim = fit_network(variant, bottleneck, input_shape, kind, latent_dim)
    values: dict[str, Any] = {
        **variant.model,
        "variant": name,
        "input_shape": input_shape,
        "latent_dim": latent_dim,
        "missing": traits.has_missing,
    }
    is_binary = traits.is_binary and kind != "image" and not values["missing"]
    grid = network.find_code_grid(input_shape, latent_dim)
    bottleneck = bottleneck.fit_latent_dim(latent_dim, grid)
    if not as_published and (kind == "image" or is_binary):
        bottleneck = fit_beta(bottleneck, math.prod(input_shape))
    values["bottleneck"] = bottleneck
    if kind != "image":
        scaling = choose_scaling(variant, traits, is_binary)
        clip = CLIP if traits.has_extremes and scaling != "none" else None
        values |= {"scaling": scaling, "clip": clip}
    is_two_tone = as_published or has_two_tones(input_shape, data, traits)

    def build_model(network: NetworkBase) -> ModelConfig:
        likelihood = choose_likelihood(
            variant, network, kind, is_binary, traits.heads, is_two_tone=is_two_tone
        )
        parts = {"network": network, **({"likelihood": likelihood} if likelihood else {})}
        return parse_options(ModelConfig, {**values, **parts})

    model = build_model(network.with_linear_path(False))
    if not as_published and model.explain_no_path() is None:
        model = build_model(network.with_linear_path(True))
    training = _fit_training(variant, model, examples, as_published)
    return RunConfig(model=model, data=data, training=training)


def _fit_training(
    variant: Variant, model: ModelConfig, examples: int | None, as_published: bool
) -> TrainConfig:
    training = parse_options(TrainConfig, variant.training)
    if examples is None:
        return training
    batch_size = choose_batch_size(training, examples, model)
    if as_published:
        return fit_published_training(training, examples, batch_size)
    if model.network.kind != "residual":
        return fit_training_to_size(training, examples, batch_size)
    if examples < FEW_PICTURES and not training.augment:
        training = training.model_copy(update={"augment": AUGMENTATION})
    return fit_training_to_size(training, examples, batch_size, PICTURE_STEPS)


def fit_network(
    variant: Variant,
    bottleneck: BottleneckBase,
    input_shape: tuple[int, ...],
    kind: str,
    latent_dim: int | None,
) -> tuple[NetworkBase, int]:
    """Return the network for examples of this shape, and the size of its code."""
    parsed = _parse_network(variant)
    network = parsed.fit_input_shape(input_shape)
    if bottleneck.units_of_place and "channels" not in parsed.model_fields_set:
        network = network.with_finer_code()
    if latent_dim is None:
        latent_dim = network.suggest_latent_dim(input_shape, bottleneck.units_of_place)
    if latent_dim is None:
        latent_dim = choose_latent_dim(variant, math.prod(input_shape), kind)
    return network.fit_latent_dim(input_shape, latent_dim), latent_dim


def _parse_network(variant: Variant) -> NetworkBase:
    values = variant.model.get("network", {"kind": "mlp"})
    return TypeAdapter(Network).validate_python(values)


def _parse_bottleneck(variant: Variant) -> Any:
    values = variant.model.get("bottleneck", {"kind": "deterministic"})
    return TypeAdapter(BottleneckOptions).validate_python(values)


def is_beyond_digits(input_shape: tuple[int, ...]) -> bool:
    """Return True for pictures in colour, and for those of 32 pixels a side or more."""
    return len(input_shape) == 3 and (input_shape[0] > 1 or min(input_shape[1:]) >= PICTURE_SIDE)


def fit_beta(bottleneck: BottleneckBase, features: int) -> BottleneckBase:
    """Return a bottleneck whose beta is smaller where a cross-entropy has few features.

    Their nats pay for the code: at beta = 4 that of the digits, of 64 pixels, would say nothing.
    """
    if not isinstance(bottleneck, GaussianCode) or bottleneck.beta <= LEAST_BETA:
        return bottleneck
    beta = max(LEAST_BETA, bottleneck.beta * min(1.0, features / BETA_FEATURES))
    return bottleneck.model_copy(update={"beta": round(beta, 2)})


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


def has_two_tones(input_shape: tuple[int, ...], data: DataConfig | None, traits: RowTraits) -> bool:
    """Return True for pictures that are nearly black and white: grey without many mid-tones.

    Those that are drawn as 0 or 1 always are.
    """
    is_drawn = data is not None and data.binarise != "none"
    return is_drawn or (input_shape[0] == 1 and not traits.has_midtones)


def choose_likelihood(
    variant: Variant,
    network: NetworkBase,
    kind: str,
    is_binary: bool,
    heads: tuple[Head, ...] = (),
    is_two_tone: bool = True,
) -> dict[str, Any] | None:
    """Return the likelihood for data of this kind; None leaves the variant's own or the default.

    Columns of several kinds, `heads`, are modelled as what they are where the decoder has weights
    of its own. A likelihood of pictures of many tones is the calibrated Gaussian.
    """
    is_image = kind == "image"
    if heads and not is_binary and not network.is_tied and "likelihood" not in variant.model:
        mixed = {"kind": "mixed", "heads": heads}
        return mixed | ({"variance": 0.1} if variant.probabilistic else {})
    if variant.probabilistic:
        if is_image:
            return {"kind": "bernoulli" if is_two_tone else "calibrated"}
        return {"kind": "bernoulli"} if is_binary else {"kind": "gaussian", "variance": 0.1}
    # tied linear codes are decoded linearly in their papers
    is_tied_linear = network.is_tied and network.code_activation == "linear"
    if "likelihood" in variant.model or is_tied_linear:
        return None
    if is_binary:
        return {"kind": "bernoulli"}
    # a model that starts as PCA reconstructs linearly
    has_sigmoid = is_image and not network.has_linear_path
    return {"kind": "gaussian", "output": "sigmoid"} if has_sigmoid else None


def fit_training_to_size(
    training: TrainConfig, examples: int, batch_size: int, most_steps: int = STEPS
) -> TrainConfig:
    """Return the training with the steps that every variant makes with so many examples."""
    if examples < SMALL:
        steps = min(most_steps, MAX_SMALL_EPOCHS * max(1.0, examples / SMALL_BATCH))
    else:
        steps = ORDINARY_EPOCHS * examples / ORDINARY_BATCH
    return training.model_copy(update={"batch_size": batch_size}).with_steps(steps, examples)


def fit_published_training(training: TrainConfig, examples: int, batch_size: int) -> TrainConfig:
    """Return the variant's own training, with more epochs where there are few examples."""
    if examples >= SMALL:
        return training
    epochs = min(MAX_SMALL_EPOCHS, round(STEPS * batch_size / examples))
    return training.model_copy(
        update={"epochs": max(training.epochs, epochs), "batch_size": batch_size}
    )


def choose_batch_size(training: TrainConfig, examples: int, model: ModelConfig) -> int:
    """Return a small batch for few examples, unless batches are compared as a whole."""
    needs_large_batch = any(penalty.needs_large_batch for penalty in model.penalties)
    return training.batch_size if examples >= SMALL or needs_large_batch else SMALL_BATCH
