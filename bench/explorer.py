"""How soon the latent explorer answers; a part of `python -m bench.app`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import numpy as np
from playwright.sync_api import Browser, FloatRect, Locator, Page, WebSocket

from bench.browser import open_visitor_page
from bench.results import PROJECT, compute_percentiles, format_range
from bench.screenshots import server, settle

POINTS = (10_000, 60_000, 300_000)
SHEET_POINTS = 375_000  # of which 300,000 and more are for training
REPEATS = 5
MOVES = 200
DECODERS = {
    "tutorial": "784-400-20, as in the tutorial",
    "mnist-vae": "784-256-20, shipped",
    "mnist-conv": "convolutional, 32 units, shipped",
    "mnist-conv-vae": "convolutional, 16 units, shipped",
    "residual": "residual, 3 x 64 x 64 pixels, 256 units at 4 x 4 places",
}
PICTURES, PICTURE_SIDE = 300, 64
SLIDER_STEPS = 30
# true once any canvas, those of components too, has some dozens of reddish pixels: those of a class
POINTS_DRAWN = """() => {
  const open = (root) =>
    [...root.querySelectorAll("*")].flatMap((e) =>
      e.shadowRoot ? [e.shadowRoot, ...open(e.shadowRoot)] : [],
    );
  const canvases = [document, ...open(document)].flatMap((root) => [
    ...root.querySelectorAll("canvas"),
  ]);
  return canvases.some((canvas) => {
    const { width, height } = canvas;
    const gl = canvas.getContext("webgl2") ?? canvas.getContext("webgl");
    if (width < 200 || height < 200) return false;
    let pixels = new Uint8Array(4 * width * height);
    if (gl) gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    else pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    let count = 0;
    for (let i = 0; i < pixels.length; i += 4)
      if (pixels[i + 3] > 90 && pixels[i] > pixels[i + 1] + 60) count++;
    return count > 60;
  });
}"""
MODEL_READY = """(root) => root.explorer?.network && root.explorer.code"""
REDRAW_TIMES = """(root) => Array.from({ length: 20 }, () => {
  const { map } = root.explorer, started = performance.now();
  map.draw();
  const gl = map.painter.gl; // a pixel read back waits until it is really drawn
  gl?.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  return performance.now() - started;
})"""
RECORD_MOVES = """(root, drawn) => {
  globalThis.moveTimes = [];
  const { map } = root.explorer;
  let arrived = 0;
  window.addEventListener("pointermove", () => (arrived = performance.now()), true);
  map.stage.addEventListener("pointermove", (event) => {
    const gl = drawn && map.painter.gl;
    gl && gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    const now = performance.now();
    globalThis.moveTimes.push([now - arrived, now - event.timeStamp]);
  });
}"""
CAMERA_X = "(root) => root.explorer.map.camera.x"


def measure_explorer(browser: Browser) -> list[str]:
    """Returns the lines of three sections: maps, decoding under the pointer, and Generate."""
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        data = write_sheet(runs)
        train_one_epoch(runs / "sheet", "vanilla", str(data), 2, "network.hidden=[64,64]")
        train_one_epoch(
            runs / "tutorial", "vae", "mnist", 20, "network.hidden=[400]", "data.limit=2000"
        )
        pictures = str(write_pictures(runs))
        levels = ("network.kind=residual", "network.channels=[32,48,96,192]")
        train_one_epoch(runs / "residual", "vanilla", pictures, 256, *levels)
        with (
            server(AECORE_RUNS=folder) as address,
            server(
                "bench/plotly_map.py", AECORE_RUNS=folder, PYTHONPATH=str(PROJECT)
            ) as plotly_address,
        ):
            return [
                *measure_maps(browser, address, plotly_address),
                "",
                *measure_pointer_decoding(browser, address),
                "",
                measure_slider(browser, address),
            ]


def train_one_epoch(
    run_folder: Path, variant: str, data: str, latent_dim: int, *settings: str
) -> None:
    """Train a run for one epoch, enough to measure with; `settings` as --set takes them."""
    command = [sys.executable, "-m", "aecore", "train", variant, "--data", data, "--epochs", "1"]
    for setting in settings:
        command += ["--set", setting]
    command += ["--latent-dim", str(latent_dim), "--out", str(run_folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=PROJECT)


def write_sheet(folder: Path) -> Path:
    """Write a rolled sheet of SHEET_POINTS points in eight colours, and return its path."""
    random = np.random.default_rng(0)
    angle = random.uniform(1.5, 4.7, SHEET_POINTS) * np.pi
    height = random.uniform(0, 21, SHEET_POINTS)
    points = np.stack([angle * np.cos(angle), height, angle * np.sin(angle)], axis=1)
    points += 0.2 * random.normal(size=points.shape)
    path = folder / "sheet.npz"
    np.savez(path, x=points.astype(np.float32), y=(angle * 1.2).astype(np.int64) % 8)
    return path


def write_pictures(folder: Path) -> Path:
    """Write PICTURES pictures of coloured squares, and return their path."""
    coarse = np.random.default_rng(0).integers(0, 256, (PICTURES, 8, 8, 3))
    pictures = coarse.repeat(PICTURE_SIDE // 8, axis=1).repeat(PICTURE_SIDE // 8, axis=2)
    path = folder / "pictures.npz"
    np.savez(path, x=pictures.astype(np.uint8))
    return path


# -- maps


def measure_maps(browser: Browser, address: str, plotly_address: str) -> list[str]:
    """Returns a table of the time to the first drawn map, of drawing again and of panning.

    Plotly at `plotly_address` takes turns with the explorer at `address`.
    """
    heading = time_heading(browser, f"{address}/latent?run=sheet")
    lines = [
        "Page to first drawn map: from the link, in a new browser, until its points are on a "
        "canvas; on a server that has encoded these inputs before. "
        f"Median of {REPEATS}, least and most. *Plotly*: the same page "
        "with the same points in `st.plotly_chart`, in turns with the explorer.",
        "",
        f"The page's own heading, before any map, is there after {heading} s.",
        "",
        "| points | explorer, s | Plotly, s | ratio | drawn again, ms | panned, ms |",
        "|---|---|---|---|---|---|",
    ]
    for count in POINTS:
        query = f"run=sheet&split=train&points={quote(f'{count:,}')}"
        link, plotly_link = f"{address}/latent?{query}", f"{plotly_address}/?{query}"
        lines.append(f"| {count:,} | {measure_map(browser, link, plotly_link)} |")
        print(lines[-1], flush=True)
    return lines


def measure_map(browser: Browser, link: str, plotly_link: str) -> str:
    """Returns the cells of a row: both times, their ratio, drawing again and panning."""
    time_first_map(browser, link)  # the first time encodes the inputs
    time_first_map(browser, plotly_link)
    ours, theirs = [], []
    for _ in range(REPEATS):
        ours.append(time_first_map(browser, link))
        theirs.append(time_first_map(browser, plotly_link))
    redrawn, panned = time_redraw_and_pan(browser, link)
    ratio = statistics.median(theirs) / statistics.median(ours)
    times = f"{format_range(ours, '-')} | {format_range(theirs, '-')}"
    return f"{times} | {ratio:.1f} | {redrawn:.1f} | {panned:.1f}"


def time_heading(browser: Browser, address: str) -> str:
    """Returns the seconds until the page's heading stands: no map can be sooner."""
    times = []
    for _ in range(REPEATS):
        with open_visitor_page(browser) as page:
            started = time.perf_counter()
            page.goto(address, wait_until="commit")
            page.locator("h1").first.wait_for(timeout=60_000)
            times.append(time.perf_counter() - started)
    return format_range(times, "-")


def time_first_map(browser: Browser, address: str) -> float:
    """Returns the seconds from the link until the map's points are on a canvas."""
    with open_visitor_page(browser) as page:
        started = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.wait_for_function(POINTS_DRAWN, polling=50, timeout=180_000)
        return time.perf_counter() - started


def time_redraw_and_pan(browser: Browser, address: str) -> tuple[float, float]:
    """Returns the median milliseconds to draw a map again, and of one step of a drag."""
    with open_visitor_page(browser) as page:
        page.goto(address)
        root = wait_for_explorer(page)
        redraw_times = root.evaluate(REDRAW_TIMES)
        record_moves(root, drawn=True)
        camera_x = root.evaluate(CAMERA_X)
        drag_map(page, find_stage(root))
        if root.evaluate(CAMERA_X) == camera_x:
            raise SystemExit(f"{address} cannot be panned")
        pan_times = [since_arrival for since_arrival, _ in read_move_times(page)]
        return statistics.median(redraw_times), statistics.median(pan_times)


def drag_map(page: Page, stage: FloatRect) -> None:
    """Drag the map by forty moves of the pointer."""
    x, y = stage["x"] + 200, stage["y"] + 200
    page.mouse.move(x, y)
    page.mouse.down()
    for i in range(40):
        page.mouse.move(x + 3 * i, y + 2 * i)
    page.mouse.up()


# -- what the pointer decodes


def measure_pointer_decoding(browser: Browser, address: str) -> list[str]:
    """Returns a table of the time from a move of the pointer to its decoded picture."""
    lines = [
        f"Pointer to decoded picture, {MOVES} moves over the map: from the event's arrival in the "
        "page until the picture is on its canvas, with the nearest input and its reconstruction "
        "beside the point; and from when the event was made, which the browser holds back until "
        "the next frame.",
        "",
        "| decoder | p50, ms | p95, ms | p50 from when it was made, ms "
        "| messages to and from the server |",
        "|---|---|---|---|---|",
    ]
    for name, description in DECODERS.items():
        with open_visitor_page(browser) as page:
            cells = measure_moves(page, f"{address}/latent?run={name}")
        lines.append(f"| {description} | {cells} |")
        print(lines[-1], flush=True)
    return lines


def measure_moves(page: Page, link: str) -> str:
    """Returns the cells of a row: percentiles of the moves, and messages over the connection."""
    messages: list[object] = []
    collect_messages(page, messages)
    page.goto(link)
    root = wait_for_explorer(page)
    settle(page)
    record_moves(root)
    stage = find_stage(root)
    messages.clear()
    for x, y in np.random.default_rng(0).uniform(0.2, 0.8, (MOVES, 2)):
        page.mouse.move(stage["x"] + x * stage["width"], stage["y"] + y * stage["height"])
    since_arrival, since_event = zip(*read_move_times(page), strict=True)
    median, p95 = compute_percentiles(since_arrival)
    return f"{median:.2f} | {p95:.2f} | {statistics.median(since_event):.1f} | {len(messages)}"


def collect_messages(page: Page, messages: list[object]) -> None:
    """Append to `messages` what goes over the page's connection to the server, both ways."""

    def connect(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: messages.append(frame))
        socket.on("framereceived", lambda frame: messages.append(frame))

    page.on("websocket", connect)


def record_moves(root: Locator, drawn: bool = False) -> None:
    """Record in the page how long each move of the pointer takes until its effects are done.

    With `drawn`, the map must also be drawn by then. `read_move_times` returns the record.
    """
    root.evaluate(RECORD_MOVES, drawn)


def read_move_times(page: Page) -> list[tuple[float, float]]:
    """Returns the milliseconds of each recorded move.

    The first of a pair counts from when the event reached the page, the second from when it was
    made.
    """
    return page.evaluate("globalThis.moveTimes")


# -- Generate


def measure_slider(browser: Browser, address: str) -> str:
    """Returns a sentence on the time from a key on a slider to the picture that it changes."""
    with open_visitor_page(browser) as page:
        page.goto(f"{address}/generate?run=mnist-vae&mode=Walk")
        settle(page)
        slider = page.get_by_role("slider", name="Offset")
        keys = ["ArrowRight"] * (SLIDER_STEPS // 2) + ["ArrowLeft"] * (SLIDER_STEPS // 2)
        times = [time_slider_step(page, slider, key) for key in keys]
    median, p95 = compute_percentiles(times)
    return (
        "Slider to picture on Generate (Walk, mnist-vae), through the server: "
        f"p50 {median:.0f} ms, p95 {p95:.0f} ms."
    )


def time_slider_step(page: Page, slider: Locator, key: str) -> float:
    """Returns the milliseconds from a key on the slider to another picture on the page."""
    picture = "document.querySelector('[data-testid=stImage] img').src"
    before = page.evaluate(picture)
    started = time.perf_counter()
    slider.press(key)
    page.wait_for_function(f"(before) => {picture} !== before", arg=before, timeout=30_000)
    return 1000 * (time.perf_counter() - started)


# -- the explorer in a page


def wait_for_explorer(page: Page) -> Locator:
    """Returns the explorer, once its model has come."""
    root = page.locator(".explorer-root").filter(has=page.locator(".stage")).first
    root.wait_for(timeout=180_000)
    page.wait_for_function(MODEL_READY, arg=root.element_handle(), timeout=180_000)
    return root


def find_stage(root: Locator) -> FloatRect:
    """Returns the rectangle of the map in the page, in pixels."""
    stage = root.locator(".stage").bounding_box()
    assert stage is not None
    return stage
