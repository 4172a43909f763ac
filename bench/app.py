"""How soon the app answers: `python -m bench.app` writes docs/results/app.md.

Pages: opened by their links and by the sidebar (bench/pages.py); with `--before FOLDER` in turns
with the pages of another checkout of the project.

Training: from *Start* to the first point of the curve (bench/first_point.py), also in turns.

Home: from the link until its explorer decodes under the pointer (bench/home.py).

The explorer: page to first drawn map beside Plotly, drawing again, pointer to decoded picture
(bench/explorer.py).

Search: one image encoded and compared with 60,000 codes, through the functions that the page calls.

Each section, and each page, is kept as it ends for the commit that it was measured on: a run that
was stopped goes on where it was. Needs Chromium and Playwright.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from playwright.sync_api import Browser, sync_playwright

from aecore.analysis.chunks import encode_in_chunks
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import SHIPPED_FOLDER
from aecore.tasks.search import build_index
from bench.browser import launch_chromium
from bench.explorer import measure_explorer
from bench.first_point import measure_first_point
from bench.home import measure_home
from bench.pages import measure_pages, open_page_cells
from bench.results import compute_percentiles, describe_commit, describe_processor, write_result
from bench.timing import load_mnist

QUERIES, WARM_UP_QUERIES = 200, 10


def main() -> None:
    """Measure search, the explorer and every page, and write the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.app")
    parser.add_argument("--before", type=Path, help="another checkout of the project")
    before: Path | None = parser.parse_args().before
    cells = open_page_cells(before)
    lines = [
        "# How soon the app answers",
        "",
        f"{describe_processor()}, {torch.get_num_threads()} thread, "
        f"commit {describe_commit()}, `python -m bench.app`. Milliseconds.",
        "",
        "| what | p50 | p95 |",
        "|---|---|---|",
        *(
            cells.measure(f"search {name}", partial(measure_search, name))
            for name in ("mnist-vanilla", "mnist-k-sparse")
        ),
        "",
        "## The explorer",
        "",
        *cells.measure("home", partial(measure_in_chromium, measure_home)),
        "",
        *cells.measure("explorer", partial(measure_in_chromium, measure_explorer)),
        "",
        "## From Start to the first point of the curve",
        "",
        *cells.measure(
            "first point",
            lambda: measure_in_chromium(lambda browser: measure_first_point(browser, before)),
        ),
        "",
        "## Pages",
        "",
        *measure_in_chromium(lambda browser: measure_pages(browser, before, cells)),
        "",
    ]
    write_result("app.md", lines)


def measure_in_chromium(measure: Callable[[Browser], list[str]]) -> list[str]:
    """Returns the lines of a section that is measured in a browser."""
    with sync_playwright() as playwright:
        return measure(launch_chromium(playwright))


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
