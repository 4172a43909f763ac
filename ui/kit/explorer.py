"""The latent explorer in the app: bytes in, selections out.

What moves with the pointer never asks the server.

A map comes as the component's own bytes, and is drawn at once. Its model, which may be a hundred
times as large, is fetched by the page from a route when the map stands, and kept there by the
browser.
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

from aecore.errors import AecoreError
from aecore.explorer.bundle import WEB_FOLDER, bundle_modules, read_styles

EXPLORER_HTML = (
    '<div class="explorer-root"></div>\n<noscript>The explorer needs JavaScript.</noscript>\n'
)
MAX_SELECTIONS, MAX_NAME_LENGTH = 100, 40  # of what a browser may send

explorer_component = st.components.v2.component(
    "explorer",
    html=EXPLORER_HTML,
    css=read_styles("explorer"),
    js=bundle_modules(WEB_FOLDER / "component.js"),
)


class MapSelection(NamedTuple):
    """What the visitor selected on the map."""

    rows: list[int]
    named: dict[str, np.ndarray] | None  # names -> rows; None before the browser has answered


def preload_explorer() -> None:
    """Let the browser fetch the explorer's code before that of the widgets around it.

    Shows nothing.
    """
    explorer_component(
        data=b"",
        key="explorer-preload",
        default={"selections": None},
        on_selections_change=lambda: None,
    )


def show_explorer(
    map_pack: bytes, count: int, key: str, on_select: Callable[[], None]
) -> MapSelection:
    """Draw the map of `count` inputs. `on_select` is called when the visitor selects others."""
    answer: Any = explorer_component(
        data=map_pack, key=key, default={"selections": None}, on_selections_change=on_select
    )
    return read_explorer_answer(answer.selections, count)


def read_explorer_answer(answer: Any, count: int) -> MapSelection:
    """Read the selections of `count` inputs from what the browser sent, which may be anything."""
    if not isinstance(answer, Mapping):
        return MapSelection([], None)
    named = answer.get("named")
    pairs = list(named.items())[:MAX_SELECTIONS] if isinstance(named, Mapping) else []
    named_rows = {}
    for name, bits in pairs:
        rows = decode_members(bits, count)
        if len(rows):
            named_rows[str(name)[:MAX_NAME_LENGTH]] = rows
    return MapSelection(decode_members(answer.get("rows"), count).tolist(), named_rows)


def decode_members(bits: Any, count: int) -> np.ndarray:
    """Return the rows whose bit is set in Base64, lowest bit first; none for other text."""
    try:
        packed = np.frombuffer(base64.b64decode(bits, validate=True), np.uint8)
    except (TypeError, ValueError, binascii.Error):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.unpackbits(packed, bitorder="little")[:count])


# -- models, fetched by the page


class PromisedPacks:
    """Packs that a page may fetch by their token, each built at its first request."""

    MAX_PROMISED = 16  # packs that may be asked for
    MAX_BUILT = 4  # packs whose bytes stay in memory

    def __init__(self) -> None:
        self.secret = secrets.token_bytes(16)
        self.lock, self.build_lock = threading.Lock(), threading.Lock()
        self.promised: OrderedDict[str, Callable[[str], bytes]] = OrderedDict()
        self.built: OrderedDict[str, bytes] = OrderedDict()

    def promise(self, name: str, build: Callable[[str], bytes]) -> str:
        """Return the token under which `build(token)` can be fetched; one for each name."""
        token = hashlib.blake2b(name.encode(), key=self.secret, digest_size=16).hexdigest()
        with self.lock:
            self.promised[token] = build
            keep_latest(self.promised, token, self.MAX_PROMISED)
        return token

    def get(self, token: str) -> bytes | None:
        """Return the bytes of a pack; None for a token that was never given out, or too long ago.

        Raises what building the pack raises.
        """
        with self.lock:
            build = self.promised.get(token)
        if build is None:
            return None
        with self.build_lock:  # one at a time: they need memory
            if token not in self.built:
                self.built[token] = build(token)
            keep_latest(self.built, token, self.MAX_BUILT)
            return self.built[token]


def keep_latest(entries: OrderedDict[str, Any], key: str, limit: int) -> None:
    """Move `key` to the end, and drop the oldest entries beyond `limit`."""
    entries.move_to_end(key)
    while len(entries) > limit:
        entries.popitem(last=False)


def send_pack(request: Request) -> Response:
    """Answer GET /explorer/{token} with a model's pack. Other answers than 200 hold a sentence."""
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
