"""Evidence: each variant held against its paper, with the figures, the curve and the command that repeats them."""

from __future__ import annotations

import streamlit as st

from ui.evidence.charts import draw_evidence_curves, draw_ladder
from ui.evidence.experiments import EVIDENCE_COMMAND, open_evidence_picture, read_experiments
from ui.evidence.tables import (
    VERDICT_BADGES,
    format_duration,
    make_rungs,
    tabulate_details,
    tabulate_overview,
)
from ui.kit.messages import is_dark_theme

st.title("Evidence")
st.markdown(
    "**Is each autoencoder here what its paper says?** Every claim was put to the test; this came out."
)


rows, problems = read_experiments()


for problem in problems:
    st.warning(problem, icon=":material/warning:")


if not rows:
    st.info(
        f"No experiment was run yet. `{EVIDENCE_COMMAND} --all` runs them, in hours.",
        icon=":material/info:",
    )
    st.stop()


by_id = {row.id: row for row in rows}


if (asked := st.query_params.get("experiment")) and asked not in by_id:
    st.warning(
        f"There is no result of {asked[:20]!r} here. `{EVIDENCE_COMMAND} --all` makes them all.",
        icon=":material/search_off:",
    )
verdicts = [row.verdict for row in rows]
counted = (
    f"**{len(rows) - verdicts.count('miss')} of {len(rows)}** experiments reach every bar, "
    f"**{verdicts.count('moonshot')}** of them the moonshot."
)
st.markdown(f"{counted} [Look closer](#closer) at one.")
st.plotly_chart(
    draw_ladder(make_rungs(rows), is_dark_theme()),
    key="verdicts",
    config={"displayModeBar": False},
    alt=counted.replace("*", ""),
)
st.caption(
    "Right is better, whatever was measured. *Bar*: what a correct implementation reaches. *Moonshot*: a much "
    "harder one, mostly the paper's own figure or better. One missed bar, of all that an experiment has, is a "
    "miss. Small marks are further figures; a mark on the edge lies beyond it."
)
widths = {"Ours": 76, "Paper": 76, "Bar": 116, "Time": 76}
right = {
    name: st.column_config.TextColumn(alignment="right", width=width)
    for name, width in widths.items()
}
st.dataframe(
    tabulate_overview(rows),
    hide_index=True,
    height="content",
    alt="Ours and the paper's figures",
    column_config={"": st.column_config.TextColumn(pinned=True), **right},
)


st.subheader("Look closer", anchor="closer")
known = list(by_id)
chosen = st.pills(
    "Experiment", known, default=known[0], required=True, key="experiment", bind="query-params"
)
row = by_id[chosen]
st.markdown(f"#### {row.id} {row.title} {VERDICT_BADGES[row.verdict]}")
st.markdown(f"{row.claim} {row.link}")
st.table(
    tabulate_details(row),
    border="horizontal",
    hide_index=True,
    alt=f"The figures of {row.id} and their bars",
)


if row.curves and any(row.curves.lines.values()):
    st.plotly_chart(
        draw_evidence_curves(row.curves.x, row.curves.y, row.curves.lines, row.curves.marks),
        key=f"curve-{row.id}",
        alt=f"{row.curves.y} by {row.curves.x}",
    )


for picture in row.pictures:
    if image := open_evidence_picture(picture.file):
        st.image(image, caption=picture.caption, alt=picture.caption)
    else:
        st.warning(
            f"{picture.file} is missing or torn. `{row.command}` makes it anew.",
            icon=":material/warning:",
        )


if row.notes:
    st.markdown(row.notes)
st.caption("Repeat it")
st.code(row.command, language="bash")
seeds = ", ".join(map(str, row.seeds))
st.caption(
    f"Seeds {seeds}; {format_duration(row.seconds)} on {row.device}, torch {row.torch}, "
    f"commit {row.commit}, {row.date}."
)
