"""Evidence: each variant held against its paper, with the figures, the curve and the command that repeats them."""

import streamlit as st

from ui import evidence, figures, state

st.title("Evidence")
st.markdown("**Is each autoencoder here what its paper says?** Every claim was put to the test; this came out.")

rows, problems = evidence.read()
for problem in problems:
    st.warning(problem, icon=":material/warning:")
if not rows:
    st.info(f"No experiment was run yet. `{evidence.COMMAND} --all` runs them, in hours.", icon=":material/info:")
    st.stop()

by_id = {row.id: row for row in rows}
if (asked := st.query_params.get("experiment")) and asked not in by_id:
    st.warning(f"There is no result of {asked[:20]!r} here. `{evidence.COMMAND} --all` makes them all.",
               icon=":material/search_off:")  # fmt: skip
verdicts = [row.verdict for row in rows]
counted = (f"**{len(rows) - verdicts.count('miss')} of {len(rows)}** experiments reach every bar, "
           f"**{verdicts.count('moonshot')}** of them the moonshot.")  # fmt: skip
st.markdown(f"{counted} [Look closer](#closer) at one.")
st.plotly_chart(figures.ladder(evidence.rungs(rows), state.dark()), key="verdicts", config={"displayModeBar": False},
                alt=counted.replace("*", ""))  # fmt: skip
st.caption("Right is better, whatever was measured. *Bar*: what a correct implementation reaches. *Moonshot*: a much "
           "harder one, mostly the paper's own figure or better. One missed bar, of all that an experiment has, is a "
           "miss. Small marks are further figures; a mark on the edge lies beyond it.")  # fmt: skip
widths = {"Ours": 76, "Paper": 76, "Bar": 116, "Time": 76}
right = {name: st.column_config.TextColumn(alignment="right", width=width) for name, width in widths.items()}
st.dataframe(evidence.overview(rows), hide_index=True, height="content", alt="Ours and the paper's figures",
             column_config={"": st.column_config.TextColumn(pinned=True), **right})  # fmt: skip

st.subheader("Look closer", anchor="closer")
known = list(by_id)
chosen = st.pills("Experiment", known, default=known[0], required=True, key="experiment", bind="query-params")
row = by_id[chosen]
st.markdown(f"#### {row.id} {row.title} {evidence.BADGES[row.verdict]}")
st.markdown(f"{row.claim} {row.link}")
st.table(evidence.details(row), border="horizontal", hide_index=True, alt=f"The figures of {row.id} and their bars")
if row.curves and any(row.curves.lines.values()):
    st.plotly_chart(figures.evidence_curves(row.curves.x, row.curves.y, row.curves.lines, row.curves.marks),
                    key=f"curve-{row.id}", alt=f"{row.curves.y} by {row.curves.x}")  # fmt: skip
for picture in row.pictures:
    if image := evidence.picture(picture.file):
        st.image(image, caption=picture.caption, alt=picture.caption)
    else:
        st.warning(f"{picture.file} is missing or torn. `{row.command}` makes it anew.", icon=":material/warning:")
if row.notes:
    st.markdown(row.notes)
st.caption("Repeat it")
st.code(row.command, language="bash")
seeds = ", ".join(map(str, row.seeds))
st.caption(f"Seeds {seeds}; {evidence.duration(row.seconds)} on {row.device}, torch {row.torch}, "
           f"commit {row.commit}, {row.date}.")  # fmt: skip
