"""The form of the Train page: a variant, data, and every option."""

from __future__ import annotations

import os
from typing import Any

import streamlit as st

from aecore.data.catalog import CATALOG
from aecore.errors import AecoreError
from aecore.model.config import DataConfig, ModelConfig, RunConfig, TrainConfig, parse_options
from aecore.model.variants import VARIANTS, configure
from ui.kit.cache import load_cached_data
from ui.kit.fields import show_options_form, show_part_form, show_penalties_form
from ui.kit.links import select_linked
from ui.kit.messages import show_error
from ui.kit.visitor import is_public, list_own_sets, name_own_sets, remember_own_set

PRESETS = {
    "Quick": "A fifth of the epochs: a first look.",
    "Default": "The variant's own settings.",
    "Thorough": "Three times the epochs, with a cosine schedule.",
}


# -- the form


def choose_training() -> tuple[RunConfig, str] | None:
    """The run that the form describes and its data's kind; None, and the reason shown, where there is none."""
    left, middle, right = st.columns(3)
    name = left.selectbox(
        "Variant",
        list(VARIANTS),
        list(VARIANTS).index("vae"),
        key="variant",
        bind="query-params",
        help="A named combination of parts. Each part can be changed below.",
    )
    wanted = choose_training_data(middle)
    preset = right.segmented_control(
        "Preset",
        list(PRESETS),
        default="Default",
        required=True,
        key="preset",
        bind="query-params",
        help=" ".join(f"**{n}**: {text}" for n, text in PRESETS.items()),
    )
    left.caption(VARIANTS[name].summary)
    right.caption(PRESETS[preset])
    try:
        shape, kind, count = describe_training_data(wanted, middle)
        default = configure(name, shape, kind=kind, examples=count, data=wanted)
        return edit_config(apply_preset(default, preset), f"{name}-{wanted.name}-{preset}"), kind
    except AecoreError as error:
        show_error(error)
        return None


def choose_training_data(place: Any) -> DataConfig:
    """A catalog name, a set that the visitor brought, or a path on this machine where they are at home on it."""
    own, sets = "a path of your own", {one.token: one for one in list_own_sets()}
    names = [*CATALOG, *sets, *([] if is_public() else [own])]
    shown = {token: f"{name} (yours)" for token, name in name_own_sets().items()}
    name = select_linked(
        place,
        "Data",
        names,
        "data",
        shown,
        "Sets marked for download come from the network on first use. Your own come by the page **Data**.",
    )
    if name in sets:
        remember_own_set(sets[name])
        return sets[name].config()
    if name != own:
        return DataConfig(name=name)
    path = place.text_input(
        "Path", key="path", bind="query-params", placeholder="/home/me/images, faces.zip, table.csv"
    )
    label = place.text_input(
        "Label column",
        key="label",
        bind="query-params",
        help="For tables: the class column, if any.",
    )
    if not path:
        place.caption(
            "A folder or .zip of images, a .npz with `x`, a .npy, a .csv or .parquet table."
        )
        st.stop()
    return DataConfig(name=os.path.abspath(os.path.expanduser(path)), label=label or None)


def describe_training_data(wanted: DataConfig, place: Any) -> tuple[tuple[int, ...], str, int]:
    """Shape, kind and number of training examples; read from the files only for a user's own."""
    entry = CATALOG.get(wanted.name)
    if entry is None:
        found = load_cached_data(wanted)
        place.caption(
            f"{found.count:,} training and {len(found.test.x):,} test examples of {found.input_shape}."
        )
        return found.input_shape, found.kind, found.count
    place.caption(
        entry.description
        + ("" if entry.is_local() else " :material/download: Downloaded on first use.")
    )
    return entry.input_shape, entry.kind, entry.sizes[0]


def apply_preset(config: RunConfig, preset: str) -> RunConfig:
    training = config.training or TrainConfig()
    changes: dict[str, Any] = {}
    if preset == "Quick":
        changes = {"epochs": max(1, training.epochs // 5)}
    if preset == "Thorough":
        changes = {"epochs": training.epochs * 3, "schedule": "cosine"}
    return config.model_copy(update={"training": training.model_copy(update=changes)})


def edit_config(config: RunConfig, key: str) -> RunConfig:
    """The folded form over every field; what is not touched stays at the preset's value."""
    values = config.model_dump(mode="json")
    model, fields = values["model"], ModelConfig.model_fields
    with st.expander("Model", icon=":material/hub:"):
        model.update(show_options_form(ModelConfig, model, f"{key}.model"))
        for name in ("network", "bottleneck", "corruption", "likelihood"):
            model[name] = show_part_form(name, fields[name], model[name], f"{key}.{name}")
        model["penalties"] = show_penalties_form(
            fields["penalties"], model["penalties"], f"{key}.penalties"
        )
    with st.expander("Training", icon=":material/tune:"):
        values["training"] = show_options_form(TrainConfig, values["training"], f"{key}.training")
    with st.expander("Data", icon=":material/database:"):
        values["data"] = show_options_form(
            DataConfig, values["data"], f"{key}.data", skip={"name", "label", "limit"}
        )
    return parse_options(RunConfig, values)
