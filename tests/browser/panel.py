"""The panel that trains in a page, as a visitor uses it."""

from __future__ import annotations

from playwright.sync_api import Locator, Page


def wait_for_state(panel: Locator, state: str) -> None:
    """Wait until the training is in this state."""
    panel.locator(f".bar[data-state={state}]").wait_for()


def press(panel: Locator, name: str) -> None:
    """Press a button of this name by a key."""
    panel.get_by_role("button", name=name, exact=True).press("Enter")


def find_panel(page: Page, state: str) -> Locator:
    """Bring the panel of a page into sight; return it once its training is in this state."""
    panel = page.locator(".trainer-root")
    panel.scroll_into_view_if_needed()
    wait_for_state(panel, state)
    return panel
