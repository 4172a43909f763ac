"""A real server and a real Chromium, with a Hub on loopback."""

from __future__ import annotations

import http.server
import os
import shutil
import threading
from functools import partial

import pytest

from tests.browser.serving import VIEWPORT, server, visitor
from tests.hub.loopback import LoopbackHub

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
OTHER_SITES = "--host-resolver-rules=MAP *.test 127.0.0.1"  # names of servers on this machine


@pytest.fixture(scope="session")
def browser():
    """Chromium; without it the test is skipped, or fails where CI demands it."""
    if CHROMIUM is None:
        message = "the browser tests need Chromium: apt-get install chromium"
        if os.environ.get("AECORE_REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    from bench.screenshots import CHROMIUM_ARGUMENTS

    with sync_playwright() as player:
        made = player.chromium.launch(
            executable_path=CHROMIUM, args=[*CHROMIUM_ARGUMENTS, OTHER_SITES]
        )
        yield made
        made.close()


@pytest.fixture(scope="session")
def app_runs(tmp_path_factory):
    """Return the folder of the app's runs."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def app(browser, app_runs):
    """The address of the app, with runs of its own and a Hub where alice is at home."""
    with (
        LoopbackHub(users={"hf_alice": "alice"}) as hub,
        server(AECORE_RUNS=str(app_runs), HF_ENDPOINT=hub.url) as address,
    ):
        yield address


@pytest.fixture(scope="session")
def tab(browser):
    """Open one tab for many visits: it loads and compiles Streamlit once."""
    with visitor(browser) as context:
        yield context.new_page()


@pytest.fixture
def page(tab):
    """Give a visitor of whom nothing is known; each address begins a session of its own.

    Fails where the page loads, or runs, what its Content-Security-Policy does not allow.
    """
    refused = []

    def listen(message):
        if "Content Security Policy" in message.text:
            refused.append(message.text)

    tab.context.on("console", listen)
    yield tab
    tab.context.remove_listener("console", listen)
    tab.evaluate(
        "() => { try { localStorage.clear(); sessionStorage.clear(); } catch {} }"
    )  # none on an empty page
    tab.context.clear_cookies()
    tab.goto("about:blank")
    tab.set_viewport_size(VIEWPORT)
    assert not refused


@pytest.fixture
def own_page(browser):
    """A page that may be listened to and cut off: its context is thrown away."""
    with visitor(browser) as context:
        yield context.new_page()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A plain file server: its folder, and its address."""
    folder = tmp_path_factory.mktemp("pages")
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    ) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def lone_tab(browser):
    """One tab for all static pages: starting a process for each takes longer than a page."""
    with visitor(browser) as context:
        yield context.new_page()


@pytest.fixture
def lone_page(lone_tab):
    """A page whose every error is one of the test."""
    errors = []

    def listen(error):
        errors.append(error)

    lone_tab.on("pageerror", listen)
    yield lone_tab
    lone_tab.remove_listener("pageerror", listen)
    lone_tab.context.unroute_all()
    assert not errors
