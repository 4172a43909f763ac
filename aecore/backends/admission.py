"""The limits of new runs: how many a visitor and all may have, how many a sweep, how large a model.

Nothing is made before they are checked. How long a run trains, and in how much memory, is for its
own process to keep: see `supervisor`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from aecore.backends.waiting import SLOTS_FOLDER
from aecore.data.raw import format_count
from aecore.errors import RunError
from aecore.limits import read_limit
from aecore.model.config import RunConfig
from aecore.runs.listing import list_runs, runs_folder
from aecore.runs.ownership import Visitor
from aecore.runs.process import LockFile
from aecore.runs.state import LIVE_STATES

RUN_SIZES = {  # limits of one run, with their units
    "run_minutes": "minutes",
    "run_memory_gb": "GB of memory",
    "parameters": "parameters",
}
ADMISSION_LOCK = "admission.lock"
UNLIMITED = float("inf")
SHARE_FOR_MORE = 3 / 4  # of all places; the others are left to visitors who have no run yet


@contextmanager
def admit_runs(visitor: Visitor, configs: Sequence[RunConfig]) -> Iterator[None]:
    """Lets the block begin a run of each config; RunError, before it, where a limit forbids that.

    Others wait until the block has ended, so that two clicks at once do not take the same place.
    """
    check_sizes(configs)
    if not are_places_limited():
        yield
        return
    folder = runs_folder() / SLOTS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with LockFile(folder / ADMISSION_LOCK).hold(wait=True):
        check_places(visitor, len(configs))
        yield


def explain_refusal(visitor: Visitor, configs: Sequence[RunConfig]) -> str:
    """Returns why `admit_runs` would refuse these runs now, as a sentence; empty where it admits.

    For a page, before the click: nothing is held, so another may yet take the place.
    """
    try:
        check_sizes(configs)
        if are_places_limited():
            check_places(visitor, len(configs))
    except RunError as error:
        return str(error)
    return ""


def are_places_limited() -> bool:
    """Returns True where the number of runs that wait or train has a limit."""
    return not read_limit("visitor_runs") == read_limit("runs") == UNLIMITED


def check_sizes(configs: Sequence[RunConfig]) -> None:
    """Raises RunError where there are too many runs for a sweep, or a model is too large."""
    check_sweep_size(len(configs))
    for config in configs:
        check_model_size(config)


def read_start_limit() -> float:
    """Returns how many runs a visitor may begin at once, where nobody else has any."""
    runs = SHARE_FOR_MORE * read_limit("runs")
    return min(read_limit("sweep_runs"), read_limit("visitor_runs"), runs)


def check_sweep_size(count: int) -> None:
    """Raises RunError where several runs at once are more than a sweep may have."""
    limit = read_limit("sweep_runs")
    if 1 < count > limit:
        raise RunError(
            f"A sweep has at most {limit:.0f} runs here, got {count}. "
            "Use fewer variants, sizes or seeds."
        )


def check_model_size(config: RunConfig) -> None:
    """Raises RunError where a model has too many weights."""
    weights, limit = config.model.count_weights(), read_limit("parameters")
    if weights > limit:
        raise RunError(
            f"A model has at most {limit:,.0f} weights here, this one has about {weights:,}. "
            "Use narrower layers or fewer latent dimensions."
        )


def check_places(visitor: Visitor, count: int) -> None:
    """Raises RunError where `count` more runs are too many for the visitor, or for all."""
    live = [run for run in list_runs() if run.state().state in LIVE_STATES]
    own = sum(visitor.owns(run.path) for run in live)
    limit = read_limit("visitor_runs")
    if own + count > limit:
        raise RunError(
            f"A visitor has at most {limit:.0f} runs that wait or train. You have {own}, and asked "
            f"for {count} more. Stop one, or wait until it ends."
        )
    limit, asks_for_more = read_limit("runs"), own + count > 1
    if len(live) + count > (limit * SHARE_FOR_MORE if asks_for_more else limit):
        raise RunError(
            f"At most {limit:.0f} runs of all visitors wait or train at a time, and a quarter of "
            f"the places is left to visitors who have none. There are {len(live)}, and you asked "
            f"for {count} more. {'Start one alone, or try' if count > 1 else 'Try'} again in a few "
            "minutes."
        )


def describe_run_limits() -> str:
    """Returns what a visitor may train as a sentence; empty where nothing limits it."""
    count = read_limit("visitor_runs")
    runs = "" if count == UNLIMITED else f"{format_count(int(count), 'run')} at a time"
    sizes = [(read_limit(name), unit) for name, unit in RUN_SIZES.items()]
    parts = [f"{format_size(size)} {unit}" for size, unit in sizes if size != UNLIMITED]
    each = " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
    if runs and each:
        return f"You may have {runs}, each of up to {each}."
    return f"You may have {runs}." if runs else f"A run may have up to {each}." if each else ""


def describe_shared_limits() -> str:
    """Returns the limits of a sweep and of all visitors as sentences; empty without any."""
    sweep, total = read_limit("sweep_runs"), read_limit("runs")
    sentences = [
        f"A sweep has at most {format_count(int(sweep), 'run')}." if sweep != UNLIMITED else "",
        f"At most {format_count(int(total), 'run')} of all visitors wait or train at a time."
        if total != UNLIMITED
        else "",
    ]
    return " ".join(filter(None, sentences))


def format_size(size: float) -> str:
    """Returns a number in words where it is large: `30`, `1,000`, `20 million`."""
    return f"{size / 1e6:.4g} million" if size >= 1e6 else f"{size:,.10g}"
