"""What stands on the Data page before anything is brought: data that come with the app."""

from __future__ import annotations

import streamlit as st
import torch
from PIL import Image

from aecore.analysis.pictures import draw_grid, make_tiles
from aecore.data.catalog import CATALOG
from aecore.data.sample_inputs import has_sample, read_sample
from aecore.data.splits import as_float
from aecore.model.config import DataConfig
from ui.kit.cache import load_cached_data
from ui.kit.examples import make_example_table
from ui.kit.memory import keep_in_memory

SHIPPED_SETS = ("digits", "mnist", "breast-cancer")
PICTURE_COLUMNS, PICTURE_LINES = 8, 3  # of a strip
FIRST_ROWS = 3


def show_shipped_sets() -> None:
    """Show the first examples of sets that need no download, with a link that trains on each."""
    st.markdown("**Or begin with data that come with the app**")
    for column, name in zip(st.columns(len(SHIPPED_SETS)), SHIPPED_SETS, strict=True):
        with column:
            show_shipped_set(name)


def show_shipped_set(name: str) -> None:
    """Show the first examples of a set of the catalog, its size, and a link to the Train page."""
    entry = CATALOG[name]
    if entry.kind == "image":
        show_first_pictures(name)
    else:
        dataset = load_cached_data(DataConfig(name=name))
        rows = {f"row {i}": x for i, x in enumerate(as_float(dataset.train.x[:FIRST_ROWS]))}
        st.dataframe(make_example_table(dataset, rows).T, alt=f"The first rows of {entry.label}")
    st.caption(f"**{entry.label}**: {entry.description}")
    st.page_link(
        "train.py",
        label="Train on this",
        icon=":material/model_training:",
        query_params={"data": name},
    )


def show_first_pictures(name: str) -> None:
    """Show the first pictures of a set, or of the sample of it that comes with the package."""
    alt = f"The first training examples of {CATALOG[name].label}"
    st.image(draw_first_pictures(name), width="stretch", alt=alt)


@keep_in_memory()
def draw_first_pictures(name: str) -> Image.Image:
    """Returns a picture of the first training examples of a set."""
    if has_sample(name):
        x = torch.from_numpy(read_sample(name).x)
    else:
        x = load_cached_data(DataConfig(name=name)).train.x
    return draw_grid(make_tiles(as_float(x[: PICTURE_COLUMNS * PICTURE_LINES])), PICTURE_COLUMNS)
