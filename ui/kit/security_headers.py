"""Headers that keep a page to its own server: no picture, script or frame of a stranger.

Text that a stranger wrote, such as a file's name or a card, cannot make a visitor's browser load
anything from elsewhere, whatever Markdown or HTML it holds.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.file_util import get_static_dir

from aecore.limits import is_public
from ui.kit.frame import get_parent_origin

POLICY = {
    "default-src": "'self'",
    # components are modules from memory; the explorer compiles its inner loops, and no other code
    "script-src": "'self' blob: 'wasm-unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "media-src": "'self' data: blob:",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class SecurityHeaders:
    """ASGI middleware: adds the headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.headers = {**HEADERS, "Content-Security-Policy": format_policy()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def format_policy() -> str:
    """Returns the Content-Security-Policy; a public page may be framed by its Space alone."""
    policy = dict(POLICY)
    policy["script-src"] += "".join(f" '{digest}'" for digest in digest_inline_scripts())
    if is_public():
        policy["frame-ancestors"] = f"'self' {get_parent_origin()}"
    return "; ".join(f"{name} {sources}" for name, sources in policy.items())


def digest_inline_scripts() -> list[str]:
    """Returns the digests by which a policy allows the scripts inside Streamlit's own page."""
    page = (Path(get_static_dir()) / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    return [f"sha256-{base64.b64encode(digest).decode()}" for digest in digests]
