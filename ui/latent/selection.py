"""What is shown beside the map: the selected inputs and their reconstructions, one point's code, a download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st
import torch

from aecore.analysis.latent import decode_codes, find_nearest_codes
from aecore.analysis.pictures import draw_grid
from aecore.data.splits import Dataset, as_float
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from ui.kit.cache import get_model
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
)
from ui.kit.figures import get_variant_colour
from ui.kit.links import format_selection_key, read_selections
from ui.latent.charts import draw_code_bars
from ui.latent.maps import COLOUR_NAMES, TYPED_KEY, LatentMap, MapView

SHOWN_INPUTS = 32
SHOWN_NEIGHBOURS = 8
CSV_POINTS = 500  # of a cloud
ERROR_HELP = "Squared error of the reconstruction, summed over features, in the network's units. Lower is better."


def show_selection_panel(
    run: Run, found: Dataset, shown: LatentMap, view: MapView, rows: Sequence[int]
) -> None:
    """One point, many, or a hint and a few examples."""
    net, x = get_model(run), getattr(found, view.split).x
    if len(rows) == 1:
        show_single_input(net, found, x, shown, view, rows[0])
        return
    if not rows:
        st.caption(SELECT_HINT_3D if view.dims == 3 else SELECT_HINT)
    show_several_inputs(
        net,
        found,
        x,
        shown,
        rows or range(view.count),
        SHOWN_INPUTS if rows else SHOWN_INPUTS // 2,
        "selected " if rows else "",
    )
    show_selection_numbers(shown, rows or range(view.count))
    if rows:
        offer_selection_csv(run, shown, view, rows)


def show_several_inputs(
    net: Autoencoder,
    found: Dataset,
    x: torch.Tensor,
    shown: LatentMap,
    rows: Sequence[int],
    limit: int,
    kind: str,
) -> None:
    """Inputs above their reconstructions, at most `limit`, evenly spread over the rows."""
    some = space_evenly(rows, CSV_POINTS if is_point_cloud(found) else limit)
    inputs, rebuilt = as_float(x[some]), decode_codes(net, torch.from_numpy(shown.z[some]))
    what = f"{len(rows):,} {kind}inputs"
    part = f"{len(some):,} of {what}" if len(some) < len(rows) else what
    if is_point_cloud(found):
        show_cloud(
            found, {"inputs": inputs, "reconstructions": rebuilt}, f"{part}, and reconstructions"
        )
        st.caption(f"{part} and their reconstructions, in the data's own space.")
        return
    text = f"{part}, each line above its reconstructions."
    st.image(draw_pairs(net, inputs, rebuilt), width="stretch", alt=text)
    st.caption(text if inputs.dim() == 4 else f"{text} {ROW_TILES_NOTE}")
    if inputs.dim() == 2:
        with st.expander("Their values", icon=":material/table:"):
            show_example_table(
                make_example_table(
                    found, {str(i): row for i, row in zip(some, inputs, strict=True)}
                )
            )


def ask_for_input(place: Any, view: MapView) -> list[int]:
    """The input that is chosen by its number, if any: for links, and for 3-D."""
    row = choose_index(
        place, "Input", TYPED_KEY, view.count, None, "Show this input, by its number in the set."
    )
    return [] if row is None else [row]


TASK_PAGES = (
    ("apply_search", "Search", "image_search"),
    ("apply_anomaly", "Anomaly", "crisis_alert"),
    ("apply_impute", "Impute", "healing"),
)


def show_task_links(run: Run, found: Dataset, view: MapView) -> None:
    """Links that open a named selection in the tasks; how to make one while there is none."""
    named = read_selections(found.name, view.split)
    if not named:
        st.caption(":material/label: Give a selection a name, and other pages can work on it.")
        return
    name = st.selectbox("Work on a selection", list(named), key="sent_selection")
    with st.container(horizontal=True):
        for page, label, icon in TASK_PAGES:
            params = {"run": run.id, "inputs": format_selection_key(view.split, name)}
            st.page_link(f"{page}.py", label=label, icon=f":material/{icon}:", query_params=params)


SELECT_HINT = ":material/touch_app: Click a point, a class, or draw round some to see those inputs here. Some to begin with:"
SELECT_HINT_3D = ":material/3d_rotation: Drag to turn. Plotly cannot select in 3-D: type an input's number, or go to 2-D."


def space_evenly(rows: Sequence[int], count: int) -> list[int]:
    """At most `count` of the rows, evenly spread."""
    at = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return [int(rows[i]) for i in at]


def show_selection_numbers(shown: LatentMap, rows: Sequence[int]) -> None:
    """How many, how well rebuilt, and of which classes."""
    chosen = np.asarray(rows)
    left, right = st.columns(2)
    left.metric("Inputs", f"{len(chosen):,}", help="How many points these figures are of.")
    right.metric("Mean error", f"{shown.errors[chosen].mean():.3g}", help=ERROR_HELP)
    counts = {name: int(np.isin(members, chosen).sum()) for name, members in shown.groups.items()}
    if len(counts) > 1:
        ranked = sorted(((n, name) for name, n in counts.items() if n), reverse=True)
        st.caption("Classes: " + ", ".join(f"**{name}** {n:,}" for n, name in ranked[:12]))


def show_single_input(
    net: Autoencoder, found: Dataset, x: torch.Tensor, shown: LatentMap, view: MapView, row: int
) -> None:
    """One input, its reconstruction, its code, and the inputs with the nearest codes."""
    z = torch.from_numpy(shown.z)
    near = find_nearest_codes(z, row, SHOWN_NEIGHBOURS).tolist()
    name = next((name for name, members in shown.groups.items() if row in members), "")
    about = f"{COLOUR_NAMES[view.split].capitalize()} input {row}" + (
        f", class {name}" if found.classes else ""
    )
    st.markdown(f"**{about}**")
    pair = torch.cat([as_float(x[row : row + 1]), decode_codes(net, z[row : row + 1])])
    close = as_float(x[near])
    if is_point_cloud(found):
        groups = {"nearest codes": close, "input": pair[:1], "reconstruction": pair[1:]}
        show_cloud(found, groups, f"{about}, its reconstruction, and its neighbours")
    else:
        st.image(
            draw_grid(enlarge_examples(net, pair), 2),
            width="stretch",
            alt=f"{about}, and its reconstruction",
        )
        st.caption(
            "Input, then reconstruction." + ("" if pair.dim() == 4 else f" {ROW_TILES_NOTE}")
        )
    st.metric("Squared error", f"{shown.errors[row]:.3g}", help=ERROR_HELP)
    if pair.dim() == 2:
        show_example_table(make_example_table(found, {"input": pair[0], "reconstruction": pair[1]}))
    st.plotly_chart(
        draw_code_bars(shown.z[row], get_variant_colour(net.config.variant)),
        key="code",
        alt=f"The code of {about}, a bar a dimension",
        config={"displayModeBar": False},
    )
    if near and not is_point_cloud(found):
        st.image(
            draw_examples(net, close, SHOWN_NEIGHBOURS),
            width="stretch",
            alt=f"The {len(near)} inputs with the nearest codes: {near}",
        )
        st.caption(f"The {len(near)} shown inputs whose codes are nearest, nearest first.")


def offer_selection_csv(run: Run, shown: LatentMap, view: MapView, rows: Sequence[int]) -> None:
    st.download_button(
        f"{len(rows):,} rows as CSV",
        lambda: format_selection_csv(shown, rows),
        f"{run.id}-{view.split}-codes.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="codes_csv",
        help="Index, class, squared error and code of each selected input.",
    )


def format_selection_csv(shown: LatentMap, rows: Sequence[int]) -> bytes:
    """index, class, error, z0, z1, ... for each row."""
    classes = {int(row): name for name, members in shown.groups.items() for row in members}
    head = ",".join(["index", "class", "error", *(f"z{i}" for i in range(shown.z.shape[1]))])
    lines = [
        f'{row},"{classes[row].replace(chr(34), chr(34) * 2)}",{shown.errors[row]:.6g},'
        + ",".join(f"{v:.6g}" for v in shown.z[row])
        for row in rows
    ]
    return "\n".join([head, *lines, ""]).encode()
