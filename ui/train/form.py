"""The form of the Train page: a variant, data, a preset, and every option."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore.data.catalog import CATALOG
from aecore.data.raw import spell_shape
from aecore.data.splits import Dataset
from aecore.errors import AecoreError
from aecore.limits import is_public
from aecore.model.config import DataConfig, RunConfig, TrainConfig
from aecore.model.scaling import RowTraits
from aecore.model.variants import VARIANTS
from aecore.model.variants.fitting import PICTURE_VARIANTS, configure, is_beyond_digits
from aecore.runs.plan import complete_data_config
from ui.kit.cache import load_cached_data
from ui.kit.links import NO_SUCH_DATA, drop_unknown_links, select_linked
from ui.kit.messages import show_error
from ui.kit.visitor import map_own_sets, name_own_sets
from ui.train.address_settings import (
    apply_address_settings,
    forget_settings_target,
    read_address_settings,
)
from ui.train.settings import edit_config

PRESETS = {
    "Quick": "A fifth of the epochs, for a first look.",
    "Default": "The variant's own settings; the same number of steps for all.",
    "Thorough": "Three times the epochs, with a cosine schedule.",
}
FIRST_VARIANT, VARIANT_KEY = "vae", "variant"
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
    dataset: Dataset | None = None  # of one's own, which was read

    @property
    def is_on_disk(self) -> bool:
        """Returns True for data larger than memory, which trainings read from the disk."""
        return self.dataset is not None and self.dataset.stored is not None


class TrainingChoice(NamedTuple):
    """What the form describes."""

    config: RunConfig
    about: DataDescription


def choose_training(
    head: DeltaGenerator, settings: DeltaGenerator, details: DeltaGenerator
) -> TrainingChoice | None:
    """Show the form of a run: variant, data and preset in the head, its options in the others.

    Returns None, and shows the reason, where the form describes no run.
    """
    if VARIANT_KEY not in st.session_state:  # another page, or a run, was shown before
        forget_settings_target()
    left, middle, right = head.columns(3)
    variant = choose_trained_variant(left)
    data = choose_training_data(middle)
    preset = choose_preset(right)
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
        with head:
            config = apply_address_settings(apply_preset(default, preset))
        suggest_picture_variants(left, config, about)
        # of a set that is read anew, what was kept of the form does not hold
        key = f"{variant}-{data.name}-{preset}-{about.count}-{about.shape}"
        key += read_address_settings()
        return TrainingChoice(edit_config(config, key, settings, details), about)
    except AecoreError as error:
        with head:
            show_error(error)
        return None


def choose_trained_variant(column: DeltaGenerator) -> str:
    """Show a select box over the variants and the summary of the chosen one; return its name."""
    variant = select_linked(
        column,
        "Variant",
        list(VARIANTS),
        VARIANT_KEY,
        {name: entry.label for name, entry in VARIANTS.items()},
        "A named combination of parts. Each part can be changed below.",
        default=FIRST_VARIANT,
        keeps=True,
    )
    column.caption(VARIANTS[variant].summary)
    return variant


def suggest_picture_variants(
    column: DeltaGenerator, config: RunConfig, about: DataDescription
) -> None:
    """Name the variants for photographs where a fully connected one is chosen for these."""
    if (
        about.kind == "image"
        and is_beyond_digits(about.shape)
        and config.model.network.kind == "mlp"
    ):
        names = " and ".join(f"**{VARIANTS[name].label}**" for name in PICTURE_VARIANTS)
        column.caption(f":material/lightbulb: Made for photographs: {names}.")


def choose_preset(column: DeltaGenerator) -> str:
    """Show a control over the presets and what the chosen one does; return its name."""
    preset = column.segmented_control(
        "Preset",
        list(PRESETS),
        default="Default",
        required=True,
        key="preset",
        bind="query-params",
        help=" ".join(f"**{name}**: {text}" for name, text in PRESETS.items()),
    )
    column.caption(PRESETS[preset])
    return preset


# -- data


def choose_training_data(column: DeltaGenerator) -> DataConfig:
    """Show a select box over the catalog, the visitor's sets, and a path where they are at home.

    Stops the page while there is no path.
    """
    sets = map_own_sets()
    options = [*CATALOG, *sets, *([] if is_public() else [OWN_PATH])]
    names = {token: f"{name} (yours)" for token, name in name_own_sets().items()}
    with column:
        drop_unknown_links("data", options, NO_SUCH_DATA)
    option = select_linked(column, "Data", options, "data", names, DATA_HELP, keeps=True)
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
            f" of {spell_shape(dataset.input_shape)}."
        )
        return DataDescription(
            dataset.input_shape,
            dataset.kind,
            dataset.count,
            complete_data_config(data, dataset),
            dataset.traits,
            dataset,
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
