"""How soon the app answers: `python -m bench.app` writes docs/results/app.md.

Pages: each opened by its link in a new browser on a server that has just started, until it has come
to rest; then once more, by another visitor. A page that shows an error, or nothing of its own,
fails the run.

Home: from the link until its explorer decodes under the pointer (bench/home.py).

The explorer: page to first drawn map beside Plotly, drawing again, pointer to decoded picture
(bench/explorer.py).

Search: one image encoded and compared with 60,000 codes, through the functions that the page calls.

Needs Chromium and Playwright.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable

import torch
from playwright.sync_api import Browser, sync_playwright

from aecore.analysis.chunks import encode_in_chunks
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import SHIPPED_FOLDER
from aecore.tasks.search import build_index
from bench.browser import launch_chromium, open_visitor_page
from bench.explorer import measure_explorer
from bench.home import measure_home
from bench.results import compute_percentiles, describe_commit, describe_processor, write_result
from bench.screenshots import IDLE, PAGES, server
from bench.timing import load_mnist

QUERIES, WARM_UP_QUERIES = 200, 10
CONTENT = ", ".join(  # of a page that shows more than its title
    f"[data-testid=stMain] {selector}"
    for selector in (
        "img",
        "canvas",
        "[data-testid=stPlotlyChart]",
        "[data-testid=stDataFrame]",
        "input",
    )
)
ERRORS = "[data-testid=stException], [data-testid=stAlertContentError]"


def main() -> None:
    """Measure search, the explorer and every page, and write the result."""
    lines = [
        "# How soon the app answers",
        "",
        f"{describe_processor()}, {torch.get_num_threads()} thread, "
        f"commit {describe_commit()}, `python -m bench.app`. Milliseconds.",
        "",
        "| what | p50 | p95 |",
        "|---|---|---|",
        *(measure_search(name) for name in ("mnist-vanilla", "mnist-k-sparse")),
        "",
        "## The explorer",
        "",
        *measure_in_chromium(measure_home),
        "",
        *measure_in_chromium(measure_explorer),
        "",
        "## Pages",
        "",
        "Pages by their links, with the shipped checkpoints alone: "
        "until the page has come to rest.",
        "",
        "| page | first on a fresh server | another visitor |",
        "|---|---|---|",
        *measure_pages(),
        "",
    ]
    write_result("app.md", lines)


def measure_in_chromium(measure: Callable[[Browser], list[str]]) -> list[str]:
    """Returns the lines of a section that is measured in a browser."""
    with sync_playwright() as playwright:
        return measure(launch_chromium(playwright))


def measure_pages() -> list[str]:
    """Returns a row for every page of PAGES, each on a server of its own."""
    rows = []
    with tempfile.TemporaryDirectory() as runs, sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        for name, path in PAGES.items():
            with server(AECORE_RUNS=runs) as address:
                first, second = (time_page(browser, address + path) for _ in range(2))
            rows.append(f"| {name} | {1000 * first:,.0f} | {1000 * second:,.0f} |")
            print(rows[-1], flush=True)
    return rows


def time_page(browser: Browser, address: str) -> float:
    """Returns the seconds from the link to a page at rest.

    Ends the benchmark where the page holds an error; fails where it has no picture, table or form.
    """
    with open_visitor_page(browser) as page:
        started = time.perf_counter()
        page.goto(address)
        page.locator(IDLE).wait_for(timeout=120_000)
        page.locator(CONTENT).first.wait_for(timeout=120_000)
        page.locator(IDLE).wait_for(timeout=120_000)
        seconds = time.perf_counter() - started
        errors = page.locator(ERRORS).all_inner_texts()
    if errors:
        raise SystemExit(f"{address} shows an error: {errors}")
    return seconds


def measure_search(name: str) -> str:
    """Returns a row: queries of MNIST's test set among the codes of all training images."""
    model, sets = Autoencoder.load(SHIPPED_FOLDER / name), load_mnist()
    index = build_index(encode_in_chunks(model, sets.train.x))

    def query(i: int) -> None:
        index.find_nearest(encode_in_chunks(model, sets.test.x[i : i + 1]), 16)

    codes = f"{len(index.vectors):,} codes of {model.config.latent_dim} units"
    return f"| search, {codes} ({name}), encoding included | {time_queries(query)} |"


def time_queries(query: Callable[[int], None]) -> str:
    """Returns two cells: median and 95th percentile of the queries, in milliseconds."""
    times = []
    for i in range(-WARM_UP_QUERIES, QUERIES):
        started = time.perf_counter()
        query(i % QUERIES)
        if i >= 0:
            times.append(time.perf_counter() - started)
    median, p95 = compute_percentiles(times)
    return f"{1000 * median:.2f} | {1000 * p95:.2f}"


if __name__ == "__main__":
    main()
