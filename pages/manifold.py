"""Manifold: the surface that a run learned: its tangents, what pulls back to it, its dimension."""

from __future__ import annotations

import streamlit as st

from aecore.data.splits import as_float
from aecore.errors import AecoreError
from ui.kit.cache import get_dataset
from ui.kit.inputs import choose_inputs
from ui.kit.links import select_linked
from ui.kit.messages import show_error
from ui.kit.runs import choose_run, has_same_inputs, list_usable_runs
from ui.manifold.sections import (
    choose_point,
    show_dimension,
    show_noise,
    show_surface,
    show_tangents,
)

SECTIONS = {
    "Tangents": "**Where can one go from here and still meet data?** The directions in which each decoder moves most.",
    "Noise": "**Leave the manifold on purpose:** does the model find the way back?",
    "Dimension": "**How many directions are there?** The map, coloured by the dimension around each point.",
    "Surface": "**The learned surface itself,** among data of two or three dimensions.",
}


st.title("Manifold")
mode = st.segmented_control(
    "What to see",
    list(SECTIONS),
    default="Tangents",
    required=True,
    key="mode",
    bind="query-params",
    label_visibility="collapsed",
)
st.markdown(SECTIONS[mode])
left, middle, right = st.columns(3)


with left:
    run = choose_run(first="s-curve-vae" if mode == "Surface" else "mnist-vae")


try:
    found, remark = get_dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    ours = run.config()
    alike = [
        one.id
        for one in list_usable_runs()
        if one.id != run.id and has_same_inputs(one.config(), ours)
    ]
    with middle:
        other = select_linked(
            None,
            "Beside",
            ["no other", *alike],
            "beside",
            {},
            "The same input in a second run.",
            "mnist-contractive" if run.id == "mnist-vae" else None,
        )
    runs = [run] + [one for one in list_usable_runs() if one.id == other]
    chosen = choose_inputs(run, found, right)
    if mode == "Dimension":
        show_dimension(runs, found, chosen)
    else:
        where, what = st.columns([1, 3], gap="large")
        with where:
            row = choose_point(run, found, chosen)
        x = as_float(chosen.x[row : row + 1])
        with what:
            {"Tangents": show_tangents, "Noise": show_noise, "Surface": show_surface}[mode](
                runs, found, x
            )
except AecoreError as error:
    show_error(error)
