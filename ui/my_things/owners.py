"""For the operator of a public Space: who has how much, sweeping, and whose things are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from aecore.limits import is_public
from aecore.runs.keeping import KeptThing, list_things, sweep_absent
from aecore.runs.ownership import read_last_visit
from aecore.runs.storage import MEGABYTE, ledger
from ui.kit.jobs import forget_jobs, is_job_running, poll_job, start_job
from ui.kit.visitor import get_visitor
from ui.my_things.things import count_kinds, format_time

SWEEP_JOB = "sweep"
DIGEST_LETTERS = 8  # of an owner's digest that are shown


def choose_owner() -> str:
    """Show the operator a table of all owners; return the one that is chosen.

    Empty for everybody else, and where none is chosen.
    """
    if not (is_public() and get_visitor().is_operator):
        return ""
    st.subheader("All visitors", anchor=False)
    place = st.container()
    show_sweeping()  # before the table is read: what has been swept is not in it
    things = list_things()
    table = tabulate_owners(things)
    event: Any = place.dataframe(
        table.drop(columns="owner"),
        hide_index=True,
        key="owners",
        on_select="rerun",
        selection_mode="single-row",
        alt="The visitors and what is kept for each",
    )
    total = sum(thing.size() for thing in things) / MEGABYTE
    place.caption(f"In all: {count_kinds(things) or 'nothing'}, {total:,.1f} MB.")
    rows = [row for row in event["selection"]["rows"] if row < len(table)]
    st.subheader("Things of the chosen visitor" if rows else "Your own things", anchor=False)
    return str(table["owner"].iloc[rows[0]]) if rows else ""


def tabulate_owners(things: Sequence[KeptThing]) -> pd.DataFrame:
    """Returns a row for each owner, the largest first: how many things, their size, last visit."""
    owners = sorted({thing.record.owner for thing in things} - {""})
    rows = [tabulate_owner(owner, things) for owner in owners]
    columns = ["owner", "visitor", "runs", "under way", "data sets", "MB", "last visit"]
    return pd.DataFrame(rows, columns=columns).sort_values("MB", ascending=False)


def tabulate_owner(owner: str, things: Sequence[KeptThing]) -> dict[str, Any]:
    """Returns the row of one owner."""
    own = [thing for thing in things if thing.record.owner == owner]
    visit = read_last_visit(owner)
    return {
        "owner": owner,
        "visitor": owner[:DIGEST_LETTERS],
        "runs": sum(thing.is_run for thing in own),
        "under way": sum(thing.is_live() for thing in own),
        "data sets": sum(not thing.is_run for thing in own),
        "MB": round(sum(thing.size() for thing in own) / MEGABYTE, 1),
        "last visit": format_time(visit) if visit else "",
    }


def show_sweeping() -> None:
    """Offer to delete what absent visitors left, and show how much that was."""
    st.button(
        "Sweep now",
        icon=":material/mop:",
        on_click=lambda: start_job(SWEEP_JOB, sweep_now),
        help="Deletes what is kept no longer. Happens by itself every ten minutes.",
        disabled=is_job_running(SWEEP_JOB),
    )
    outcome = poll_job(SWEEP_JOB, "Sweeping ...")
    if outcome.state == "done":
        forget_jobs([SWEEP_JOB])
        st.toast(f"{outcome.result} things are swept.")


def sweep_now() -> int:
    """Sweeps; returns how many things are gone."""
    swept = sweep_absent()
    ledger.forget_measurement()
    return len(swept)
