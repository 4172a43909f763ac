"""What can be done with a set: train on it, delete it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from aecore.data.describe import holds_table
from aecore.errors import AecoreError
from aecore.names import escape_name
from aecore.runs.uploads import UploadedData
from aecore.tasks.anomaly import plan_detector
from aecore.tasks.impute import plan_imputer
from ui.data.bringing import OWN_SET_KEY
from ui.kit.links import forget_linked
from ui.kit.memory import forget_deleted
from ui.kit.messages import show_error
from ui.kit.run_data import describe_waiting_runs
from ui.kit.task_page import start_task_run

TABLE_TASKS = (
    ("Find odd rows", "crisis_alert", plan_detector),
    ("Fill missing cells", "healing", plan_imputer),
)


def show_set_actions(upload: UploadedData, variant: str = "") -> None:
    """Offer to train on a set and to delete it, and say where else it can be used.

    The form of Train opens with `variant`; without one, as it was left.
    """
    row = st.container(horizontal=True, vertical_alignment="center")
    if row.button("Train on this", type="primary", icon=":material/model_training:"):
        form = {"data": upload.token, **({"variant": variant} if variant else {})}
        st.switch_page("train.py", query_params=form)
    with row:
        if holds_table(Path(upload.config().name)):
            offer_table_tasks(upload)
        offer_deletion(upload)
    st.caption(
        "With a trained model, choose it as *Inputs* on a page under **Apply**: to clean, "
        "compress, search, score or fill it in."
    )


def offer_table_tasks(upload: UploadedData) -> None:
    """Offer what a table is most often brought for, each by its own recipe."""
    for label, icon, plan in TABLE_TASKS:
        if st.button(label, icon=f":material/{icon}:"):
            try:
                start_task_run(plan, upload.config())
            except AecoreError as error:
                show_error(error)


def offer_deletion(upload: UploadedData) -> None:
    """Offer to delete a set, asking once more."""
    with st.popover("Delete", icon=":material/delete:"):
        st.markdown(
            f"Delete **{escape_name(upload.name)}** from this server? Runs that were trained on it "
            f"stay. {describe_waiting_runs([upload.path])}"
        )
        st.button(
            "Delete for good",
            on_click=delete_set,
            args=(upload,),
            type="primary",
            key="delete_own",
        )


def delete_set(upload: UploadedData) -> None:
    """Delete a set, and forget that it was chosen."""
    name = escape_name(upload.name)
    upload.delete()
    forget_deleted()
    forget_linked(OWN_SET_KEY)
    st.query_params.pop(OWN_SET_KEY, None)
    st.toast(f"{name} is deleted.")
