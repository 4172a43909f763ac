"""How one variant works: its formula, its paper, its parts and their code."""

from __future__ import annotations

import inspect
from typing import Any

import streamlit as st

from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig
from aecore.model.variants import VARIANTS
from aecore.model.variants.fitting import configure

DIGITS_SHAPE = (1, 28, 28)


@st.dialog("How it works", width="large")
def explain_variant(name: str) -> None:
    """Show over the page a variant's formula and paper, its parts, and folded their code."""
    variant = VARIANTS[name]
    st.subheader(variant.label, anchor=False)
    st.markdown(variant.summary)
    st.latex(variant.formula)
    st.caption(f"[{variant.paper}]({variant.url})")
    parts = list_parts(configure(name, DIGITS_SHAPE).model)
    for title, part in parts.items():
        st.markdown(f"**{title}**: {describe_part(part)}")
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
        "Penalty": config.penalties[0] if config.penalties else None,
        "Likelihood": config.likelihood,
    }


def describe_part(part: Any) -> str:
    """Returns a part's kind; or that the variant has none."""
    return part.kind.replace("_", " ") if part else "not used by this variant"
