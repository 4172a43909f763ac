"""Evidence: each variant held against its paper, with the figures, the curve and the command that repeats them."""

import streamlit as st

from ui import evidence, figures

st.title("Evidence")
st.markdown(
    "**Is each autoencoder here what its paper says?** Every promise was put to the test; this is what came out."
)

rows, problems = evidence.read()
for problem in problems:
    st.warning(problem, icon=":material/warning:")
if not rows:
    st.info(f"No experiment was run yet. `{evidence.COMMAND}` runs them.", icon=":material/info:")
    st.stop()

by_id = {row.id: row for row in rows}
passed = sum(row.verdict != "miss" for row in rows)
beyond = sum(row.verdict == "moonshot" for row in rows)
st.markdown(f"**{passed} of {len(rows)}** experiments reach the paper, **{beyond}** go beyond it.")
st.plotly_chart(
    figures.verdicts({row.id: [(check.state, check.what) for check in row.checks] for row in rows}),
    key="verdicts", alt=f"{passed} of {len(rows)} experiments pass, {beyond} go beyond their papers",
)  # fmt: skip
st.dataframe(evidence.overview(rows), hide_index=True, height="content", alt="Ours and the paper's figures",
             column_config={"Ours": st.column_config.TextColumn(alignment="right"),
                            "Paper": st.column_config.TextColumn(alignment="right")})  # fmt: skip

known = [row.id for row in rows]
chosen = st.pills("Look closer", known, default=known[0], required=True, key="experiment", bind="query-params")
row = by_id[chosen if chosen in by_id else known[0]]
st.subheader(f"{row.id} {row.title}", anchor=False)
st.markdown(f"{row.claim} [{row.paper}]({row.url})")
st.markdown(f"**{evidence.VERDICTS[row.verdict]}**")
st.dataframe(evidence.details(row), hide_index=True, height="content", alt=f"The figures of {row.id} and their bars")
if row.curves and any(row.curves.lines.values()):
    st.plotly_chart(figures.evidence_curves(row.curves.x, row.curves.y, row.curves.lines, row.curves.marks),
                    key=f"curve-{row.id}", alt=f"{row.curves.y} by {row.curves.x}")  # fmt: skip
for picture in row.pictures:
    if (path := evidence.FOLDER / picture.file).is_file():
        st.image(str(path), caption=picture.caption, alt=picture.caption)
if row.notes:
    st.markdown(row.notes)
st.caption("Repeat it")
st.code(row.command, language="bash")
seeds = ", ".join(map(str, row.seeds))
st.caption(f"Seeds {seeds}; {evidence.duration(row.seconds)} on {row.device}, torch {row.torch}, "
           f"commit {row.commit}, {row.date}.")  # fmt: skip
