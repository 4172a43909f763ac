"""What stands between strangers and a public server: headers, the cookie, limits on messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from ui.kit import message_limits
from ui.kit.frame import PageLinks
from ui.kit.message_limits import MAX_CONNECTIONS, MESSAGE_BYTES, MessageLimits
from ui.kit.security_headers import SecurityHeaders
from ui.kit.visitor_cookie import VISITOR_COOKIE, VisitorCookie

ROOT = Path(__file__).parents[1]
ANSWER_WHILE_IMPORTING = """
import sys, threading
from starlette.testclient import TestClient

asked, never = threading.Event(), threading.Event()

class Holding:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            main = threading.current_thread() is threading.main_thread()
            assert not main, "the server waits for torch"
            asked.set()
            never.wait()

sys.meta_path.insert(0, Holding())
import app
with TestClient(app.app) as client:
    asked.wait()
    print(client.get("/healthz").text)
    sys.stdout.flush()
    import os
    os._exit(0)
"""


def test_the_server_answers_while_torch_is_still_being_imported():
    done = subprocess.run(
        [sys.executable, "-c", ANSWER_WHILE_IMPORTING],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout == "ok\n", done.stderr


# -- headers and the cookie


def serve_pages(*kinds):
    """Return a client of a small app behind these kinds of middleware."""

    async def echo(websocket):
        await websocket.accept()
        async for message in websocket.iter_bytes():
            await websocket.send_bytes(message)

    routes = [
        Route("/", lambda request: PlainTextResponse("a page")),
        Route("/again", lambda request: Response(status_code=304)),
        WebSocketRoute("/echo", echo),
    ]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(kind) for kind in kinds]))


def read_policy(answer):
    """Return the Content-Security-Policy of an answer, {directive: its sources}."""
    parts = answer.headers["content-security-policy"].split("; ")
    return {name: sources for name, *sources in (part.split() for part in parts)}


def test_every_answer_keeps_the_browser_to_this_server(monkeypatch):
    monkeypatch.delenv("AECORE_PUBLIC", raising=False)
    answer = serve_pages(SecurityHeaders).get("/no-such-page")
    policy = read_policy(answer)
    assert policy["img-src"] == ["'self'", "data:", "blob:"]
    assert not {"'unsafe-inline'", "'unsafe-eval'"} & {*policy["script-src"]}
    assert policy["object-src"] == ["'none'"] and policy["base-uri"] == ["'self'"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]
    assert "frame-ancestors" not in policy  # one's own server may stand in any frame


def test_a_public_page_may_be_framed_by_its_space_alone(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "alice/lab")
    policy = read_policy(serve_pages(SecurityHeaders).get("/"))
    assert policy["frame-ancestors"] == ["'self'", "https://huggingface.co"]
    monkeypatch.setenv("AECORE_PARENT_ORIGIN", "https://hub.test")
    policy = read_policy(serve_pages(SecurityHeaders).get("/"))
    assert policy["frame-ancestors"] == ["'self'", "https://hub.test"]


PAGE = {"accept": "text/html,*/*;q=0.8"}
FRAMED = ["HttpOnly", "SameSite=None", "Secure", "Partitioned"]


@pytest.mark.parametrize("path", ["/", "/again"])  # also for a page that the browser still has
@pytest.mark.parametrize(
    ("headers", "attributes"),
    [(PAGE, ["HttpOnly", "SameSite=Lax"]), ({**PAGE, "x-forwarded-proto": "https"}, FRAMED)],
)
def test_a_page_gives_a_new_visitor_a_cookie_that_https_keeps_in_a_frame(
    monkeypatch, path, headers, attributes
):
    monkeypatch.setenv("AECORE_PUBLIC", "1")
    cookie = serve_pages(VisitorCookie).get(path, headers=headers).headers["set-cookie"]
    name, *_, expected = cookie.split("; ", 3)
    assert name.startswith(f"{VISITOR_COOKIE}=") and len(name.split("=")[1]) == 32
    assert expected.split("; ") == attributes


@pytest.mark.parametrize(
    ("public", "headers"),
    [("1", {}), ("1", {**PAGE, "cookie": f"{VISITOR_COOKIE}=known"}), ("0", PAGE)],
)
def test_a_known_visitor_a_file_and_ones_own_machine_get_no_cookie(monkeypatch, public, headers):
    monkeypatch.setenv("AECORE_PUBLIC", public)
    assert "set-cookie" not in serve_pages(VisitorCookie).get("/", headers=headers).headers


# -- addresses of the page around a frame


@pytest.mark.parametrize(
    ("query", "address"),
    [
        ("page=latent", "latent"),
        ("page=my-things", "my-things"),
        ("page=latent&run=mnist-vae", "latent?run=mnist-vae"),
        ("runs=a&page=compare&runs=b%26c&note=", "compare?runs=a&runs=b%26c&note="),
    ],
)
def test_an_address_that_names_a_page_leads_there(query, address):
    answer = serve_pages(PageLinks).get(f"/?{query}", follow_redirects=False)
    assert answer.status_code == 307 and answer.headers["location"] == address


@pytest.mark.parametrize("name", ["", "../own", "//stranger.test", "https://stranger.test", "a/b"])
def test_an_address_that_names_no_page_of_this_server_leads_nowhere(name):
    assert serve_pages(PageLinks).get(f"/?page={name}", follow_redirects=False).text == "a page"


# -- messages


@pytest.fixture
def pauses(monkeypatch):
    """The seconds that each message had to wait on a public server of 60 messages a minute."""
    monkeypatch.setenv("AECORE_PUBLIC", "1")
    monkeypatch.setenv("AECORE_MESSAGES", "60")
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr(message_limits, "sleep", sleep)
    monkeypatch.setattr(message_limits, "monotonic", lambda: float(sum(waited)))
    return waited


def send_all(socket, count, message=b"hello"):
    """Send messages one after the other, and wait for the echo of each."""
    for _ in range(count):
        socket.send_bytes(message)
        assert socket.receive_bytes() == message


def test_a_burst_passes_and_what_follows_waits_while_others_do_not(pauses):
    client = serve_pages(MessageLimits)
    with client.websocket_connect("/echo") as loud, client.websocket_connect("/echo") as quiet:
        send_all(loud, 60)
        assert not pauses
        send_all(loud, 5)
        assert pauses == [1.0] * 5
        send_all(quiet, 60)
        assert len(pauses) == 5


def test_long_messages_count_as_several(pauses):
    with serve_pages(MessageLimits).websocket_connect("/echo") as socket:
        send_all(socket, 6, bytes(9 * MESSAGE_BYTES))
        assert not pauses
        send_all(socket, 1, bytes(4 * MESSAGE_BYTES))
        assert pauses == [5.0]


def test_a_connection_that_never_pauses_is_closed(pauses):
    with serve_pages(MessageLimits).websocket_connect("/echo") as socket:
        send_all(socket, 60 + 60)
        socket.send_bytes(b"one too many")
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_bytes()
    assert closed.value.code == message_limits.POLICY_VIOLATION


def test_messages_are_not_counted_on_ones_own_machine(pauses, monkeypatch):
    monkeypatch.setenv("AECORE_PUBLIC", "0")
    with serve_pages(MessageLimits).websocket_connect("/echo") as socket:
        send_all(socket, 150)
    assert not pauses


def test_a_visitor_has_so_many_connections_and_may_open_another_when_one_ends(pauses):
    client = serve_pages(MessageLimits)

    def connect(visitor):
        return client.websocket_connect("/echo", headers={"cookie": f"{VISITOR_COOKIE}={visitor}"})

    opened = [connect("alice").__enter__() for _ in range(MAX_CONNECTIONS)]
    with pytest.raises(WebSocketDisconnect), connect("alice"):
        pass
    with connect("bob") as other:
        send_all(other, 1)
    opened.pop().__exit__(None, None, None)
    with connect("alice") as again:
        send_all(again, 1)
    for socket in opened:
        socket.__exit__(None, None, None)
