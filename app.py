"""The entry: `streamlit run app.py`. The pages are in pages/, found by pages/_router.py."""

from __future__ import annotations

import gc
import importlib
import os
import secrets
import threading
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from aecore.limits import is_public
from aecore.runs.drafts import remove_all_drafts
from aecore.runs.keeping import keep_sweeping
from aecore.runs.listing import runs_folder
from ui.kit.cache import warm_caches
from ui.kit.explorer import PACK_ROUTE
from ui.kit.sessions import watch_sessions
from ui.kit.uploader import UPLOAD_ROUTE
from ui.kit.visitor_cookie import VisitorCookie
from ui.kit.zip_link import ZIP_ROUTE


def answer_health(request: Request) -> PlainTextResponse:
    """Returns "ok", for a load balancer: the process answers."""
    return PlainTextResponse("ok")


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


def prepare_server() -> None:
    """Warm the caches, and let the garbage collector leave alone what is there by then.

    Streamlit lets it look through everything after each run of a script: a fifth of a second, in
    which no page is answered, for what the libraries keep for ever.
    """
    warm_caches()
    importlib.import_module("torch._dynamo")  # the largest that pages import later
    gc.collect()
    gc.freeze()


# The browser's own export of a table would write cells that a spreadsheet runs as formulas.
st.set_option("client.disableDataExport", is_public())
threading.Thread(target=remove_all_drafts, args=(runs_folder(),), daemon=True).start()
for work in (prepare_server, watch_sessions, keep_sweeping):
    threading.Thread(target=work, daemon=True).start()
middleware = [Middleware(VisitorCookie)]
routes = [Route("/healthz", answer_health), UPLOAD_ROUTE, PACK_ROUTE, ZIP_ROUTE]
app = st.App(
    "pages/_router.py", routes=routes, middleware=middleware, secrets=read_sign_in_settings()
)
