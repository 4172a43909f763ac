"""Two runs at once, and the pages meanwhile: `python -m bench.together` writes docs/results/together.md.

The app's own queue with two slots, in turns: one run of MNIST's VAE alone, then two at once, whose examples a second
are added; the pages are clicked through in one browser session while two runs train, and while none does.
Needs Chromium and Playwright.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator

from playwright.sync_api import Page, sync_playwright

from aecore.backends.local import submit_local
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.runs.run import Run
from bench.fidelity.experiment import ROOT, commit
from bench.screenshots import CHROMIUM_ARGUMENTS, server
from bench.timing import load_mnist

RESULT = ROOT / "docs" / "results" / "together.md"
SECONDS = 20.0  # of one turn
CLICKED = (
    "Train",
    "Compare",
    "Latent",
    "Generate",
    "Manifold",
    "Features",
    "Denoise",
    "Compress",
    "Home",
)  # links that stay in sight
EXAMPLES = 57_000  # of MNIST's training images, without those that choose the best epoch


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=5)
    rounds = options.parse_args().rounds
    load_mnist()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"AECORE_RUNS": folder, "AECORE_SLOTS": "2"}
        alone, both = [], []
        with server(AECORE_RUNS=folder, AECORE_SLOTS="2") as address, sync_playwright() as player:
            page = player.chromium.launch(
                executable_path="/usr/bin/chromium", args=CHROMIUM_ARGUMENTS
            ).new_page()
            page.goto(address)
            clicks(page)  # the first time fills the caches
            idle = clicks(page) + clicks(page)
            made = started(2)
            busy = clicks(page) + clicks(page)
            ended(made)
            for number in range(rounds):
                alone.append(throughput(1))
                both.append(throughput(2))
                print(number, round(alone[-1]), round(both[-1]), flush=True)
    shares = [b / a for a, b in zip(alone, both, strict=True)]
    text = "\n".join(
        [
            "# Two runs at once",
            "",
            f"{os.cpu_count()} cores, Python {platform.python_version()}, commit {commit()}; "
            "`python -m bench.together`: "
            f"the VAE of `python -m aecore train vae --data mnist`, a thread each, {rounds} turns of {SECONDS:.0f} s.",
            "",
            "| | examples a second, median | least | most |",
            "|---|---|---|---|",
            *(
                row(name, values)
                for name, values in (("one run alone", alone), ("two at once, together", both))
            ),
            "",
            f"- two together / one alone: **{statistics.median(shares):.2f}** ({min(shares):.2f} to {max(shares):.2f})",
            "",
            "From a click on a page's name to its heading, in one browser session:",
            "",
            "| | clicks | p50, ms | p95, ms |",
            "|---|---|---|---|",
            *(
                answers(name, times)
                for name, times in (("while none trains", idle), ("while two train", busy))
            ),
            "",
        ]
    )
    RESULT.write_text(text)
    print(text)


def row(name: str, values: list[float]) -> str:
    return (
        f"| {name} | {statistics.median(values):,.0f} | {min(values):,.0f} | {max(values):,.0f} |"
    )


def answers(name: str, times: list[float]) -> str:
    cuts = statistics.quantiles(times, n=20)
    return f"| {name} | {len(times)} | {1000 * cuts[9]:.0f} | {1000 * cuts[18]:.0f} |"


def started(count: int) -> list[Run]:
    """So many runs, all of them past their first epoch."""
    made = [
        create_run(plan_run("vae", "mnist", settings={"training.epochs": 1000}))
        for _ in range(count)
    ]
    for run in made:
        submit_local(run)
    while not all(run.state().epoch for run in made):
        time.sleep(0.1)
    return made


def ended(made: list[Run]) -> None:
    for run in made:
        run.stop()


def throughput(count: int) -> float:
    """Examples a second of so many runs together, over whole epochs of a turn."""
    made = started(count)
    time.sleep(SECONDS)
    ended(made)
    return sum(EXAMPLES / statistics.fmean(seconds(run)) for run in made)


def seconds(run: Run) -> Iterator[float]:
    """Of each epoch but the first, which shared the processor with a start."""
    return (record.seconds or 0.0 for record in run.epochs()[1:])


def clicks(page: Page) -> list[float]:
    """Seconds from a click on each page's name to its heading."""
    times = []
    for name in CLICKED:
        link = page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=False).first
        started = time.perf_counter()
        link.click()
        page.locator("h1", has_text="Autoencoder" if name == "Home" else name).first.wait_for(
            timeout=60_000
        )
        times.append(time.perf_counter() - started)
        page.wait_for_timeout(1000)
    return times


if __name__ == "__main__":
    main()
