"""A run on this machine survives the end of its server in every way."""

from __future__ import annotations

import os
import signal

import pytest
from helpers import wait_for

from aecore.runs.listing import find_run, list_runs
from tests.browser.serving import HANGS, reserved_port, serve


@pytest.mark.browser
def test_a_run_goes_on_when_its_server_is_killed_and_the_page_finds_it_again(page, own_runs):
    with reserved_port() as port:
        server = serve(port)
        try:
            page.goto(f"http://127.0.0.1:{port}/train?variant=vae")
            page.get_by_text("Training", exact=True).first.click()
            epochs = page.get_by_label("Epochs", exact=True).first
            epochs.fill("90000")
            epochs.press("Enter")
            page.get_by_text("--epochs 90000").wait_for(state="attached")
            page.get_by_role("button", name="Start", exact=False).click()
            page.wait_for_url("**run=*")
            address = page.url
            run = find_run(address.split("run=")[1])
            page.goto("about:blank")  # uvicorn waits for a page that connects while it shuts down
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
                wait_for(lambda: run.state().epoch >= 2, "it trains", HANGS)
                pid = run.pid()
                os.killpg(server.pid, number)
                server.join()
                epoch = run.state().epoch
                wait_for(
                    lambda at=epoch: run.state().epoch > at + 1,
                    f"it goes on after {number.name}",
                    HANGS,
                )
                assert run.pid() == pid and run.state().state == "running"
                server = serve(port)
            page.goto(address)
            page.get_by_text("running").first.wait_for()
            before = page.get_by_text("of 90,000").first.inner_text()
            page.get_by_text(before, exact=True).wait_for(state="hidden")  # it moves
            page.get_by_role("button", name="Stop").click()
            wait_for(
                lambda: run.state().state == "stopped",
                "it can be stopped from the new server",
                HANGS,
            )
        finally:
            server.kill()
            server.join()
            for left in list_runs():
                if left.pid():
                    left.stop()
