"""Frames of a page while it trains, beside the page at rest: `python -m bench.page_frames`.

Writes a row for each page to docs/results/page_frames.md. A worker that only counts tells what a
busy processor costs by itself. Needs Chromium and Playwright.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from aecore.explorer.static_page import export_static_page
from aecore.runs.listing import find_run
from bench.browser import launch_chromium, open_visitor_page
from bench.results import describe_commit, describe_processor, write_result

RUNS = {"digits": "digits-beta-vae", "MNIST": "mnist-vae"}  # whose pages carry inputs to train on
ROUNDS = 4  # of the three in turn, so that what else the machine does meets all of them
MILLISECONDS = 3000  # of each
LATE = 25.0  # ms, from one frame to the next: at 60 frames a second, one is missing
COUNT_FRAMES = """(length) => new Promise((resolve) => {
  const times = [];
  const note = (now) => {
    times.push(now);
    if (now - times[0] < length) requestAnimationFrame(note);
    else resolve(times.slice(1).map((time, i) => time - times[i]));
  };
  requestAnimationFrame(note);
})"""
COUNT_IN_WORKER = """() => {
  const script = new Blob(["for (let i = 0; ; i++);"], { type: "text/javascript" });
  globalThis.counter = new Worker(URL.createObjectURL(script));
}"""


class Frames(NamedTuple):
    """The intervals between frames, in ms."""

    intervals: list[float]

    def __str__(self) -> str:
        late = sum(interval > LATE for interval in self.intervals) / len(self.intervals)
        return f"{median(self.intervals):.1f} ms, {100 * late:.1f} %"


def main() -> None:
    """Measure all pages, and write the table."""
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        rows = [
            f"| {name} | {' | '.join(map(str, measure_page(browser, run_id)))} |"
            for name, run_id in RUNS.items()
        ]
    write_result(
        "page_frames.md",
        [
            "# Frames while a page trains",
            "",
            "Intervals between frames of a static page: median, and share above 25 ms. At rest, "
            "beside a worker that only counts, and while it trains a VAE on the inputs that it "
            "carries, with its map and reconstructions drawn. "
            f"{ROUNDS} rounds of {MILLISECONDS / 1000:.0f} s of the three in turn. "
            f"No graphics card. {describe_processor()}, cores: {len(os.sched_getaffinity(0))}, "
            f"jobs that wait for them or run, on average: {os.getloadavg()[1]:.1f}, "
            f"commit {describe_commit()}, `python -m bench.page_frames`.",
            "",
            "| inputs | at rest | beside a worker that counts | while it trains |",
            "|---|---|---|---|",
            *rows,
            "",
        ],
    )


def measure_page(browser: Browser, run_id: str) -> tuple[Frames, Frames, Frames]:
    """Return the frames of the page of a run at rest, beside a worker, and while it trains."""
    measured = Frames([]), Frames([]), Frames([])
    with tempfile.TemporaryDirectory() as folder, open_visitor_page(browser) as page:
        exported = export_static_page(
            find_run(run_id), Path(folder) / "page", points=1000, thumbnails=True, trainable=True
        )
        page.goto(f"{(exported.folder / 'index.html').as_uri()}#epochs=5000")
        panel = page.locator(".trainer-root")
        panel.locator(".stage").scroll_into_view_if_needed()
        wait_for_training(panel, "fresh")
        for _ in range(ROUNDS):
            for frames, kind in zip(measured, ("rest", "count", "train"), strict=True):
                frames.intervals.extend(count_frames(page, panel, kind))
    return measured


def count_frames(page: Page, panel: Locator, kind: str) -> list[float]:
    """Return intervals between frames at rest, beside a worker, or while it trains."""
    if kind == "count":
        page.evaluate(COUNT_IN_WORKER)
    if kind == "train":
        panel.locator("button.primary").press("Enter")
        wait_for_training(panel, "running")
    intervals: list[float] = page.evaluate(COUNT_FRAMES, MILLISECONDS)
    if kind == "count":
        page.evaluate("() => globalThis.counter.terminate()")
    if kind == "train":
        panel.locator("button.primary").press("Enter")
        wait_for_training(panel, "paused")
    return intervals


def wait_for_training(panel: Locator, state: str) -> None:
    """Wait until the training is in this state."""
    panel.locator(f".bar[data-state={state}]").wait_for()


if __name__ == "__main__":
    main()
