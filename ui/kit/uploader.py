"""Upload of files: a drop zone in the page, and the route that its browser sends them to.

Streamlit's own uploader holds files in memory and is refused inside the frame of a Space, since
browsers keep its cookie from it. Here a file streams to disk, whatever its size, and a ticket that
the page was given is the permission.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import streamlit as st
from anyio import from_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from aecore.data.images.formats import IMAGE_SUFFIXES
from aecore.errors import AecoreError, DataError
from aecore.limits import is_public, read_limit
from aecore.runs.storage import ledger
from aecore.runs.uploads import UPLOAD_SUFFIXES, UploadedData, read_upload_bytes
from ui.kit.browser_id import read_page_cookie, read_request_cookie
from ui.kit.components import register_component
from ui.kit.messages import hide_folders
from ui.kit.upload_tickets import UploadTicket, receive_upload, upload_desk
from ui.kit.visitor import get_visitor

SILENCE_SECONDS = 60.0  # after which an upload that sends nothing is given up
PIECES_A_SECOND = 40  # of up to 256 kB, of all uploads together; each holds up every other answer

OLD_PAGE = "This page is too old to take files. Reload it."
LEFT_OUT_KEY = "own_left_out"  # of what is said of files that were not sent
OWN_KINDS = (
    "Pictures (also .heic), a folder or .zip of them; a table: .csv, .tsv, .xlsx, .parquet; "
    "arrays: .npz, .npy"
)

uploader_component = register_component("own_data", Path(__file__).with_suffix(".js"))


# -- in the page


def ask_for_files(
    accept: Sequence[str] = UPLOAD_SUFFIXES,
    kinds: str = OWN_KINDS,
) -> UploadedData | None:
    """Show a drop zone for files with the suffixes `accept`, which `kinds` names to the visitor.

    Returns the set that the files fill, in the run after all of them have come; None until then.
    """
    key = f"own_pending_{'_'.join(accept)}"
    arrived = st.session_state.pop(f"{key}_arrived", "")
    secret = st.session_state.get(key, "")
    if upload_desk.find(secret, read_page_cookie()) is None:
        secret = upload_desk.issue(get_visitor(), read_page_cookie(), accept)
        st.session_state[key] = secret
    data = {"ticket": secret, "accept": list(accept), **describe_upload_limits(kinds)}
    uploader_component(data=data, key=f"drop_{key}", on_done_change=lambda: end_set(key))
    return upload_desk.redeem(arrived) if arrived else None


def end_set(key: str) -> None:
    """Note that all files of a set have come: the zone is drawn with a ticket for the next one."""
    answer: Any = st.session_state[f"drop_{key}"]
    st.session_state[f"{key}_arrived"] = st.session_state.pop(key, "")
    st.session_state[LEFT_OUT_KEY] = describe_left_out(answer.done)


def describe_left_out(done: Any) -> str:
    """Returns a sentence on files that the browser did not send; empty where it sent all."""
    try:
        count, names = int(done["leftOut"]), [str(name)[:80] for name in done["names"]]
    except (KeyError, TypeError, ValueError):
        return ""
    if count < 1 or not names:
        return ""
    which = "1 file of another kind was" if count == 1 else f"{count:,} files of other kinds were"
    return f"{which} left out: {', '.join(names[:3])}{' ...' if count > 3 else ''}."


def describe_upload_limits(kinds: str) -> dict[str, Any]:
    """Returns what the drop zone checks and says before anything is sent."""
    limit, room = read_upload_bytes(), ledger.read_room(get_visitor())
    advice = "Use fewer or smaller examples."
    if room < limit:
        limit, advice = int(room), "Delete something on the page My things first."
    files = read_limit("pictures")
    return {
        "limit": limit,
        "files": None if files == float("inf") else int(files),
        "images": list(IMAGE_SUFFIXES),
        "advice": advice,
        "hint": f"{kinds}; up to {limit / 1e6:,.0f} MB in all",
    }


# -- the route


async def receive_file(request: Request) -> JSONResponse:
    """PUT /own/{ticket}/{name}: the body becomes a file of the set that the ticket is for.

    ?folder= is the path of the folder that the file came in, if it did. Other answers than 200 hold
    a sentence.
    """
    cookie = read_request_cookie(request)
    ticket = upload_desk.find(request.path_params["ticket"], cookie)
    body = read_slowly(request.stream())
    if ticket is None:
        await discard_body(body)
        return JSONResponse({"error": OLD_PAGE}, 403)
    try:
        await run_in_threadpool(write_body, request, body, ticket)
    except (ClientDisconnect, TimeoutError):  # nobody may be there to clear the set away
        await run_in_threadpool(upload_desk.start_over, request.path_params["ticket"])
        return JSONResponse({"error": "The connection broke off. Try again."}, 400)
    except AecoreError as error:
        await discard_body(body)
        return JSONResponse({"error": hide_folders(str(error))}, 400)
    return JSONResponse({})


def clear_set(request: Request) -> JSONResponse:
    """DELETE /own/{ticket}: removes what has come for the ticket's set, which may be begun anew."""
    secret = request.path_params["ticket"]
    if upload_desk.find(secret, read_request_cookie(request)) is None:
        return JSONResponse({"error": OLD_PAGE}, 403)
    upload_desk.start_over(secret)
    return JSONResponse({})


def write_body(request: Request, chunks: AsyncIterator[bytes], ticket: UploadTicket) -> None:
    """Write the body of a request to a file of the set; runs in a thread, since disks may be slow.

    Raises DataError or StorageError where it is empty or more than there is room for.
    """
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal():
        raise DataError("The size of this file is not known. Try again.")
    name, folder = request.path_params["name"], request.query_params.get("folder", "")
    with receive_upload(ticket, name, int(declared), folder) as incoming:
        while chunk := from_thread.run(read_chunk, chunks):
            incoming.write(chunk)


async def discard_body(chunks: AsyncIterator[bytes]) -> None:
    """Read the rest of a body at the pace of all uploads, so that the answer finds its reader."""
    with suppress(ClientDisconnect, TimeoutError):
        while await read_chunk(chunks):
            pass


class Pace:
    """Lets so many pieces pass in a second, evenly, whoever sends them."""

    def __init__(self, a_second: float) -> None:
        self.interval = 1 / a_second
        self.free = 0.0  # when the next piece may pass

    def book(self, now: float) -> float:
        """Takes the next place; returns the seconds until it comes."""
        place = max(self.free, now)
        self.free = place + self.interval
        return place - now


upload_pace = Pace(PIECES_A_SECOND)


async def read_slowly(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yields the pieces of a body; on a public server at the pace of all uploads together."""
    async for chunk in chunks:
        if is_public():
            await asyncio.sleep(upload_pace.book(time.monotonic()))
        yield chunk


async def read_chunk(chunks: AsyncIterator[bytes]) -> bytes:
    """Returns the next bytes of a body, empty at its end; TimeoutError after long silence."""
    async with asyncio.timeout(SILENCE_SECONDS):
        return await anext(chunks, b"")
