"""The table of units: sorted, searched, a page at a time, each with its atom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.pictures import colour_signed, draw_grid, make_tiles
from aecore.analysis.units import UnitStatistics, decode_atoms
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from ui.kit.cache import get_model
from ui.kit.downloads import offer_csv
from ui.kit.examples import choose_index, encode_image_source
from ui.kit.memory import keep_in_memory

PAGE_UNITS = 50  # rows at a time
UNIT_KEY = "unit"  # of the field that names the unit that is shown
ORDERS: dict[str, Callable[[UnitStatistics], np.ndarray]] = {
    "variance": lambda s: -s.variance,
    "most active": lambda s: -s.active,
    "most dead": lambda s: s.active,
    "mean": lambda s: -s.mean,
    "largest value": lambda s: -s.maximum,
    "number": lambda s: np.arange(len(s.mean)),
}
COLUMNS: dict[str, Any] = {
    "atom": st.column_config.ImageColumn(
        "Atom", width=46, help="What the decoder adds (red) and takes away (blue) as it grows."
    ),
    "unit": st.column_config.TextColumn("Unit", width=76),
    "off": st.column_config.NumberColumn(
        "Off",
        format="percent",
        width=52,
        help="Share of the inputs with which the unit is 0: its dead time.",
    ),
    "deviation": st.column_config.NumberColumn(
        "Std.", format="%.3g", width=48, help="Standard deviation over the inputs."
    ),
    "maximum": st.column_config.NumberColumn("Max", format="%.3g", width=48),
    "mean": st.column_config.NumberColumn("Mean", format="%.2g", width=52),
}


def order_units(
    statistics: UnitStatistics, order: str, text: str, names: Mapping[int, str]
) -> np.ndarray:
    """Return the numbers of the units that match a text, in an order of ORDERS.

    A text is a unit's number, such as 17 or z17, or a part of its name.
    """
    units = np.argsort(ORDERS[order](statistics), kind="stable")
    text = text.strip().lower()
    if not text:
        return units
    number = text.removeprefix("z")
    if number.isdecimal():
        return units[units == int(number[:9])]
    return np.array([unit for unit in units if text in names.get(unit, "").lower()], int)


def choose_unit_in_table(run: Run, statistics: UnitStatistics, names: Mapping[int, str]) -> int:
    """Show the table with its controls, and the field that names a unit; return its number."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    order = row.selectbox("Sort by", list(ORDERS), key="order", bind="query-params", width=140)
    text = row.text_input("Search", key="search", placeholder="number or name", width=140)
    units = order_units(statistics, order or "number", text or "", names)
    count = max(1, -(-len(units) // PAGE_UNITS))
    page = 1
    if count > 1:
        page = int(row.number_input("Page", 1, count, 1, key="page", width=140))
    shown = units[(page - 1) * PAGE_UNITS : page * PAGE_UNITS].tolist()
    unit = choose_index(
        row,
        "Unit",
        UNIT_KEY,
        len(statistics.mean),
        int(statistics.variance.argmax()),
        "The unit that is shown; or choose a row of the table.",
    )
    show_unit_table(run, statistics, shown, names)
    st.caption(f"{len(units):,} of {len(statistics.mean):,} units. Choose a row to see a unit.")
    offer_csv("All units as CSV", lambda: tabulate_units(statistics, units, names), "units.csv")
    return unit or 0


def show_unit_table(
    run: Run, statistics: UnitStatistics, shown: Sequence[int], names: Mapping[int, str]
) -> None:
    """Show units as rows; choosing one writes its number into the field."""
    frame = tabulate_units(statistics, shown, names)
    named = zip(frame["unit"], frame.pop("name"), strict=True)  # in one column, to save width
    frame["unit"] = [f"{unit} {name}".strip() for unit, name in named]
    atoms = load_atoms(str(run.path), run.version(), statistics.count, tuple(shown), statistics)
    frame.insert(0, "atom", atoms)
    key = f"unit-table-{hash(tuple(shown))}"

    def take_row() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        if rows and rows[0] < len(shown):
            st.session_state[UNIT_KEY] = shown[rows[0]]

    st.dataframe(
        frame,
        hide_index=True,
        column_config=COLUMNS,
        row_height=44,
        height=560,
        key=key,
        on_select=take_row,
        selection_mode="single-row",
        alt="Units with their atoms and statistics",
    )


def tabulate_units(
    statistics: UnitStatistics, units: Sequence[int] | np.ndarray, names: Mapping[int, str]
) -> pd.DataFrame:
    """Return a row for each of these units."""
    units = np.asarray(units, int)
    return pd.DataFrame(
        {
            "unit": [f"z{unit}" for unit in units],
            "off": statistics.dead_share[units].round(3),
            "deviation": np.sqrt(statistics.variance[units]),
            "maximum": statistics.maximum[units],
            "mean": statistics.mean[units],
            "name": [names.get(unit, "") for unit in units],
        }
    )


# -- atoms


@keep_in_memory()
def load_atoms(
    path: str, version: float, count: int, units: tuple[int, ...], _statistics: UnitStatistics
) -> list[str]:
    """Return the atoms of units as data URLs of small pictures."""
    model = get_model(Run(Path(path)))
    if not units:
        return []
    tiles = make_atom_tiles(model, decode_atoms(model, _statistics, units))
    return [encode_image_source(draw_grid(tile[None], 1, 0)) for tile in tiles]


def make_atom_tiles(model: Autoencoder, atoms: Tensor) -> Tensor:
    """Return atoms (N, *input_shape) as tiles (N, 3, h, w), each with a scale of its own.

    Red adds, blue takes away; the colour is full at the largest change.
    """
    tiles = []
    for atom in atoms[:, None]:
        if atom.dim() == 4:
            tiles.append(colour_signed(atom))
        else:
            scaled = atom / model.scale
            tiles.append(make_tiles(scaled, float(scaled.abs().max()) or 1.0))
    return torch.cat(tiles)
