"""The frame of a Space: the page around it shows, and copies, the address of what is inside.

That page carries a query string alone, and hands it to the frame when it is opened. So the name of
a page travels as a parameter: /latent?run=a is ?page=latent&run=a there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import streamlit as st
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from aecore.limits import is_public

SPACE_PARENT = "https://huggingface.co"  # the site that frames a Space
PAGE_PARAMETER = "page"

frame_component = st.components.v2.component(
    "frame",
    css=".st-key-frame {\n  display: none;\n}",  # an empty element, but with a gap around it
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def get_parent_origin() -> str:
    """Returns the site whose pages may frame this one: $AECORE_PARENT_ORIGIN, or the Hub."""
    return os.environ.get("AECORE_PARENT_ORIGIN") or SPACE_PARENT


def report_address() -> None:
    """Lets the page around a public frame follow each change of the address; shows nothing."""
    if is_public():
        data = {"parent": get_parent_origin(), "parameter": PAGE_PARAMETER}
        frame_component(data=data, key="frame")


class PageLinks:
    """ASGI middleware: leads from /?page=latent&run=a to /latent?run=a."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_first_page = scope["type"] == "http" and scope["path"] == "/"
        address = find_linked_page(scope["query_string"].decode("latin-1")) if is_first_page else ""
        answer = RedirectResponse(address) if address else self.app
        await answer(scope, receive, send)


def find_linked_page(query: str) -> str:
    """Returns "latent?run=a" for "page=latent&run=a"; empty where no page is named."""
    parameters = parse_qsl(query, keep_blank_values=True)
    name = dict(parameters).get(PAGE_PARAMETER, "")
    if not re.fullmatch("[a-z-]+", name):
        return ""
    others = urlencode([(key, value) for key, value in parameters if key != PAGE_PARAMETER])
    return f"{name}?{others}" if others else name
