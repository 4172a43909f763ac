"""Deleting things: off the page's script, since a run that trains is stopped first."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from aecore.backends.launch import stop_run
from aecore.errors import AecoreError
from aecore.progress import track_progress
from aecore.runs.keeping import KeptThing
from aecore.runs.ownership import Visitor
from aecore.runs.run import Run
from aecore.runs.storage import ledger
from ui.kit.jobs import forget_jobs, is_job_running, poll_job, start_job
from ui.kit.memory import forget_deleted
from ui.kit.messages import show_error
from ui.kit.run_data import describe_waiting_runs
from ui.kit.visitor import get_visitor

REMOVAL_JOB = "delete-things"


def offer_removal(things: Sequence[KeptThing]) -> None:
    """Offer to delete things, asking once more."""
    with st.popover("Delete", icon=":material/delete:"):
        live = any(thing.is_live() for thing in things)
        what = "this" if len(things) == 1 else f"these {len(things)} things"
        st.markdown(
            f"Delete {what} from this server?{' What trains is stopped.' if live else ''} "
            "Runs that were trained on a deleted data set stay, for those who may see them now. "
            f"{describe_waiting_runs([thing.path for thing in things])}"
        )
        st.button(
            "Delete for good",
            key="delete-things",
            type="primary",
            on_click=begin_removal,
            args=(list(things),),
            disabled=is_job_running(REMOVAL_JOB),
        )


def begin_removal(things: list[KeptThing]) -> None:
    """Begin to delete things in the background."""
    visitor = get_visitor()
    start_job(REMOVAL_JOB, lambda: remove_things(things, visitor))


def remove_things(things: Sequence[KeptThing], visitor: Visitor) -> list[str]:
    """Deletes things of a visitor; returns a sentence for each that could not be deleted."""
    problems = []
    for thing in track_progress(things):
        try:
            visitor.check_may_change(thing.path)
            if thing.is_live():
                stop_run(Run(thing.path))
            thing.delete()
        except AecoreError as error:
            problems.append(f"{thing.name}: {error}")
    ledger.forget_measurement()
    forget_deleted()
    return problems


def show_removal() -> None:
    """Show that things are being deleted, and what could not be."""
    outcome = poll_job(REMOVAL_JOB, "Deleting ...")
    if outcome.state == "done":
        forget_jobs([REMOVAL_JOB])
        for problem in outcome.result:
            show_error(problem)
        if not outcome.result:
            st.toast("Deleted.", icon=":material/delete:")
