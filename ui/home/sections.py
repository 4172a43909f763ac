"""The sections of the Home page: choose a variant, see it explained, at work and in its parts."""

from __future__ import annotations

import inspect
from typing import Any

import streamlit as st

from aecore.analysis.pictures import draw_grid, make_tiles
from aecore.errors import AecoreError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig
from aecore.model.variants import VARIANTS, configure
from aecore.names import escape_name
from aecore.runs.listing import has_sound_config, is_shipped_run, list_runs
from aecore.runs.run import Run
from ui.kit.cache import get_dataset, get_test_metrics, pick_test_examples
from ui.kit.messages import show_error, show_note
from ui.kit.run_view import view_through
from ui.kit.runs import takes_pictures

SHOWN_DIGITS = 8
DIGITS_SHAPE = (1, 28, 28)
SEED_KEY = "home_seed"  # of the session state: which digits are shown
PART_WIDTH = 152  # pixels


def choose_variant() -> str:
    """Show the families and the variants of the chosen one; return the variant's name."""
    families = list(dict.fromkeys(variant.family for variant in VARIANTS.values()))
    family = st.segmented_control(
        "Family", families, default="Variational", key="family", bind="query-params", required=True
    )
    names = [name for name, variant in VARIANTS.items() if variant.family == family]
    return st.pills(
        "Variant",
        names,
        default=names[0],
        key=f"variant-{family}",
        required=True,
        format_func=lambda name: VARIANTS[name].label,
    )


def show_summary(name: str) -> None:
    """Show a variant's summary, formula and paper, and a link to train it."""
    variant = VARIANTS[name]
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


# -- a shipped model


def show_variant_at_work(name: str) -> None:
    """Show what the shipped model of a variant makes of digits; say so where none is shipped."""
    run = find_shipped_run(name)
    if run is None:
        st.info(
            f"No {VARIANTS[name].label} model is shipped. "
            "Training one on the digits takes seconds.",
            icon=":material/info:",
        )
        return
    try:
        show_shipped_model(run)
    except AecoreError as error:
        show_error(error)
    st.button("Other digits", icon=":material/casino:", on_click=show_other_digits)


def find_shipped_run(variant: str) -> Run | None:
    """Returns the shipped run of a variant that takes pictures; None where there is none."""
    shipped = (run for run in list_runs() if is_shipped_run(run.path) and has_sound_config(run))
    fitting = (
        run for run in shipped if takes_pictures(run) and run.config().model.variant == variant
    )
    return next(fitting, None)


def show_shipped_model(run: Run) -> None:
    """Show inputs, what the encoder saw, and their reconstructions, computed now."""
    show_note(get_dataset(run)[1])
    seed = st.session_state.get(SEED_KEY, 0)
    x = pick_test_examples(run, SHOWN_DIGITS, seed)
    view = view_through(run, x, seed)
    rows = {"Input": x}
    if view.corrupted is not None:
        rows["What the encoder saw"] = view.corrupted
    rows["Reconstruction"] = view.rebuilt
    for title, images in rows.items():
        st.caption(title)
        st.image(
            draw_grid(make_tiles(images), SHOWN_DIGITS),
            width="stretch",
            alt=f"{title}: {len(images)} digits",
        )
    metrics = get_test_metrics(run)
    st.caption(
        f"{escape_name(run.id)}: squared error {metrics['se']:.3g} per test image, "
        f"{metrics['parameters']:,} weights"
    )


def show_other_digits() -> None:
    """Choose other digits, for the next run of the page."""
    st.session_state[SEED_KEY] = st.session_state.get(SEED_KEY, 0) + 1


# -- parts


def show_parts(variant: str) -> None:
    """Show the five parts of a variant, and their code folded."""
    st.subheader("Its five parts", anchor=False)
    parts = list_parts(configure(variant, DIGITS_SHAPE).model)
    with st.container(horizontal=True):
        for title, part in parts.items():
            show_part(title, part)
    with st.expander("The code of these parts", icon=":material/code:"):
        for part in filter(None, parts.values()):
            st.code(inspect.getsource(type(part)), language="python")
    with st.expander("How they are put together", icon=":material/code:"):
        st.code(inspect.getsource(Autoencoder.loss), language="python")


def list_parts(config: ModelConfig) -> dict[str, Any]:
    """Returns the options of each part of a model, None for a part that it has not."""
    return {
        "Corruption": config.corruption,
        "Networks": config.network,
        "Bottleneck": config.bottleneck,
        "Penalties": config.penalties[0] if config.penalties else None,
        "Likelihood": config.likelihood,
    }


def show_part(title: str, part: Any) -> None:
    """Show a part's kind in a box, its formula and paper on hover."""
    box = st.container(border=True, width=PART_WIDTH)
    box.caption(title, help=inspect.getdoc(type(part)) if part else "This variant does without it.")
    box.markdown(f"**{part.kind.replace('_', ' ')}**" if part else "none")
