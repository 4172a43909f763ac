"""Train: fill in a form, start a run, watch it, stop it, resume it. A run is its own process."""

from __future__ import annotations

import streamlit as st

from ui.kit.visitor import show_session_note
from ui.train.backend_form import choose_training_place
from ui.train.form import choose_training
from ui.train.live import read_watched_id, show_watched_run
from ui.train.run_table import show_run_table
from ui.train.start import show_command, show_start_button
from ui.train.sweep_form import choose_sweep

st.title("Train")
watched_id = read_watched_id()
if watched_id:
    show_watched_run(watched_id)
    st.stop()
show_session_note()
st.markdown("Choose a variant and data, then press **Start**. Every default is a good first try.")
training = choose_training()
if training is None:
    st.stop()
config, kind = training
show_command(config, kind)
sweep = choose_sweep(config, kind)
place = choose_training_place(sweep.count if sweep else 1)
show_start_button(config, sweep, place)
show_run_table()
