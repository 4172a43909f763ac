"""The entry: `streamlit run app.py`. The pages are in pages/, found by pages/_router.py."""

from __future__ import annotations

import gc
import os
import secrets
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from aecore.limits import is_public
from ui.kit.frame import PageLinks
from ui.kit.message_limits import MessageLimits
from ui.kit.routes import ROUTES
from ui.kit.security_headers import SecurityHeaders
from ui.kit.visitor_cookie import VisitorCookie


@asynccontextmanager
async def load_after_start(server: st.App) -> AsyncIterator[None]:
    """Imports PyTorch and prepares the pages in a thread, while the server answers already."""
    threading.Thread(target=load_pages, daemon=True).start()
    yield


def load_pages() -> None:
    """Imports what pages need, and does what the server does beside them.

    Looking for garbage would take a fifth of the time of the imports, and find next to nothing.
    """
    gc.disable()
    preload = import_module("ui.kit.preload")
    gc.freeze()  # what is there now stays
    gc.enable()
    preload.prepare_server()


def read_sign_in_settings() -> dict[str, dict[str, Any]] | None:
    """Returns secrets for sign-in with Hugging Face on a Space of `hf_oauth: true`; else None."""
    if not os.environ.get("OAUTH_CLIENT_ID"):
        return None
    provider = os.environ.get("OPENID_PROVIDER_URL", "https://huggingface.co").rstrip("/")
    auth = {
        "redirect_uri": f"https://{os.environ['SPACE_HOST']}/oauth2callback",
        "cookie_secret": os.environ.get("COOKIE_SECRET") or secrets.token_hex(32),
        "expose_tokens": ["access"],
        "huggingface": {
            "client_id": os.environ["OAUTH_CLIENT_ID"],
            "client_secret": os.environ["OAUTH_CLIENT_SECRET"],
            "server_metadata_url": f"{provider}/.well-known/openid-configuration",
            "client_kwargs": {"scope": "openid profile contribute-repos jobs", "prompt": "consent"},
        },
    }
    return {"auth": auth}


# The browser's own export of a table would write cells that a spreadsheet runs as formulas.
st.set_option("client.disableDataExport", is_public())
middleware = [
    Middleware(kind) for kind in (SecurityHeaders, VisitorCookie, PageLinks, MessageLimits)
]
app = st.App(
    "pages/_router.py",
    routes=ROUTES,
    middleware=middleware,
    lifespan=load_after_start,
    secrets=read_sign_in_settings(),
)
