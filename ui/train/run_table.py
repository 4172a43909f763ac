"""The list of all runs under the form of the Train page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from aecore.limits import is_public, read_slot_limit
from aecore.names import escape_markdown, escape_name
from aecore.runs.listing import is_shipped_run, runs_folder
from aecore.runs.ownership import read_owner_record
from aecore.runs.run import Run
from aecore.runs.sweep import read_sweep_name
from ui.kit.runs import format_state_badge
from ui.kit.visitor import list_visible_runs

TABLE_POLL_SECONDS = 3.0
LISTED_RUNS = 20


@st.fragment(run_every=TABLE_POLL_SECONDS)
def show_run_table() -> None:
    """Show the runs that the visitor may see, newest first; a click opens one."""
    runs = list_visible_runs()
    st.subheader("Runs", anchor=False)
    st.caption(
        f"At most {read_slot_limit()} at a time; the others wait their turn. "
        "Choose one to watch it."
    )
    for alike in group_by_sweep(runs[:LISTED_RUNS]):
        show_run_entry(alike)
    if len(runs) > LISTED_RUNS:
        st.caption(describe_older_runs(runs[LISTED_RUNS:]))


def describe_older_runs(runs: Sequence[Run]) -> str:
    """Returns how many runs are not listed: those in the folder of runs, and the shipped ones."""
    shipped = sum(is_shipped_run(run.path) for run in runs)
    where = "" if is_public() else f", in {escape_markdown(str(runs_folder()))}"
    older = f"{len(runs) - shipped} older ones{where}" if len(runs) > shipped else ""
    models = f"{shipped} that come with the app" if shipped else ""
    return f"and {', and '.join(filter(None, [older, models]))}"


def group_by_sweep(runs: Sequence[Run]) -> list[list[Run]]:
    """Returns the runs in their order, those of one sweep together."""
    entries: dict[str, list[Run]] = {}
    for run in runs:
        entries.setdefault(read_sweep_name(run) or f"/{run.id}", []).append(run)
    return list(entries.values())


def show_run_entry(runs: Sequence[Run]) -> None:
    """Show one run as a row, or several of a sweep folded under its name."""
    if len(runs) == 1:
        show_run_row(runs[0])
        return
    name = read_sweep_name(runs[0])
    with st.expander(f"{escape_name(name)}: {len(runs)} runs", icon=":material/grid_view:"):
        st.page_link(
            "compare.py",
            label="Mean and standard deviation",
            icon=":material/compare_arrows:",
            query_params={"sweep": name},
        )
        for run in runs:
            show_run_row(run)


def show_run_row(run: Run) -> None:
    """Show a run's state, its name to click on, and how far it is."""
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    state = run.state()
    row.markdown(format_state_badge(run), width=100)
    if row.button(
        escape_name(run.id), key=f"open-{run.id}", type="tertiary", icon=":material/monitoring:"
    ):
        st.switch_page("train.py", query_params={"run": run.id})
    if title := read_owner_record(run.path).title:
        row.caption(escape_name(title), width="content")
    epochs = f"epoch {state.epoch:,} of {state.epochs:,}" if state.epochs else ""
    row.caption(epochs, width="content")
