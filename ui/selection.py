"""What is shown beside the map: the selected inputs and their reconstructions, one point's code, a download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st
import torch

from aecore import data, latent
from aecore.autoencoder import Autoencoder
from aecore.data import Dataset
from aecore.pictures import grid
from aecore.runs import Run
from ui import cache, examples, figures, state
from ui.maps import NAMES, TYPED, Map, View

SHOWN = 32
NEIGHBOURS = 8
POINTS = 500  # of a cloud
ERROR_HELP = "Squared error of the reconstruction, summed over features, in the network's units. Lower is better."


def panel(run: Run, found: Dataset, shown: Map, view: View, rows: Sequence[int]) -> None:
    """One point, many, or a hint and a few examples."""
    net, x = cache.model(run), getattr(found, view.split).x
    if len(rows) == 1:
        single(net, found, x, shown, view, rows[0])
        return
    if not rows:
        st.caption(HINT_3D if view.dims == 3 else HINT)
    several(net, found, x, shown, rows or range(view.count), SHOWN if rows else SHOWN // 2, "selected " if rows else "")
    numbers(shown, rows or range(view.count))
    if rows:
        download(run, shown, view, rows)


def several(
    net: Autoencoder, found: Dataset, x: torch.Tensor, shown: Map, rows: Sequence[int], limit: int, kind: str
) -> None:
    """Inputs above their reconstructions, at most `limit`, evenly spread over the rows."""
    some = evenly(rows, POINTS if examples.is_cloud(found) else limit)
    inputs, rebuilt = data.as_float(x[some]), latent.decode(net, torch.from_numpy(shown.z[some]))
    what = f"{len(rows):,} {kind}inputs"
    part = f"{len(some):,} of {what}" if len(some) < len(rows) else what
    if examples.is_cloud(found):
        examples.show_cloud(found, {"inputs": inputs, "reconstructions": rebuilt}, f"{part}, and reconstructions")
        st.caption(f"{part} and their reconstructions, in the data's own space.")
        return
    text = f"{part}, each line above its reconstructions."
    st.image(examples.pairs(net, inputs, rebuilt), width="stretch", alt=text)
    st.caption(text if inputs.dim() == 4 else f"{text} {examples.BARS}")
    if inputs.dim() == 2:
        with st.expander("Their values", icon=":material/table:"):
            examples.show_table(examples.table(found, {str(i): row for i, row in zip(some, inputs, strict=True)}))


def ask(place: Any, view: View) -> list[int]:
    """The input that is chosen by its number, if any: for links, and for 3-D."""
    row = examples.choose_index(place, "Input", TYPED, view.count, None, "Show this input, by its number in the set.")
    return [] if row is None else [row]


TASKS = (("apply_search", "Search", "image_search"), ("apply_anomaly", "Anomaly", "crisis_alert"),
         ("apply_impute", "Impute", "healing"))  # fmt: skip


def send(run: Run, found: Dataset, view: View) -> None:
    """Links that open a named selection in the tasks; how to make one while there is none."""
    named = state.selections(found.name, view.split)
    if not named:
        st.caption(":material/label: Give a selection a name, and other pages can work on it.")
        return
    name = st.selectbox("Work on a selection", list(named), key="sent_selection")
    with st.container(horizontal=True):
        for page, label, icon in TASKS:
            params = {"run": run.id, "inputs": state.selection_key(view.split, name)}
            st.page_link(f"{page}.py", label=label, icon=f":material/{icon}:", query_params=params)


HINT = ":material/touch_app: Click a point, a class, or draw round some to see those inputs here. Some to begin with:"
HINT_3D = ":material/3d_rotation: Drag to turn. Plotly cannot select in 3-D: type an input's number, or go to 2-D."


def evenly(rows: Sequence[int], count: int) -> list[int]:
    """At most `count` of the rows, evenly spread."""
    at = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return [int(rows[i]) for i in at]


def numbers(shown: Map, rows: Sequence[int]) -> None:
    """How many, how well rebuilt, and of which classes."""
    chosen = np.asarray(rows)
    left, right = st.columns(2)
    left.metric("Inputs", f"{len(chosen):,}", help="How many points these figures are of.")
    right.metric("Mean error", f"{shown.errors[chosen].mean():.3g}", help=ERROR_HELP)
    counts = {name: int(np.isin(members, chosen).sum()) for name, members in shown.groups.items()}
    if len(counts) > 1:
        ranked = sorted(((n, name) for name, n in counts.items() if n), reverse=True)
        st.caption("Classes: " + ", ".join(f"**{name}** {n:,}" for n, name in ranked[:12]))


def single(net: Autoencoder, found: Dataset, x: torch.Tensor, shown: Map, view: View, row: int) -> None:
    """One input, its reconstruction, its code, and the inputs with the nearest codes."""
    z = torch.from_numpy(shown.z)
    near = latent.neighbours(z, row, NEIGHBOURS).tolist()
    name = next((name for name, members in shown.groups.items() if row in members), "")
    about = f"{NAMES[view.split].capitalize()} input {row}" + (f", class {name}" if found.classes else "")
    st.markdown(f"**{about}**")
    pair = torch.cat([data.as_float(x[row : row + 1]), latent.decode(net, z[row : row + 1])])
    close = data.as_float(x[near])
    if examples.is_cloud(found):
        groups = {"nearest codes": close, "input": pair[:1], "reconstruction": pair[1:]}
        examples.show_cloud(found, groups, f"{about}, its reconstruction, and its neighbours")
    else:
        st.image(grid(examples.large(net, pair), 2), width="stretch", alt=f"{about}, and its reconstruction")
        st.caption("Input, then reconstruction." + ("" if pair.dim() == 4 else f" {examples.BARS}"))
    st.metric("Squared error", f"{shown.errors[row]:.3g}", help=ERROR_HELP)
    if pair.dim() == 2:
        examples.show_table(examples.table(found, {"input": pair[0], "reconstruction": pair[1]}))
    st.plotly_chart(figures.code_bars(shown.z[row], figures.colour(net.config.variant)), key="code",
                    alt=f"The code of {about}, a bar a dimension", config={"displayModeBar": False})  # fmt: skip
    if near and not examples.is_cloud(found):
        st.image(examples.picture(net, close, NEIGHBOURS), width="stretch",
                 alt=f"The {len(near)} inputs with the nearest codes: {near}")  # fmt: skip
        st.caption(f"The {len(near)} shown inputs whose codes are nearest, nearest first.")


def download(run: Run, shown: Map, view: View, rows: Sequence[int]) -> None:
    st.download_button(f"{len(rows):,} rows as CSV", lambda: csv(shown, rows), f"{run.id}-{view.split}-codes.csv",
                       "text/csv", icon=":material/download:", on_click="ignore", key="codes_csv",
                       help="Index, class, squared error and code of each selected input.")  # fmt: skip


def csv(shown: Map, rows: Sequence[int]) -> bytes:
    """index, class, error, z0, z1, ... for each row."""
    classes = {int(row): name for name, members in shown.groups.items() for row in members}
    head = ",".join(["index", "class", "error", *(f"z{i}" for i in range(shown.z.shape[1]))])
    lines = [f'{row},"{classes[row].replace(chr(34), chr(34) * 2)}",{shown.errors[row]:.6g},'
             + ",".join(f"{v:.6g}" for v in shown.z[row]) for row in rows]  # fmt: skip
    return "\n".join([head, *lines, ""]).encode()
