"""The cookie that knows a visitor again, also inside the frame of a Space.

A browser keeps the cookies of a frame of another site only where they are partitioned: one jar for
each site that embeds the frame. Such a cookie needs HTTPS; a plain address gets an ordinary one.
"""

from __future__ import annotations

import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aecore.limits import is_public

VISITOR_COOKIE = "aecore_visitor"
YEAR_SECONDS = 365 * 24 * 3600


class VisitorCookie:
    """ASGI middleware: gives each browser that opens a page a random id, where it has none."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_public() or not needs_cookie(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        cookie = format_visitor_cookie(is_secure(scope))

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("set-cookie", cookie)
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def needs_cookie(headers: Headers) -> bool:
    """Returns True for a browser that opens a page without an id.

    Not seen from the answer: a page that the browser still has is answered by 304, without a type.
    """
    return "text/html" in headers.get("accept", "") and not read_visitor_id(headers)


def read_visitor_id(headers: Headers) -> str:
    """Returns the id that the browser sent; empty where it sent none."""
    return cookie_parser(headers.get("cookie", "")).get(VISITOR_COOKIE, "")


def is_secure(scope: Scope) -> bool:
    """Returns True for HTTPS, also where a proxy took it off."""
    forwarded = Headers(scope=scope).get("x-forwarded-proto", "")
    return "https" in (scope["scheme"], forwarded.split(",")[0].strip())


def format_visitor_cookie(secure: bool) -> str:
    """Returns the header's value that sets a new random id, for a year."""
    cookie = f"{VISITOR_COOKIE}={secrets.token_hex(16)}; Path=/; Max-Age={YEAR_SECONDS}; HttpOnly"
    return cookie + ("; SameSite=None; Secure; Partitioned" if secure else "; SameSite=Lax")
