"""Manifold: the surface that a run learned: its tangents, what pulls back to it, its dimension."""

import streamlit as st

from aecore import data
from aecore.errors import AecoreError
from ui import cache, inputs, state, tangents
from ui.comparison import same_inputs

SECTIONS = {
    "Tangents": "**Where can one go from here and still meet data?** The directions in which each decoder moves most.",
    "Noise": "**Leave the manifold on purpose:** does the model find the way back?",
    "Dimension": "**How many directions are there?** The map, coloured by the dimension around each point.",
    "Surface": "**The learned surface itself,** among data of two or three dimensions.",
}

st.title("Manifold")
mode = st.segmented_control("What to see", list(SECTIONS), default="Tangents", required=True, key="mode",
                            bind="query-params", label_visibility="collapsed")  # fmt: skip
st.markdown(SECTIONS[mode])
left, middle, right = st.columns(3)
with left:
    run = state.choose_run(first="s-curve-vae" if mode == "Surface" else "mnist-vae")
try:
    found, remark = cache.dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    ours = run.config()
    alike = [one.id for one in state.usable_runs() if one.id != run.id and same_inputs(one.config(), ours)]
    with middle:
        other = state.select_linked(st, "Beside", ["no other", *alike], "beside", {}, "The same input in a second run.",
                                    "mnist-contractive" if run.id == "mnist-vae" else None)  # fmt: skip
    runs = [run] + [one for one in state.usable_runs() if one.id == other]
    chosen = inputs.choose(run, found, right)
    if mode == "Dimension":
        tangents.dimension(runs, found, chosen)
    else:
        where, what = st.columns([1, 3], gap="large")
        with where:
            row = tangents.choose_point(run, found, chosen)
        x = data.as_float(chosen.x[row : row + 1])
        with what:
            {"Tangents": tangents.tangents, "Noise": tangents.noise, "Surface": tangents.surface}[mode](runs, found, x)
except AecoreError as error:
    state.show_error(error)
