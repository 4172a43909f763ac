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
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from aecore.errors import AecoreError
from aecore.explorer.bundle import WEB_FOLDER, bundle_modules, read_styles
from aecore.names import clean_name
from aecore.runs.ownership import Visitor
from ui.kit.memory import find_origin, find_private_owner, memory_store
from ui.kit.messages import hide_folders
from ui.kit.sessions import is_visitor_present
from ui.kit.visitor import get_visitor

EXPLORER_HTML = (
    '<div class="explorer-root"></div>\n<noscript>The explorer needs JavaScript.</noscript>\n'
)
MAX_SELECTIONS, MAX_SELECTION_NAME = 100, 40  # of what a browser may send
MAX_SELECTED_ROWS = 2_000_000  # of all selections of a map together

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
    named_rows: dict[str, np.ndarray] = {}
    room = MAX_SELECTED_ROWS
    for name, bits in pairs:
        rows = decode_members(bits, count)
        room -= len(rows)
        if len(rows) and room >= 0:
            named_rows[clean_name(str(name), MAX_SELECTION_NAME)] = rows
    return MapSelection(decode_members(answer.get("rows"), count).tolist(), named_rows)


def decode_members(bits: Any, count: int) -> np.ndarray:
    """Return the rows whose bit is set in Base64, lowest bit first; none for other text."""
    try:
        packed = np.frombuffer(base64.b64decode(bits, validate=True), np.uint8)
    except (TypeError, ValueError, binascii.Error):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.unpackbits(packed, bitorder="little")[:count])


# -- models, fetched by the page


class Promise(NamedTuple):
    """A pack that may be fetched for as long as its visitor may see the run."""

    owner: str  # whose it alone is; empty where everybody may see the run
    visitor: Visitor
    folder: Path  # of the run
    build: Callable[[str], bytes]


class PromisedPacks:
    """Packs that a page may fetch by their token, each built at a request and kept in memory.

    A promise holds on to no data: `build` reads what it needs.
    """

    MAX_PROMISED = 16  # packs of one visitor that may be asked for
    MAX_SHARED = 512  # packs of what everybody may see

    def __init__(self) -> None:
        self.secret = secrets.token_bytes(16)
        self.lock, self.build_lock = threading.Lock(), threading.Lock()
        self.promised: OrderedDict[str, Promise] = OrderedDict()

    def promise(self, folder: Path, name: str, build: Callable[[str], bytes]) -> str:
        """Return the token under which `build(token)` can be fetched.

        There is one for each name of a pack of a run: for everybody where everybody may see the
        run, else for this visitor alone.
        """
        visitor = get_visitor()
        owner = find_private_owner(folder) and visitor.owner
        text = f"{owner} {folder.resolve()} {name}"
        token = hashlib.blake2b(text.encode(), key=self.secret, digest_size=16).hexdigest()
        with self.lock:
            self.promised[token] = Promise(owner, visitor, folder, build)
            self.promised.move_to_end(token)
            self.keep_latest(owner)
        return token

    def keep_latest(self, owner: str) -> None:
        """Drop the oldest promises to an owner, and all to visitors who have left."""
        limit = self.MAX_PROMISED if owner else self.MAX_SHARED
        mine = [token for token, promise in self.promised.items() if promise.owner == owner]
        left = [
            token
            for token, promise in self.promised.items()
            if promise.owner not in ("", owner) and not is_visitor_present(promise.owner)
        ]
        for token in [*mine[:-limit], *left]:
            del self.promised[token]

    def get(self, token: str) -> bytes | None:
        """Return the bytes of a pack; None for a token that was never given out, or too long ago.

        Raises what building the pack raises.
        """
        with self.lock:
            promise = self.promised.get(token)
        if promise is None or not promise.visitor.may_see(promise.folder):
            return None

        def build() -> bytes:
            with self.build_lock:  # one at a time: they need memory
                return promise.build(token)

        return memory_store.load(("pack", token), build, find_origin([promise.folder]))


def send_pack(request: Request) -> Response:
    """Answer GET /explorer/{token} with a model's pack. Other answers than 200 hold a sentence."""
    try:
        data = promised_packs.get(request.path_params["token"])
    except AecoreError as error:
        return PlainTextResponse(hide_folders(str(error)), 400)
    if data is None:
        return PlainTextResponse("This page is too old. Reload it.", 404)
    return Response(
        data,
        media_type="application/octet-stream",
        headers={"Cache-Control": "private, max-age=86400"},
    )


promised_packs = PromisedPacks()
