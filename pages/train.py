"""Train: choose a variant and data, see what will happen, start a run, watch it, resume it."""

from __future__ import annotations

import streamlit as st

from ui.kit.visitor import show_session_note
from ui.train.backend_form import choose_training_place
from ui.train.estimate import describe_training_time, estimate_choice_seconds
from ui.train.form import choose_training
from ui.train.live import read_watched_id, show_watched_run
from ui.train.overview import show_overview
from ui.train.run_table import show_run_table
from ui.train.start import show_command, show_start_button
from ui.train.sweep_form import choose_sweep

st.title("Train")
watched_id = read_watched_id()
if watched_id:
    show_watched_run(watched_id)
    st.stop()
show_session_note()
st.markdown("Choose a variant and data; the model and its inputs are shown before you **start**.")
head, overview, settings, start, details = (st.container() for _ in range(5))
choice = choose_training(head, settings, details)
if choice is None:
    st.stop()
with details:
    sweep = choose_sweep(choice.config, choice.about.kind)
    show_command(choice.config, choice.about.kind)
with start:
    place = choose_training_place(sweep.count if sweep else 1)
    seconds = estimate_choice_seconds(choice, place)
    show_start_button(choice, sweep, place)
with overview:
    show_overview(choice, describe_training_time(choice, seconds, sweep.count if sweep else 1))
show_run_table()
