"""The frame of a Space: the page around it shows, and copies, the address of what is inside.

That page carries a query string alone, and hands it to the frame when it is opened. So the name of
a page travels as a parameter: /latent?run=a is ?page=latent&run=a there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from aecore.limits import is_public

SPACE_PARENT = "https://huggingface.co"  # the site that frames a Space
PAGE_PARAMETER = "page"

frame_component = st.components.v2.component(
    "frame", js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
)


def get_parent_origin() -> str:
    """Returns the site whose pages may frame this one: $AECORE_PARENT_ORIGIN, or the Hub."""
    return os.environ.get("AECORE_PARENT_ORIGIN") or SPACE_PARENT


def report_address() -> None:
    """Lets the page around a public frame follow each change of the address; shows nothing."""
    if is_public():
        data = {"parent": get_parent_origin(), "parameter": PAGE_PARAMETER}
        frame_component(data=data, key="frame")


def open_linked_page(pages: Iterable[StreamlitPage]) -> None:
    """Goes to the page that ?page= names, with the other parameters; stays where there is none."""
    name = st.query_params.get(PAGE_PARAMETER)
    linked = next((page for page in pages if page.url_path == name), None)
    if linked is not None:
        others = {key: st.query_params.get_all(key) for key in st.query_params}
        del others[PAGE_PARAMETER]
        st.switch_page(linked, query_params=others)
