"""What can be done with a run on the Train page: stop, resume, look at, repeat and delete it."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore.backends.admission import admit_runs
from aecore.backends.launch import read_order, resume_run, stop_run
from aecore.errors import AecoreError
from aecore.names import escape_name
from aecore.runs.keeping import open_thing
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES, RESUMABLE_STATES
from ui.kit.hub_account import get_hub_token
from ui.kit.memory import forget_deleted
from ui.kit.messages import show_error_toast
from ui.kit.run_data import is_data_missing, is_own_set_deleted
from ui.kit.runs import show_run_links
from ui.kit.visitor import check_may_change, get_visitor, may_change
from ui.train.backend_form import check_payer


def show_run_buttons(run: Run) -> None:
    """Show what can be done with the run in its state."""
    state = run.state().state
    row = st.container(horizontal=True, vertical_alignment="center")
    is_own = may_change(run)
    if is_own:
        show_stop_or_resume(row, run, state)
    if run.has_model():
        with row:
            show_run_links(run)
    if state == "failed" and is_data_missing(run) and row.button("Train on the digits instead"):
        st.switch_page(
            "train.py", query_params={"variant": run.config().model.variant, "data": "digits"}
        )
    if row.button("New run", icon=":material/add:", type="tertiary"):
        st.switch_page("train.py")
    if is_own and state not in LIVE_STATES:
        with row.popover("Delete", icon=":material/delete:"):
            st.markdown(f"Delete **{format_run_name(run)}** with its weights?")
            st.button("Delete for good", on_click=delete_shown_run, args=(run,), type="primary")


def format_run_name(run: Run) -> str:
    """Returns the name that its owner gave a run, else its id, as Markdown that shows text."""
    return escape_name(open_thing(run.path, is_run=True).name)


def show_stop_or_resume(row: DeltaGenerator, run: Run, state: str) -> None:
    """Show a button that stops a live run, or that resumes one which did not finish."""
    if state in LIVE_STATES:
        row.button(
            "Stop",
            icon=":material/stop:",
            on_click=stop_shown_run,
            args=(run,),
            help="The best model so far is kept.",
        )
    elif state in RESUMABLE_STATES and run.config().data:
        is_followed = state == "lost" and read_order(run) is not None  # its job has the data
        is_deleted = is_own_set_deleted(run) and not is_followed
        row.button(
            "Resume",
            icon=":material/play_arrow:",
            on_click=resume_shown_run,
            args=(run,),
            type="primary",
            disabled=is_deleted,
        )
        if is_deleted:
            row.caption("The data of this run were deleted: it cannot be resumed.", width="content")


def stop_shown_run(run: Run) -> None:
    """Stop a run; say why where it cannot be."""
    try:
        check_may_change(run)
        stop_run(run)
    except AecoreError as error:
        show_error_toast(error)


def resume_shown_run(run: Run) -> None:
    """Resume a run; say why where it cannot be."""
    try:
        check_may_change(run)
        check_payer(run)
        with admit_runs(get_visitor(), [run.config()]):
            resume_run(run, get_hub_token())
    except AecoreError as error:
        show_error_toast(error)


def delete_shown_run(run: Run) -> None:
    """Delete a run and leave its address; say why where it cannot be."""
    try:
        check_may_change(run)
        name = format_run_name(run)
        run.delete()
        forget_deleted()
        st.query_params.pop("run", None)
        st.toast(f"{name} is deleted.")
    except AecoreError as error:
        show_error_toast(error)
