"""The top of Home: the live explorer of a shipped model, and three doors. Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import streamlit as st

from ui.kit.shipped_explorer import show_shipped_explorer

PAGES_FOLDER = Path(__file__).parents[2] / "pages"
SHOWN_RUN = "mnist-vae-2d"
SENTENCE = (
    "A variational autoencoder describes every digit by two numbers: its place on this map. "
    "**Move over the map, and the model draws what lies there**, also where no digit was."
)
SOURCE = (
    "Points: 1,000 test images of MNIST that come with the app (Y. LeCun, C. Cortes, C. Burges; "
    "CC BY-SA 3.0). The model runs in your browser."
)


class Door(NamedTuple):
    """A way from Home into the app."""

    page: str
    label: str
    icon: str
    sentence: str
    parameters: Mapping[str, str] = MappingProxyType({})


DOORS = (
    Door("learn.py", "Learn", "school", "Short lessons, each an experiment."),
    Door("data.py", "Use your data", "database", "Train on pictures, tables or arrays."),
    Door(
        "latent.py",
        "Explore models",
        "scatter_plot",
        "The latent maps of the shipped models.",
        {"run": "mnist-vae"},
    ),
)


def show_hero() -> None:
    """Show what the app is: a model to touch, and where to go from there."""
    st.title("Autoencoder Lab", anchor=False)
    st.markdown(SENTENCE)
    show_shipped_explorer(SHOWN_RUN)
    show_doors()
    st.caption(SOURCE)


def show_doors() -> None:
    """Show links to the pages that are there."""
    doors = [door for door in DOORS if (PAGES_FOLDER / door.page).is_file()]
    with st.container(horizontal=True, gap="small"):
        for door in doors:
            with st.container(border=True, gap=None, width="stretch", height="stretch"):
                st.page_link(
                    door.page,
                    label=f"**{door.label}**",
                    icon=f":material/{door.icon}:",
                    query_params=dict(door.parameters),
                )
                st.caption(door.sentence)
