"""Learn: ten short lessons, each an experiment with shipped models, a question and its answer."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from ui.kit.messages import show_error
from ui.learn.sections import choose_lesson, show_lesson

st.title("Learn")
lesson = choose_lesson()
try:
    show_lesson(lesson)
except AecoreError as error:
    show_error(error)
