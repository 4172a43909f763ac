"""Train: fill in a form, start a run, watch it, stop it, resume it. The run is a process of its own."""

import streamlit as st

from aecore import runs
from aecore.errors import AecoreError, RunError
from aecore.recipe import command
from ui import places, state, sweeping, training

st.title("Train")
if "watch" in st.query_params:
    st.query_params.from_dict({"run": st.query_params["watch"]})
watched = st.query_params.get("run")

if watched:
    st.markdown(
        "**Watch the reconstructions sharpen.** The run goes on when you close this page; its address finds it."
    )
    try:
        run = runs.find(runs.safe_name(watched))
        if not state.is_mine(run):
            raise RunError(f"{run.id} was trained on data that another visitor brought.")
    except AecoreError as error:
        state.show_error(error)
        st.page_link("train.py", label="Start a new run", icon=":material/add:")
        st.stop()
    training.live_view(run)
    st.stop()

st.markdown("Choose a variant and data, then press **Start**. Every default is a good first try.")
chosen = training.choose()
if chosen is None:
    st.stop()
config, kind = chosen
with st.expander("The same from a terminal", icon=":material/terminal:"):
    st.code(command(config, kind), language="bash", wrap_lines=True)
wanted = sweeping.choose(config, kind)
place = places.choose(wanted.count if wanted else 1)
label = "Start" if wanted is None else f"Start {wanted.count} runs"
if st.button(label, type="primary", icon=":material/play_arrow:", shortcut="Ctrl+Enter", disabled=place is None):
    try:
        made = [runs.create(config)] if wanted is None else wanted.create()
        for run in made:
            places.start(run, place)
    except AecoreError as error:
        state.show_error(error)
    else:
        if wanted is not None:
            st.switch_page("compare.py", query_params={"sweep": made[0].config().sweep})
        st.switch_page("train.py", query_params={"run": made[0].id})
training.run_table()
