"""Upload of files: a drop zone in the page, and the route that its browser sends them to.

Streamlit's own uploader holds files in memory and is refused inside the frame of a Space, since
browsers keep its cookie from it. Here a file streams to disk, whatever its size, and the token of
an empty set is the permission.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from aecore.errors import DataError
from aecore.limits import is_public
from aecore.runs.uploads import (
    UPLOAD_SUFFIXES,
    UploadedData,
    check_upload_name,
    create_upload,
    find_upload,
    read_upload_bytes,
)
from ui.kit.components import register_component
from ui.kit.visitor import claim

DAY_SECONDS = 24 * 3600.0  # how long a public Space keeps a set

uploader_component = register_component("own_data", Path(__file__).with_suffix(".js"))


def ask_for_files(
    accept: Sequence[str] = UPLOAD_SUFFIXES,
    kinds: str = "Pictures, .zip, .csv, .parquet, .npz or .npy",
) -> UploadedData | None:
    """Show a drop zone for files with the suffixes `accept`, which `kinds` names to the visitor.

    Returns the set that the files fill, in the run after all of them have come; None until then.
    Raises DataError where nothing can be stored.
    """
    key = f"own_pending_{'_'.join(accept)}"
    upload = find_upload(st.session_state.get(key, ""))
    if upload is None:
        upload = create_upload(DAY_SECONDS if is_public() else None)
        claim(upload.path)
    st.session_state[key] = upload.token
    limit = read_upload_bytes()
    hint = f"{kinds}; up to {limit / 1e6:,.0f} MB in all"
    data = {"token": upload.token, "limit": limit, "accept": list(accept), "hint": hint}
    answer: Any = uploader_component(data=data, key=f"drop_{key}", on_done_change=lambda: None)
    if not (answer.done and upload.source):
        return None
    del st.session_state[key]  # the next files are another set's
    return upload


async def receive_file(request: Request) -> JSONResponse:
    """PUT /own/{token}/{name}: the body becomes a file of the set.

    Other answers than 200 hold a sentence.
    """
    upload = find_upload(request.path_params["token"])
    if upload is None:
        return JSONResponse({"error": "This page is too old to take files. Reload it."}, 403)
    try:
        await write_body(request, upload)
    except ClientDisconnect:
        return JSONResponse({"error": "The connection broke off. Try again."}, 400)
    except DataError as error:
        return JSONResponse({"error": str(error)}, 400)
    return JSONResponse({})


async def write_body(request: Request, upload: UploadedData) -> None:
    """Write the body of a request to a file of the set.

    DataError where it is empty or more than there is room for.
    """
    room = read_upload_bytes() - upload.size()
    name = check_upload_name(request.path_params["name"])
    if int(request.headers.get("content-length") or 0) > room:
        raise DataError(explain_too_large(name))
    with upload.receiving(name) as file:
        async for chunk in request.stream():
            room -= len(chunk)
            if room < 0:
                raise DataError(explain_too_large(name))
            file.write(chunk)
        if not file.tell():
            raise DataError(f"{name} is empty. Choose another file.")


def explain_too_large(name: str) -> str:
    """Return the sentence for a file beyond the limit."""
    limit = f"{read_upload_bytes() / 1e6:,.0f} MB in all"
    return f"{name} is too large: the limit is {limit}. Use fewer or smaller examples."
