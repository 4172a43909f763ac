"""Train: fill in a form, start a run, watch it, stop it, resume it. The run is a process of its own."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError, RunError
from aecore.runs.listing import check_run_id, create_run, find_run
from aecore.runs.recipe import format_train_command
from ui.kit.messages import show_error
from ui.kit.visitor import is_mine
from ui.train.form import choose_training
from ui.train.live import show_live_run, show_run_table
from ui.train.places import choose_training_place, start_training
from ui.train.sweep_form import choose_sweep

st.title("Train")


if "watch" in st.query_params:
    st.query_params.from_dict({"run": st.query_params["watch"]})
watched = st.query_params.get("run")


if watched:
    st.markdown(
        "**Watch the reconstructions sharpen.** The run goes on when you close this page; its address finds it."
    )
    try:
        run = find_run(check_run_id(watched))
        if not is_mine(run):
            raise RunError(f"{run.id} was trained on data that another visitor brought.")
    except AecoreError as error:
        show_error(error)
        st.page_link("train.py", label="Start a new run", icon=":material/add:")
        st.stop()
    show_live_run(run)
    st.stop()


st.markdown("Choose a variant and data, then press **Start**. Every default is a good first try.")
chosen = choose_training()


if chosen is None:
    st.stop()
config, kind = chosen


with st.expander("The same from a terminal", icon=":material/terminal:"):
    st.code(format_train_command(config, kind), language="bash", wrap_lines=True)
wanted = choose_sweep(config, kind)
place = choose_training_place(wanted.count if wanted else 1)
label = "Start" if wanted is None else f"Start {wanted.count} runs"


if st.button(
    label,
    type="primary",
    icon=":material/play_arrow:",
    shortcut="Ctrl+Enter",
    disabled=place is None,
):
    try:
        made = [create_run(config)] if wanted is None else wanted.create()
        for run in made:
            start_training(run, place)
    except AecoreError as error:
        show_error(error)
    else:
        if wanted is not None:
            st.switch_page("compare.py", query_params={"sweep": made[0].config().sweep})
        st.switch_page("train.py", query_params={"run": made[0].id})
show_run_table()
