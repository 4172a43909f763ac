"""The Latent page with its map in st.plotly_chart, for bench/explorer.py to hold the explorer against."""

import runpy
from typing import Any

import streamlit as st

from bench.screenshots import PROJECT
from ui import figures, maps


def explore(run: Any, found: Any, shown: maps.Map, view: maps.View, place: str) -> list[int]:
    figure = figures.latent_map(shown.positions, shown.errors, shown.groups, axes=shown.axes)
    st.plotly_chart(figure, key=place, on_select="rerun", config={"scrollZoom": True})
    return []


maps.explore = explore
st.set_page_config(layout="wide")
runpy.run_path(str(PROJECT / "pages" / "latent.py"))
