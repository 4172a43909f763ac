"""A film of the panel that trains in a page, docs/pictures/training.gif.

Run `python -m bench.training_film`.

Ten digits are drawn, then each frame is one epoch. Needs Chromium and Playwright.
"""

from __future__ import annotations

import io
import math
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

from aecore.explorer.static_page import export_static_page
from aecore.runs.listing import find_run
from bench.screenshots import CHROMIUM_ARGUMENTS, PROJECT

EPOCHS = 30
WIDTH = 640  # pixels of the film
COLOURS = 96
# lines through points of a field from 0 to 9 in both directions, y downwards
DIGITS = {
    "0": [(3, 1), (1, 4), (2, 8), (5, 8), (7, 5), (6, 2), (3, 1)],
    "1": [(3, 2), (5, 1), (5, 8)],
    "2": [(2, 2), (5, 1), (6, 3), (2, 8), (7, 8)],
    "3": [(2, 1), (6, 2), (4, 4), (6, 6), (2, 8)],
    "4": [(5, 8), (5, 1), (1, 6), (7, 6)],
    "5": [(6, 1), (2, 1), (2, 4), (6, 5), (5, 8), (2, 8)],
    "6": [(5, 1), (2, 5), (3, 8), (6, 7), (5, 5), (2, 6)],
    "7": [(1, 1), (7, 1), (4, 8)],
    "8": [(4, 4), (2, 2), (5, 1), (6, 2), (2, 6), (4, 8), (6, 6), (4, 4)],
    "9": [(6, 3), (3, 4), (3, 1), (6, 1), (6, 3), (5, 8)],
}


class Film:
    """Frames of one part of a page."""

    def __init__(self, page: Page, part: Locator) -> None:
        self.page, self.part = page, part
        self.frames: list[Image.Image] = []

    def keep(self) -> None:
        """Take a frame."""
        box = self.part.bounding_box()
        assert box
        with Image.open(io.BytesIO(self.page.screenshot(clip=box))) as shot:  # type: ignore[arg-type]
            size = (WIDTH, round(WIDTH * shot.height / shot.width))
            self.frames.append(shot.convert("RGB").resize(size))

    def save(self, file: Path) -> None:
        """Write the frames as a GIF with one palette, all as high as the highest."""
        size = (WIDTH, max(frame.height for frame in self.frames))
        whole = [Image.new("RGB", size, "white") for _ in self.frames]
        for ground, frame in zip(whole, self.frames, strict=True):
            ground.paste(frame)
        palette = whole[-1].quantize(COLOURS)
        few = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in whole]
        times = [150] * (len(few) - 1) + [2500]
        few[0].save(
            file, save_all=True, append_images=few[1:], duration=times, loop=0, optimize=True
        )


def draw_digits(page: Page, panel: Locator, film: Film) -> None:
    """Draw all digits on the field, a frame for each."""
    field = panel.locator("canvas.field")
    for line in DIGITS.values():
        box = field.bounding_box()
        assert box
        places = [
            (box["x"] + x * box["width"] / 9, box["y"] + y * box["height"] / 9) for x, y in line
        ]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=3)
        page.mouse.up()
        film.keep()
        panel.get_by_role("button", name="Add drawing").click()
    film.keep()


def train_epochs(page: Page, panel: Locator, film: Film) -> None:
    """Train, an epoch a frame, with the pointer on its way over the map."""
    for epoch in range(1, EPOCHS + 1):
        panel.get_by_role("button", name="Epoch", exact=True).click()
        panel.get_by_text(f"Epoch {epoch} of {EPOCHS}, step 0").wait_for()
        box = panel.locator(".stage").bounding_box()
        assert box
        turn = 2 * math.pi * epoch / EPOCHS
        x, y = 0.5 + 0.25 * math.cos(turn), 0.5 + 0.3 * math.sin(turn)
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        film.keep()


def main() -> None:
    """Export a page, open it from the disk, and film what a visitor does."""
    file = PROJECT / "docs" / "pictures" / "training.gif"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as player:
        export_static_page(find_run("mnist-vae"), Path(folder) / "page", points=100, trainable=True)
        browser = player.chromium.launch(
            executable_path="/usr/bin/chromium", args=CHROMIUM_ARGUMENTS
        )
        page = browser.new_page(viewport={"width": 1000, "height": 1700}, reduced_motion="reduce")
        page.set_default_timeout(300_000)
        address = (Path(folder) / "page" / "index.html").as_uri()
        page.goto(f"{address}#data=draw&epochs={EPOCHS}")
        panel = page.locator(".trainer-root")
        panel.evaluate("(root) => root.scrollIntoView()")
        panel.locator(".bar[data-state=fresh]").wait_for()
        film = Film(page, panel)
        draw_digits(page, panel, film)
        panel.locator(".bar[data-state=fresh]").wait_for()
        train_epochs(page, panel, film)
        film.save(file)
        browser.close()
    print(f"{file}: {file.stat().st_size:,} bytes, {len(film.frames)} frames")


if __name__ == "__main__":
    main()
