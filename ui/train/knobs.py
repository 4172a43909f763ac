"""Sliders of a run that trains or can be resumed: loss weights, noise, k and the learning rate.

Every option that is marked as live has one, so a new part's knob appears by itself.
"""

from __future__ import annotations

import math
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore.backends.launch import read_order
from aecore.errors import AecoreError
from aecore.model.config import RunConfig
from aecore.model.knobs import Knob, list_knobs, turn_knobs
from aecore.runs.knobs import apply_moves, read_wanted_knobs, request_knobs
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES, RESUMABLE_STATES
from ui.kit.fields import format_field_name, get_field_limits
from ui.kit.messages import show_error_toast
from ui.kit.visitor import check_may_change, may_change

KNOB_COLUMNS = 3
MANTISSAS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)  # of the steps of a logarithmic slider, in each decade
REACH = 2  # decades to each side of the value that the run began with


def can_move_knobs(run: Run) -> bool:
    """Returns whether a run trains here or can be resumed, and the visitor may stop it."""
    can_train = run.state().state in LIVE_STATES + RESUMABLE_STATES
    return can_train and read_order(run) is None and may_change(run)


def show_moved_knobs(run: Run, config: RunConfig) -> None:
    """Say with which values a run is resumed, where these are not those that it began with."""
    if run.state().state in LIVE_STATES or not can_move_knobs(run):
        return
    began, present = list_knobs(config), list_knobs(find_present_config(run, config))
    moved = [
        f"{name_knob(path).lower()} {format_step(present[path].value)} "
        f"(it began with {format_step(knob.value)})"
        for path, knob in began.items()
        if present[path].value != knob.value
    ]
    if moved:
        st.caption(
            f":material/info: *Resume* goes on with {', '.join(moved)}. "
            "The sliders below change that."
        )


def show_knobs(run: Run, config: RunConfig) -> None:
    """Show a slider for each knob of a run that trains here or can be, to those who may stop it.

    Of a run that trains they are a fragment; of another the page says what they will do.
    """
    if not can_move_knobs(run):
        return
    is_live = run.state().state in LIVE_STATES
    show = st.fragment(show_sliders) if is_live else show_sliders
    show(run, config, is_live)


def show_sliders(run: Run, config: RunConfig, is_live: bool) -> None:
    """Show a slider for each knob."""
    present = list_knobs(find_present_config(run, config))
    with st.container(border=True):
        st.markdown(
            "**Change while it trains**" if is_live else "**Change before it is resumed**",
            help="A change acts within half a second, at the next step; with several processes at "
            "the next epoch. It is marked on the curve and kept with the run, which a resumed run "
            "repeats. The config keeps the values that the run began with.",
        )
        columns = st.columns(KNOB_COLUMNS)
        for i, (path, knob) in enumerate(list_knobs(config).items()):
            show_knob(columns[i % KNOB_COLUMNS], run, path, knob, present[path].value)


def find_present_config(run: Run, config: RunConfig) -> RunConfig:
    """Returns the config as the knobs stand, or are wanted."""
    config = apply_moves(config, run.knob_moves())
    wanted, _ = read_wanted_knobs(run, config)
    return turn_knobs(config, wanted)


def show_knob(column: DeltaGenerator, run: Run, path: str, knob: Knob, present: float) -> None:
    """Show a slider at the present value: linear for counts and shares, else logarithmic."""
    low, high = get_field_limits(knob.field)
    high = high if knob.highest is None else min(high, int(knob.highest))
    key, label, help = f"knob-{run.id}-{path}", name_knob(path), knob.field.description
    moves: dict[str, Any] = {"key": key, "on_change": move_knob, "args": (run, path, key)}
    if knob.field.annotation is int:
        if low < high:  # a slider needs two ends
            column.slider(label, low, high, min(int(present), high), help=help, **moves)
    elif high <= 1:
        column.slider(label, float(low), float(high), float(present), 0.01, help=help, **moves)
    else:
        steps = list_steps(knob.value, present, low, high)
        column.select_slider(label, steps, present, format_step, help=help, **moves)


def name_knob(path: str) -> str:
    """Returns the name of a knob for people: `Learning rate`, `L1 weight`."""
    *parts, name = path.split(".")
    of_penalty = f"{format_field_name(parts[-1])} " if parts[0] == "penalties" else ""
    label = format_field_name(name)
    return f"{of_penalty}{label.lower()}" if of_penalty else label


def list_steps(start: float, present: float, low: float | None, high: float) -> list[float]:
    """Returns the steps of a logarithmic slider around the value that a run began with.

    They are within the bounds, `low` first where it is one, and the present value is among them.
    """
    decade = math.floor(math.log10(start or 1.0))
    decades = range(decade - REACH, decade + REACH + 1)
    steps = {float(f"{mantissa}e{power}") for power in decades for mantissa in MANTISSAS}
    steps |= {start, present} | ({float(low)} if low is not None else set())
    return sorted(step for step in steps if (low or 0.0) <= step <= high)


def format_step(value: float) -> str:
    """Returns a value of a slider for people."""
    return f"{value:.4g}"


def move_knob(run: Run, path: str, key: str) -> None:
    """Ask the trainer for the value of a slider; say why where that is refused."""
    try:
        check_may_change(run)
        request_knobs(run, {path: st.session_state[key]})
    except AecoreError as error:
        show_error_toast(error)
