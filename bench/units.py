"""How soon the page Units answers: `python -m bench.units` prints the median of clicks in Chromium.

A k-sparse run of 1,000 units, trained for an epoch, and all 60,000 training images of MNIST: the
seconds until their statistics stand, then the milliseconds from each press of the field's button
until the next unit's panel is there. Needs Chromium and Playwright.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.training.trainer import fit
from bench.browser import launch_chromium, open_visitor_page
from bench.results import compute_percentiles, describe_commit, describe_processor
from bench.screenshots import IDLE, server
from bench.timing import load_mnist

CLICKS, UNITS = 30, 1000
FIRST_UNIT = 100


def main() -> None:
    """Train the run, open its page, press the button, and print the times."""
    load_mnist()
    with tempfile.TemporaryDirectory() as runs, server(AECORE_RUNS=runs) as address:
        config = plan_run("k-sparse", "mnist", settings={"training.epochs": 1})
        assert config.model.latent_dim == UNITS
        run = create_run(config, Path(runs) / "units")
        for _ in fit(run):
            pass
        with sync_playwright() as playwright:
            browser = launch_chromium(playwright)
            with open_visitor_page(browser) as page:
                seconds = open_units(page, f"{address}/units?run=units&split=train")
                times = [press_next(page, FIRST_UNIT + i + 1) for i in range(CLICKS)]
    median, p95 = (1000 * value for value in compute_percentiles(times))
    print(f"{describe_processor()}, commit {describe_commit()}")
    print(f"{UNITS:,} units x 60,000 inputs: statistics after {seconds:.1f} s")
    print(f"unit to unit, {CLICKS} clicks: median {median:.0f} ms, 95th percentile {p95:.0f} ms")


def open_units(page: Page, address: str) -> float:
    """Open the page and wait for its first unit; return the seconds that took."""
    started = time.perf_counter()
    page.goto(f"{address}&unit={FIRST_UNIT}")
    wait_for_unit(page, FIRST_UNIT)
    seconds = time.perf_counter() - started
    page.locator(IDLE).wait_for()
    return seconds


def press_next(page: Page, unit: int) -> float:
    """Go to the next unit by the field's button; return the seconds until its panel is there."""
    button = page.get_by_test_id("stNumberInputStepUp").last
    started = time.perf_counter()
    button.click()
    wait_for_unit(page, unit)
    seconds = time.perf_counter() - started
    page.locator(IDLE).wait_for()
    return seconds


def wait_for_unit(page: Page, unit: int) -> None:
    """Wait until the panel of a unit is there, with the last of its parts."""
    page.get_by_role("heading", name=f"Unit z{unit}", exact=True).wait_for(timeout=300_000)
    strips = page.locator(f".cmp [alt$='z{unit}']")
    strips.or_(page.get_by_text("A dead unit changes nothing.")).first.wait_for(timeout=300_000)


if __name__ == "__main__":
    main()
