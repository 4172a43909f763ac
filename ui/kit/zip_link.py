"""Things as one .zip: a link in the page, and the route that writes the file while it is read.

Streamlit's download button would hold the whole file in memory.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from cachetools import LRUCache
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from aecore.runs.archive import list_archived_files, name_folders, stream_zip
from aecore.runs.keeping import KeptThing, open_thing
from aecore.runs.ownership import Visitor
from ui.kit.browser_id import is_same_cookie, read_page_cookie, read_request_cookie
from ui.kit.components import register_component
from ui.kit.visitor import get_visitor

MAX_PROMISED_ZIPS = 1000

zip_link_component = register_component("zip_link", Path(__file__).with_suffix(".js"))


class ZipOrder(NamedTuple):
    """What a link downloads, and who may."""

    visitor: Visitor
    cookie: str  # of the visitor's browser; empty where it keeps none
    things: tuple[tuple[Path, bool], ...]  # folders, and whether each is of a run
    with_resume: bool

    def list_allowed(self) -> list[KeptThing]:
        """Returns the things that are still there, and still the visitor's."""
        folders = [thing for thing in self.things if self.visitor.may_change(thing[0])]
        return [open_thing(path, is_run) for path, is_run in folders if path.is_dir()]


class PromisedZips:
    """The links of this server by their tokens, which are hard to guess; the oldest end first."""

    def __init__(self) -> None:
        self.secret, self.lock = secrets.token_bytes(16), threading.Lock()
        self.orders: LRUCache[str, ZipOrder] = LRUCache(MAX_PROMISED_ZIPS)

    def promise(self, order: ZipOrder) -> str:
        """Returns the token of a link; one and the same for the same order."""
        name = repr((order.visitor.ids, *order[1:])).encode()
        token = hashlib.blake2b(name, key=self.secret, digest_size=16).hexdigest()
        with self.lock:
            self.orders[token] = order
        return token

    def find(self, token: str, cookie: str) -> ZipOrder | None:
        """Returns what that browser may download; None for any other token."""
        with self.lock:
            order = self.orders.get(token)
        return order if order and is_same_cookie(order.cookie, cookie) else None


promised_zips = PromisedZips()


def show_zip_link(
    label: str, things: Sequence[KeptThing], key: str, with_resume: bool = False
) -> None:
    """Show a link that downloads things of the visitor's as one .zip."""
    folders = tuple((thing.path.absolute(), thing.is_run) for thing in things)
    order = ZipOrder(get_visitor(), read_page_cookie(), folders, with_resume)
    data = {"token": promised_zips.promise(order), "label": label}
    zip_link_component(data=data, key=key, width="content")


def send_zip(request: Request) -> Response:
    """Answer GET /things/{token} with a .zip. Other answers than 200 hold a sentence."""
    cookie = read_request_cookie(request)
    order = promised_zips.find(request.path_params["token"], cookie)
    things = order.list_allowed() if order else []
    if order is None or not things:
        return PlainTextResponse("This page is too old. Reload it.", 404)
    name = name_folders(things)[0] if len(things) == 1 else "my-things"
    return StreamingResponse(
        stream_zip(list_archived_files(things, order.with_resume)),
        media_type="application/zip",
        headers={
            "Content-Disposition": f"attachment; filename*=utf-8''{quote(name)}.zip",
            "Cache-Control": "no-store",
        },
    )
