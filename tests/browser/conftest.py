"""A real server and a real Chromium, with a Hub on loopback."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.hub.loopback import LoopbackHub

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


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
        made = player.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield made
        made.close()


@pytest.fixture(scope="session")
def app_runs(tmp_path_factory):
    """Where the app's runs are."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def app(browser, app_runs):
    """The address of the app, with runs of its own and a Hub where alice is at home."""
    from bench.screenshots import server

    with (
        LoopbackHub(users={"hf_alice": "alice"}) as hub,
        server(AECORE_RUNS=str(app_runs), HF_ENDPOINT=hub.url) as address,
    ):
        yield address


@pytest.fixture
def page(browser):
    """A fresh visitor."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    made = context.new_page()
    made.set_default_timeout(60_000)
    yield made
    context.close()
