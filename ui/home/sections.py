"""What stands on Home below the explorer: training in the browser, and the gallery."""

from __future__ import annotations

from ui.home.gallery import show_gallery
from ui.kit.training_panel import offer_training_panel


def show_home_sections() -> None:
    """Show the switch of the training panel, then all variants at work."""
    offer_training_panel("home")
    show_gallery()
