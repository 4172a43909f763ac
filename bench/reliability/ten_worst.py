"""Ten visitors who each do the worst that the page allows, and an eleventh who wants to work.

`python -m bench.reliability.ten_worst [--seconds S] [--attackers N]`: the eleventh opens Home again
and again and starts a run; then the attackers leave and the server ends, and what stays is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

from websockets.exceptions import WebSocketException

from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES
from bench.reliability.attackers import ATTACKS, Attacker
from bench.reliability.live_server import (
    LiveServer,
    describe_process,
    read_shared_mb,
    run_public_server,
)
from bench.reliability.page_session import make_cookie, open_session
from bench.reliability.part import Outcome, Part, print_outcome

SPAWN = multiprocessing.get_context("spawn")
HOME_SECONDS = 3.0  # in which Home is to open
MEMORY_MB, DISK_MB = 8000.0, 4000.0  # beyond which an attack is ended, and has won
SETTINGS = {"AECORE_KEPT_MB": "2000"}  # so that a test needs no large disk
DECODED_MB = 1500.0  # that the server may keep, as aecore.limits says
SLACK_MB = 1000.0  # models and libraries that are loaded meanwhile
LEAVE_SECONDS, END_SECONDS = 180.0, 30.0  # until what visitors left is given back
WATCH_SECONDS = 2.0
USUAL_SECONDS, SHORT_SECONDS = 120.0, 10.0


class Siege(NamedTuple):
    """What was measured."""

    home: list[float]  # seconds of each opening of Home
    memory: list[float]  # MB of the server and its children
    problems: list[str]
    notes: list[str]


def try_ten_worst(seed: int, cases: range) -> Outcome:
    """Lets as many attackers attack as there are cases: few of them for some seconds only."""
    seconds = USUAL_SECONDS if len(cases) >= len(ATTACKS) else SHORT_SECONDS
    return report_siege(lay_siege(cases, seconds, seed))


def lay_siege(attackers: range, seconds: float, seed: int = 0) -> Siege:
    """Attack a server of its own, and see what is left of the attack."""
    siege = Siege([], [], [], [])
    with (
        tempfile.TemporaryDirectory() as folder,
        run_public_server(Path(folder), **SETTINGS) as server,
    ):
        before = server.read_resident_mb()
        asyncio.run(attack_server(server, attackers, seconds, seed, siege))
        see_what_is_given_back(server, before, siege)
        server.end()
        left = server.wait_for_children(END_SECONDS)
        siege.problems.extend(
            f"left running after the server: {describe_process(pid)}" for pid in left
        )
        siege.notes.extend(f"the server's log: {text}" for text in server.list_exceptions())
    return siege


async def attack_server(
    server: LiveServer, numbers: range, seconds: float, seed: int, siege: Siege
) -> None:
    """Let the attackers attack while the eleventh works; all leave at the end."""
    ends, notes = SPAWN.Event(), SPAWN.Queue()
    process = SPAWN.Process(target=run_attackers, args=(server.address, numbers, seed, ends, notes))
    process.start()
    watch = asyncio.create_task(watch_use(server, ends, siege))
    try:
        await asyncio.sleep(seconds / 2)
        await work_beside(server, time.monotonic() + seconds / 2, seed, siege)
    finally:
        watch.cancel()
        ends.set()
    problems, counts = await asyncio.to_thread(notes.get, timeout=LEAVE_SECONDS)
    process.join()
    siege.problems.extend(problems)
    siege.notes.extend(counts)


def run_attackers(
    address: str, numbers: range, seed: int, ends: Event, notes: Queue[tuple[list[str], list[str]]]
) -> None:
    """Attack in a process of its own, so that the eleventh's clock is not held up."""
    notes.put(asyncio.run(attack_until(address, numbers, seed, ends)))


async def attack_until(
    address: str, numbers: range, seed: int, ends: Event
) -> tuple[list[str], list[str]]:
    """Attack until the event; returns what failed, and what each attacker did."""
    attackers = [Attacker(address, f"attacker {seed} {number}") for number in numbers]
    tasks = [
        asyncio.create_task(attack(attacker, number))
        for number, attacker in zip(numbers, attackers, strict=True)
    ]
    await asyncio.to_thread(ends.wait)
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    problems = [f"the harness failed: {error!r}" for error in ended if isinstance(error, Exception)]
    return problems, [f"{attacker.name}: {dict(attacker.counts)}" for attacker in attackers]


async def attack(attacker: Attacker, number: int) -> None:
    """Carry out one of the attacks."""
    work = ATTACKS[number % len(ATTACKS)]
    attacker.name += f", {work.__name__.removesuffix('_for_ever')}"
    await work(attacker)


async def watch_use(server: LiveServer, ends: Event, siege: Siege) -> None:
    """Note the memory of the server and its children; end an attack that takes too much."""
    while True:
        memory, disk = await asyncio.to_thread(measure_use, server)
        siege.memory.append(memory)
        if memory > MEMORY_MB or disk > DISK_MB:
            siege.problems.append(f"ended at {memory:,.0f} MB of memory, {disk:,.0f} MB of disk")
            ends.set()
            return
        await asyncio.sleep(WATCH_SECONDS)


def measure_use(server: LiveServer) -> tuple[float, float]:
    """Returns the MB of memory of all processes of a server, and of the files in its folder."""
    memory = sum(read_shared_mb(pid) for pid in server.list_processes())
    disk = 0
    for path in server.folder.rglob("*"):
        with suppress(OSError):
            disk += path.lstat().st_size
    return memory, disk / 1e6


# -- the eleventh


async def work_beside(server: LiveServer, ends: float, seed: int, siege: Siege) -> None:
    """Start a run, then open Home again and again, each time in a new tab."""
    cookie = make_cookie(f"eleventh {seed}")
    try:
        await start_small_run(server, cookie, siege)
        while time.monotonic() < ends or not siege.home:
            siege.home.append(await time_home(server.address, cookie, siege))
            await asyncio.sleep(1.0)
    except (OSError, WebSocketException) as error:
        siege.problems.append(f"the eleventh was shut out: {error!r}")


async def time_home(address: str, cookie: str, siege: Siege) -> float:
    """Returns the seconds from a new tab's connection to the whole page."""
    started = time.perf_counter()
    async with open_session(address, cookie) as tab:
        answer = await tab.go()
        siege.problems.extend(f"Home: {problem}" for problem in answer.problems)
        return time.perf_counter() - started


async def start_small_run(server: LiveServer, cookie: str, siege: Siege) -> None:
    """Start a run that is within every limit; a problem where the page does not take it."""
    async with open_session(server.address, cookie) as tab:
        opened = await tab.go("train", "variant=vanilla&data=digits&preset=Quick")
        button = tab.find("button", "Start")
        if button is None:
            siege.problems.append("the eleventh is offered no button that starts a run")
            return
        pressed = await tab.press(button)
        run_ids = parse_qs(tab.query).get("run")
        if not run_ids:
            said = "; ".join(shown.element.alert.body for shown in tab.list_shown("alert"))
            siege.problems.append(f"the eleventh's run is refused: {said[:300]}")
            return
    state = Run(server.runs / run_ids[0]).state()
    siege.notes.append(
        f"the eleventh's run: form after {opened.seconds:.1f} s, started after "
        f"{pressed.seconds:.1f} s, then {state.state}"
    )
    if state.state not in (*LIVE_STATES, "done"):
        siege.problems.append(f"the eleventh's run is {state.state}: {state.error}")


# -- afterwards


def see_what_is_given_back(server: LiveServer, before: float, siege: Siege) -> None:
    """Wait until the server has given back what the visitors took; a problem where it does not."""
    allowed = before + DECODED_MB + SLACK_MB
    left, deadline = time.monotonic(), time.monotonic() + LEAVE_SECONDS
    while True:
        resident, maps = server.read_resident_mb(), list_maps(server)
        if (resident <= allowed and not maps) or time.monotonic() > deadline:
            break
        time.sleep(1.0)
    siege.notes.append(
        f"{time.monotonic() - left:.0f} s after they left: server {resident:,.0f} MB "
        f"(before them {before:,.0f}), {len(maps)} maps under way"
    )
    if resident > allowed:
        siege.problems.append(f"the server keeps {resident:,.0f} MB, allowed are {allowed:,.0f}")
    siege.problems.extend(f"a map of nobody goes on: {command}" for command in maps)


def list_maps(server: LiveServer) -> list[str]:
    """Returns the commands of the processes that compute maps."""
    commands = [describe_process(pid) for pid in server.list_processes()]
    return [command for command in commands if "projection_job" in command]


# -- the report


def report_siege(siege: Siege) -> Outcome:
    """Returns how each opening of Home went, what else broke, and the figures."""
    outcome = Outcome()
    for seconds in siege.home:
        slow = f"Home took {seconds:.1f} s" if seconds > HOME_SECONDS else ""
        outcome.add("slow" if slow else "opened", slow)
    outcome.broken += siege.problems
    if siege.home:
        outcome.notes.append(
            f"Home opened {len(siege.home)} times: median {statistics.median(siege.home):.2f} s, "
            f"longest {max(siege.home):.2f} s"
        )
    outcome.notes.append(f"server and children: {max(siege.memory):,.0f} MB at most")
    outcome.notes += siege.notes
    return outcome


def main() -> int:
    """Lay siege as the options say; returns 1 where anything broke."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--attackers", type=int, default=len(ATTACKS))
    parser.add_argument("--seconds", type=float, default=USUAL_SECONDS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    siege = lay_siege(range(options.attackers), options.seconds, options.seed)
    return print_outcome("ten_worst", report_siege(siege))


PART = Part(
    "ten_worst",
    "Ten visitors who each do the worst that a page allows for two minutes: sweeps, endless runs "
    "of the largest model, uploads at once, files that decode to much, t-SNE, UMAP, static pages, "
    "the heaviest pages, floods of messages, large messages. An eleventh starts a small run and "
    "opens Home again and again. *Slow* is more than 3 s. Afterwards no map goes on, the server "
    "gives the memory back, and nothing of it is left when it has ended.",
    len(ATTACKS),
    3,
    try_ten_worst,
)


if __name__ == "__main__":
    sys.exit(main())
