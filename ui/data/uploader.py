"""Files from a visitor's disk to the server: a drop zone in the page, and the route that its browser sends them to.

Streamlit's own uploader holds files in memory and is refused inside the frame of a Space, since browsers keep its
cookie from it. Here a file streams to disk, whatever its size, and the token of an empty set is the permission.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from aecore.errors import DataError
from aecore.runs.uploads import (
    UPLOAD_SUFFIXES,
    UploadedData,
    check_upload_name,
    create_upload,
    find_upload,
    read_upload_limit,
)
from ui.kit.visitor import is_public

DAY_SECONDS = 24 * 3600.0  # that a set may stay where strangers bring them


UPLOADER_CSS = """
.zone { display: block; border: 2px dashed var(--st-border-color); border-radius: var(--st-base-radius);
  padding: 1.2rem; text-align: center; cursor: pointer; font-family: var(--st-font); color: var(--st-text-color);
  background: var(--st-secondary-background-color); }
.zone.over, .zone:hover, .zone:focus-within { border-color: var(--st-primary-color); }
.zone input { position: absolute; opacity: 0; width: 1px; height: 1px; }
.zone strong { color: var(--st-primary-color); }
.small { font-size: 0.85rem; opacity: 0.75; margin-top: 0.3rem; }
.bar { height: 6px; border-radius: 3px; margin-top: 0.6rem; background: var(--st-border-color); overflow: hidden; }
.bar div { height: 100%; width: 0; background: var(--st-primary-color); }
.said { margin-top: 0.5rem; min-height: 1.2em; }
.said.wrong { color: #d03b3b; font-weight: 600; }
"""
UPLOADER_HTML = """
<label class="zone"><input type="file" multiple aria-label="Choose files" />
  <span><strong>Choose files</strong> or drop them here</span>
  <div class="small"></div><div class="bar" hidden><div></div></div>
  <div class="said" role="status" aria-live="polite"></div></label>
"""
UPLOADER_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const find = (name) => parentElement.querySelector(name);
  const [zone, input, bar, said] = [".zone", "input", ".bar", ".said"].map(find);
  input.accept = data.accept.join(",");
  find(".small").textContent = data.hint;
  const say = (text, wrong) => { said.textContent = text; said.classList.toggle("wrong", !!wrong); };
  const send = (file, before, total) => new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    const place = `own/${data.token}/${encodeURIComponent(file.name)}`;
    request.open("PUT", new URL(place, location.href.split("?")[0]));
    request.upload.onprogress = (event) => {
      bar.firstChild.style.width = `${(100 * (before + event.loaded)) / total}%`;
    };
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.response); } catch { /* a proxy's page */ }
      request.status === 200 ? done() : fail(answer.error || `The server answered ${request.status}.`);
    };
    request.onerror = () => fail("The connection broke off. Try again.");
    request.send(file);
  });
  const take = async (list) => {
    const files = [...list], total = files.reduce((sum, file) => sum + file.size, 0);
    if (!files.length) return;
    if (total > data.limit) {
      const size = (bytes) => `${Math.ceil(bytes / 1e6).toLocaleString("en")} MB`;
      const over = `has ${size(total)}; the limit is ${size(data.limit)}.`;
      say(`${files[0].name} ${over} Use fewer or smaller examples.`, true);
      return;
    }
    const empty = files.find((file) => !file.size);
    if (empty) return say(`${empty.name} is empty. Choose another file.`, true);
    bar.hidden = false;
    input.disabled = true;
    let before = 0;
    try {
      for (const [i, file] of files.entries()) {
        say(files.length > 1 ? `Sending ${i + 1} of ${files.length}: ${file.name}` : `Sending ${file.name}`);
        await send(file, before, total);
        before += file.size;
      }
      say("Reading ...");
      setTriggerValue("done", { token: data.token });
    } catch (reason) {
      say(reason, true);
    }
    bar.hidden = true;
    input.disabled = false;
    input.value = "";
  };
  if (zone.dataset.token !== data.token) say("");  // another set is to be filled
  zone.dataset.token = data.token;
  input.onchange = () => take(input.files);
  zone.ondragover = (event) => { event.preventDefault(); zone.classList.add("over"); };
  zone.ondragleave = () => zone.classList.remove("over");
  zone.ondrop = (event) => { event.preventDefault(); zone.classList.remove("over"); take(event.dataTransfer.files); };
}
"""
uploader_component = st.components.v2.component(
    "own_data", html=UPLOADER_HTML, css=UPLOADER_CSS, js=UPLOADER_JS
)


def ask_for_files(
    accept: Sequence[str] = UPLOAD_SUFFIXES,
    what: str = "Pictures, .zip, .csv, .parquet, .npz or .npy",
) -> UploadedData | None:
    """A drop zone; in the run after everything has come, the set that it fills. DataError where nothing can be kept."""
    key = f"own_pending_{'_'.join(accept)}"
    one = find_upload(st.session_state.get(key, "")) or create_upload(
        DAY_SECONDS if is_public() else None
    )
    st.session_state[key] = one.token
    hint = f"{what}; up to {read_upload_limit() / 1e6:,.0f} MB in all"
    data = {"token": one.token, "limit": read_upload_limit(), "accept": list(accept), "hint": hint}
    answer: Any = uploader_component(data=data, key=f"drop_{key}", on_done_change=lambda: None)
    if not (answer.done and one.source):
        return None
    del st.session_state[key]  # the next files are another set's
    return one


async def receive_file(request: Request) -> JSONResponse:
    """PUT /own/{token}/{name}: the body becomes a file of the set. Other answers than 200 hold a sentence."""
    one = find_upload(request.path_params["token"])
    if one is None:
        return JSONResponse({"error": "This page is too old to take files. Reload it."}, 403)
    try:
        room = read_upload_limit() - one.size()
        name = check_upload_name(request.path_params["name"])
        if int(request.headers.get("content-length") or 0) > room:
            raise DataError(explain_too_large(name))
        with one.receiving(name) as file:
            async for chunk in request.stream():
                room -= len(chunk)
                if room < 0:
                    raise DataError(explain_too_large(name))
                file.write(chunk)
            if not file.tell():
                raise DataError(f"{name} is empty. Choose another file.")
    except ClientDisconnect:
        return JSONResponse({"error": "The connection broke off. Try again."}, 400)
    except DataError as error:
        return JSONResponse({"error": str(error)}, 400)
    return JSONResponse({})


def explain_too_large(name: str) -> str:
    return f"{name} is too large: the limit is {read_upload_limit() / 1e6:,.0f} MB in all. Use fewer or smaller examples."


UPLOAD_ROUTE = Route("/own/{token}/{name}", receive_file, methods=["PUT"])
