"""Pages of several sections, of which one is shown at a time."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st


def choose_section(label: str, sentences: Mapping[str, str], default: str) -> str:
    """Show a control over a page's sections, kept in the address, and the sentence of one.

    Args:
        label: Read out by screen readers; not shown.
        sentences: A sentence for each section's name, in the order of the control.
        default: The name of the section that is shown first.

    Returns the name of the chosen section.
    """
    section = st.segmented_control(
        label,
        list(sentences),
        default=default,
        required=True,
        key="mode",
        bind="query-params",
        label_visibility="collapsed",
    )
    st.markdown(sentences[section])
    return section
