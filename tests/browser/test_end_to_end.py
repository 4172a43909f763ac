"""The main job in a real browser: train, watch, compare, look around, generate, push, pull."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from helpers import wait_for

from aecore.runs.run import Run
from tests.browser.serving import HANGS, go_on, server, settle, visitor

pytestmark = pytest.mark.browser


def save_picture(page, name):
    """A screenshot for people, where a folder for them is named."""
    if folder := os.environ.get("AECORE_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png")


def go(page, address):
    page.goto(address)
    settle(page)


def run_of(page):
    return re.search(r"run=([\w-]+)", page.url).group(1)


def start_a_run(page, app, app_runs):
    """Train a VAE on the digits through the form, and hold its process still while it runs."""
    while True:
        go(page, f"{app}/train?variant=vae&preset=Quick")
        page.get_by_role("button", name="Start").click()
        page.wait_for_url("**run=**")
        run = Run(app_runs / run_of(page))
        wait_for(lambda run=run: run.state().state != "queued", "it trains", HANGS)
        if pid := run.pid():
            os.kill(pid, signal.SIGSTOP)
            if run.state().state == "running":
                return run, pid
            os.kill(pid, signal.SIGCONT)  # it was over before it could be held: another


@pytest.fixture(scope="module")
def trained(browser, app, app_runs):
    """Train a VAE through the form; the page is reloaded in the middle. Gives the run's id."""
    with visitor(browser) as context:
        page = context.new_page()
        run, pid = start_a_run(page, app, app_runs)
        page.get_by_text("running").first.wait_for()
        save_picture(page, "running")
        page.reload()
        page.get_by_text("running").first.wait_for()
        os.kill(pid, signal.SIGCONT)
        page.get_by_text("On the test set").wait_for()
        settle(page)
        save_picture(page, "done")
    return run.id


def test_a_run_is_watched_to_its_end_across_a_reload(trained, page, app):
    go(page, f"{app}/train?run={trained}")
    page.get_by_text(re.compile(r"^(\d+) of \1 epochs$")).wait_for()
    page.get_by_text("NLL bound").wait_for()
    page.get_by_role("img", name=re.compile("Test inputs")).first.wait_for()


def test_back_and_forward_change_the_lesson(page, app):
    go(page, f"{app}/learn")
    previous = page.get_by_role("button", name="Previous")
    page.get_by_role("button", name="Next").click()
    previous.and_(page.locator("button:enabled")).wait_for()
    page.wait_for_url("**lesson=**")
    settle(page)
    page.go_back()
    previous.and_(page.locator("button:disabled")).wait_for()
    settle(page)
    assert "lesson=" not in page.url
    page.go_forward()
    previous.and_(page.locator("button:enabled")).wait_for()
    assert "lesson=" in page.url


@pytest.mark.parametrize(
    "path, heading", [("latent?run=mnist-vae", "Latent space"), ("train?run=mnist-vae", "Train")]
)
def test_the_first_visit_to_a_fresh_server_may_be_a_deep_link(page, path, heading):
    with server() as address:
        go(page, f"{address}/{path}")
        page.get_by_role("heading", name=heading, exact=True).wait_for()
        page.get_by_role("link", name="Generate").first.wait_for()
        assert not page.get_by_text("Page not found").is_visible()


def test_two_runs_are_compared_on_the_same_inputs(trained, page, app):
    go(page, f"{app}/compare?runs=mnist-vae&runs=mnist-linear")
    page.get_by_role("img", name=re.compile("rebuilt.*mnist-linear")).wait_for()
    go(page, f"{app}/compare?runs={trained}&runs=mnist-vae")
    page.get_by_text("Not in the picture").wait_for()
    save_picture(page, "compare")
    page.get_by_text("The doctor looks at").wait_for(state="detached")
    settle(page)
    with page.expect_download() as download:
        page.get_by_text("Metrics as CSV").click()
    assert trained in Path(download.value.path()).read_text()


def test_samples_and_an_interpolation_are_made_and_downloaded(trained, page, app):
    go(page, f"{app}/generate?run={trained}")
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    go(page, f"{app}/generate?run={trained}&mode=Interpolate")
    with page.expect_download() as download:
        page.get_by_role("button", name="GIF").click()
    assert Path(download.value.path()).read_bytes().startswith(b"GIF8")
    save_picture(page, "interpolate")


def test_a_run_is_pushed_and_pulled_back_in_the_browser(trained, page, app):
    go(page, f"{app}/hub")
    page.get_by_placeholder("hf_...").fill("hf_alice")
    page.get_by_role("button", name="Use this token").click()
    page.get_by_text("Signed in as alice").wait_for()
    settle(page)
    page.get_by_role("combobox", name="Run").click()
    page.get_by_role("option", name=trained).click()
    settle(page)
    page.get_by_role("button", name="Push", exact=True).click()
    page.get_by_text("Pushed:").wait_for()
    page.get_by_placeholder("user/name").fill(f"alice/{trained}")
    page.get_by_role("button", name="Pull", exact=True).click()
    page.get_by_text("is here").wait_for()
    save_picture(page, "hub")
    assert "hf_alice" not in page.url
    assert "hf_alice" not in page.locator("[data-testid=stApp]").inner_text()
    go(page, f"{app}/generate?run=alice--{trained}")
    page.get_by_role("button", name="PNG").wait_for()


def test_every_page_fits_a_narrow_dark_screen(trained, browser, app):
    with visitor(browser, viewport={"width": 420, "height": 900}, color_scheme="dark") as context:
        page = context.new_page()
        go(page, app)
        for path in ("", f"train?run={trained}", "train", "compare", "latent", "generate", "hub"):
            go_on(page, f"{app}/{path}")
            wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
            assert wide <= 420, f"/{path} is {wide} pixels wide"
            assert page.get_by_test_id("stException").count() == 0, path
