"""How soon the app answers: `python -m bench.app` writes docs/results/app.md. Needs Chromium and Playwright.

Pages: each opened by its link in a new browser on a server that has just started, until it has come to rest; then
once more, by another visitor. A page that shows an error, or nothing of its own, fails the run.

The explorer: page to first drawn map beside Plotly, drawing again, pointer to decoded picture (bench/explorer.py).

Search: one image encoded and compared with 60,000 codes, through the functions that the page calls.
"""

from __future__ import annotations

import contextlib
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from playwright.sync_api import Browser, sync_playwright

from aecore.analysis.chunks import encode_in_chunks
from aecore.files import write_text_file
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import SHIPPED_FOLDER
from aecore.tasks.search import build_index
from bench.explorer import rows
from bench.fidelity.experiment import ROOT, commit
from bench.screenshots import CHROMIUM_ARGUMENTS, IDLE, PAGES, server
from bench.timing import load_mnist

RESULT = ROOT / "docs" / "results" / "app.md"
QUERIES = 200
SOMETHING = ", ".join(
    f"[data-testid=stMain] {what}"
    for what in (
        "img",
        "canvas",
        "[data-testid=stPlotlyChart]",
        "[data-testid=stDataFrame]",
        "input",
    )
)
ERRORS = "[data-testid=stException], [data-testid=stAlertContentError]"


def main() -> None:
    rows = [search_row(name) for name in ("mnist-vanilla", "mnist-k-sparse")]
    text = "\n".join(
        [
            "# How soon the app answers",
            "",
            f"{processor()}, {torch.get_num_threads()} thread, commit {commit()}, "
            "`python -m bench.app`. Milliseconds.",
            "",
            "| what | p50 | p95 |",
            "|---|---|---|",
            *rows,
            "",
            "## The explorer",
            "",
            *explored(),
            "",
            "## Pages",
            "",
            "Pages by their links, with the shipped checkpoints alone: until the page has come to rest.",
            "",
            "| page | first on a fresh server | another visitor |",
            "|---|---|---|",
            *page_rows(),
            "",
        ]
    )
    write_text_file(RESULT, text)
    print(text)


def explored() -> list[str]:
    with sync_playwright() as player:
        return rows(
            player.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_ARGUMENTS)
        )


def page_rows() -> list[str]:
    """Every page of PAGES on a server of its own."""
    rows = []
    with tempfile.TemporaryDirectory() as runs, sync_playwright() as player:
        browser = player.chromium.launch(
            executable_path="/usr/bin/chromium", args=CHROMIUM_ARGUMENTS
        )
        for name, path in PAGES.items():
            with server(AECORE_RUNS=runs) as address:
                first, again = (opened(browser, address + path) for _ in range(2))
            rows.append(f"| {name} | {1000 * first:,.0f} | {1000 * again:,.0f} |")
            print(rows[-1], flush=True)
    return rows


def opened(browser: Browser, address: str) -> float:
    """Seconds from the link to a page at rest. Fails where it holds an error or no picture, table or form."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, started = context.new_page(), time.perf_counter()
    page.goto(address)
    page.locator(IDLE).wait_for(timeout=120_000)
    page.locator(SOMETHING).first.wait_for(timeout=120_000)
    page.locator(IDLE).wait_for(timeout=120_000)
    took = time.perf_counter() - started
    if wrong := page.locator(ERRORS).all_inner_texts():
        raise SystemExit(f"{address} shows an error: {wrong}")
    context.close()
    return took


def processor() -> str:
    """What the CPU calls itself."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def search_row(name: str) -> str:
    """A query of MNIST's test set among the codes of all training images."""
    model, sets = Autoencoder.load(SHIPPED_FOLDER / name), load_mnist()
    index = build_index(encode_in_chunks(model, sets.train.x))

    def query(i: int) -> None:
        index.find_nearest(encode_in_chunks(model, sets.test.x[i : i + 1]), 16)

    what = f"search, {len(index.vectors):,} codes of {model.config.latent_dim} units ({name}), encoding included"
    return f"| {what} | {timed(query)} |"


def timed(call: Callable[[int], None]) -> str:
    """p50 and p95 of QUERIES calls, in milliseconds, after ten to warm up."""
    seconds = []
    for i in range(-10, QUERIES):
        started = time.perf_counter()
        call(i % QUERIES)
        if i >= 0:
            seconds.append(time.perf_counter() - started)
    cuts = statistics.quantiles(seconds, n=20)
    return f"{1000 * cuts[9]:.2f} | {1000 * cuts[18]:.2f}"


if __name__ == "__main__":
    main()
