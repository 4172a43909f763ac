"""Components of the app: an .html, a .css and a .js file beside the module that uses them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from aecore.explorer.bundle import bundle_modules


def register_component(name: str, source: Path) -> Callable[..., Any]:
    """Register a component with Streamlit and return it.

    `source` is its .js, which may import modules of aecore/explorer/web.
    """
    return st.components.v2.component(
        name,
        html=source.with_suffix(".html").read_text(encoding="utf-8"),
        css=source.with_suffix(".css").read_text(encoding="utf-8"),
        js=bundle_modules(source),
    )
