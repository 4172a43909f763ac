"""The map as it is shown: in 2-D in the explorer, in 3-D by Plotly."""

from __future__ import annotations

import streamlit as st

from aecore.data.splits import Dataset
from aecore.explorer.packs import MapInputs, encode_map_pack, encode_model_pack
from aecore.names import escape_name
from aecore.runs.run import Run
from ui.kit.cache import (
    MAP_POINTS,
    get_codes,
    get_dataset,
    get_model,
    get_preserved_shares,
    get_saved_epochs,
)
from ui.kit.explorer import promised_packs, read_explorer_answer, show_explorer
from ui.kit.links import keep_selections
from ui.latent.charts import draw_latent_map
from ui.latent.controls import MapView
from ui.latent.maps import LatentMap, load_second_map

INPUT_NUMBER_KEY = "input"  # of the widget in which an input is chosen by its number


def show_maps(
    run: Run, second_run: Run | None, dataset: Dataset, latent_map: LatentMap, view: MapView
) -> list[int]:
    """Show a run's map, and beside it that of the second run with the same selection, if any.

    Returns the selected rows.
    """
    if second_run is None:
        return show_map(run, dataset, latent_map, view)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(f"**{escape_name(run.id)}**")
        rows = show_map(run, dataset, latent_map, view)
    with right:
        st.markdown(f"**{escape_name(second_run.id)}**")
        second_map, second_view = load_second_map(second_run, dataset, view)
        show_map(second_run, dataset, second_map, second_view, key="explorer-beside")
    return rows


def show_map(
    run: Run, dataset: Dataset, latent_map: LatentMap, view: MapView, key: str = "explorer"
) -> list[int]:
    """Show a map and return the rows that are selected in it: none in 3-D."""
    if view.dims == 2:
        return show_map_explorer(run, dataset, latent_map, view, key)
    figure = draw_latent_map(
        latent_map.positions,
        latent_map.errors,
        latent_map.groups,
        by_error=view.colour != "class",
        axes=latent_map.axes,
    )
    colour = "class" if view.colour == "class" else "error"
    alt = f"{view.label} map of {view.points:,} codes of {run.id}, coloured by {colour}"
    st.plotly_chart(
        figure, key=f"{key}-3d", alt=alt, config={"scrollZoom": True, "displayModeBar": True}
    )
    return []


def show_map_explorer(
    run: Run, dataset: Dataset, latent_map: LatentMap, view: MapView, key: str
) -> list[int]:
    """Show the explorer and return the selected rows; keep named selections for other pages."""
    data = encode_explorer_map(run, dataset, latent_map, view)
    selection = show_explorer(data, view.points, key, lambda: forget_typed_input(key))
    if selection.named is not None:
        keep_selections(dataset.name, view.split, selection.named)
    return selection.rows


def encode_explorer_map(run: Run, dataset: Dataset, latent_map: LatentMap, view: MapView) -> bytes:
    """Returns the map for the explorer, with a token under which the page fetches the model."""
    inputs = MapInputs(dataset, view.split, latent_map.z, latent_map.errors)
    split, points = view.split, view.points
    name = f"{run.version()} {dataset.name} {split} {points}"
    token = promised_packs.promise(
        run.path, name, lambda token: build_model_pack(run, split, points, token)
    )
    preserved = None
    if view.colour == "neighbours":
        map_name = f"{view.method} {latent_map.axes}"
        preserved = get_preserved_shares(run, inputs, latent_map.positions, map_name)
    has_epochs = latent_map.plane is not None and view.split == "test"
    return encode_map_pack(
        run,
        inputs,
        latent_map.positions,
        name=view.label,
        axes=latent_map.axes,
        plane=latent_map.plane,
        token=token,
        colour=view.colour,
        total=len(getattr(dataset, view.split).x),
        preserved=preserved,
        marked=st.session_state.get(INPUT_NUMBER_KEY),
        epochs=get_saved_epochs(run) if has_epochs else {},
    )


def build_model_pack(run: Run, split: str, points: int, token: str) -> bytes:
    """Returns the pack of a run's model, with the codes of the first `points` of a split."""
    inputs = MapInputs(get_dataset(run)[0], split, *get_codes(run, split, points))
    return encode_model_pack(get_model(run), inputs, token=token)


def forget_typed_input(key: str) -> None:
    """Let a selection on the map take the place of the input that was chosen by its number."""
    rows = read_explorer_answer(st.session_state[key].get("selections"), MAP_POINTS).rows
    if rows and rows != [st.session_state.get(INPUT_NUMBER_KEY)]:
        st.session_state[INPUT_NUMBER_KEY] = None
