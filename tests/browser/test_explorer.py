"""The explorer in a real browser: in the app, and as a page without a server."""

from __future__ import annotations

import base64
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.latent import fit_principal_plane, order_dimensions
from aecore.data.splits import as_float
from aecore.data.stand_in import load_data_or_stand_in
from aecore.explorer.static_page import PAGE_POINTS, export_static_page
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import SHIPPED_FOLDER, find_run, is_shipped_run, list_runs
from aecore.runs.run import Run
from tests.browser.serving import opened, settle
from tests.browser.test_end_to_end import go, save_picture

pytestmark = pytest.mark.browser


POINTS = 5000  # what the page draws to begin with
PLACES = [(0.35, 0.4), (0.5, 0.5), (0.62, 0.55), (0.45, 0.7)]  # of the map, from its upper left
SEEN = """(root) => {
  const explorer = root.explorer, { canvas, map } = explorer;
  const [x, y] = map.camera.toMap(...map.cursor);
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  // a text is sent much faster
  const letters = Array.from(pixels.data, (value) => String.fromCharCode(value));
  return { x, y, z: Array.from(explorer.code), width: canvas.width, height: canvas.height,
           pixels: btoa(letters.join("")), decoded: Array.from(explorer.decoded) };
}"""


def codes_of(run, points):
    model = Autoencoder.load(run.path)
    return model, encode_in_chunks(model, load_data_or_stand_in(run.config())[0].test.x[:points])


def point_at(page, root, places=PLACES):
    """Move the pointer to places of the map; what is seen at each."""
    box = root.locator(".stage").bounding_box()
    for x, y in places:
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        yield root.evaluate(SEEN)


def agree(model, plane, seen, tolerance=1e-2):
    """Check that the canvas shows what PyTorch decodes there, to a hundredth after rounding."""
    z = torch.from_numpy(plane.codes(np.float32([[seen["x"], seen["y"]]])))
    with torch.no_grad():
        wanted = model.decode(model.bottleneck.snap(z))[0]
    if wanted.dim() != 3:  # rows and points are drawn, so their numbers are compared
        assert np.allclose(
            seen["decoded"], wanted.numpy(), atol=tolerance * float(wanted.abs().max())
        )
        return
    pixels = np.frombuffer(base64.b64decode(seen["pixels"]), np.uint8).astype(float)
    pixels = pixels.reshape(seen["height"], seen["width"], 4)[..., : wanted.shape[0]]
    rounded = (wanted.clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
    assert pixels.shape == rounded.shape
    difference = np.abs(pixels - rounded)
    if model.config.bottleneck.kind == "rate":  # a little beside the place, values round otherwise
        assert difference.mean() <= 4 * 255 * tolerance
    else:
        assert difference.max() <= 255 * tolerance


def explorer_of(page, index=0):
    root = page.locator(".explorer-root").filter(has=page.locator(".stage")).nth(index)
    root.wait_for()
    page.wait_for_function(
        "(root) => root.explorer?.network && root.explorer.code", arg=root.element_handle()
    )
    return root


def drag(page, box, places, steps=6):
    """Press at the first of some places of a box, go through the others, and let go."""
    for i, (x, y) in enumerate(places):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=steps)
        if i == 0:
            page.mouse.down()
    page.mouse.up()


def ring(x, y, radius):
    return [
        (x + radius * math.cos(t), y + radius * math.sin(t))
        for t in np.linspace(0, 2 * math.pi, 12)
    ]


def test_the_explorer_decodes_selects_mirrors_and_goes_back_in_time(own_page, app):
    page = own_page
    frames = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: frames.append(frame)))
    go(page, f"{app}/latent?run=mnist-vae&beside=mnist-vanilla&map=PCA")
    root, other = explorer_of(page), explorer_of(page, 1)
    model, z = codes_of(find_run("mnist-vae"), POINTS)
    plane = fit_principal_plane(z.numpy())

    frames.clear()
    for seen in point_at(page, root):
        agree(model, plane, seen)
    assert not frames  # the server was asked nothing

    root.get_by_role("button", name="Lasso").click()
    drag(page, root.locator(".stage").bounding_box(), ring(0.5, 0.5, 0.15))
    count = root.evaluate("(root) => root.explorer.selections.mask.reduce((a, b) => a + b)")
    assert 0 < count < len(z)
    page.get_by_text(re.compile(rf"{count:,} selected inputs")).first.wait_for()
    other.get_by_text(f"{count:,} selected").wait_for()
    root.get_by_label("Name of the selection").fill("middle")
    root.get_by_role("button", name="Keep").click()
    other.get_by_role("button", name=re.compile(r"^middle")).wait_for()
    page.get_by_text("Work on a selection").wait_for()
    settle(page)
    root.get_by_text("Move in a direction").click()
    root.get_by_label("Direction to").select_option("middle")
    root.get_by_label("Strength").fill("1")
    moved = root.evaluate("(root) => Array.from(root.explorer.moved)")
    rows = root.evaluate("(root) => Array.from(root.explorer.selections.mask)")
    towards = z[np.flatnonzero(rows)].mean(0) - z.mean(0)
    base = root.evaluate("(root) => Array.from(root.explorer.code)")
    assert np.allclose(np.array(moved) - base, towards, atol=5e-3)
    save_picture(page, "explorer")

    page.get_by_role("link", name="Search").last.click()
    page.get_by_text(re.compile("selection middle|test set \\d+")).first.wait_for()
    page.get_by_role("link", name="Latent").click()
    root = explorer_of(page)
    root.get_by_role("button", name=re.compile(r"^middle")).wait_for()


def test_a_drawn_digit_is_encoded_at_once_and_lies_near_its_class(page, app):
    go(page, f"{app}/latent?run=mnist-vae")
    root = explorer_of(page)
    root.get_by_text("Draw a picture").click()
    field = root.locator("canvas.field")
    field.scroll_into_view_if_needed()
    drag(page, field.bounding_box(), [(0.55, 0.15), (0.5, 0.5), (0.45, 0.85)])
    said = root.locator(".drawing .said").inner_text()
    assert re.fullmatch(r"Nearest code: input \d+, class 1", said)
    drawn, seen, shown = root.evaluate(
        """({ explorer }) => [
          explorer.drawn, explorer.drawing.ink.readValues(), explorer.decoded,
        ].map((values) => [...values])"""
    )
    model, z = codes_of(find_run("mnist-vae"), POINTS)
    with torch.no_grad():
        wanted = model.encode(torch.tensor(seen).view(1, 1, 28, 28))
        assert np.allclose(drawn, wanted[0], atol=1e-3)
        assert np.allclose(shown, model.decode(wanted).flatten(), atol=1e-3)
    labels = load_data_or_stand_in(find_run("mnist-vae").config())[0].test.y[:POINTS]
    nearest = (z - wanted).square().sum(1).topk(10, largest=False).indices
    assert (labels[nearest] == 1).float().mean() >= 0.5
    save_picture(page, "drawn")


def test_saved_epochs_are_scrubbed_and_now_comes_back(page, app):
    run = find_run("mnist-vae")
    go(page, f"{app}/latent?run={run.id}&map=PCA")
    root = explorer_of(page)
    slider = root.get_by_label("Epoch", exact=True)
    before = root.evaluate("(root) => Array.from(root.explorer.map.positions.slice(0, 20))")
    assert root.locator(".epochs output").inner_text() == "now"
    slider.fill("0")
    assert root.locator(".epochs output").inner_text() == "0"
    tracked = load_file(run.previews()[0][1])["z"].float()
    _, z = codes_of(run, POINTS)
    wanted = fit_principal_plane(z.numpy()).positions(tracked.numpy())
    shown = np.array(root.evaluate("(root) => Array.from(root.explorer.map.positions)")).reshape(
        -1, 2
    )
    assert len(shown) == min(len(z), len(wanted))
    assert np.allclose(shown, wanted[: len(shown)], atol=1e-2)
    assert root.locator(".pairs canvas").count() == (16 if run.id == "mnist-vae" else 0)
    save_picture(page, "epoch-0")
    slider.fill(slider.get_attribute("max"))
    assert root.evaluate("(root) => Array.from(root.explorer.map.positions.slice(0, 20))") == before
    assert root.locator(".pairs canvas").count() == 0


def test_a_path_becomes_a_gif_and_keys_do_what_a_pointer_does(page, app):
    go(page, f"{app}/latent?run=mnist-conv&points=500")
    root = explorer_of(page)
    root.get_by_role("button", name="Path").click()
    drag(page, root.locator(".stage").bounding_box(), [(0.3, 0.3), (0.6, 0.6), (0.7, 0.4)])
    with page.expect_download() as download:
        root.get_by_role("button", name="GIF").click()
    assert Path(download.value.path()).read_bytes().startswith(b"GIF89a")
    stage = root.locator(".stage")
    stage.focus()
    before = root.locator(".said").first.inner_text()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowDown"):
        stage.press(key)
    assert root.locator(".said").first.inner_text() != before
    scale = root.evaluate("(root) => root.explorer.map.camera.scale")
    stage.press("+")
    assert root.evaluate("(root) => root.explorer.map.camera.scale") > scale
    root.evaluate(
        """({ explorer: { map } }) => {
          map.cursor = map.camera.toScreen(...map.positionOf(7));
        }"""
    )
    stage.press("Enter")  # the path begins, and ends where it began: a click
    stage.press("Enter")
    page.get_by_text(re.compile("Test input")).first.wait_for()
    assert "Arrow keys" in stage.get_attribute("aria-label")
    for tool in ("Box", "Lasso"):
        root.get_by_role("button", name=tool).press("Enter")
        stage.press("Escape")
        for key in ("Enter", *4 * ["ArrowLeft"], *8 * ["ArrowDown"], *8 * ["ArrowRight"], "Enter"):
            stage.press(key)
        count = "({ explorer }) => explorer.selections.mask.reduce((sum, is) => sum + is, 0)"
        assert root.evaluate(count) > 1, tool
    save_picture(page, "chosen")


def test_three_points_make_a_plane_and_raw_units_are_one_click_away(page, app):
    go(page, f"{app}/latent?run=mnist-vae&points=500")
    root = explorer_of(page)
    _, z = codes_of(find_run("mnist-vae"), 500)
    root.evaluate("(root) => [3, 14, 15].forEach((row) => root.explorer.axes.pickPoint(row))")
    assert "input 3 to 14" in root.locator(".axis.x").inner_text()
    for row in (3, 14, 15):  # decoded at a point that made the plane is that point's own code
        code = root.evaluate(
            """({ explorer }, row) =>
              Array.from(explorer.computeCode(...explorer.map.positionOf(row)))""",
            row,
        )
        assert np.allclose(code, z[row], atol=5e-3)
    root.get_by_role("button", name="z axes").click()
    first, second = order_dimensions(z)[0][:2].tolist()
    places = np.array(root.evaluate("(root) => Array.from(root.explorer.map.positions)")).reshape(
        -1, 2
    )
    assert np.allclose(places, z[:, [first, second]], atol=5e-3)


# -- the static page


def browse_units(page, run):
    """Search a unit and press it; its strongest input is the one of the largest value."""
    units = page.locator("#units")
    units.get_by_role("searchbox").fill("z3")
    units.get_by_role("button", name="z3", exact=True).press("Enter")
    units.get_by_role("heading", name="Unit z3").wait_for()
    _, z = codes_of(run, 300)
    heads = units.locator("table tr").first.locator("th").all()
    assert float(heads[1].inner_text()) == pytest.approx(z[:, 3].max().item(), rel=6e-3)
    assert heads[1].get_attribute("title") == f"input {z[:, 3].argmax().item()}"
    pictures = units.locator("table canvas").evaluate_all(
        "(all) => all.map((canvas) => canvas.toDataURL())"
    )
    assert len(pictures) == 4 * 8 and len({*pictures[8:]}) == 3 * 8  # rebuilt, off and doubled


LARGEST_PAGE = "mnist-vae"  # has room for the panel that trains, too
SHIPPED = [run.id for run in list_runs() if is_shipped_run(run.path)]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_model_is_a_page_without_a_server(lone_page, served, name):
    folder, address = served
    run = SHIPPED_FOLDER / name
    made = export_static_page(Run(run), folder / name, trainable=name == LARGEST_PAGE)
    print(f"{name}: {made.size:,} bytes")  # noqa: T201
    assert made.size < 3_000_000
    model, z = codes_of(Run(run), PAGE_POINTS)
    plane = fit_principal_plane(z.numpy())
    with opened(lone_page, f"{address}/{name}/index.html") as asked:
        for seen in point_at(lone_page, lone_page.locator(".explorer-root"), PLACES[:2]):
            agree(model, plane, seen)
    assert all(url.startswith((address, "data:")) for url in asked)


def test_the_page_opens_from_a_disk_too(lone_page, served):
    folder, _ = served
    run = find_run("mnist-conv-vae")
    made = export_static_page(
        run, folder / "disk", points=300, maps=("pca", "tsne"), thumbnails=True
    )
    with opened(lone_page, (made.folder / "index.html").as_uri()):
        root = lone_page.locator(".explorer-root")
        assert root.get_by_text("all drawn").is_visible() or root.get_by_text("300 of").is_visible()
        lone_page.locator("#choices select").first.select_option(label="t-SNE")
        root.get_by_text("nearest points").wait_for()
        lone_page.locator("#choices .colours select").select_option(label="neighbours kept")
        root.get_by_text(re.compile("neighbours kept:")).wait_for()
        x = as_float(load_data_or_stand_in(run.config())[0].test.x[:1])
        shown = root.evaluate("(root) => Array.from(root.explorer.readInput(0))")
        assert np.allclose(np.array(shown) / 255, x.flatten(), atol=1 / 255)
        browse_units(lone_page, run)
        save_picture(lone_page, "static")
