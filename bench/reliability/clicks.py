"""What an ordinary visitor of the app does next: another page, a slider, a choice, a button."""

from __future__ import annotations

import random
from typing import NamedTuple

from bench.reliability.page_session import Answer, PageSession, Shown

PAGE_SHARE = 0.4  # of clicks that open another page
HARMLESS_BUTTONS = ("Other digits", "Other examples", "Another")
MOVABLE = ("slider", "button_group", "selectbox", "checkbox")


class Click(NamedTuple):
    """One click: where, on what, and how it was answered."""

    page: str
    what: str
    answer: Answer


async def open_any_page(session: PageSession, chance: random.Random) -> Click:
    """Open one of the pages, as a link does."""
    page = chance.choice(sorted(session.pages) or [""])
    return Click(page, "open", await session.go(page))


async def click_anything(session: PageSession, chance: random.Random) -> Click:
    """Open another page, or move one of the widgets of this one."""
    widgets = list_movable(session)
    if not widgets or chance.random() < PAGE_SHARE:
        return await open_any_page(session, chance)
    shown = chance.choice(widgets)
    kind = shown.element.WhichOneof("type") or ""
    label = getattr(shown.element, kind).label
    page = next((name for name, key in session.pages.items() if key == session.page), "")
    value = choose_value(shown, chance)
    return Click(page, f"{kind} {label}", await session.press(shown, value))


def list_movable(session: PageSession) -> list[Shown]:
    """Returns the widgets of a page that any visitor may play with."""
    widgets = [shown for kind in MOVABLE for shown in session.list_shown(kind)]
    buttons = [shown for label in HARMLESS_BUTTONS for shown in session.list_shown("button", label)]
    return [
        shown
        for shown in (*widgets, *buttons)
        if not getattr(shown.element, shown.element.WhichOneof("type") or "").disabled
        and choose_value(shown, random.Random(0)) is not None
    ]


def choose_value(shown: Shown, chance: random.Random) -> str | float | bool | None:
    """Returns a value that the widget offers; None where it offers none."""
    element = shown.element
    match element.WhichOneof("type"):
        case "slider" if element.slider.options:
            return chance.choice(list(element.slider.options))
        case "slider":
            slider = element.slider
            steps = round((slider.max - slider.min) / (slider.step or 1))
            return min(slider.max, slider.min + chance.randint(0, steps) * (slider.step or 1))
        case "button_group":
            names = [option.content for option in element.button_group.options]
            return chance.choice(names) if names else None
        case "selectbox":
            options = list(element.selectbox.options)
            return chance.choice(options) if options else None
        case "checkbox":
            return chance.random() < 0.5
        case "button":
            return True
    return None
