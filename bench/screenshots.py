"""Pictures of pages: `python -m bench.screenshots` writes those of the README to docs/pictures.

`--all FOLDER` takes every page and lesson whole, in both themes and widths; `--film` the
explorer's moving picture alone.

Starts a server of its own with the runs that are here. Needs Chromium and Playwright.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

PROJECT = Path(__file__).resolve().parent.parent
CHROMIUM_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGES = {
    "home": "/",
    "learn": "/learn?lesson=denoising",
    "train": "/train?variant=vae",
    "run": "/train?run=mnist-vae",
    "compare": "/compare",
    "latent": "/latent?run=mnist-vae",
    "generate": "/generate?run=mnist-vae",
    "interpolate": "/generate?run=mnist-vae&mode=Interpolate",
    "walk": "/generate?run=mnist-vae&mode=Walk",
    "data": "/data",
    "units": "/units?run=mnist-k-sparse",
    "manifold": "/manifold",
    "surface": "/manifold?mode=Surface&run=s-curve-vae",
    "field": "/manifold?mode=Surface&run=circles-denoising",
    "dimension": "/manifold?mode=Dimension",
    "features": "/features",
    "worth": "/features?mode=Accuracy",
    "size": "/features?mode=Code+size",
    "denoise": "/denoise",
    "compress": "/compress",
    "search": "/search",
    "anomaly": "/anomaly",
    "impute": "/impute",
    "evidence": "/evidence?experiment=E3",
    "hub": "/hub",
}
PAGES |= {
    f"learn-{lesson}": f"/learn?lesson={lesson}"
    for lesson in (
        "linear",
        "bottleneck",
        "copying",
        "sparsity",
        "contraction",
        "manifold",
        "distributions",
        "elbo",
        "generation",
    )
}
README_HEIGHT, WHOLE_HEIGHT = 1200, 5000  # pixels at most
IDLE = (
    '[data-testid=stApp][data-test-script-state="notRunning"]'
    '[data-test-connection-state="CONNECTED"]'
)


@contextlib.contextmanager
def server(script: str = "app.py", *, project: Path = PROJECT, **environment: str) -> Iterator[str]:
    """Serve the app, or another script of the project, on a free port; give its address."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    process = subprocess.Popen(
        [*command, "--server.address", "127.0.0.1", "--server.headless", "true"],
        cwd=project,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
                break
            time.sleep(0.25)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def settle(page: Page, milliseconds: int = 1500) -> None:
    """Wait until the page's script has run and its pictures are drawn."""
    page.locator(IDLE).wait_for(timeout=60_000)
    page.wait_for_timeout(milliseconds)
    page.locator(IDLE).wait_for(timeout=60_000)


def list_readme_pictures() -> list[str]:
    """Return the names of the pages whose pictures are in the README."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"docs/pictures/(\w+)\.png", text)


def picture(
    browser: Browser,
    address: str,
    path: str,
    file: Path,
    theme: str,
    width: int,
    highest: int = WHOLE_HEIGHT,
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(address + path)
    settle(page, 2500)
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": min(max(height, 600), highest)})
    settle(page, 2500)
    page.screenshot(path=file)
    context.close()


def film(browser: Browser, address: str, file: Path) -> None:
    """The pointer on its way over Home's map, then a digit drawn: as a GIF."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.goto(address)
    settle(page, 4000)
    root = page.locator(".explorer-root").filter(has=page.locator(".stage"))
    stage, area = root.locator(".stage").bounding_box(), root.bounding_box()
    assert stage and area
    clip = {
        "x": area["x"],
        "y": area["y"],
        "width": area["width"],
        "height": min(area["height"], 640),
    }
    frames: list[Image.Image] = []

    def keep() -> None:
        with Image.open(io.BytesIO(page.screenshot(clip=clip))) as shot:  # type: ignore[arg-type]
            frames.append(
                shot.convert("RGB").resize((640, round(640 * clip["height"] / clip["width"])))
            )

    way = [
        (0.5 + 0.2 * math.cos(t), 0.5 + 0.3 * math.sin(1.7 * t))
        for t in (2 * math.pi * i / 45 for i in range(45))
    ]
    for x, y in way:
        page.mouse.move(stage["x"] + x * stage["width"], stage["y"] + y * stage["height"])
        keep()
    root.get_by_text("Draw a picture").click()
    field = root.locator("canvas.field").bounding_box()
    assert field
    digit = [(0.3, 0.25), (0.7, 0.25), (0.62, 0.42), (0.54, 0.58), (0.48, 0.74), (0.44, 0.88)]
    for i, (x, y) in enumerate(digit):
        page.mouse.move(field["x"] + x * field["width"], field["y"] + y * field["height"], steps=4)
        if i == 0:
            page.mouse.down()
        keep()
    page.mouse.up()
    palette = frames[5].quantize(88)  # one for all, so that what stands still costs nothing
    few = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    times = [110] * (len(few) - 1) + [1800]
    few[0].save(file, save_all=True, append_images=few[1:], duration=times, loop=0, optimize=True)
    context.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--film", action="store_true")
    options.add_argument("--all", type=Path, metavar="FOLDER")
    options.add_argument("pages", nargs="*", metavar="PAGE", help=", ".join(PAGES))
    chosen = options.parse_args()
    folder = chosen.all or PROJECT / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    highest = WHOLE_HEIGHT if chosen.all else README_HEIGHT
    looks = (
        [(t, w) for t in ("light", "dark") for w in (1280, 420)]
        if chosen.all
        else [("light", 1280)]
    )
    with server() as address, sync_playwright() as player:
        browser = player.chromium.launch(
            executable_path="/usr/bin/chromium", args=CHROMIUM_ARGUMENTS
        )
        if chosen.film:
            film(browser, address, folder / "explorer.gif")
            return
        for name in chosen.pages or (PAGES if chosen.all else list_readme_pictures()):
            for theme, width in looks:
                file = folder / (f"{name}-{theme}-{width}.png" if chosen.all else f"{name}.png")
                picture(browser, address, PAGES[name], file, theme, width, highest)
                print(file, flush=True)
        browser.close()


if __name__ == "__main__":
    main()
