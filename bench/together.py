"""Two runs at once, and the pages meanwhile: `python -m bench.together` writes together.md.

The app's own queue with two slots, in turns: one run of MNIST's VAE alone, then two at once, whose
examples a second are added; the pages are clicked through in one browser session while two runs
train, and while none does. The result is docs/results/together.md. Needs Chromium and Playwright.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from typing import NamedTuple

from playwright.sync_api import Page, sync_playwright

from aecore.backends.local import submit_local
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.runs.run import Run
from bench.browser import launch_chromium
from bench.results import (
    compute_percentiles,
    compute_ratios,
    describe_commit,
    write_result,
)
from bench.screenshots import server
from bench.timing import load_mnist

TURN_SECONDS = 20.0
CLICKED_PAGES = (  # those whose links stay in sight
    "Train",
    "Compare",
    "Latent",
    "Generate",
    "Manifold",
    "Features",
    "Denoise",
    "Compress",
    "Home",
)
EXAMPLES = 57_000  # of MNIST's training images, without those that choose the best epoch


class Measurements(NamedTuple):
    """Examples a second, one value per turn, and seconds per click."""

    alone: list[float]
    together: list[float]
    idle_clicks: list[float]
    busy_clicks: list[float]


def main() -> None:
    """Measure with runs in a folder of their own, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    load_mnist()
    with tempfile.TemporaryDirectory() as folder:
        write_result("together.md", format_measurements(measure_together(folder, rounds), rounds))


def measure_together(folder: str, rounds: int) -> Measurements:
    """Measure clicks and throughput on a server whose runs lie in `folder`."""
    environment = {"AECORE_RUNS": folder, "AECORE_SLOTS": "2"}
    os.environ |= environment
    alone, together = [], []
    with server(**environment) as address, sync_playwright() as playwright:
        page = launch_chromium(playwright).new_page()
        page.goto(address)
        time_clicks(page)  # the first time fills the caches
        idle_clicks = time_clicks(page) + time_clicks(page)
        runs = start_runs(2)
        busy_clicks = time_clicks(page) + time_clicks(page)
        stop_runs(runs)
        for round_number in range(rounds):
            alone.append(measure_throughput(1))
            together.append(measure_throughput(2))
            print(round_number, round(alone[-1]), round(together[-1]), flush=True)
    return Measurements(alone, together, idle_clicks, busy_clicks)


def format_measurements(measured: Measurements, rounds: int) -> list[str]:
    """Returns the lines of the result."""
    ratios = compute_ratios(measured.together, measured.alone)
    return [
        "# Two runs at once",
        "",
        f"{os.cpu_count()} cores, Python {platform.python_version()}, "
        f"commit {describe_commit()}; `python -m bench.together`: "
        "the VAE of `python -m aecore train vae --data mnist`, a thread each, "
        f"{rounds} turns of {TURN_SECONDS:.0f} s.",
        "",
        "| | examples a second, median | least | most |",
        "|---|---|---|---|",
        format_throughput("one run alone", measured.alone),
        format_throughput("two at once, together", measured.together),
        "",
        f"- two together / one alone: **{statistics.median(ratios):.2f}** "
        f"({min(ratios):.2f} to {max(ratios):.2f})",
        "",
        "From a click on a page's name to its heading, in one browser session:",
        "",
        "| | clicks | p50, ms | p95, ms |",
        "|---|---|---|---|",
        format_clicks("while none trains", measured.idle_clicks),
        format_clicks("while two train", measured.busy_clicks),
        "",
    ]


def format_throughput(name: str, values: list[float]) -> str:
    """Returns a row: median, minimum and maximum of examples a second."""
    median = statistics.median(values)
    return f"| {name} | {median:,.0f} | {min(values):,.0f} | {max(values):,.0f} |"


def format_clicks(name: str, times: list[float]) -> str:
    """Returns a row: how many clicks, and their percentiles in milliseconds."""
    median, p95 = compute_percentiles(times)
    return f"| {name} | {len(times)} | {1000 * median:.0f} | {1000 * p95:.0f} |"


def start_runs(count: int) -> list[Run]:
    """Submit runs of the VAE, and wait until all of them are past their first epoch."""
    config = plan_run("vae", "mnist", settings={"training.epochs": 1000})
    runs = [create_run(config) for _ in range(count)]
    for run in runs:
        submit_local(run)
    while not all(run.state().epoch for run in runs):
        time.sleep(0.1)
    return runs


def stop_runs(runs: list[Run]) -> None:
    """Ask runs to stop."""
    for run in runs:
        run.stop()


def measure_throughput(count: int) -> float:
    """Returns the examples a second of `count` runs together, over whole epochs of one turn."""
    runs = start_runs(count)
    time.sleep(TURN_SECONDS)
    stop_runs(runs)
    return sum(EXAMPLES / statistics.fmean(list_epoch_seconds(run)) for run in runs)


def list_epoch_seconds(run: Run) -> Iterator[float]:
    """Returns the seconds of each epoch but the first, which shared the processor with a start."""
    return (record.seconds or 0.0 for record in run.epochs()[1:])


def time_clicks(page: Page) -> list[float]:
    """Returns the seconds from a click on each page's name to its heading."""
    times = []
    links = page.get_by_test_id("stSidebarNav")
    for name in CLICKED_PAGES:
        link = links.get_by_role("link", name=name, exact=False).first
        heading = page.locator("h1", has_text="Autoencoder" if name == "Home" else name).first
        started = time.perf_counter()
        link.click()
        heading.wait_for(timeout=60_000)
        times.append(time.perf_counter() - started)
        page.wait_for_timeout(1000)
    return times


if __name__ == "__main__":
    main()
