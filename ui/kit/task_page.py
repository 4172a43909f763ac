"""A form that trains a model for a task, for the pages of tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from aecore.backends.admission import admit_runs
from aecore.backends.launch import start_run
from aecore.data.catalog import CATALOG
from aecore.errors import AecoreError
from aecore.model.config import DataConfig, RunConfig
from aecore.runs.listing import create_run
from ui.kit.cache import load_cached_data
from ui.kit.messages import show_error
from ui.kit.visitor import claim, get_visitor, is_published_by_default, map_own_sets, reserve_runs

TaskPlan = Callable[[str, Mapping[str, Any]], RunConfig]  # data's name, settings by dotted path


def offer_training(
    label: str, plan: TaskPlan, kind: str | None = None, choose_class: bool = False
) -> None:
    """Show a folded form that starts a run by a task's own recipe on data of one's choosing.

    `kind` admits only images or only tables of the catalog; with `choose_class` a run can be
    trained on one class alone.
    """
    with st.popover(label, icon=":material/model_training:"):
        option, data = choose_task_data(label, kind)
        try:
            if choose_class:
                data = choose_normal_class(option, data)
            if st.button(
                "Start", type="primary", icon=":material/play_arrow:", key=f"start-{label}"
            ):
                start_task_run(plan, data)
        except AecoreError as error:
            show_error(error)


def choose_task_data(label: str, kind: str | None) -> tuple[str, DataConfig]:
    """Show a select box over the visitor's sets and those of the catalog that are at hand.

    Returns the option, which is a token or a name, and its data.
    """
    sets = map_own_sets()
    catalog = [
        entry.name for entry in CATALOG.values() if entry.is_local() and kind in (None, entry.kind)
    ]
    option = st.selectbox(
        "Data",
        [*sets, *catalog],
        key=f"offer-{label}",
        format_func=lambda option: sets[option].name if option in sets else option,
    )
    return option, sets[option].config() if option in sets else DataConfig(name=option)


def choose_normal_class(option: str, data: DataConfig) -> DataConfig:
    """Show a select box over the classes of labelled data; return the data of that class alone."""
    classes = load_cached_data(data).classes
    if not classes:
        return data
    normal = st.selectbox(
        "Normal class",
        classes,
        key=f"normal-{option}",
        help="It alone is trained with; the others are there to be found.",
    )
    return data.model_copy(update={"train_class": normal}) if normal else data


def start_task_run(plan: TaskPlan, data: DataConfig) -> None:
    """Start a run on this data, and go to watch it."""
    changes = data.model_dump(exclude={"name"}, exclude_defaults=True)
    config = plan(data.name, {f"data.{name}": value for name, value in changes.items()})
    with reserve_runs([config]), admit_runs(get_visitor(), [config]):
        run = create_run(config)
        claim(run.path, is_published_by_default(config))
        start_run(run)
    # the parameter `run` belongs to this page's own select box
    st.switch_page("train.py", query_params={"watch": run.id})
