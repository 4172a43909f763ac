"""The drop zone of a page, and files that a browser may send to it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from functools import cache
from typing import NamedTuple

import httpx
import numpy as np

from bench.reliability.page_session import COOKIE_NAME, PageSession, Shown

CHUNK_BYTES = 1_000_000
BOMB_PICTURES = 1_200_000  # of 28 x 28, .94 GB once decoded, 1 MB before


class DropZone(NamedTuple):
    """Where a page takes files."""

    shown: Shown
    ticket: str  # the secret that lets files in
    limit: int  # bytes of all of them


def find_drop_zone(tab: PageSession) -> DropZone | None:
    """Returns the drop zone of the page; None where there is none."""
    for shown in tab.list_shown("bidi_component"):
        component = shown.element.bidi_component
        text = component.mixed.json or component.json
        settings = json.loads(text) if text else None
        if isinstance(settings, dict) and "ticket" in settings:
            return DropZone(shown, settings["ticket"], int(settings["limit"]))
    return None


async def send_file(
    address: str, cookie: str, drop: DropZone, name: str, content: bytes | None
) -> str:
    """Send a file, zeros of the largest size for None; returns the status, or what broke off."""
    size = drop.limit if content is None else len(content)
    headers = {"Cookie": f"{COOKIE_NAME}={cookie}", "Content-Length": str(size)}
    url = f"{address}/own/{drop.ticket}/{name}"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
            answer = await client.put(url, content=content or stream_zeros(size), headers=headers)
    except httpx.HTTPError as error:
        return type(error).__name__
    return str(answer.status_code)


async def stream_zeros(size: int) -> AsyncIterator[bytes]:
    """Returns the body of a file of zeros, piece by piece."""
    while size > 0:
        yield bytes(min(size, CHUNK_BYTES))
        size -= CHUNK_BYTES


@cache
def make_bomb() -> bytes:
    """Returns a .npz of 1 MB whose black pictures of 28 x 28 take .94 GB."""
    buffer = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (BOMB_PICTURES, 1, 28, 28)}
    archive = zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open("x.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(BOMB_PICTURES // 1000):
            file.write(bytes(1000 * 28 * 28))
    return buffer.getvalue()
