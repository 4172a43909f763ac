"""The entry: `streamlit run app.py`. The pages are in pages/, found by pages/_router.py."""

from __future__ import annotations

import os
import secrets
import threading

import streamlit as st
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ui.kit.cache import warm_caches
from ui.kit.explorer import PACK_ROUTE
from ui.kit.uploader import UPLOAD_ROUTE


def answer_health(request: object) -> PlainTextResponse:
    """For a load balancer: the process answers."""
    return PlainTextResponse("ok")


def configure_sign_in() -> dict[str, object] | None:
    """Sign-in with Hugging Face where a Space offers it (`hf_oauth: true`); None elsewhere."""
    if not os.environ.get("OAUTH_CLIENT_ID"):
        return None
    provider = os.environ.get("OPENID_PROVIDER_URL", "https://huggingface.co").rstrip("/")
    return {
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


threading.Thread(target=warm_caches, daemon=True).start()
auth = configure_sign_in()
routes = [Route("/healthz", answer_health), UPLOAD_ROUTE, PACK_ROUTE]
app = st.App("pages/_router.py", routes=routes, secrets={"auth": auth} if auth else None)
