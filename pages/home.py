"""What each variant is: its formula, its parts with their source, and a shipped model at work."""

from __future__ import annotations

import inspect

import streamlit as st

from aecore.analysis.pictures import draw_grid, make_tiles
from aecore.errors import AecoreError
from aecore.model.autoencoder import Autoencoder
from aecore.model.variants import VARIANTS, configure
from aecore.runs.listing import has_sound_config, is_shipped_run, list_runs
from aecore.runs.run import Run
from ui.kit.cache import get_dataset, get_test_metrics, pick_test_examples
from ui.kit.messages import show_error
from ui.kit.run_view import view_through
from ui.kit.runs import takes_pictures

SHOWN_DIGITS = 8


st.title("Autoencoder Lab")
st.markdown(
    "Train any autoencoder, see what it learned, share it. **Choose a variant** and watch it rebuild digits."
)


families = list(dict.fromkeys(v.family for v in VARIANTS.values()))
family = st.segmented_control(
    "Family", families, default="Variational", key="family", bind="query-params", required=True
)
names = [name for name, v in VARIANTS.items() if v.family == family]
name = st.pills(
    "Variant",
    names,
    default=names[0],
    key=f"variant-{family}",
    required=True,
    format_func=lambda n: VARIANTS[n].label,
)
variant = VARIANTS[name]
config = configure(name, (1, 28, 28)).model


def show_shipped_model(run: Run) -> None:
    """Inputs, what the encoder saw, and the reconstructions of a shipped model, computed now."""
    _, remark = get_dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    seed = st.session_state.get("home_seed", 0)
    x = pick_test_examples(run, SHOWN_DIGITS, seed)
    result = view_through(run, x, seed)
    saw = {} if result.saw is None else {"What the encoder saw": result.saw}
    rows = {"Input": x, **saw, "Reconstruction": result.rebuilt}
    for title, images in rows.items():
        st.caption(title)
        st.image(
            draw_grid(make_tiles(images), SHOWN_DIGITS),
            width="stretch",
            alt=f"{title}: {len(images)} digits",
        )
    measured = get_test_metrics(run)
    st.caption(
        f"{run.id}: squared error {measured['se']:.3g} per test image, {measured['parameters']:,} weights"
    )


def draw_other_digits() -> None:
    st.session_state["home_seed"] = st.session_state.get("home_seed", 0) + 1


left, right = st.columns(2, gap="large")


with left:
    st.subheader(f"{variant.label}", anchor=False)
    st.markdown(variant.summary)
    st.latex(variant.formula)
    st.caption(f"[{variant.paper}]({variant.url})")
    st.page_link(
        "train.py",
        label=f"Train {variant.label}",
        icon=":material/model_training:",
        query_params={"variant": name},
    )


with right:
    ours = (
        r
        for r in list_runs()
        if is_shipped_run(r.path) and has_sound_config(r) and takes_pictures(r)
    )
    shipped = next((r for r in ours if r.config().model.variant == name), None)
    if shipped is None:
        st.info(
            f"No {variant.label} model is shipped. Training one on the digits takes seconds.",
            icon=":material/info:",
        )
    else:
        try:
            show_shipped_model(shipped)
        except AecoreError as error:
            show_error(error)
        st.button("Other digits", icon=":material/casino:", on_click=draw_other_digits)


st.subheader("Its five parts", anchor=False)
parts = {
    "Corruption": config.corruption,
    "Networks": config.network,
    "Bottleneck": config.bottleneck,
    "Penalties": config.penalties[0] if config.penalties else None,
    "Likelihood": config.likelihood,
}


with st.container(horizontal=True):
    for title, part in parts.items():
        box = st.container(border=True, width=152)
        box.caption(
            title, help=inspect.getdoc(type(part)) if part else "This variant does without it."
        )
        box.markdown(f"**{part.kind.replace('_', ' ')}**" if part else "none")


with st.expander("The code of these parts", icon=":material/code:"):
    for part in filter(None, parts.values()):
        st.code(inspect.getsource(type(part)), language="python")


with st.expander("How they are put together", icon=":material/code:"):
    st.code(inspect.getsource(Autoencoder.loss), language="python")
