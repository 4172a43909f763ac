"""The Latent page with its map in st.plotly_chart, to compare with in bench/explorer.py."""

from __future__ import annotations

import runpy
from typing import Any

import streamlit as st

from bench.screenshots import PROJECT
from ui.latent import maps
from ui.latent.charts import draw_latent_map
from ui.latent.maps import LatentMap, MapView


def explore(run: Any, found: Any, shown: LatentMap, view: MapView, place: str) -> list[int]:
    figure = draw_latent_map(shown.positions, shown.errors, shown.groups, axes=shown.axes)
    st.plotly_chart(figure, key=place, on_select="rerun", config={"scrollZoom": True})
    return []


maps.explore_map = explore
st.set_page_config(layout="wide")
runpy.run_path(str(PROJECT / "pages" / "latent.py"))
