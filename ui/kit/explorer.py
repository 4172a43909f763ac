"""The latent explorer in the app: bytes in, selections out. What moves with the pointer never asks the server.

A map comes as the component's own bytes, and is drawn at once. Its model, which may be a hundred times as large, is
fetched by the page from a route of app.py when the map stands, and kept there by the browser.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from aecore.errors import AecoreError
from aecore.explorer.bundle import bundle_modules, read_styles

EXPLORER_ROOT = (
    '<div class="explorer-root"></div>\n<noscript>The explorer needs JavaScript.</noscript>\n'
)
EXPLORER_STYLE, EXPLORER_SCRIPT = read_styles("explorer"), bundle_modules("component")
explorer_component = st.components.v2.component(
    "explorer", html=EXPLORER_ROOT, css=EXPLORER_STYLE, js=EXPLORER_SCRIPT
)


class MapSelection(NamedTuple):
    """What the visitor chose on the map."""

    rows: list[int]
    named: dict[str, np.ndarray] | None  # names -> rows; None before the browser has said anything


def preload_explorer() -> None:
    """Let the browser fetch the explorer's code before that of the widgets around it. Shows nothing."""
    explorer_component(
        data=b"",
        key="explorer-preload",
        default={"selections": None},
        on_selections_change=lambda: None,
    )


def show_explorer(map_: bytes, count: int, key: str, changed: Callable[[], None]) -> MapSelection:
    """Draw the map of `count` inputs. `changed` is called when the visitor selects others."""
    answer: Any = explorer_component(
        data=map_, key=key, default={"selections": None}, on_selections_change=changed
    )
    return read_explorer_answer(answer.selections, count)


def read_explorer_answer(said: Any, count: int) -> MapSelection:
    """What the browser sent, which may be anything."""
    if not isinstance(said, Mapping):
        return MapSelection([], None)
    named = said.get("named")
    pairs = named.items() if isinstance(named, Mapping) else ()
    kept = {
        str(name)[:40]: rows
        for name, bits in list(pairs)[:100]
        if len(rows := decode_members(bits, count))
    }
    return MapSelection(decode_members(said.get("rows"), count).tolist(), kept)


def decode_members(bits: Any, count: int) -> np.ndarray:
    """The rows whose bit is set, lowest bit first, in Base64; none where the text is no such mask."""
    try:
        packed = np.frombuffer(base64.b64decode(bits, validate=True), np.uint8)
    except (TypeError, ValueError, binascii.Error):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.unpackbits(packed, bitorder="little")[:count])


# -- models, fetched by the page


class PromisedPacks:
    """Packs that may be asked for, each made when it first is; who knows its token may have it."""

    PROMISED, KEPT = 16, 4  # how many may be asked for, and how many are kept once made

    def __init__(self) -> None:
        self.secret = secrets.token_bytes(16)
        self.guard, self.making = threading.Lock(), threading.Lock()
        self.promised: OrderedDict[str, Callable[[str], bytes]] = OrderedDict()
        self.made: OrderedDict[str, bytes] = OrderedDict()

    def promise(self, name: str, make: Callable[[str], bytes]) -> str:
        """The token under which `make(token)` can be had; the same for the same name."""
        token = hashlib.blake2b(name.encode(), key=self.secret, digest_size=16).hexdigest()
        with self.guard:
            self.promised[token] = make
            self.promised.move_to_end(token)
            while len(self.promised) > self.PROMISED:
                self.promised.popitem(last=False)
        return token

    def get(self, token: str) -> bytes | None:
        """The bytes; None for a token that was never given, or too long ago. What `make` raises."""
        with self.guard:
            make = self.promised.get(token)
        if make is None:
            return None
        with self.making:  # one at a time: they need memory
            if token not in self.made:
                self.made[token] = make(token)
            self.made.move_to_end(token)
            while len(self.made) > self.KEPT:
                self.made.popitem(last=False)
            return self.made[token]


def send_pack(request: Request) -> Response:
    """GET /explorer/{token}: a model's pack. Other answers than 200 hold a sentence."""
    try:
        data = promised_packs.get(request.path_params["token"])
    except AecoreError as error:
        return PlainTextResponse(str(error), 400)
    if data is None:
        return PlainTextResponse("This page is too old. Reload it.", 404)
    return Response(
        data,
        media_type="application/octet-stream",
        headers={"Cache-Control": "private, max-age=86400"},
    )


promised_packs = PromisedPacks()
PACK_ROUTE = Route("/explorer/{token}", send_pack)
