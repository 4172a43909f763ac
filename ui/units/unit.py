"""One unit: its atom, its values, the inputs that excite it, its effect on reconstructions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.pictures import SheetBlock, choose_tile_width, draw_grid, draw_strip
from aecore.analysis.units import (
    BINS,
    UnitEffect,
    UnitStatistics,
    decode_atoms,
    iterate_codes,
    switch_unit,
)
from aecore.data.splits import Dataset, as_float
from aecore.model.autoencoder import Autoencoder
from aecore.names import escape_name
from aecore.runs.run import Run
from ui.kit.cache import get_model
from ui.kit.examples import (
    ROW_TILES_NOTE,
    format_cards,
    make_example_table,
    make_example_tiles,
    show_example_table,
    show_image,
)
from ui.kit.figures import finish_figure, get_variant_colour
from ui.kit.inputs import Inputs
from ui.kit.memory import keep_in_memory
from ui.kit.strips import format_strips
from ui.units.names import show_name_field
from ui.units.table import make_atom_tiles

SHOWN_INPUTS = 8  # that excite a unit most, and least
CHANGED_INPUTS = 8  # with which the unit is switched
ATOM_PIXELS = 200


class Switched(NamedTuple):
    """Inputs that excite a unit, their reconstructions, and squared errors per example."""

    x: Tensor
    effect: UnitEffect
    errors: list[float]  # as it is, off, doubled


def show_unit(
    run: Run,
    dataset: Dataset,
    inputs: Inputs,
    statistics: UnitStatistics,
    unit: int,
    names: Mapping[int, str],
) -> None:
    """Show all that is known of a unit."""
    model = get_model(run)
    name = f": {escape_name(names[unit])}" if unit in names else ""
    st.subheader(f"Unit z{unit}{name}", anchor=False)
    left, right = st.columns([1, 2], vertical_alignment="top")
    with left:
        show_atom(model, dataset, statistics, unit)
    with right:
        show_name_field(run, unit, dict(names))
        show_values(model, statistics, unit)
    show_exciting_inputs(model, inputs, statistics, unit)
    show_switched_unit(run, inputs, statistics, unit)
    show_least_exciting_inputs(model, inputs, statistics, unit)


def show_atom(model: Autoencoder, dataset: Dataset, statistics: UnitStatistics, unit: int) -> None:
    """Show what the unit adds to what is decoded."""
    atom = decode_atoms(model, statistics, [unit])
    tile = make_atom_tiles(model, atom)
    scale = max(1, ATOM_PIXELS // max(tile.shape[2:]))
    tile = tile.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    show_image(draw_grid(tile, 1, 0), f"The atom of unit z{unit}")
    st.caption("Atom: what the decoder adds (red) and takes away (blue) as the unit grows.")
    if atom.dim() == 2:
        show_example_table(make_example_table(dataset, {"change": atom[0]}))


def show_values(model: Autoencoder, statistics: UnitStatistics, unit: int) -> None:
    """Show how often the unit is active, and the histogram of its values."""
    share = statistics.dead_share[unit]
    row = st.container(horizontal=True)
    row.metric("Off", f"{share:.1%}", help="Share of the inputs with which the unit is 0.")
    row.metric("Mean", f"{statistics.mean[unit]:.3g}")
    row.metric("Std. dev.", f"{np.sqrt(statistics.variance[unit]):.3g}")
    row.metric("Max", f"{statistics.maximum[unit]:.3g}")
    if statistics.active[unit]:
        st.plotly_chart(
            draw_value_histogram(statistics, unit, get_variant_colour(model.config.variant)),
            key="histogram",
            alt=f"Histogram of the values of unit z{unit} where it is active",
            config={"displayModeBar": False},
        )


def draw_value_histogram(statistics: UnitStatistics, unit: int, colour: str) -> go.Figure:
    """Draw how many inputs have which active value."""
    edges = statistics.edges(unit)
    figure = go.Figure(
        go.Bar(
            x=((edges[:-1] + edges[1:]) / 2).astype(np.float32),
            y=statistics.histogram[unit],
            width=max(float(edges[-1] - edges[0]) / BINS, 1e-9),
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate="%{y:,} inputs near %{x:.3g}<extra></extra>",
        )
    )
    figure.update_layout(xaxis_title="value, where not 0", yaxis_title="inputs", showlegend=False)
    return finish_figure(figure, 190)


# -- inputs


def show_exciting_inputs(
    model: Autoencoder, inputs: Inputs, statistics: UnitStatistics, unit: int
) -> None:
    """Show the inputs that excite the unit most."""
    active = min(int(statistics.active[unit]), SHOWN_INPUTS)
    st.markdown("**Inputs that excite it most**")
    if active:
        rows = statistics.most[unit][:active]
        values = [f"{value:.3g}" for value in statistics.most_values[unit][:active]]
        show_input_cards(model, inputs, rows, values)
    else:
        st.caption(f"None: the unit is 0 with all {statistics.count:,} inputs. It is dead.")


def show_least_exciting_inputs(
    model: Autoencoder, inputs: Inputs, statistics: UnitStatistics, unit: int
) -> None:
    """Show the inputs for which the encoder gives the unit the smallest values, in their order."""
    st.markdown(
        "**Inputs that excite it least**",
        help="Above each is what the encoder gives, before the bottleneck makes a code of it.",
    )
    rows = statistics.least[unit][:SHOWN_INPUTS]
    h = torch.cat([h for h, _ in iterate_codes(model, as_float(inputs.x[rows]))])
    show_input_cards(model, inputs, rows, [f"{value:.3g}" for value in h[:, unit].tolist()])


def show_input_cards(
    model: Autoencoder, inputs: Inputs, rows: np.ndarray, values: list[str]
) -> None:
    """Show inputs as cards, with the unit's values as heads."""
    details = [inputs.label(int(row)) for row in rows]
    if inputs.y is not None and inputs.classes:
        classes = [inputs.classes[int(inputs.y[int(row)])] for row in rows]
        details = [" · ".join(filter(None, pair)) for pair in zip(classes, details, strict=True)]
    st.html(format_cards(model, as_float(inputs.x[rows]), values, details))


# -- switched


def show_switched_unit(run: Run, inputs: Inputs, statistics: UnitStatistics, unit: int) -> None:
    """Show the inputs that excite a unit, reconstructed with it as it is, off, and doubled."""
    count = min(int(statistics.active[unit]), CHANGED_INPUTS)
    st.markdown("**Switched off, and doubled**")
    if not count:
        st.caption("A dead unit changes nothing.")
        return
    rows = tuple(statistics.most[unit][:count].tolist())
    switched = load_switched(str(run.path), run.version(), inputs.name, rows, unit, inputs)
    st.html(format_strips([make_switched_block(get_model(run), switched, unit)], count))
    plain, off, doubled = switched.errors
    st.caption(
        f"The {count} inputs that excite it most. Squared error per example: {plain:.3g} as it is, "
        f"{off:.3g} with the unit at 0, {doubled:.3g} with twice its value."
        + ("" if switched.x.dim() == 4 else f" {ROW_TILES_NOTE}")
    )


@keep_in_memory()
def load_switched(
    path: str,
    version: float,
    data_name: str,
    rows: tuple[int, ...],
    unit: int,
    _inputs: Inputs,
) -> Switched:
    """Return a unit switched on these rows of inputs, which `data_name` names."""
    model = get_model(Run(Path(path)))
    x = as_float(_inputs.x[list(rows)])
    effect = switch_unit(model, x, unit)
    errors = [
        float((model.to_scaled(y) - model.to_scaled(x)).square().sum() / len(x)) for y in effect
    ]
    return Switched(x, effect, errors)


def make_switched_block(model: Autoencoder, switched: Switched, unit: int) -> SheetBlock:
    """Return the strips of inputs, reconstructions and changes."""
    x, (plain, off, doubled) = switched.x, switched.effect
    width = choose_tile_width(x.shape[1:], 56)
    pictures = {"input": x, "as it is": plain, "off": off, "doubled": doubled}
    strips = {
        name: draw_strip(make_example_tiles(model, part), width) for name, part in pictures.items()
    }
    changes = make_atom_tiles(model, torch.cat([off - plain, doubled - plain]))
    strips["change, off"] = draw_strip(changes[: len(x)], width)
    strips["change, doubled"] = draw_strip(changes[len(x) :], width)
    return SheetBlock(f"z{unit}", "", get_variant_colour(model.config.variant), strips)
