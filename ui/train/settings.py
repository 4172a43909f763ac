"""The settings of a run: two or three that matter stand open, the others are folded."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore.model.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from aecore.model.parts.base import Options
from aecore.model.variants.overrides import keep_possible_path
from ui.kit.fields import (
    OpenPlace,
    OpenPlaces,
    format_field_name,
    show_options_form,
    show_part_form,
    show_penalties_form,
)

MODEL_PARTS = ("network", "bottleneck", "corruption", "likelihood")
DISCRETE_KINDS = ("vector_quantized", "finite_scalar")  # of bottlenecks, whose codes have a prior


def edit_config(
    config: RunConfig, key: str, settings: DeltaGenerator, details: DeltaGenerator
) -> RunConfig:
    """Show a form over every field; return the config with what was changed.

    What matters most for its variant stands open in `settings`, the rest is folded in `details`.
    """
    values = config.model_dump(mode="json")
    places = open_places(config, key, settings)
    with details:
        with st.expander("Model", icon=":material/hub:"):
            edit_model(values["model"], key, places)
            path_note = st.empty()
            st.caption(describe_pixel_likelihood(config.model))
        with st.expander("Training", icon=":material/tune:"):
            values["training"] = show_options_form(
                TrainConfig, values["training"], f"{key}.training", places=places
            )
        with st.expander("Data", icon=":material/database:"):
            skip = {"name", "label", "limit", "inference", "greys"}
            if values["data"]["side"] == "auto":  # of a known set, or no images
                skip.add("side")
            values["data"] = show_options_form(DataConfig, values["data"], f"{key}.data", skip)
    edited = keep_possible_path(values)
    path_note.caption(describe_linear_path(edited.model))
    return edited


def describe_linear_path(model: ModelConfig) -> str:
    """Returns one sentence: whether the model starts as PCA, and why not."""
    if model.network.has_linear_path:
        return "Linear path: the model starts as PCA and learns what PCA cannot."
    obstacle = model.explain_no_path() or "it switched off"
    return f"No linear path, which would start as PCA: this model has {obstacle}."


def describe_pixel_likelihood(default: ModelConfig) -> str:
    """Returns why a probabilistic model of pictures has its likelihood; empty for other models."""
    reasons = {
        "bernoulli": "Bernoulli by default: these pictures are grey, and mostly black and white.",
        "calibrated": "Calibrated Gaussian by default: these pictures are in colour, or half of "
        "their pixels and more are mid-greys.",
    }
    is_picture = len(default.input_shape) == 3
    return reasons.get(default.likelihood.kind, "") if is_picture else ""


def edit_model(model: dict[str, Any], key: str, places: OpenPlaces) -> None:
    """Show the form of a model over its values, and change them."""
    fields = ModelConfig.model_fields
    skip = () if len(model["input_shape"]) == 3 else ("anomaly_score",)
    model.update(show_options_form(ModelConfig, model, f"{key}.model", skip, places))
    for name in MODEL_PARTS:
        model[name] = show_part_form(name, fields[name], model[name], f"{key}.{name}", places)
    if model["bottleneck"]["kind"] in DISCRETE_KINDS:
        model["prior"] = show_part_form(
            "prior", fields["prior"], model["prior"], f"{key}.prior", places
        )
    else:
        model["prior"] = None
    model["penalties"] = show_penalties_form(
        fields["penalties"], model["penalties"], f"{key}.penalties", places
    )


# -- what stands open


def open_places(config: RunConfig, key: str, container: DeltaGenerator) -> dict[str, OpenPlace]:
    """Returns the places of the settings that stand open, by the keys of their widgets."""
    labels = {"model.latent_dim": "Latent dimension", "training.epochs": "Epochs"}
    labels |= name_own_setting(config.model)
    columns = container.columns(len(labels))
    return {
        f"{key}.{name}": OpenPlace(column, label)
        for column, (name, label) in zip(columns, labels.items(), strict=True)
    }


def name_own_setting(model: ModelConfig) -> dict[str, str]:
    """Returns the setting that a variant is about, {"bottleneck.top_k.k": label}.

    It is one of the part that makes the variant: its penalty, its corruption, its bottleneck, or
    else its network.
    """
    parts = {
        "penalties": model.penalties[0] if model.penalties else None,
        "corruption": model.corruption,
        "bottleneck": model.bottleneck,
        "network": model.network,
    }
    for name, part in parts.items():
        if part is not None and (setting := pick_setting(part)):
            kind = type(part).model_fields["kind"].default
            label = format_field_name(setting)
            if name in ("penalties", "corruption"):  # "weight" alone does not say of what
                label = f"{format_field_name(kind)} {label.lower()}"
            return {f"{name}.{kind}.{setting}": label}
    return {}


def pick_setting(part: Options) -> str:
    """Returns the first field that a variant sets of a part, else the part's first; none: ""."""
    fields = type(part).model_fields
    names = list(fields)[list(fields).index("kind") + 1 :]
    return next((name for name in names if name in part.model_fields_set), next(iter(names), ""))
