"""Home: a model to touch, three doors, and a gallery of all variants at work."""

from __future__ import annotations

from ui.home.hero import show_hero
from ui.kit.late import import_late

show_hero()  # before PyTorch is imported
import_late("ui.kit.visit:run_visit")(import_late("ui.home.sections:show_home_sections"), "")
