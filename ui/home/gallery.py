"""A gallery of all variants, each with a shipped model that rebuilds the same ten digits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.pictures import draw_grid, make_tiles
from aecore.data.catalog import CATALOG
from aecore.data.splits import as_float
from aecore.errors import AecoreError
from aecore.model.variants import VARIANTS
from aecore.runs.listing import has_sound_config, is_shipped_run, list_runs
from aecore.runs.run import Run
from ui.home.explanation import explain_variant
from ui.kit.cache import get_dataset, get_model
from ui.kit.components import register_component
from ui.kit.examples import encode_image_source
from ui.kit.memory import keep_in_memory
from ui.kit.run_view import view_through

DIGIT_COUNT = 10
DIGIT_RUNS = ("mnist-", "digits-")  # beginnings of the names of runs that take digits
TURN_KEY = "gallery_turn"  # of the session state: which digits are shown
INTRODUCTION = (
    "**Point at a digit**, and every model rebuilds it. Each picture is what a shipped model makes "
    "of it now; noisy ones are what a denoising model was given."
)
NOTE = (
    "28 x 28 pixels: test images of MNIST. 8 x 8: the digits that come with scikit-learn. "
    "*New* is decoded from a code drawn from the prior, of no image."
)

gallery_component = register_component("gallery", Path(__file__).with_suffix(".js"))


def show_gallery() -> None:
    """Show a card for each variant; a click explains, maps or trains it."""
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.subheader("All variants on the same digits", anchor=False, width="content")
        st.button("Other digits", icon=":material/casino:", on_click=show_other_digits)
    st.markdown(INTRODUCTION)
    turn, runs = st.session_state.get(TURN_KEY, 0), find_shipped_runs()
    cards = [make_card(name, runs.get(name), turn) for name in VARIANTS]
    answer: Any = gallery_component(data=cards, key="gallery", on_open_change=lambda: None)
    st.caption(NOTE)
    follow_click(answer.open if isinstance(answer.open, Mapping) else {}, runs)


def show_other_digits() -> None:
    """Choose other digits, for the next run of the page."""
    st.session_state[TURN_KEY] = st.session_state.get(TURN_KEY, 0) + 1


def follow_click(click: Mapping[str, Any], runs: Mapping[str, Run]) -> None:
    """Do what was clicked on a card; what a browser sends may be anything."""
    action, name = (str(click.get(key)) for key in ("action", "variant"))
    if name not in VARIANTS:
        return
    if action == "explain":
        explain_variant(name)
    elif action == "map" and name in runs:
        st.switch_page("latent.py", query_params={"run": runs[name].id})
    elif action == "train":
        st.switch_page("train.py", query_params={"variant": name})


# -- cards


def make_card(name: str, run: Run | None, turn: int) -> dict[str, Any]:
    """Returns what the browser draws of a variant: words and, of its model, a sheet of pictures."""
    variant = VARIANTS[name]
    card = {
        "variant": name,
        "label": variant.label,
        "family": variant.family,
        "colour": variant.colour,
        "summary": variant.summary,
    }
    if run is None:
        return card | {"note": "No model is shipped. Training one on the digits takes seconds."}
    try:
        sheet = load_card_sheet(str(run.path), run.version(), get_dataset(run)[0].name, turn)
    except AecoreError:
        return card | {"note": f"The model {run.id} cannot be shown here."}
    return card | sheet | {"note": describe_run(run)}


def find_shipped_runs() -> dict[str, Run]:
    """Returns the shipped run of each variant on digits, those of MNIST where there is one."""
    fitting = [
        run
        for run in list_runs()
        if is_shipped_run(run.path) and has_sound_config(run) and run.id.startswith(DIGIT_RUNS)
    ]
    fitting.sort(key=lambda run: (run.id.startswith("mnist-"), -len(run.id)))  # last counts
    return {run.config().model.variant: run for run in fitting}


def describe_run(run: Run) -> str:
    """Returns a card's line on its model: data, code and error."""
    config = run.config()
    data = CATALOG[config.data.name].label if config.data else "digits"
    error = run.test_metrics().get("se")
    measured = "" if error is None else f", squared error {error:.3g}"
    return f"{data}, code of {config.model.latent_dim}{measured}"


@keep_in_memory()
def load_card_sheet(path: str, version: float, data_name: str, turn: int) -> dict[str, Any]:
    """Returns a sheet of ten columns, one a digit, as a data URL, and the names of its lines."""
    run = Run(Path(path))
    x = pick_each_digit(run, turn)
    view = view_through(run, x, turn)
    lines = {"input": x} if view.corrupted is None else {"noisy input": view.corrupted}
    lines["rebuilt"] = view.rebuilt
    model = get_model(run)
    if model.has_prior:
        lines["new"] = model.sample(DIGIT_COUNT, turn)
    tiles = make_tiles(torch.cat([part.clamp(0, 1) for part in lines.values()]))
    return {
        "sheet": encode_image_source(draw_grid(tiles, DIGIT_COUNT, gap=0).convert("L")),
        "lines": list(lines),
    }


def pick_each_digit(run: Run, turn: int) -> Tensor:
    """Returns a test image of each class, (10, *input_shape); another one at each turn."""
    test = get_dataset(run)[0].test
    assert test.y is not None
    places = [(test.y == digit).nonzero().flatten() for digit in range(DIGIT_COUNT)]
    return as_float(test.x[torch.stack([rows[turn % len(rows)] for rows in places])])
