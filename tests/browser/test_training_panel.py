"""Training in a static page: drawings, files and samples become a model that Python opens."""

from __future__ import annotations

import io
import re
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from aecore.explorer.static_page import export_static_page
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import find_run
from aecore.runs.run import Run
from aecore.training.trainer import fit
from tests.browser.panel import press, wait_for_state
from tests.browser.serving import opened, visitor

pytestmark = pytest.mark.browser

PHONE = {"width": 420, "height": 800}
TABLE = "length;width;species\n" + "\n".join(
    f"{i % 7 + 0.5};{i % 5 * 2.0};{'ab'[i % 2]}" for i in range(60)
)


@pytest.fixture(scope="module")
def page_folder(tmp_path_factory):
    """The folder of a page on which one can train, with samples."""
    folder = tmp_path_factory.mktemp("pages") / "trainable"
    run = find_run("digits-beta-vae")
    return export_static_page(run, folder, points=200, thumbnails=True, trainable=True).folder


@pytest.fixture
def open_panel(lone_page, page_folder):
    """Give `open(hash, state)`: the panel of the page from a disk, once it is in that state."""
    contexts = []

    def open_page(fragment="", state="fresh"):
        lone_page.goto("about:blank")
        context = opened(lone_page, f"{(page_folder / 'index.html').as_uri()}{fragment}")
        contexts.append(context)
        asked = context.__enter__()
        panel = lone_page.locator(".trainer-root")
        panel.scroll_into_view_if_needed()
        wait_for_state(panel, state)
        return panel, asked

    yield open_page
    for context in contexts:
        context.__exit__(None, None, None)


def draw_line(page, field, slope):
    """Draw a line with a finger."""
    field.scroll_into_view_if_needed()
    box = field.bounding_box()
    finger = page.context.new_cdp_session(page)

    def move(kind, share):
        x, y = box["x"] + 20 + 90 * share, box["y"] + 30 + slope * share
        points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    move("touchStart", 0)
    move("touchMove", 0.5)
    move("touchMove", 1)
    move("touchEnd", 1)
    finger.detach()


def read_settings(page):
    return dict(part.split("=") for part in page.url.partition("#")[2].split("&") if part)


def save_run(page, panel, folder):
    """Download the run and unpack it; return the folder of the run."""
    with page.expect_download() as download:
        press(panel, "Download run")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return next(path for path in folder.iterdir() if path.is_dir())


def test_drawings_become_a_run_that_python_opens_and_goes_on_with(
    lone_page, open_panel, tmp_path, monkeypatch
):
    panel, asked = open_panel("#data=draw&variant=sparse-l2&latent_dim=8&epochs=3")
    for epoch in (1, 2):
        press(panel, "Epoch")
        panel.get_by_text(f"Epoch {epoch} of 3, step 0").wait_for()
    wait_for_state(panel, "paused")
    codes = panel.evaluate("(root) => Array.from(root.panel.codeMap.codes)")
    path = save_run(lone_page, panel, tmp_path)
    monkeypatch.chdir(tmp_path)
    with np.load(f"{path.name}.npz") as examples:
        x = torch.from_numpy(examples["x_test"])
        assert len(examples["x_train"]) == 500 and len(x) == 100
        assert set(examples["y_train"]) == set(range(10))
    model, run = Autoencoder.load(path), Run(path)
    assert model.encode(x).numpy() == pytest.approx(np.reshape(codes, (-1, 8))[: len(x)], abs=1e-5)
    before = [record.loss for record in run.epochs()]
    assert len(before) == 2
    list(fit(run))
    after = [record.loss for record in run.epochs()]
    assert after[:2] == before and len(after) == 3 and after[2] < 1.2 * after[1]
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)


def test_training_moves_the_map_and_the_picture_under_the_pointer(lone_page, open_panel):
    panel, _ = open_panel("#data=draw&epochs=4")
    stage = panel.locator(".stage")
    stage.hover(position={"x": 60, "y": 60})
    picture = "(root) => root.querySelector('canvas.here').toDataURL()"
    before = panel.evaluate(picture)
    press(panel, "Train")
    wait_for_state(panel, "done")
    assert panel.evaluate(picture) != before
    panel.get_by_text("Loss, epoch 4:").wait_for()
    error = panel.locator(".rebuilt .error").nth(1).inner_text()
    assert float(re.search(r"[\d.]+$", error)[0]) > 0
    panel.get_by_label("Epochs").fill("5000")  # it does not end before the next buttons are pressed
    panel.get_by_label("Epochs").press("Tab")
    press(panel, "Train again")
    wait_for_state(panel, "running")
    press(panel, "Remove all")
    again = "(root) => { root.panel.startAgain(); return root.panel.state; }"
    assert panel.evaluate(again) == "running"
    panel.get_by_text("Choose or draw the examples to train on.").wait_for()
    press(panel, "Pause")
    wait_for_state(panel, "paused")


def test_samples_are_compared_with_the_pages_own_model(open_panel):
    panel, _ = open_panel()
    assert panel.get_by_role("button", name="Sample inputs").get_attribute("aria-pressed") == "true"
    rows = panel.locator(".rebuilt tr")
    assert rows.locator("th").all_inner_texts() == ["test example", "this model", "shipped model"]
    errors = [float(text.split()[-1]) for text in rows.locator(".error").all_inner_texts() if text]
    assert len(errors) == 2 and errors[1] < errors[0]  # nothing is learned yet


def test_a_table_is_trained_on_and_what_is_left_out_is_said(open_panel):
    panel, _ = open_panel("#data=files&epochs=2&variant=vanilla", "waiting")
    file = {"name": "my flowers.csv", "mimeType": "text/csv", "buffer": TABLE.encode()}
    panel.locator("input[type=file]").set_input_files(file)
    panel.get_by_text("60 rows of 2 columns.").wait_for()
    press(panel, "Train")
    wait_for_state(panel, "done")
    assert panel.locator(".legend .key").all_inner_texts() == ["a", "b"]
    broken = {"name": "words.csv", "mimeType": "text/csv", "buffer": b"a,b\nx,y\nz,w\n"}
    panel.locator("input[type=file]").set_input_files(broken)
    panel.get_by_text("The file has no column of numbers.").wait_for()


DROP = """(root, name) => new Promise((resolve) => {
  const text = () => new Promise((answer) => { globalThis.answer = answer; resolve(); });
  const dataTransfer = { files: [{ name, type: "", size: 1, text }] };
  root.querySelector(".drop").ondrop({ preventDefault() {}, dataTransfer });
})"""


def test_the_files_that_were_dropped_last_are_trained_on(open_panel):
    panel, _ = open_panel("#data=files", "waiting")
    panel.evaluate(DROP, "slow.csv")
    file = {"name": "iris.csv", "mimeType": "text/csv", "buffer": TABLE.encode()}
    panel.locator("input[type=file]").set_input_files(file)
    panel.get_by_text("60 rows of 2 columns.").wait_for()
    panel.evaluate("() => answer('not a table')")
    assert panel.get_by_text("60 rows of 2 columns.").is_visible()
    panel.locator("input[type=file]").set_input_files([file, file])
    panel.get_by_text("Choose one table or pictures, got 2 of 2 files that are tables.").wait_for()
    unknown = {"name": "readme", "mimeType": "", "buffer": b"words"}
    panel.locator("input[type=file]").set_input_files(unknown)
    panel.get_by_text("0 pictures could be read, 1 could not.").wait_for()


def test_where_the_worker_is_lost_every_attempt_says_so(open_panel):
    panel, _ = open_panel("#data=draw")
    panel.evaluate("""(root) => root.panel.session.worker.dispatchEvent(
      new ErrorEvent("error", { message: "No worker." }))""")
    for epochs in ("7", "8"):
        wait_for_state(panel, "refused")
        panel.get_by_text("No worker.").wait_for()
        panel.get_by_label("Epochs").fill(epochs)
        panel.get_by_label("Epochs").press("Tab")
    assert panel.evaluate(
        "(root) => root.panel.session.save().catch(({ message }) => message)"
    ) == ("No worker.")


def test_pictures_are_read_in_the_page(open_panel):
    panel, _ = open_panel("#data=files", "waiting")
    files = []
    for i in range(3):
        buffer = io.BytesIO()
        Image.new("RGB", (40, 30), (80 * i, 40, 200)).save(buffer, "PNG")
        files.append({"name": f"{i}.png", "mimeType": "image/png", "buffer": buffer.getvalue()})
    files.append({"name": "bad.png", "mimeType": "image/png", "buffer": b"no picture"})
    panel.locator("input[type=file]").set_input_files(files)
    panel.get_by_text("3 pictures, 200 copies of each").wait_for()
    panel.get_by_text("1 files were left out").wait_for()


def test_settings_are_in_the_address(lone_page, open_panel):
    panel, _ = open_panel("#variant=beta-vae&latent_dim=3&bottleneck.beta=2.5&training.lr=-1")
    slider = lone_page.locator("[data-path='bottleneck.beta']")
    assert panel.locator(".knob", has=slider).locator(".value").inner_text() == "2.50"
    assert panel.evaluate("(root) => root.panel.codeMap.latest.meta.latent_dim") == 3
    slider.press("ArrowRight")
    assert float(read_settings(lone_page)["bottleneck.beta"]) > 2.5
    lone_page.evaluate("""() => {
      history.replaceState = () => { throw new DOMException("too often"); };
    }""")
    slider.press("ArrowRight")  # acts, and is no error of the page
    lone_page.evaluate("() => { delete history.replaceState; }")
    panel.get_by_label("Variant").select_option("vanilla")
    assert read_settings(lone_page) == {"variant": "vanilla"}
    names = panel.get_by_label("Variant").locator("option:disabled").all_inner_texts()
    assert "Codec" in names
    panel.get_by_text("variants are not trained in a page").click()
    assert panel.get_by_text("A page trains no bottleneck of kind rate").is_visible()


def test_a_finger_draws_on_a_phone_and_nothing_is_wider_than_its_screen(browser, page_folder):
    with visitor(browser, viewport=PHONE, has_touch=True, is_mobile=True) as context:
        page = context.new_page()
        with opened(page, f"{(page_folder / 'index.html').as_uri()}#data=draw"):
            panel = page.locator(".trainer-root")
            panel.scroll_into_view_if_needed()
            wait_for_state(panel, "fresh")
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
            press(panel, "Remove all")
            wait_for_state(panel, "waiting")
            for count in range(1, 11):
                draw_line(page, panel.locator(".source canvas.field"), 3 * count)
                press(panel, "Add drawing")  # a tap that takes long is no click
                panel.locator(".drawings button").nth(count - 1).wait_for()
            wait_for_state(panel, "fresh")


def test_the_app_trains_in_the_browser_within_its_security_policy(page, app):
    page.goto(app)
    page.get_by_text("Train in this browser").click()
    panel = page.locator(".trainer-root")
    panel.scroll_into_view_if_needed()
    wait_for_state(panel, "fresh")
    panel.get_by_label("Epochs").fill("1")
    panel.get_by_label("Epochs").press("Tab")
    wait_for_state(panel, "fresh")
    press(panel, "Train")
    wait_for_state(panel, "done")
    assert read_settings(page) == {"epochs": "1"}
    panel.get_by_text("Push to the Hub").click()
    panel.get_by_text("This page may reach its own server alone").wait_for()
