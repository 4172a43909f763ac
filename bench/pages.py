"""How soon pages come to rest, and how soon the sidebar changes them; a part of `bench.app`.

By itself, `python -m bench.pages [--before FOLDER]` prints the figures, and keeps no more than
their cells; with --changes it only prints those of the sidebar. FOLDER is another checkout of the
project, whose pages are opened in turns with those of this one.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from aecore.runs.listing import runs_folder
from bench.browser import launch_chromium, open_visitor_page
from bench.fidelity.cells import CellStore
from bench.results import PROJECT, describe_commit, format_range
from bench.screenshots import IDLE, PAGES, server

TURNS = 3
PREPARATION_SECONDS = 10
WIDE_ENOUGH = {"width": 1280, "height": 1600}  # the sidebar shows all its links
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
LOADING = "[data-testid=stMain] [data-testid=stSkeleton]"
ERRORS = "[data-testid=stException], [data-testid=stAlertContentError]"
SIDEBAR_LINKS = "[data-testid=stSidebarNavLink]"


def measure_pages(browser: Browser, before: Path | None, cells: CellStore) -> list[str]:
    """Returns the lines of two sections: pages by their links, and by the sidebar."""
    folders = list_checkouts(before)
    return [
        *measure_rest(browser, folders, cells),
        "",
        *cells.measure("pages by the sidebar", lambda: measure_changes(browser, folders)),
    ]


def list_checkouts(before: Path | None) -> dict[str, Path]:
    """Returns the folders of the checkouts that are measured, by their names."""
    return {"now": PROJECT, **({"before": before} if before else {})}


def open_page_cells(before: Path | None) -> CellStore:
    """Returns the figures that are kept of this commit; none of one with changes of its own."""
    commit = describe_commit()
    folder = Path(tempfile.mkdtemp()) if commit.endswith("+") else runs_folder()
    return CellStore(folder / f"app-{commit}-{before.resolve().name if before else 'alone'}.jsonl")


# -- pages by their links


def measure_rest(browser: Browser, folders: dict[str, Path], cells: CellStore) -> list[str]:
    """Returns a table of the seconds from a page's link until it has come to rest.

    Every page is opened on a server of its own that has just started, then TURNS times in turns
    with an empty page of Streamlit. Ends the benchmark where a page shows an error or nothing.
    """
    heads = "".join(f" fresh server, {name} | later, {name} |" for name in folders)
    lines = [
        "Seconds from a page's link, in a new browser with the shipped checkpoints alone, until it "
        "has come to rest: once on a server that has just started, then the median of "
        f"{TURNS} visits, in turns with the heading of an empty Streamlit page. The last two "
        "columns are times of that heading.",
        "",
        f"| page |{heads} heading | fresh | later |",
        "|---" * (2 * len(folders) + 4) + "|",
    ]
    with server("bench/empty_page.py") as empty_address:
        time_heading(browser, empty_address)
        for name, path in PAGES.items():
            row = cells.measure(
                f"page {name}", partial(measure_page, browser, path, folders, empty_address)
            )
            lines.append(f"| {name} | {row}")
    return lines


def measure_page(browser: Browser, path: str, folders: dict[str, Path], empty_address: str) -> str:
    """Returns the cells of a page's row."""
    fresh = {}
    for name, folder in folders.items():  # one at a time: each prepares itself
        with serve_each({name: folder}) as addresses:
            fresh[name] = time_page(browser, addresses[name] + path)
    with serve_each(folders) as addresses:
        later: dict[str, list[float]] = {name: [] for name in addresses}
        for address in addresses.values():
            prepare_server(browser, address + path)
        headings = []
        for _ in range(TURNS):
            headings.append(time_heading(browser, empty_address))
            for name, address in addresses.items():
                later[name].append(time_page(browser, address + path))
    heading = statistics.median(headings)
    medians = {name: statistics.median(times) for name, times in later.items()}
    cells = [f"{seconds:.2f}" for name in folders for seconds in (fresh[name], medians[name])]
    ratios = [f"{seconds / heading:.1f}" for seconds in (fresh["now"], medians["now"])]
    return " | ".join([*cells, f"{heading:.2f}", *ratios]) + " |"


def prepare_server(browser: Browser, address: str) -> None:
    """Visit a server that has just started, and wait until it has prepared everything."""
    time_page(browser, address)
    time.sleep(PREPARATION_SECONDS)


def time_page(browser: Browser, address: str) -> float:
    """Returns the seconds from the link to a page at rest.

    Ends the benchmark where the page holds an error; fails where it has no picture, table or form.
    """
    with open_visitor_page(browser) as page:
        started = time.perf_counter()
        page.goto(address)
        wait_for_rest(page)
        seconds = time.perf_counter() - started
        errors = page.locator(ERRORS).all_inner_texts()
    if errors:
        raise SystemExit(f"{address} shows an error: {errors}")
    return seconds


def time_heading(browser: Browser, address: str) -> float:
    """Returns the seconds until the heading of a page is there."""
    with open_visitor_page(browser) as page:
        started = time.perf_counter()
        page.goto(address)
        page.locator("h1").first.wait_for()
        return time.perf_counter() - started


def wait_for_rest(page: Page) -> None:
    """Wait until the page's script has ended and something of its own is there, charts drawn."""
    page.locator(IDLE).wait_for(timeout=120_000)
    page.locator(CONTENT).first.wait_for(timeout=120_000)
    wait_for_charts(page)


def wait_for_charts(page: Page) -> None:
    """Wait until the page's script has ended and every chart is drawn.

    Until the browser has read Plotly, Streamlit holds a chart's place with a grey box.
    """
    page.locator(IDLE).wait_for(timeout=120_000)
    page.wait_for_function(
        "(box) => !document.querySelector(box)", arg=LOADING, polling=10, timeout=120_000
    )
    page.locator(IDLE).wait_for(timeout=120_000)


# -- pages by the sidebar


def measure_changes(browser: Browser, folders: dict[str, Path]) -> list[str]:
    """Returns a table of the seconds from a click in the sidebar to the next page's heading.

    One visitor goes through all pages, TURNS times, in turns with one of the other checkout.
    """
    headings: dict[str, list[float]] = {name: [] for name in folders}
    rests: dict[str, list[float]] = {name: [] for name in folders}
    with serve_each(folders) as addresses, contextlib.ExitStack() as stack:
        pages = {}
        for name, address in addresses.items():
            pages[name] = stack.enter_context(open_visitor_page(browser))
            pages[name].set_viewport_size(WIDE_ENOUGH)
            pages[name].goto(address)
            wait_for_rest(pages[name])
        time.sleep(PREPARATION_SECONDS)
        for turn in range(TURNS + 1):  # the first turn computes what later visits find
            for name, page in pages.items():
                for i in range(1, page.locator(SIDEBAR_LINKS).count()):
                    heading, rest = change_page(page, i)
                    if turn:
                        headings[name].append(heading)
                        rests[name].append(rest)
    return [
        "Seconds from a click on a link of the sidebar, one visitor through all pages, "
        f"{TURNS} times in turns: median, least and most.",
        "",
        "| | to the next page's heading | to rest |",
        "|---|---|---|",
        *(
            f"| {name} | {format_range(headings[name], '-')} | {format_range(rests[name], '-')} |"
            for name in folders
        ),
    ]


def change_page(page: Page, i: int) -> tuple[float, float]:
    """Click the i-th link of the sidebar; returns the seconds to its heading and to its rest."""
    title = page.locator("[data-testid=stMain] h1").first.inner_text()
    link = page.locator(SIDEBAR_LINKS).nth(i)
    started = time.perf_counter()
    link.click()
    page.wait_for_function(
        "(title) => {"
        "  const heading = document.querySelector('[data-testid=stMain] h1');"
        "  return heading && heading.innerText !== title;"
        "}",
        arg=title,
        polling=10,
        timeout=120_000,
    )
    heading = time.perf_counter() - started
    wait_for_charts(page)  # no more than that: one without runs holds only text
    return heading, time.perf_counter() - started


@contextlib.contextmanager
def serve_each(folders: dict[str, Path]) -> Iterator[dict[str, str]]:
    """Serve every checkout, each with an empty folder of runs; gives their addresses."""
    with serve_runs(folders) as servers:
        yield {name: address for name, (address, _) in servers.items()}


@contextlib.contextmanager
def serve_runs(folders: dict[str, Path]) -> Iterator[dict[str, tuple[str, Path]]]:
    """Serve every checkout; gives their addresses and their folders of runs, which begin empty."""
    with contextlib.ExitStack() as stack:
        servers = {}
        for name, folder in folders.items():
            runs = stack.enter_context(tempfile.TemporaryDirectory())
            address = stack.enter_context(server(project=folder, AECORE_RUNS=runs))
            servers[name] = address, Path(runs)
        yield servers


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages")
    parser.add_argument("--before", type=Path, help="another checkout of the project")
    parser.add_argument("--changes", action="store_true", help="only pages by the sidebar")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        if options.changes:
            lines = measure_changes(browser, list_checkouts(options.before))
        else:
            lines = measure_pages(browser, options.before, open_page_cells(options.before))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
