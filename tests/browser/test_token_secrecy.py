"""A token that is entered on the page is found afterwards nowhere but in the server's memory."""

from __future__ import annotations

import os
import re
import secrets
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from helpers import wait_for

from aecore.runs.run import Run
from tests.browser.serving import HANGS, go_on, server, settle
from tests.hub.loopback import LoopbackHub

pytestmark = pytest.mark.browser

MODEL = "swiss-roll-vanilla"  # the smallest that comes with the code
STORED = """async () => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie,
  await indexedDB.databases(), await caches.keys(), location.href, history.state])"""


@pytest.fixture(scope="module")
def token():
    return f"hf_{secrets.token_hex(17)}"


@pytest.fixture
def app(token, tmp_path, browser):
    """The address of a public server all of whose files lie in one folder, and its Hub."""
    (tmp_path / "home").mkdir()
    with (
        LoopbackHub(users={token: "alice"}) as hub,
        server(
            AECORE_PUBLIC="1",
            AECORE_RUNS=str(tmp_path / "runs"),
            HOME=str(tmp_path / "home"),
            HF_HOME=str(tmp_path / "home" / "hf"),
            HF_ENDPOINT=hub.url,
            SERVER_LOG=str(tmp_path / "log"),
        ) as address,
    ):
        yield address


def press(page, name):
    page.get_by_role("button", name=name, exact=True).first.click()


def push_and_pull(page):
    page.get_by_role("combobox", name="Run").fill(MODEL)
    page.keyboard.press("Enter")
    settle(page)
    page.get_by_text("Private", exact=True).click()
    settle(page)
    press(page, "Push")
    page.get_by_text("Pushed:").wait_for()
    page.get_by_label("Repository").first.fill(f"alice/{MODEL}")
    page.get_by_test_id("stFormSubmitButton").get_by_role("button", name="Pull").click()
    page.get_by_text(re.compile(f"alice--{MODEL}-[0-9a-f]+ is here")).wait_for()


def train_and_hold(page, address, runs):
    """Start runs in the page's session until one is held while it trains; returns its process."""
    while True:
        go_on(page, f"{address}/train?variant=vae&preset=Quick")
        page.get_by_role("button", name="Start").first.click()
        page.wait_for_url("**run=**")
        run = Run(runs / re.search(r"run=([\w-]+)", page.url)[1])
        wait_for(lambda run=run: run.state().state != "queued", "it trains", HANGS)
        with suppress(ProcessLookupError):  # it was over sooner than it could be held
            if pid := run.pid():
                os.kill(pid, signal.SIGSTOP)
                return pid


def find_in_processes(text):
    """Return the files of /proc in which the environment or command line of a process has it."""
    found, looked = [], 0
    for name in ("environ", "cmdline"):
        for path in Path("/proc").glob(f"[0-9]*/{name}"):
            try:
                found += [path] if text in path.read_bytes() else []
                looked += 1
            except OSError:  # it has ended, or is somebody else's
                continue
    return found, looked


def test_a_token_is_in_no_file_log_environment_address_or_browser(app, own_page, token, tmp_path):
    page, addresses = own_page, []
    page.on("request", lambda request: addresses.append(request.url))
    page.on("websocket", lambda socket: addresses.append(socket.url))
    page.goto(f"{app}/hub")
    settle(page)
    page.get_by_placeholder("hf_...").fill(token)
    press(page, "Use this token")
    page.get_by_text("Signed in as alice.").wait_for()
    push_and_pull(page)
    pid = train_and_hold(page, app, tmp_path / "runs")
    try:
        found, looked = find_in_processes(token.encode())
        assert Path(f"/proc/{pid}/environ").read_bytes() and looked > 4
    finally:
        os.kill(pid, signal.SIGKILL)
    assert found == []

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (tmp_path / "log").stat().st_size and len(files) > 10
    assert not [path for path in files if token.encode() in path.read_bytes()]
    go_on(page, f"{app}/hub")
    seen = [*addresses, str(page.context.cookies()), page.evaluate(STORED), page.content()]
    assert len(addresses) > 10 and not [text for text in seen if token in text]
