"""Many visitors at once: `python -m bench.reliability.visitors [--visitors N] [--minutes M]`.

Sessions over websockets who each click every few seconds while one run trains and a browser beside
them samples pages. Timed is a click's message to the end of the answer.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import sync_playwright
from websockets.exceptions import WebSocketException

from aecore.data.catalog import CATALOG
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES
from bench.browser import launch_chromium
from bench.pages import time_page
from bench.reliability.clicks import Click, click_anything, open_any_page
from bench.reliability.live_server import LiveServer, run_public_server
from bench.reliability.page_session import make_cookie, open_session
from bench.reliability.part import Outcome, Part, print_outcome
from bench.results import compute_percentiles
from bench.screenshots import PAGES

MEDIAN_SECONDS, P95_SECONDS, GROWTH = 1.0, 4.0, 1.05  # what is asked of the server
MEMORY_SECONDS = 2.0
SHORT_MINUTES, SHORT_INTERVAL = 1 / 3, 4.0  # of the reduced form
BROWSER_REST = 10.0  # seconds between two pages of the browser


class Visit(NamedTuple):
    """How many visitors come, for how long, and how often they click."""

    visitors: int = 50
    minutes: float = 10.0
    interval: float = 20.0
    seed: int = 0
    with_browser: bool = True

    @property
    def seconds(self) -> float:
        """The length of the visit."""
        return 60 * self.minutes


class VisitResult(NamedTuple):
    """What was measured."""

    clicks: list[Click]
    opened: list[Click]  # the first page of each visitor
    memory: list[float]  # MB of the server, at equal times
    browser: list[tuple[str, float]]  # pages and their seconds at rest
    problems: list[str]


def try_visitors(seed: int, cases: range) -> Outcome:
    """Lets as many visitors come as there are cases: few of them for 20 seconds only."""
    if len(cases) < Visit().visitors:
        visit = Visit(len(cases), SHORT_MINUTES, SHORT_INTERVAL, seed, with_browser=False)
        return report_visit(visit, run_visit(visit), is_timed=False)
    visit = Visit(len(cases), seed=seed)
    return report_visit(visit, run_visit(visit))


def run_visit(visit: Visit) -> VisitResult:
    """Let the visitors come to a server of their own."""
    with tempfile.TemporaryDirectory() as folder, run_public_server(Path(folder)) as server:
        return asyncio.run(run_visit_on(server, visit))


async def run_visit_on(server: LiveServer, visit: Visit) -> VisitResult:
    """Start a run, and let the visitors come while it trains."""
    problems = await start_long_run(server)
    ends = time.monotonic() + visit.seconds
    result = VisitResult([], [], [], [], problems)
    visits = [
        visit_bravely(server.address, number, visit, ends, result)
        for number in range(visit.visitors)
    ]
    if visit.with_browser:
        visits.append(asyncio.to_thread(sample_pages, server.address, ends, result))
    await asyncio.gather(watch_memory(server, ends, result), *visits)
    if not any(run.state().state in LIVE_STATES for run in list_server_runs(server)):
        problems.append("the run beside the visitors ended before them")
    problems.extend(f"the server's log: {text}" for text in server.list_exceptions())
    return result


# -- the run beside them


async def start_long_run(server: LiveServer) -> list[str]:
    """Start a run that outlasts the visit, as a visitor does; returns what was wrong."""
    data = "mnist" if CATALOG["mnist"].is_local() else "digits"
    async with open_session(server.address, make_cookie("who trains")) as session:
        await session.go("train", f"variant=vae&data={data}")
        epochs = session.find("number_input", "Epochs")
        if epochs is None:
            return ["the Train page has no form"]
        await session.press(epochs, epochs.element.number_input.max)
        button = session.find("button", "Start")
        if button is None:
            return ["the Train page has no button that starts a run"]
        answer = await session.press(button)
        while not any(run.state().state == "running" for run in list_server_runs(server)):
            await asyncio.sleep(0.2)
        return list(answer.problems)


def list_server_runs(server: LiveServer) -> list[Run]:
    """Returns the runs in the server's folder."""
    return [Run(path.parent) for path in server.runs.glob("*/config.json")]


# -- the visitors


async def visit_bravely(
    address: str, number: int, visit: Visit, ends: float, result: VisitResult
) -> None:
    """Visit; a connection that cannot be made or breaks off is a problem."""
    try:
        await visit_pages(address, number, visit, ends, result)
    except (OSError, WebSocketException) as error:
        result.problems.append(f"visitor {number}: {error!r}")


async def visit_pages(
    address: str, number: int, visit: Visit, ends: float, result: VisitResult
) -> None:
    """Come some time in the first interval, then click at every interval."""
    name = f"{visit.seed} {number}"
    chance = random.Random(name)
    due = time.monotonic() + chance.uniform(0, visit.interval)
    await asyncio.sleep(due - time.monotonic())
    async with open_session(address, make_cookie(name)) as session:
        result.opened.append(Click("", "come", await session.go()))
        result.opened.append(await open_any_page(session, chance))
        while (due := due + visit.interval) < ends and not session.closed:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            result.clicks.append(await click_anything(session, chance))
        if session.closed:
            result.problems.append(f"visitor {number}: {session.closed}")


async def watch_memory(server: LiveServer, ends: float, result: VisitResult) -> None:
    """Note the server's memory until the visitors leave."""
    while time.monotonic() < ends:
        result.memory.append(server.read_resident_mb())
        await asyncio.sleep(MEMORY_SECONDS)


def sample_pages(address: str, ends: float, result: VisitResult) -> None:
    """Open pages in one browser, each as a new visitor, until the visitors leave."""
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        for name, path in itertools.cycle(PAGES.items()):
            if time.monotonic() > ends:
                break
            try:
                result.browser.append((name, time_page(browser, address + path)))
            except (BrowserError, SystemExit) as error:
                result.problems.append(f"{name} in the browser: {str(error)[:300]}")
            time.sleep(BROWSER_REST)
        browser.close()


# -- the report


def report_visit(visit: Visit, result: VisitResult, is_timed: bool = True) -> Outcome:
    """Returns what came of each click, and the figures.

    The times and the memory count only where `is_timed`: not on a machine that does other things.
    """
    outcome = Outcome()
    for click in (*result.opened, *result.clicks):
        fault = "; ".join(click.answer.problems)
        place = f"{click.page or 'home'}, {click.what}: "
        outcome.add("broken" if fault else "answered", fault and place + fault)
    figures, missed = judge_visit(result)
    outcome.broken += [*result.problems, *(missed if is_timed else [])]
    outcome.notes = [
        f"{visit.visitors} visitors, {visit.minutes:.3g} minutes, a click each "
        f"{visit.interval:.3g} s, while one run trains",
        *figures,
        *list_slowest(result.clicks),
    ]
    return outcome


def judge_visit(result: VisitResult) -> tuple[list[str], list[str]]:
    """Returns the figures as lines, and those that miss what is asked."""
    median, p95 = compute_percentiles([click.answer.seconds for click in result.clicks])
    growth = measure_growth(result.memory)
    opened = [click.answer.seconds for click in result.opened]
    figures = [
        f"{len(result.clicks)} clicks: median {median:.2f} s, 95 of 100 within {p95:.2f} s",
        f"{len(opened)} first pages: median {statistics.median(opened):.2f} s, "
        f"longest {max(opened):.2f} s",
        f"memory of the server: {result.memory[len(result.memory) // 2]:.0f} MB at half-time, "
        f"{100 * (growth - 1):+.1f} % at the end, {max(result.memory):.0f} MB at most",
    ]
    if seconds := [seconds for _, seconds in result.browser]:
        figures.append(
            f"{len(seconds)} pages in a browser, at rest: median "
            f"{statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s"
        )
    missed = [f"the median is {median:.2f} s"] if median > MEDIAN_SECONDS else []
    missed += [f"95 of 100 take {p95:.2f} s"] if p95 > P95_SECONDS else []
    missed += [f"memory grew by {100 * (growth - 1):.1f} %"] if growth > GROWTH else []
    return figures, missed


def measure_growth(memory: Sequence[float]) -> float:
    """Returns the memory at the end, as a multiple of that at half-time: medians of a tenth."""
    tenth, half = max(1, len(memory) // 10), len(memory) // 2
    return statistics.median(memory[-tenth:]) / statistics.median(memory[half : half + tenth])


def list_slowest(clicks: Sequence[Click], count: int = 8) -> list[str]:
    """Returns the clicks that took longest in all, by page and widget, as notes."""
    seconds: dict[str, list[float]] = {}
    for click in clicks:
        seconds.setdefault(f"{click.page or 'home'}, {click.what}", []).append(click.answer.seconds)
    slowest = sorted(seconds.items(), key=lambda entry: -sum(entry[1]))[:count]
    return [
        f"{name}: {len(times)} times, median {statistics.median(times):.2f} s, "
        f"longest {max(times):.2f} s"
        for name, times in slowest
    ]


def main() -> int:
    """Measure with the visitors of the options; returns 1 where anything broke."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual = Visit()
    parser.add_argument("--visitors", type=int, default=usual.visitors)
    parser.add_argument("--minutes", type=float, default=usual.minutes)
    parser.add_argument("--interval", type=float, default=usual.interval, help="seconds")
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--no-browser", action="store_true")
    options = parser.parse_args()
    visit = Visit(
        options.visitors, options.minutes, options.interval, options.seed, not options.no_browser
    )
    return print_outcome("visitors", report_visit(visit, run_visit(visit)))


PART = Part(
    "visitors",
    "Visitors over websockets who open pages, move widgets and press buttons, each every 20 "
    "seconds for 10 minutes, while one run trains and a browser samples pages; timed from a "
    "click's message to the end of the answer. *Broken* is an exception on a page or in the "
    "server's log, a closed connection, a median over 1 s, a 95th percentile over 4 s, and memory "
    "that grows by more than 5 % in the second half. Fewer visitors are not timed.",
    50,
    5,
    try_visitors,
)


if __name__ == "__main__":
    sys.exit(main())
