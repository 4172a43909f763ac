"""The latent explorer in the app: bytes in, selections out. What moves with the pointer never asks the server."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from aecore import script

ROOT = '<div class="explorer-root"></div>\n<noscript>The explorer needs JavaScript.</noscript>\n'
STYLE, SCRIPT = script.style("explorer"), script.bundle("component")
component = st.components.v2.component("explorer", html=ROOT, css=STYLE, js=SCRIPT)


class Selected(NamedTuple):
    """What the visitor chose on the map."""

    rows: list[int]
    named: dict[str, np.ndarray]  # names -> rows


def show(model: Callable[[], bytes], map_: bytes, count: int, key: str, changed: Callable[[], None]) -> Selected:
    """Draw the map of `count` inputs, then make and send its model; each pack goes to the browser once.

    `changed` is called when the visitor selects others.
    """
    answer: Any = component(data=map_, key=key, default={"selections": None}, on_selections_change=changed)
    component(data=model(), key=f"{key}-model", default={"selections": None}, on_selections_change=lambda: None)
    return read(answer.selections, count)


def read(said: Any, count: int) -> Selected:
    """What the browser sent, which may be anything."""
    if not isinstance(said, Mapping):
        return Selected([], {})
    named = said.get("named")
    pairs = named.items() if isinstance(named, Mapping) else ()
    kept = {str(name)[:40]: rows for name, bits in list(pairs)[:100] if len(rows := members(bits, count))}
    return Selected(members(said.get("rows"), count).tolist(), kept)


def members(bits: Any, count: int) -> np.ndarray:
    """The rows whose bit is set, lowest bit first, in Base64; none where the text is no such mask."""
    try:
        packed = np.frombuffer(base64.b64decode(bits, validate=True), np.uint8)
    except (TypeError, ValueError, binascii.Error):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.unpackbits(packed, bitorder="little")[:count])
