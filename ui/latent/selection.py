"""The panel under the map: selected inputs and their reconstructions, one point's code, a file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from aecore.analysis.chunks import decode_in_chunks
from aecore.analysis.latent import find_nearest_codes
from aecore.analysis.pictures import draw_grid
from aecore.data.splits import Dataset, as_float
from aecore.model.autoencoder import Autoencoder
from aecore.names import escape_name
from aecore.runs.run import Run
from ui.kit.cache import get_model
from ui.kit.downloads import offer_csv
from ui.kit.examples import (
    ROW_TILES_NOTE,
    choose_index,
    draw_examples,
    draw_pairs,
    enlarge_examples,
    is_point_cloud,
    make_example_table,
    show_cloud,
    show_example_table,
    show_image,
)
from ui.kit.figures import get_variant_colour
from ui.kit.links import format_selection_key, read_selections
from ui.latent.charts import draw_code_bars
from ui.latent.controls import MapView
from ui.latent.figure import INPUT_NUMBER_KEY
from ui.latent.maps import SPLIT_ADJECTIVES, LatentMap

SHOWN_INPUTS = 32
SHOWN_CLASSES = 12  # whose counts are shown
SHOWN_NEIGHBOURS = 8
CLOUD_POINTS = 500
ERROR_HELP = (
    "Squared error of the reconstruction, summed over features, in the network's units. "
    "Lower is better."
)
SELECT_HINT = (
    ":material/touch_app: Click a point, a class, or draw round some to see those inputs here. "
    "Some to begin with:"
)
SELECT_HINT_3D = (
    ":material/3d_rotation: Drag to turn. Plotly cannot select in 3-D: type an input's number, "
    "or go to 2-D."
)
TASK_PAGES = (
    ("apply_search", "Search", "image_search"),
    ("apply_anomaly", "Anomaly", "crisis_alert"),
    ("apply_impute", "Impute", "healing"),
)


def ask_for_input(container: DeltaGenerator, view: MapView) -> list[int]:
    """Show a number input, and return the row that it names, if any: for links, and for 3-D."""
    row = choose_index(
        container,
        "Input",
        INPUT_NUMBER_KEY,
        view.points,
        None,
        "Show this input, by its number in the set.",
    )
    return [] if row is None else [row]


def show_task_links(run: Run, dataset: Dataset, view: MapView) -> None:
    """Show links that open a named selection in the tasks; a hint while nothing is named."""
    selections = read_selections(dataset.name, view.split)
    if not selections:
        st.caption(":material/label: Give a selection a name, and other pages can work on it.")
        return
    name = st.selectbox("Work on a selection", list(selections), key="sent_selection")
    with st.container(horizontal=True):
        for page, label, icon in TASK_PAGES:
            params = {"run": run.id, "inputs": format_selection_key(view.split, name)}
            st.page_link(f"{page}.py", label=label, icon=f":material/{icon}:", query_params=params)


def show_selection(
    run: Run, dataset: Dataset, latent_map: LatentMap, view: MapView, rows: Sequence[int]
) -> None:
    """Show the selected inputs, and beside them links to pages that can work on a selection."""
    left, right = st.columns([3, 2], gap="large")
    with right:
        show_task_links(run, dataset, view)
    with left:
        show_selection_panel(run, dataset, latent_map, view, rows)


def show_selection_panel(
    run: Run, dataset: Dataset, latent_map: LatentMap, view: MapView, rows: Sequence[int]
) -> None:
    """Show one input, or several, or a hint and a few inputs where none is selected."""
    model = get_model(run)
    if len(rows) == 1:
        show_single_input(model, dataset, latent_map, view, rows[0])
        return
    if rows:
        show_several_inputs(model, dataset, latent_map, view, rows, SHOWN_INPUTS, "selected ")
        show_selection_numbers(latent_map, rows)
        offer_selection_csv(run, latent_map, view, rows)
        return
    st.caption(SELECT_HINT_3D if view.dims == 3 else SELECT_HINT)
    all_rows = range(view.points)
    show_several_inputs(model, dataset, latent_map, view, all_rows, SHOWN_INPUTS // 2)
    show_selection_numbers(latent_map, all_rows)


# -- several inputs


def show_several_inputs(
    model: Autoencoder,
    dataset: Dataset,
    latent_map: LatentMap,
    view: MapView,
    rows: Sequence[int],
    limit: int,
    adjective: str = "",
) -> None:
    """Show inputs above their reconstructions, at most `limit`, evenly spread over the rows."""
    shown_rows = space_evenly(rows, CLOUD_POINTS if is_point_cloud(dataset) else limit)
    inputs = as_float(getattr(dataset, view.split).x[shown_rows])
    rebuilt = decode_in_chunks(model, torch.from_numpy(latent_map.z[shown_rows]))
    text = f"{len(rows):,} {adjective}inputs"
    if len(shown_rows) < len(rows):
        text = f"{len(shown_rows):,} of {text}"
    if is_point_cloud(dataset):
        groups = {"inputs": inputs, "reconstructions": rebuilt}
        show_cloud(dataset, groups, f"{text}, and reconstructions")
        st.caption(f"{text} and their reconstructions, in the data's own space.")
        return
    text = f"{text}, each line above its reconstructions."
    show_image(draw_pairs(model, inputs, rebuilt), text)
    st.caption(text if inputs.dim() == 4 else f"{text} {ROW_TILES_NOTE}")
    if inputs.dim() == 2:
        with st.expander("Their values", icon=":material/table:"):
            examples = {str(row): x for row, x in zip(shown_rows, inputs, strict=True)}
            show_example_table(make_example_table(dataset, examples))


def space_evenly(rows: Sequence[int], count: int) -> list[int]:
    """Returns at most `count` of the rows, evenly spread."""
    steps = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return [int(rows[step]) for step in steps]


def show_selection_numbers(latent_map: LatentMap, rows: Sequence[int]) -> None:
    """Show how many inputs there are, their mean error, and their classes."""
    selected = np.asarray(rows)
    left, right = st.columns(2)
    left.metric("Inputs", f"{len(selected):,}", help="How many points these figures are of.")
    right.metric("Mean error", f"{latent_map.errors[selected].mean():.3g}", help=ERROR_HELP)
    counts = {
        name: int(np.isin(members, selected).sum()) for name, members in latent_map.groups.items()
    }
    if len(counts) > 1:
        ranked = sorted(((count, name) for name, count in counts.items() if count), reverse=True)
        parts = [f"**{escape_name(name)}** {count:,}" for count, name in ranked[:SHOWN_CLASSES]]
        st.caption("Classes: " + ", ".join(parts))


def offer_selection_csv(
    run: Run, latent_map: LatentMap, view: MapView, rows: Sequence[int]
) -> None:
    """Show a button that downloads the codes of the selected inputs."""
    offer_csv(
        f"{len(rows):,} rows as CSV",
        lambda: tabulate_selection(latent_map, rows),
        f"{run.id}-{view.split}-codes.csv",
        help="Index, class, squared error and code of each selected input.",
    )


def tabulate_selection(latent_map: LatentMap, rows: Sequence[int]) -> pd.DataFrame:
    """Returns a table with the columns index, class, error, z0, z1, ... and a line for each row."""
    classes = {int(row): name for name, members in latent_map.groups.items() for row in members}
    index, z = list(rows), latent_map.z[list(rows)].astype(np.float32)
    table = pd.DataFrame({"index": index, "class": [classes[row] for row in rows]})
    table["error"] = latent_map.errors[index].astype(np.float32)
    codes = pd.DataFrame(z, columns=[f"z{unit}" for unit in range(z.shape[1])])
    return pd.concat([table, codes], axis=1)


# -- one input


def show_single_input(
    model: Autoencoder, dataset: Dataset, latent_map: LatentMap, view: MapView, row: int
) -> None:
    """Show one input, its reconstruction, its code, and the inputs with the nearest codes."""
    x, z = getattr(dataset, view.split).x, torch.from_numpy(latent_map.z)
    near_rows = find_nearest_codes(z, row, SHOWN_NEIGHBOURS).tolist()
    neighbours = as_float(x[near_rows])
    label = f"{SPLIT_ADJECTIVES[view.split].capitalize()} input {row}"
    if dataset.classes:
        name = next((name for name, members in latent_map.groups.items() if row in members), "")
        label += f", class {name}"
    st.markdown(f"**{escape_name(label)}**")
    pair = torch.cat([as_float(x[row : row + 1]), decode_in_chunks(model, z[row : row + 1])])
    if is_point_cloud(dataset):
        groups = {"nearest codes": neighbours, "input": pair[:1], "reconstruction": pair[1:]}
        show_cloud(dataset, groups, f"{label}, its reconstruction, and its neighbours")
    else:
        show_pair_tiles(model, pair, label)
    st.metric("Squared error", f"{latent_map.errors[row]:.3g}", help=ERROR_HELP)
    if pair.dim() == 2:
        examples = {"input": pair[0], "reconstruction": pair[1]}
        show_example_table(make_example_table(dataset, examples))
    st.plotly_chart(
        draw_code_bars(latent_map.z[row], get_variant_colour(model.config.variant)),
        key="code",
        alt=f"The code of {label}, a bar a dimension",
        config={"displayModeBar": False},
    )
    if near_rows and not is_point_cloud(dataset):
        show_image(
            draw_examples(model, neighbours, SHOWN_NEIGHBOURS),
            f"The {len(near_rows)} inputs with the nearest codes: {near_rows}",
        )
        st.caption(f"The {len(near_rows)} shown inputs whose codes are nearest, nearest first.")


def show_pair_tiles(model: Autoencoder, pair: Tensor, label: str) -> None:
    """Show an input beside its reconstruction, (2, *input_shape)."""
    show_image(draw_grid(enlarge_examples(model, pair), 2), f"{label}, and its reconstruction")
    st.caption("Input, then reconstruction." + ("" if pair.dim() == 4 else f" {ROW_TILES_NOTE}"))
