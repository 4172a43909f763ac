"""One experiment: its figures, its curve and pictures, and the command that repeats it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.evidence.charts import draw_evidence_curves
from ui.evidence.experiments import EvidencePicture, Experiment, open_evidence_picture
from ui.evidence.tables import VERDICT_BADGES, format_duration, tabulate_details


def choose_experiment(experiments: Sequence[Experiment]) -> Experiment:
    """Show the ids of all experiments, kept in the address; return the chosen one."""
    st.subheader("Look closer", anchor="closer")
    by_id = {experiment.id: experiment for experiment in experiments}
    ids = list(by_id)
    experiment_id = st.pills(
        "Experiment", ids, default=ids[0], required=True, key="experiment", bind="query-params"
    )
    return by_id[experiment_id]


def show_experiment(experiment: Experiment) -> None:
    """Show a claim, the figures behind its verdict, the curves, the pictures and the notes."""
    badge = VERDICT_BADGES[experiment.verdict]
    st.markdown(f"#### {experiment.id} {experiment.title} {badge}")
    st.markdown(f"{experiment.claim} {experiment.link}")
    st.table(
        tabulate_details(experiment),
        border="horizontal",
        hide_index=True,
        alt=f"The figures of {experiment.id} and their bars",
    )
    show_experiment_curves(experiment)
    for picture in experiment.pictures:
        show_evidence_picture(picture, experiment.command)
    if experiment.notes:
        st.markdown(experiment.notes)
    show_repetition(experiment)


def show_experiment_curves(experiment: Experiment) -> None:
    """Show the curves of an experiment, where it has some."""
    curves = experiment.curves
    if curves and any(curves.lines.values()):
        st.plotly_chart(
            draw_evidence_curves(curves.x, curves.y, curves.lines, curves.marks),
            key=f"curve-{experiment.id}",
            alt=f"{curves.y} by {curves.x}",
        )


def show_evidence_picture(picture: EvidencePicture, command: str) -> None:
    """Show a picture, or which command makes it anew."""
    if image := open_evidence_picture(picture.file):
        st.image(image, caption=picture.caption, alt=picture.caption)
    else:
        st.warning(
            f"{picture.file} is missing or torn. `{command}` makes it anew.",
            icon=":material/warning:",
        )


def show_repetition(experiment: Experiment) -> None:
    """Show the command that repeats an experiment, and on what it ran."""
    st.caption("Repeat it")
    st.code(experiment.command, language="bash")
    seeds = ", ".join(map(str, experiment.seeds))
    st.caption(
        f"Seeds {seeds}; {format_duration(experiment.seconds)} on {experiment.device}, "
        f"torch {experiment.torch}, commit {experiment.commit}, {experiment.date}."
    )
