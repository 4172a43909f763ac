"""What a run on this machine survives: its server's end in every way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from helpers import wait_for
from playwright.sync_api import expect

from aecore.runs.listing import find_run, list_runs
from bench.screenshots import PROJECT


def serve(port):
    """The app in a process group of its own, as a terminal would have it; once it answers."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            "app.py",
            "--server.port",
            str(port),
            "--server.headless",
            "true",
            "--server.address",
            "127.0.0.1",
        ],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    wait_for(lambda: answers(port), "the server answers")
    return process


def answers(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).status == 200
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.browser
def test_a_run_goes_on_when_its_server_is_killed_and_the_page_finds_it_again(page, own_runs):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
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
        run = find_run(page.url.split("run=")[1])
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            wait_for(lambda: run.state().epoch >= 2, "it trains")
            pid = run.pid()
            os.killpg(server.pid, number)
            server.wait(30)
            epoch = run.state().epoch
            wait_for(lambda at=epoch: run.state().epoch > at + 1, f"it goes on after {number.name}")
            assert run.pid() == pid and run.state().state == "running"
            server = serve(port)
        page.goto(page.url)
        expect(page.get_by_text("running").first).to_be_visible()
        before = page.get_by_text("of 90000").first.inner_text()
        expect(page.get_by_text(before, exact=True)).not_to_be_visible()  # it moves
        page.get_by_role("button", name="Stop").click()
        wait_for(lambda: run.state().state == "stopped", "it can be stopped from the new server")
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        for left in list_runs():
            if left.pid():
                left.stop()
