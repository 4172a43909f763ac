"""How a lesson shows its charts."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st


def show_lesson_chart(figure: go.Figure, key: str, alt: str) -> None:
    """Show a figure without Plotly's buttons, which on a phone would cover it."""
    st.plotly_chart(figure, key=key, alt=alt, config={"displayModeBar": False})
