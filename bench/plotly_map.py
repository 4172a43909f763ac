"""The Latent page with its map in st.plotly_chart, to compare with in bench/explorer.py."""

from __future__ import annotations

import runpy
from typing import Any

import streamlit as st

from bench.screenshots import PROJECT
from ui.latent import figure
from ui.latent.charts import draw_latent_map
from ui.latent.controls import MapView
from ui.latent.maps import LatentMap


def show_plotly_map(
    run: Any, dataset: Any, latent_map: LatentMap, view: MapView, key: str
) -> list[int]:
    """Show the map as a Plotly chart, in place of the explorer; no rows are selected."""
    chart = draw_latent_map(
        latent_map.positions, latent_map.errors, latent_map.groups, axes=latent_map.axes
    )
    st.plotly_chart(chart, key=key, on_select="rerun", config={"scrollZoom": True})
    return []


figure.show_map_explorer = show_plotly_map
st.set_page_config(layout="wide")
runpy.run_path(str(PROJECT / "pages" / "latent.py"))
