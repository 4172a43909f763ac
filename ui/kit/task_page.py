"""What the pages of tasks share: a form that trains a model for the task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from aecore.backends.launch import start_run
from aecore.data.catalog import CATALOG
from aecore.errors import AecoreError
from aecore.model.config import DataConfig, RunConfig
from aecore.runs.listing import create_run
from ui.kit.cache import load_cached_data
from ui.kit.messages import show_error
from ui.kit.visitor import list_own_sets

# -- a task's own recipe


def offer_training(
    label: str,
    plan: Callable[[str, Mapping[str, Any]], RunConfig],
    kind: str | None = None,
    normal: bool = False,
) -> None:
    """A folded form that starts a run by a task's own recipe on data of the visitor's choosing.

    `kind` admits only images or only tables of the catalog; with `normal` one class can be chosen to train with.
    """
    with st.popover(label, icon=":material/model_training:"):
        sets = {one.token: one for one in list_own_sets()}
        known = [
            e.name for e in CATALOG.values() if e.is_local() and (kind is None or e.kind == kind)
        ]
        chosen = st.selectbox(
            "Data",
            [*sets, *known],
            key=f"offer-{label}",
            format_func=lambda token: sets[token].name if token in sets else token,
        )
        wanted = sets[chosen].config() if chosen in sets else DataConfig(name=chosen)
        try:
            classes = load_cached_data(wanted).classes if normal else ()
            if classes and (
                one := st.selectbox(
                    "Normal class",
                    classes,
                    key=f"normal-{chosen}",
                    help="It alone is trained with; the others are there to be found.",
                )
            ):
                wanted = wanted.model_copy(update={"train_class": one})
            if st.button(
                "Start", type="primary", icon=":material/play_arrow:", key=f"start-{label}"
            ):
                changes = wanted.model_dump(exclude={"name"}, exclude_defaults=True)
                run = create_run(
                    plan(wanted.name, {f"data.{name}": value for name, value in changes.items()})
                )
                start_run(run)
                st.switch_page(
                    "train.py", query_params={"watch": run.id}
                )  # here `run` is a widget's
        except AecoreError as error:
            show_error(error)
