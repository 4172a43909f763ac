"""The overview of all experiments: how many reach their bars, as a picture and as a table."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from aecore.names import escape_name
from ui.evidence.charts import draw_verdicts
from ui.evidence.experiments import EVIDENCE_COMMAND, Experiment, read_experiments
from ui.evidence.tables import make_verdict_rows, tabulate_overview

COLUMN_WIDTHS = {"Ours": 64, "Paper": 64, "Threshold": 108, "Time": 64}  # pixels


def load_experiments() -> list[Experiment]:
    """Returns the sound results and shows what is wrong with others; stops where there are none."""
    experiments, problems = read_experiments()
    for problem in problems:
        st.warning(problem, icon=":material/warning:")
    if not experiments:
        st.info(
            f"No experiment was run yet. `{EVIDENCE_COMMAND} --all` runs them, in hours.",
            icon=":material/info:",
        )
        st.stop()
    return experiments


def warn_of_unknown_experiment(experiments: Sequence[Experiment]) -> None:
    """Show a warning where the address names an experiment that is not there."""
    linked = st.query_params.get("experiment")
    if linked and linked not in [experiment.id for experiment in experiments]:
        st.warning(
            f"There is no result of {escape_name(repr(linked[:20]))} here. "
            f"`{EVIDENCE_COMMAND} --all` makes them all.",
            icon=":material/search_off:",
        )


def show_overview(experiments: Sequence[Experiment]) -> None:
    """Show how many experiments reach their bars, and the main figure of each."""
    verdicts = [experiment.verdict for experiment in experiments]
    summary = (
        f"**{len(verdicts) - verdicts.count('miss')} of {len(verdicts)}** experiments reach every "
        f"threshold, **{verdicts.count('moonshot')}** of them the stretch goals."
    )
    st.markdown(f"{summary} [Look closer](#closer) at one.")
    st.plotly_chart(
        draw_verdicts(make_verdict_rows(experiments)),
        key="verdicts",
        config={"displayModeBar": False},
        alt=summary.replace("*", ""),
    )
    st.caption(
        "Farther right is better. *Threshold*: what a correct implementation reaches. *Stretch "
        "goal*: a much harder one, mostly the paper's own figure or better. An experiment that "
        "misses one of its thresholds is a miss. Small marks are further figures; a mark on the "
        "edge lies beyond it."
    )
    columns = {
        name: st.column_config.TextColumn(alignment="right", width=width)
        for name, width in COLUMN_WIDTHS.items()
    }
    st.dataframe(
        tabulate_overview(experiments),
        hide_index=True,
        height="content",
        alt="Ours and the paper's figures",
        column_config={"": st.column_config.TextColumn(pinned=True), **columns},
    )
