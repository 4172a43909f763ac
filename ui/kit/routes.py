"""The routes beside the pages. What answers them is imported at the first request."""

from __future__ import annotations

from inspect import iscoroutinefunction

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ui.kit.late import import_late
from ui.kit.shipped_explorer import send_shipped_pack


def answer_health(request: Request) -> PlainTextResponse:
    """Returns "ok", for a load balancer: the process answers."""
    return PlainTextResponse("ok")


def make_late_route(path: str, endpoint: str, method: str = "GET") -> Route:
    """Returns a route to a function of a module that is slow to import, "package.module:name"."""

    async def answer(request: Request) -> Response:
        function = await run_in_threadpool(import_late, endpoint)
        if iscoroutinefunction(function):
            return await function(request)
        return await run_in_threadpool(function, request)

    return Route(path, answer, methods=[method])


CLEAR_ROUTE = make_late_route("/own/{ticket}", "ui.kit.uploader:clear_set", "DELETE")
UPLOAD_ROUTE = make_late_route("/own/{ticket}/{name}", "ui.kit.uploader:receive_file", "PUT")
ZIP_ROUTE = make_late_route("/things/{token}", "ui.kit.zip_link:send_zip")
PACK_ROUTE = make_late_route("/explorer/{token}", "ui.kit.explorer:send_pack")
HANDOVER_ROUTE = make_late_route("/handover", "ui.kit.hub_handover:begin_handover")
SHIPPED_PACK_ROUTE = Route("/explorer/shipped/{name}/{digest}", send_shipped_pack)
HEALTH_ROUTE = Route("/healthz", answer_health)
ROUTES = [
    HEALTH_ROUTE,
    CLEAR_ROUTE,
    UPLOAD_ROUTE,
    SHIPPED_PACK_ROUTE,
    PACK_ROUTE,
    ZIP_ROUTE,
    HANDOVER_ROUTE,
]
