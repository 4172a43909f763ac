"""Which things the page shows, and how one is described in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from aecore.errors import AecoreError
from aecore.limits import is_public, read_limit
from aecore.runs.foreign import name_data
from aecore.runs.keeping import KeptThing, list_things
from aecore.runs.ownership import read_owner_record
from aecore.runs.run import Run
from aecore.runs.storage import MEGABYTE, format_bytes
from ui.kit.runs import get_variant_label
from ui.kit.visitor import get_visitor


def list_shown_things(owner: str) -> list[KeptThing]:
    """Returns the things of an owner, the newest first; the visitor's own where that is empty.

    On one's own machine these are all there are.
    """
    visitor = get_visitor()
    if owner and visitor.is_operator:
        return list_things(lambda path: read_owner_record(path).owner == owner)
    return list_things(visitor.owns if is_public() else visitor.may_change)


def show_usage(things: Sequence[KeptThing]) -> None:
    """Show how much room the things take, of how much, and how long they are kept."""
    if not things:
        return
    used, limit = sum(thing.size() for thing in things), read_limit("visitor_mb") * MEGABYTE
    text = f"{count_kinds(things)}, {format_bytes(used)}"
    if math.isinf(limit):
        st.caption(f"{text} on this machine.")
        return
    st.html(
        f'<meter min="0" max="{limit:.0f}" high="{0.9 * limit:.0f}" value="{used}" '
        f'style="width: 100%" aria-label="{used / limit:.0%} of the room is used"></meter>'
    )
    st.caption(f"{text} of {format_bytes(limit)}. {describe_keep_hours()}")


def count_kinds(things: Sequence[KeptThing]) -> str:
    """Returns how many runs and data sets there are, in words."""
    runs = sum(thing.is_run for thing in things)
    counts = {"run": runs, "data set": len(things) - runs}
    return ", ".join(f"{n} {kind}{'' if n == 1 else 's'}" for kind, n in counts.items() if n)


def describe_keep_hours() -> str:
    """Returns the sentence on how long things are kept; empty where that is for ever."""
    hours = read_limit("keep_hours")
    if math.isinf(hours):
        return ""
    return f"Deleted {hours:.3g} hours after your last visit, unless published."


# -- one thing


def describe_times(thing: KeptThing) -> str:
    """Returns how large a thing is, from when, and until when it is kept."""
    made = f"made {format_time(thing.made_at())}" if thing.made_at() else ""
    parts = [format_bytes(thing.size()), made, describe_end(thing)]
    return " · ".join(part for part in parts if part)


def describe_kind(thing: KeptThing) -> str:
    """Returns the kind of a thing: of a run with its variant and data."""
    if not thing.is_run:
        return "Data set"
    run = Run(thing.path)
    try:
        data = run.config().data
        variant = get_variant_label(run)
        return f"Run · {variant} on {name_data(data)}" if data else f"Run · {variant}"
    except AecoreError:
        return "Run that cannot be read"


def describe_end(thing: KeptThing) -> str:
    """Returns until when a thing is kept; empty where that is for ever."""
    end = thing.keep_until()
    if thing.record.published and not math.isinf(read_limit("keep_hours")):
        return "kept while published"
    return "" if math.isinf(end) else f"kept until {format_time(end)}"


def format_time(seconds: float) -> str:
    """Returns a time in the visitor's zone, such as 28 Nov 20:30."""
    try:
        zone = ZoneInfo(st.context.timezone or "")
    except (OSError, ValueError):
        zone = None
    return f"{datetime.fromtimestamp(seconds, zone):%-d %b %H:%M}"
