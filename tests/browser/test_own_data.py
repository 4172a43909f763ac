"""A new user with data of their own: bring it, train on it, do every job with it, in a browser."""

from __future__ import annotations

import io
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_sample_images

from aecore.model.variants import VARIANTS
from tests.browser.serving import DROP_ZONE, VIEWPORT, go_on, settle
from tests.browser.test_end_to_end import go, run_of, save_picture

pytestmark = pytest.mark.browser


def patches(path: Path, count: int = 160, side: int = 64) -> Path:
    """Zip colour pictures cut from two photographs, a class each, and two files that are none."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for name, photo in zip(("china", "flower"), load_sample_images().images, strict=True):
            for i in range(count // 2):
                top, left = (int(rng.integers(0, size - side)) for size in photo.shape[:2])
                out = io.BytesIO()
                Image.fromarray(photo[top : top + side, left : left + side]).save(out, "PNG")
                archive.writestr(f"{name}/{i:03d}.png", out.getvalue())
        archive.writestr("flower/torn.png", b"\x89PNG and nothing more")
        archive.writestr("china/notes.txt", "hello")
    return path


def people(path: Path, rows: int = 1000) -> Path:
    """Numbers that hang together, words, holes, a column of free text and a constant one."""
    rng = np.random.default_rng(0)
    t = rng.normal(size=(rows, 3)) @ rng.normal(size=(3, 6)) + 0.3 * rng.normal(size=(rows, 6))
    names = ["height", "age", "income", "score", "temperature", "weight"]
    frame = pd.DataFrame(
        t * [10, 10, 900, 1, 1, 9] + [170, 45, 3000, 5, 37, 70], columns=names
    ).round(2)
    frame["city"] = np.where(t[:, 0] > 1, "Rome", np.where(t[:, 0] > -1, "Oslo", "Lima"))
    frame["name"], frame["constant"] = [f"person {i}" for i in range(rows)], 7
    frame["class"] = np.where(t[:, 1] > 0, "high", "low")
    for column in ("height", "age", "income", "city"):
        frame.loc[rng.random(rows) < 0.05, column] = None
    frame.to_csv(path, index=False)
    return path


def cancer(path: Path) -> Path:
    frame = load_breast_cancer(as_frame=True).frame
    frame["target"] = np.where(frame.target == 0, "malignant", "benign")
    frame.to_csv(path, index=False)
    return path


def bring(page, app, path: Path) -> None:
    go(page, f"{app}/data")
    page.locator(DROP_ZONE).locator("input[type=file]").set_input_files(path)
    page.get_by_text("Training examples").wait_for()
    settle(page)
    page.get_by_text("Reading ...", exact=True).wait_for(state="hidden")


def test_several_tables_are_refused_before_they_are_sent_and_one_alone_is_taken(
    page, app, tmp_path
):
    tables = [cancer(tmp_path / f"s{i}.csv") for i in range(3)]
    sent = []
    page.on("request", lambda request: sent.append(request.url) if "/own/" in request.url else None)
    go(page, f"{app}/data")
    page.locator(DROP_ZONE).locator("input[type=file]").set_input_files(tables)
    page.get_by_text("s0.csv is a data set of its own").wait_for()
    assert not sent
    page.locator(DROP_ZONE).locator("input[type=file]").set_input_files(tables[1])
    page.get_by_text("Training examples").wait_for()


def test_after_a_connection_that_broke_the_next_choice_works_at_once(page, app, tmp_path):
    go(page, f"{app}/data")
    page.route("**/own/**/2.png", lambda route: route.abort())
    for name in ("1.png", "2.png"):
        Image.new("RGB", (16, 16)).save(tmp_path / name)
    field = page.locator(DROP_ZONE).locator("input[type=file]")
    field.set_input_files([tmp_path / "1.png", tmp_path / "2.png"])
    page.get_by_text("The connection broke off").wait_for()
    field.set_input_files(cancer(tmp_path / "next.csv"))
    page.get_by_text("Training examples").wait_for()


def train_on_this(page, variant: str, name: str) -> str:
    """From the Data page through the form to a finished run; its id."""
    page.get_by_role("button", name="Train on this").click()
    page.wait_for_url("**/train?**")
    settle(page)
    option = page.get_by_role("option", name=VARIANTS[variant].label, exact=True)
    while not option.count():  # a form that is drawn anew closes the list
        page.get_by_role("combobox", name="Variant").click()
        page.wait_for_timeout(500)
    option.click()
    page.get_by_text("Quick", exact=True).click()
    settle(page)
    page.get_by_role("button", name="Start").first.click()
    page.wait_for_url("**run=**")
    page.get_by_text("On the test set").wait_for()
    settle(page)
    save_picture(page, f"{name}-trained")
    return run_of(page)


def whole(page, name: str) -> None:
    """The page has come to rest without an error; a picture of all of it, where people want one."""
    settle(page)
    assert page.locator("[data-testid=stAlertContentError], [data-testid=stException]").count() == 0
    if os.environ.get("AECORE_SCREENSHOTS"):
        page.set_viewport_size({"width": 1280, "height": 1900})
        settle(page)
        save_picture(page, name)
        page.set_viewport_size(VIEWPORT)


@pytest.mark.parametrize("size", ["16 x 16 pixels"])
def test_a_zip_of_colour_pictures_goes_through_every_job(page, app, tmp_path, size):
    bring(page, app, patches(tmp_path / "patches.zip"))
    page.get_by_text("torn.png in patches.zip cannot be read").wait_for()
    page.get_by_role("combobox", name="Size").click()
    page.get_by_role("option", name=size, exact=True).click()
    whole(page, "pictures-data")
    run = train_on_this(page, "vae", "pictures")
    for job, heading in (
        ("denoise", "Noise strengths"),
        ("compress", "Rate-distortion"),
        ("search", "Retrieval precision"),
        ("anomaly", "The most anomalous"),
        ("impute", "Error of the hidden pixels"),
        ("features", "Trustworthiness"),
        ("features?mode=Accuracy&", "Trained on up to"),
        ("features?mode=Code%20size&", "Line: the test error"),
        ("manifold", "Singular values"),
        ("manifold?mode=Noise&", "Brought back by"),
        ("manifold?mode=Dimension&", "Local dimension"),
    ):
        link = f"{app}/{job}{'' if '?' in job else '?'}run={run}&runs={run}"
        go_on(page, link)
        page.get_by_text(heading).first.wait_for()
        whole(page, f"pictures-{re.sub('[^a-z]+', '-', job.lower()).strip('-')}")


def test_a_compressed_file_is_downloaded_and_opens_to_the_picture_that_was_shown(
    page, app, tmp_path
):
    go(page, f"{app}/compress?run=mnist-vanilla&packed=16")
    shown = page.get_by_role("img", name=re.compile("what the file opens to"))
    shown.wait_for()
    size = page.locator("[data-testid=stMetricValue]").first.inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Compressed file").click()
    path = tmp_path / "mine.aez"
    download.value.save_as(path)
    assert size == f"{path.stat().st_size:,} bytes"
    page.locator(DROP_ZONE).locator("input[type=file]").set_input_files(path)
    page.get_by_text("It holds 16 examples").wait_for()
    whole(page, "compress-opened")
    with page.expect_download() as opened:
        page.get_by_role("button", name="NPZ").click()
    from aecore.data.splits import as_float
    from aecore.model.autoencoder import Autoencoder
    from aecore.runs.listing import SHIPPED_FOLDER
    from aecore.tasks.compress import expand_file

    exact = expand_file(Autoencoder.load(SHIPPED_FOLDER / "mnist-vanilla"), path.read_bytes())
    got = np.load(opened.value.path())["x"]
    assert (
        np.array_equal(got[..., 0], (exact[:, 0] * 255).round().byte().numpy())
        and len(as_float(exact)) == 16
    )


def test_a_table_with_words_and_holes_is_filled_and_searched_for_anomalies(page, app, tmp_path):
    bring(page, app, people(tmp_path / "people.csv"))
    page.get_by_text("Left out: name, constant").wait_for()
    whole(page, "table-data")
    run = train_on_this(page, "vae", "table")
    for job, heading in (
        ("compress", "Rate-distortion"),
        ("search", "Retrieval precision"),
        ("anomaly", "The most anomalous"),
        ("impute", "What is really missing"),
        ("features?mode=Codes&", "rows of"),
        ("features", "Trustworthiness"),
        ("manifold", "Singular values"),
    ):
        go_on(page, f"{app}/{job}{'' if '?' in job else '?'}run={run}&runs={run}")
        page.get_by_text(heading).first.wait_for()
        whole(page, f"table-{re.sub('[^a-z]+', '-', job.lower()).strip('-')}")
    go(page, f"{app}/impute?run={run}")
    page.get_by_role("combobox", name="Inputs").click()
    page.get_by_role("option", name="people.csv").click()
    settle(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Filled table as CSV").click()
    filled, given = pd.read_csv(download.value.path()), pd.read_csv(tmp_path / "people.csv")
    assert list(filled.columns) == list(given.columns) and not filled.isna().any(axis=None)
    known = given.notna()
    assert (filled.where(known).fillna(0) == given.fillna(0)).all(axis=None)


def test_breast_cancer_by_the_recipe_of_the_page_finds_malignant_tumours(page, app, tmp_path):
    bring(page, app, cancer(tmp_path / "cancer.csv"))
    go(page, f"{app}/anomaly")
    page.get_by_role("button", name="Train a detector").click()
    page.get_by_role("combobox", name="Data").click()
    page.get_by_role("option", name="cancer.csv").first.click()
    settle(page)
    if not page.get_by_role("combobox", name="Normal class", exact=True).is_visible():
        page.get_by_role("button", name="Train a detector").click()  # a redrawn page closes it
    page.get_by_role("combobox", name="Normal class", exact=True).wait_for()
    page.get_by_role("button", name="Start").first.click()
    page.wait_for_url("**run=**")
    page.get_by_text("On the test set").wait_for()
    run = run_of(page)
    go(page, f"{app}/anomaly?run={run}")
    page.get_by_text("Detection performance").wait_for()
    whole(page, "cancer-anomaly")
    with page.expect_download() as download:
        page.get_by_role("button", name="Scores as CSV").click()
    results = pd.read_csv(download.value.path())
    assert {"class", "score", "p_value", "is_anomaly"} <= set(results.columns)
    malignant = results["class"] == "malignant"
    assert results.is_anomaly[malignant].mean() > results.is_anomaly[~malignant].mean() + 0.2


def test_inside_a_frame_of_another_site_data_are_brought_as_well(own_page, app, tmp_path):
    own_page.set_content(f'<iframe src="{app}/data" style="width: 1200px; height: 850px"></iframe>')
    frame = own_page.frame_locator("iframe")
    frame.locator(DROP_ZONE).locator("input[type=file]").set_input_files(
        cancer(tmp_path / "framed.csv")
    )
    frame.get_by_text("Training examples").wait_for()
    frame.get_by_text("Inputs: 30 of 31 columns").wait_for()


def test_a_folder_is_dropped_as_it_is(page, app, tmp_path):
    for kind in ("cat", "dog"):
        for i in range(4):
            path = tmp_path / "pets" / kind / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((16, 16), 40 * i, np.uint8)).save(path)
    (tmp_path / "pets" / "film.mov").write_bytes(b"film")
    go(page, f"{app}/data")
    box = page.locator(DROP_ZONE).bounding_box()
    data = {"items": [], "files": [str(tmp_path / "pets")], "dragOperationsMask": 1}
    client = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": box["x"] + 40, "y": box["y"] + 20, "data": data}
        client.send("Input.dispatchDragEvent", event)
    page.get_by_text("1 file of another kind was left out: film.mov").wait_for()
    classes = page.get_by_test_id("stMetric").filter(has_text="Classes")
    assert classes.get_by_test_id("stMetricValue").inner_text() == "2"
    whole(page, "folder-data")


def test_what_is_too_large_is_refused_before_it_is_sent(page, app, tmp_path):
    path = tmp_path / "huge.zip"
    with open(path, "wb") as file:
        file.truncate(2 * 10**9)
    go(page, f"{app}/data")
    page.locator(DROP_ZONE).locator("input[type=file]").set_input_files(path)
    page.get_by_text("huge.zip has 2,000 MB; the limit is 512 MB").wait_for()
    whole(page, "too-large")


def test_a_drawing_finds_digits_like_it(page, app):
    go(page, f"{app}/search?run=mnist-vae&query=drawn")
    canvas = page.locator("canvas[aria-label='Draw here'][title]")  # which its script sets
    canvas.wait_for()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 112, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 110, box["y"] + 185, steps=10)
    page.mouse.up()
    page.get_by_text("Found in").wait_for()
    whole(page, "search-drawn")
