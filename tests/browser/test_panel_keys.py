"""The panel that trains, by keys alone: Tab, and what has the focus."""

from __future__ import annotations

import zipfile

import pytest
from playwright.sync_api import expect

from aecore.explorer.static_page import export_static_page
from aecore.runs.listing import find_run
from tests.browser.panel import find_panel, wait_for_state
from tests.browser.serving import opened

pytestmark = pytest.mark.browser

FOCUSED = """() => {
  const { activeElement: node } = document;
  const labels = [...(node.labels ?? [])].map((label) => label.textContent);
  return node.getAttribute("aria-label") ?? labels[0] ?? node.textContent;
}"""
MAX_TABS = 60  # more are a circle
STROKES = ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowRight"]


@pytest.fixture
def keyed_page(lone_page, tmp_path):
    """A page on which one can train, with the focus at its beginning."""
    run = find_run("digits-beta-vae")
    folder = export_static_page(run, tmp_path / "page", points=60, trainable=True).folder
    lone_page.goto("about:blank")
    with opened(lone_page, f"{(folder / 'index.html').as_uri()}#data=draw&epochs=3"):
        find_panel(lone_page, "fresh")
        yield lone_page


def tab_to(page, name, back=False):
    """Press Tab until what has the focus begins with a name."""
    for _ in range(MAX_TABS):
        if page.evaluate(FOCUSED).strip().startswith(name):
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"{name} cannot be reached by Tab")


def hit(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def draw_by_keys(page, number):
    """Draw an open square with a tail of some length, and add it."""
    tab_to(page, "Draw here", back=True)
    hit(page, " ")
    for arrow in STROKES:
        hit(page, *[arrow] * 4)
    hit(page, *["ArrowDown"] * number, "Enter", "ArrowUp")
    tab_to(page, "Add drawing")
    hit(page, "Enter")


def test_ten_drawings_become_a_model_by_keys_alone(keyed_page):
    page = keyed_page
    panel = page.locator(".trainer-root")
    tab_to(page, "Remove all")
    hit(page, " ")
    wait_for_state(panel, "waiting")
    for number in range(11):
        draw_by_keys(page, number)
    panel.get_by_text("11 drawings.").wait_for()
    tab_to(page, "Remove drawing 1")
    hit(page, "Enter")
    panel.get_by_text("10 drawings.").wait_for()
    assert page.evaluate(FOCUSED) == "Remove drawing 2"
    tab_to(page, "Variant")
    hit(page, "b", "Tab")  # as a menu takes letters: beta-VAE
    assert "variant=beta-vae" in page.url
    tab_to(page, "Train")
    hit(page, "Enter")
    wait_for_state(panel, "done")
    before = panel.locator("canvas.here").get_attribute("aria-label")
    tab_to(page, "Map of codes")
    hit(page, *["ArrowRight"] * 5, "+", "0")
    assert panel.locator("canvas.here").get_attribute("aria-label") != before
    tab_to(page, "Beta, weight")
    hit(page, "ArrowRight")
    assert "bottleneck.beta=" in page.url
    tab_to(page, "Train again", back=True)
    hit(page, "Enter")
    wait_for_state(panel, "done")
    with page.expect_download() as download:
        tab_to(page, "Download run")
        hit(page, "Enter")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert "drawings-beta-vae/model.safetensors" in archive.namelist()
    tab_to(page, "Push to the Hub")
    hit(page, "Enter", "Tab")
    page.keyboard.type("no token")
    expect(panel.get_by_label("Repository")).to_have_value("drawings-beta-vae")  # a task later
    tab_to(page, "Repository")
    hit(page, "End", *"-2")
    assert panel.get_by_label("Repository").input_value() == "drawings-beta-vae-2"
    hit(page, "Enter")
    panel.get_by_text("Give a token of the Hub with write access").wait_for()


def test_a_training_is_stepped_paused_and_begun_again_by_keys(keyed_page):
    page = keyed_page
    panel = page.locator(".trainer-root")
    tab_to(page, "Epochs")
    hit(page, "Control+a", *"5000", "Tab")  # it does not end before the next key
    wait_for_state(panel, "fresh")
    for name, place in {"Step": "Epoch 0 of 5000, step 1 of", "Epoch": "Epoch 1 of"}.items():
        tab_to(page, name)
        hit(page, "Enter")
        panel.get_by_text(place).wait_for()
    tab_to(page, "Continue", back=True)
    hit(page, "Enter")
    wait_for_state(panel, "running")
    hit(page, "Enter")  # the same button pauses
    wait_for_state(panel, "paused")
    tab_to(page, "Start again")
    hit(page, "Enter")
    wait_for_state(panel, "running")
