"""The panel that trains a model in the visitor's browser: it costs the server nothing."""

from __future__ import annotations

from functools import cache
from typing import Any

import streamlit as st

from aecore.explorer.bundle import WEB_FOLDER, bundle_modules, read_styles
from aecore.explorer.trainable import bundle_trainer, describe_training

PANEL_TEXT = (
    "Draw ten pictures, or choose pictures or a .csv: a model trains on them in this browser, and "
    "the map shows its codes as they are learned. Nothing is sent to the server."
)

training_component = st.components.v2.component(
    "training_panel",
    html='<div class="trainer-root"></div>',
    css=read_styles("explorer", "panel"),
    js=bundle_trainer() + bundle_modules(WEB_FOLDER / "panel" / "app_panel.js"),
)


def offer_training_panel(key: str, variant: str = "") -> None:
    """Show a switch, and the panel where it is on; the panel begins with this variant."""
    if st.toggle("Train in this browser", key=f"{key}-panel", help=PANEL_TEXT):
        data = {"training": describe_page_training(), "variant": variant}
        training_component(data=data, key=f"{key}-training")


@cache
def describe_page_training() -> dict[str, Any]:
    """Return what can be trained on digits and tables."""
    return describe_training()
