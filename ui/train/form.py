"""The form of the Train page: a variant, data, and every option."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore.data.catalog import CATALOG
from aecore.errors import AecoreError
from aecore.limits import is_public
from aecore.model.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from aecore.model.scaling import RowTraits
from aecore.model.variants import VARIANTS, configure, keep_possible_path
from aecore.runs.plan import complete_data_config
from ui.kit.cache import load_cached_data
from ui.kit.fields import show_options_form, show_part_form, show_penalties_form
from ui.kit.links import select_linked
from ui.kit.messages import show_error
from ui.kit.visitor import map_own_sets, name_own_sets
from ui.train.address_settings import apply_address_settings, read_address_settings

PRESETS = {
    "Quick": "A fifth of the epochs: a first look.",
    "Default": "The variant's own settings; the same number of steps for all.",
    "Thorough": "Three times the epochs, with a cosine schedule.",
}
OWN_PATH = "a path of your own"  # an option of the select box of data
DATA_HELP = (
    "Sets marked for download come from the network on first use. "
    "Your own come by the page **Data**."
)


@dataclass(frozen=True)
class DataDescription:
    """What a variant's defaults depend on."""

    shape: tuple[int, ...]  # of one example
    kind: str
    count: int  # of training examples
    config: DataConfig  # with the kinds of all columns of a table
    traits: RowTraits = field(default_factory=RowTraits)


def choose_training() -> tuple[RunConfig, str] | None:
    """Show the form of a run; return its config and the kind of its data.

    Returns None, and shows the reason, where the form describes no run.
    """
    left, middle, right = st.columns(3)
    variant = left.selectbox(
        "Variant",
        list(VARIANTS),
        list(VARIANTS).index("vae"),
        key="variant",
        bind="query-params",
        help="A named combination of parts. Each part can be changed below.",
    )
    data = choose_training_data(middle)
    preset = right.segmented_control(
        "Preset",
        list(PRESETS),
        default="Default",
        required=True,
        key="preset",
        bind="query-params",
        help=" ".join(f"**{name}**: {text}" for name, text in PRESETS.items()),
    )
    left.caption(VARIANTS[variant].summary)
    right.caption(PRESETS[preset])
    try:
        about = describe_training_data(data, middle)
        default = configure(
            variant,
            about.shape,
            kind=about.kind,
            examples=about.count,
            data=about.config,
            traits=about.traits,
        )
        config = apply_address_settings(apply_preset(default, preset))
        key = f"{variant}-{data.name}-{preset}{read_address_settings()}"
        return edit_config(config, key), about.kind
    except AecoreError as error:
        show_error(error)
        return None


# -- data


def choose_training_data(column: DeltaGenerator) -> DataConfig:
    """Show a select box over the catalog, the visitor's sets, and a path where they are at home.

    Stops the page while there is no path.
    """
    sets = map_own_sets()
    options = [*CATALOG, *sets, *([] if is_public() else [OWN_PATH])]
    names = {token: f"{name} (yours)" for token, name in name_own_sets().items()}
    option = select_linked(column, "Data", options, "data", names, DATA_HELP)
    if option in sets:
        return sets[option].config()
    return ask_for_path(column) if option == OWN_PATH else DataConfig(name=option)


def ask_for_path(column: DeltaGenerator) -> DataConfig:
    """Ask for a path on this machine; stop the page while there is none."""
    path = column.text_input(
        "Path", key="path", bind="query-params", placeholder="/home/me/images, faces.zip, table.csv"
    )
    label = column.text_input(
        "Label column",
        key="label",
        bind="query-params",
        help="For tables: the class column, if any.",
    )
    if not path:
        column.caption(
            "A folder or .zip of images, a .npz with `x`, a .npy, a .csv or .parquet table."
        )
        st.stop()
    return DataConfig(name=os.path.abspath(os.path.expanduser(path)), label=label or None)


def describe_training_data(data: DataConfig, column: DeltaGenerator) -> DataDescription:
    """Show what the data is, and return its description; only a user's own is read for that."""
    entry = CATALOG.get(data.name)
    if entry is None:
        dataset = load_cached_data(data)
        column.caption(
            f"{dataset.count:,} training and {len(dataset.test.x):,} test examples"
            f" of {dataset.input_shape}."
        )
        return DataDescription(
            dataset.input_shape,
            dataset.kind,
            dataset.count,
            complete_data_config(data, dataset),
            dataset.traits,
        )
    column.caption(
        entry.description
        + ("" if entry.is_local() else " :material/download: Downloaded on first use.")
    )
    return DataDescription(entry.input_shape, entry.kind, entry.sizes[0], data)


# -- options


def apply_preset(config: RunConfig, preset: str) -> RunConfig:
    """Returns a config with the epochs and the schedule of a preset."""
    training = config.training or TrainConfig()
    changes: dict[str, Any] = {}
    if preset == "Quick":
        changes = {"epochs": max(1, training.epochs // 5)}
    if preset == "Thorough":
        changes = {"epochs": training.epochs * 3, "schedule": "cosine"}
    return config.model_copy(update={"training": training.model_copy(update=changes)})


def edit_config(config: RunConfig, key: str) -> RunConfig:
    """Show a folded form over every field; return the config with what was changed."""
    values = config.model_dump(mode="json")
    model, fields = values["model"], ModelConfig.model_fields
    with st.expander("Model", icon=":material/hub:"):
        model.update(show_options_form(ModelConfig, model, f"{key}.model"))
        for name in ("network", "bottleneck", "corruption", "likelihood"):
            model[name] = show_part_form(name, fields[name], model[name], f"{key}.{name}")
        model["penalties"] = show_penalties_form(
            fields["penalties"], model["penalties"], f"{key}.penalties"
        )
        path_note = st.empty()
    with st.expander("Training", icon=":material/tune:"):
        values["training"] = show_options_form(TrainConfig, values["training"], f"{key}.training")
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
