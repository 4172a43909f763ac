"""How soon the latent explorer answers; a part of `python -m bench.app`."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
from playwright.sync_api import Browser, Locator, Page, WebSocket

from bench.screenshots import PROJECT, server, settle

POINTS = (10_000, 60_000, 300_000)
REPEATS = 5
HEADING = "The page's own heading, before any map, is there after {} s."
MOVES, DECODERS = (
    200,
    {
        "tutorial": "784-400-20, as in the tutorial",
        "mnist-vae": "784-256-20, shipped",
        "mnist-conv": "convolutional, 32 units, shipped",
        "mnist-conv-vae": "convolutional, 16 units, shipped",
    },
)
STEPS = 30
DRAWN = """() => {  // whether any canvas, those of components too, has some dozens of reddish pixels: points of a class
  const open = (root) =>
    [...root.querySelectorAll("*")].flatMap((e) => (e.shadowRoot ? [e.shadowRoot, ...open(e.shadowRoot)] : []));
  const canvases = [document, ...open(document)].flatMap((root) => [...root.querySelectorAll("canvas")]);
  return canvases.some((canvas) => {
    const { width, height } = canvas, gl = canvas.getContext("webgl2") ?? canvas.getContext("webgl");
    if (width < 200 || height < 200) return false;
    let pixels = new Uint8Array(4 * width * height);
    if (gl) gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    else pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    let count = 0;
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] > 90 && pixels[i] > pixels[i + 1] + 60) count++;
    return count > 60;
  });
}"""
READY = """(root) => root.explorer?.network && root.explorer.code"""


def rows(browser: Browser) -> list[str]:
    """Lines of tables, with their titles."""
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        train(
            runs,
            "sheet",
            "vanilla",
            str(sheet(runs)),
            "--set",
            "network.hidden=[64,64]",
            "--latent-dim",
            "2",
        )
        train(
            runs,
            "tutorial",
            "vae",
            "mnist",
            "--set",
            "network.hidden=[400]",
            "--latent-dim",
            "20",
            "--set",
            "data.limit=2000",
        )
        with (
            server(AECORE_RUNS=folder) as address,
            server("bench/plotly_map.py", AECORE_RUNS=folder, PYTHONPATH=str(PROJECT)) as other,
        ):
            return [
                *maps(browser, address, other),
                "",
                *decoders(browser, address),
                "",
                generate(browser, address),
            ]


def train(runs: Path, name: str, variant: str, data: str, *options: str) -> None:
    """A run of one epoch, enough to measure with."""
    command = [
        sys.executable,
        "-m",
        "aecore",
        "train",
        variant,
        "--data",
        data,
        "--epochs",
        "1",
        *options,
    ]
    subprocess.run(
        [*command, "--out", str(runs / name)], check=True, stdout=subprocess.DEVNULL, cwd=PROJECT
    )


def sheet(folder: Path) -> Path:
    """A rolled sheet of 375,000 points in eight colours, of which 300,000 and more are for training."""
    random = np.random.default_rng(0)
    t, height = random.uniform(1.5, 4.7, 375_000) * np.pi, random.uniform(0, 21, 375_000)
    points = np.stack([t * np.cos(t), height, t * np.sin(t)], axis=1) + 0.2 * random.normal(
        size=(375_000, 3)
    )
    np.savez(folder / "sheet.npz", x=points.astype(np.float32), y=(t * 1.2).astype(np.int64) % 8)
    return folder / "sheet.npz"


# -- maps


def maps(browser: Browser, address: str, other: str) -> list[str]:
    """Page to first drawn map, and how long it takes to draw it again; Plotly beside it, in turns."""
    lines = [
        "Page to first drawn map: from the link, in a new browser, until its points are on a canvas; on a "
        f"server that has encoded these inputs before. Median of {REPEATS}, least and most. *Plotly*: the same page "
        "with the same points in `st.plotly_chart`, in turns with the explorer.",
        "",
        HEADING,
        "",
        "| points | explorer, s | Plotly, s | ratio | drawn again, ms | panned, ms |",
        "|---|---|---|---|---|---|",
    ]
    lines[2] = HEADING.format(heading(browser, f"{address}/latent?run=sheet"))
    for count in POINTS:
        asked = f"run=sheet&split=train&points={quote(f'{count:,}')}"
        link, plot = f"{address}/latent?{asked}", f"{other}/?{asked}"
        first(browser, link)
        first(browser, plot)
        pairs = [(first(browser, link), first(browser, plot)) for _ in range(REPEATS)]
        ours, theirs = ([pair[i] for pair in pairs] for i in range(2))
        again, panned = redrawn(browser, link)
        ratio = statistics.median(theirs) / statistics.median(ours)
        lines.append(
            f"| {count:,} | {spread(ours)} | {spread(theirs)} | {ratio:.1f} | {again:.1f} | {panned:.1f} |"
        )
        print(lines[-1], flush=True)
    return lines


def heading(browser: Browser, address: str) -> str:
    """Until the page's heading stands: what no map can be sooner than."""
    took = []
    for _ in range(REPEATS):
        with fresh(browser) as page:
            started = time.perf_counter()
            page.goto(address, wait_until="commit")
            page.locator("h1").first.wait_for(timeout=60_000)
            took.append(time.perf_counter() - started)
    return spread(took)


def first(browser: Browser, address: str) -> float:
    """Seconds from the link until the map's points are on a canvas."""
    with fresh(browser) as page:
        started = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.wait_for_function(DRAWN, polling=50, timeout=180_000)
        return time.perf_counter() - started


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def redrawn(browser: Browser, address: str) -> tuple[float, float]:
    """Milliseconds to draw a map again, and of one step of a drag; medians."""
    with fresh(browser) as page:
        page.goto(address)
        root = explorer(page)
        again = root.evaluate("""(root) => Array.from({ length: 20 }, () => {
            const { map } = root.explorer, started = performance.now();
            map.draw();
            const gl = map.painter.gl;
            gl?.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)); // until it is really drawn
            return performance.now() - started;
          })""")
        listen(root, drawn=True)
        box = root.locator(".stage").bounding_box() or {}
        before = root.evaluate("(root) => root.explorer.map.camera.x")
        page.mouse.move(box["x"] + 200, box["y"] + 200)
        page.mouse.down()
        for i in range(40):
            page.mouse.move(box["x"] + 200 + 3 * i, box["y"] + 200 + 2 * i)
        page.mouse.up()
        if root.evaluate("(root) => root.explorer.map.camera.x") == before:
            raise SystemExit(f"{address} cannot be panned")
        return statistics.median(again), statistics.median(
            pair[0] for pair in page.evaluate("globalThis.seen")
        )


# -- what the pointer decodes


def decoders(browser: Browser, address: str) -> list[str]:
    lines = [
        f"Pointer to decoded picture, {MOVES} moves over the map: from the event's arrival in the page until the "
        "picture is on its canvas, with the nearest input and its reconstruction beside the point; and from when the "
        "event was made, which the browser holds back until the next frame.",
        "",
        "| decoder | p50, ms | p95, ms | p50 from when it was made, ms | messages to and from the server |",
        "|---|---|---|---|---|",
    ]
    for name, about in DECODERS.items():
        with fresh(browser) as page:
            messages: list[object] = []
            watch(page, messages)
            page.goto(f"{address}/latent?run={name}")
            root = explorer(page)
            settle(page)
            listen(root)
            box = root.locator(".stage").bounding_box() or {}
            messages.clear()
            random = np.random.default_rng(0)
            for x, y in random.uniform(0.2, 0.8, (MOVES, 2)):
                page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            took, whole = zip(*page.evaluate("globalThis.seen"), strict=True)
            cuts = statistics.quantiles(took, n=20)
            late = statistics.median(whole)
            lines.append(
                f"| {about} | {cuts[9]:.2f} | {cuts[18]:.2f} | {late:.1f} | {len(messages)} |"
            )
            print(lines[-1], flush=True)
    return lines


def watch(page: Page, messages: list[object]) -> None:
    """Collect what goes over the page's connection to the server, both ways."""

    def connected(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: messages.append(frame))
        socket.on("framereceived", lambda frame: messages.append(frame))

    page.on("websocket", connected)


def listen(root: Locator, drawn: bool = False) -> None:
    """Keep, for each move of the pointer, the milliseconds until all that it causes is done: from when the event
    reaches the page, and from when it was made."""
    root.evaluate(
        """(root, drawn) => {
          globalThis.seen = [];
          const { map } = root.explorer;
          let arrived = 0;
          window.addEventListener("pointermove", () => (arrived = performance.now()), true);
          map.stage.addEventListener("pointermove", (event) => {
            const gl = drawn && map.painter.gl;
            gl && gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
            globalThis.seen.push([performance.now() - arrived, performance.now() - event.timeStamp]);
          });
        }""",
        drawn,
    )


# -- Generate


def generate(browser: Browser, address: str) -> str:
    """From a key on a slider to the picture that it changes, through the server."""
    with fresh(browser) as page:
        page.goto(f"{address}/generate?run=mnist-vae&mode=Walk")
        settle(page)
        slider = page.get_by_role("slider", name="Offset")
        keys = ["ArrowRight"] * (STEPS // 2) + ["ArrowLeft"] * (STEPS // 2)
        took = [stepped(page, slider, key) for key in keys]
    cuts = statistics.quantiles(took, n=20)
    where = "Slider to picture on Generate (Walk, mnist-vae), through the server"
    return f"{where}: p50 {cuts[9]:.0f} ms, p95 {cuts[18]:.0f} ms."


def stepped(page: Page, slider: Locator, key: str) -> float:
    picture = "document.querySelector('[data-testid=stImage] img').src"
    before = page.evaluate(picture)
    started = time.perf_counter()
    slider.press(key)
    page.wait_for_function(f"(before) => {picture} !== before", arg=before, timeout=30_000)
    return 1000 * (time.perf_counter() - started)


# -- pages


@contextlib.contextmanager
def fresh(browser: Browser) -> Iterator[Page]:
    """A new visitor."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def explorer(page: Page) -> Locator:
    """The explorer, once its model has come."""
    root = page.locator(".explorer-root").filter(has=page.locator(".stage")).first
    root.wait_for(timeout=180_000)
    page.wait_for_function(READY, arg=root.element_handle(), timeout=180_000)
    return root
