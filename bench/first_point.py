"""From *Start* on the page Train to the first point of the curve; a part of `bench.app`.

By itself, `python -m bench.first_point [--before FOLDER]` prints the figures and writes nothing.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from aecore.runs.run import Run
from bench.browser import launch_chromium, open_visitor_page
from bench.pages import PREPARATION_SECONDS, serve_runs, wait_for_rest
from bench.results import PROJECT, format_range

STARTS = 5
READING_SECONDS = 3  # that a visitor looks at the form before the click
FORM = "/train?variant=vae&data=digits"
# the losses of the last epoch, which stand below the curve from its first point on
POINT = "[data-testid=stMetric]"
STEPS = {
    "folder": "the run folder is there",
    "trainer": "its trainer has begun",
    "epoch": "its first epoch is written",
    "point": "the point is on the page",
}


def measure_first_point(browser: Browser, before: Path | None) -> list[str]:
    """Returns the lines of the section: seconds from the click, step by step."""
    folders = {"now": PROJECT, **({"before": before} if before else {})}
    times: dict[str, list[dict[str, float]]] = {name: [] for name in folders}
    with serve_runs(folders) as servers:
        for address, _ in servers.values():
            with open_visitor_page(browser) as page:
                page.goto(address + FORM)
                wait_for_rest(page)
        time.sleep(PREPARATION_SECONDS)
        for turn in range(STARTS + 1):  # the first one reads what later ones find in memory
            for name, (address, runs) in servers.items():
                seconds = time_start(browser, address, runs)
                if turn:
                    times[name].append(seconds)
    return [
        "From a click on *Start* (the VAE on the digits) to the first point of its curve, "
        f"{STARTS} times in turns, {READING_SECONDS} seconds after the form came to rest: seconds "
        "since the click, median, least and most.",
        "",
        "| |" + "".join(f" {text} |" for text in STEPS.values()),
        "|---" * (len(STEPS) + 1) + "|",
        *(f"| {name} |{format_steps(starts)}" for name, starts in times.items()),
    ]


def time_start(browser: Browser, address: str, runs: Path) -> dict[str, float]:
    """Starts a run on the page, and stops it; returns the seconds from the click to each step."""
    known = set(runs.glob("*/config.json"))
    with open_visitor_page(browser) as page:
        page.goto(address + FORM)
        wait_for_rest(page)
        time.sleep(READING_SECONDS)
        steps: dict[str, float] = {}
        started = time.perf_counter()
        page.get_by_role("button", name="Start").click()
        while "point" not in steps:
            new = set(runs.glob("*/config.json")) - known
            run = Run(new.pop().parent) if new else None
            reached = {
                "folder": run is not None,
                "trainer": run is not None and run.is_locked(),
                "epoch": run is not None and bool(run.epochs()),
                "point": page.locator(POINT).count() > 0,
            }
            now = time.perf_counter() - started
            steps |= {name: now for name, is_so in reached.items() if is_so and name not in steps}
            time.sleep(0.01)
    if run is not None:
        run.stop()
    return steps


def format_steps(starts: list[dict[str, float]]) -> str:
    """Returns the cells of a row: the seconds of each step."""
    return "".join(f" {format_range([start[step] for start in starts], '-')} |" for step in STEPS)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.first_point")
    parser.add_argument("--before", type=Path, help="another checkout of the project")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        print("\n".join(measure_first_point(launch_chromium(playwright), options.before)))


if __name__ == "__main__":
    main()
