"""The explorer of a shipped model, from files: a page shows it before PyTorch is imported.

The files lie in ui/kit/packs, and `python -m bench.packs` writes them. Only Streamlit is needed.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from aecore.explorer.bundle import bundle_modules, read_styles

PACKS_FOLDER = Path(__file__).parent / "packs"
SOURCE = Path(__file__)

shipped_explorer_component = st.components.v2.component(
    "shipped_explorer",
    html='<div class="explorer-root"></div>',
    css=read_styles("explorer") + SOURCE.with_suffix(".css").read_text(encoding="utf-8"),
    js=bundle_modules(SOURCE.with_suffix(".js")),
)


def show_shipped_explorer(name: str) -> None:
    """Show the map of a shipped run: what is under the pointer is decoded in the browser."""
    shipped_explorer_component(data=read_shipped_map(name), key=f"shipped-{name}")


@cache
def read_shipped_map(name: str) -> bytes:
    """Read the pack of a run's map, which names the address of its model."""
    return gzip.decompress((PACKS_FOLDER / f"{name}.map.gz").read_bytes())


def make_shipped_token(name: str, digest: str) -> str:
    """Return what a map's pack calls its model: the end of the address of its pack."""
    return f"shipped/{name}/{digest}"


def send_shipped_pack(request: Request) -> Response:
    """Answer GET /explorer/shipped/{name}/{digest} with the pack of a model."""
    path = PACKS_FOLDER / f"{request.path_params['name']}.model.gz"
    if path not in PACKS_FOLDER.iterdir():
        return PlainTextResponse("There is no such model. Reload the page.", 404)
    headers = {"Content-Encoding": "gzip", "Cache-Control": "public, max-age=31536000, immutable"}
    return Response(path.read_bytes(), media_type="application/octet-stream", headers=headers)
