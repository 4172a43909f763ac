"""The end of the Train form: the run as a command, and the button that starts it."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore.backends.admission import (
    admit_runs,
    describe_run_limits,
    describe_shared_limits,
    explain_refusal,
    read_start_limit,
)
from aecore.backends.local import expect_run
from aecore.backends.registry import BACKENDS
from aecore.data.raw import format_count
from aecore.errors import AecoreError
from aecore.limits import is_public
from aecore.model.config import RunConfig
from aecore.runs.listing import create_run
from aecore.runs.recipe import format_train_command
from aecore.runs.run import Run
from aecore.runs.sweep import explain_apart
from ui.kit.messages import show_error, show_note
from ui.kit.runs import get_shown_config
from ui.kit.visitor import claim, get_visitor, is_published_by_default, reserve_runs
from ui.train.backend_form import TrainingPlace, start_training
from ui.train.estimate import (
    estimate_choice_seconds,
    format_rough_time,
    keep_training_estimate,
)
from ui.train.form import TrainingChoice
from ui.train.sweep_form import SweepRequest

SEEDS = 3
REFUSAL_POLL_SECONDS = 3.0


def show_command(config: RunConfig, kind: str) -> None:
    """Show folded the command that trains the same run; `kind` is that of the data."""
    shown = get_shown_config(config)
    with st.expander("Command line", icon=":material/terminal:"):
        st.code(format_train_command(shown, kind), language="bash", wrap_lines=True)


def show_start_button(
    choice: TrainingChoice, sweep: SweepRequest | None, place: TrainingPlace | None
) -> None:
    """Show the button that starts the run or the sweep, and go to watch it.

    It is disabled where there is no place to train, and where a limit forbids the runs: says why.
    """
    show_run_limits()
    config = choice.config
    published = choose_publishing(config)
    label = "Start" if sweep is None else f"Start {sweep.count} runs"
    row = st.container(horizontal=True, vertical_alignment="center")
    button = row.container(width="content")
    if sweep is None:
        sweep = choose_seeds(row, choice, place)
    configs = list_configs(config, sweep)
    refusal = explain_refusal(get_visitor(), configs)
    if refusal:
        show_refusal(refusal, configs)
    is_clicked = button.button(
        label,
        type="primary",
        icon=":material/play_arrow:",
        shortcut="Ctrl+Enter",
        disabled=place is None or bool(refusal),
    )
    if place is not None and not BACKENDS[place.engine].is_remote:
        expect_run()
    if is_clicked:
        try:
            runs = start_runs(config, sweep, place, published)
        except AecoreError as error:
            show_error(error)
            return
        obstacle = explain_apart(config, choice.about.is_on_disk)
        seeds = sweep.seeds if sweep and obstacle is None else 1
        seconds = estimate_choice_seconds(choice, place, seeds)  # of those that train together
        for run in runs:
            keep_training_estimate(run, seconds)
        if sweep is not None:
            st.switch_page("compare.py", query_params={"sweep": runs[0].config().sweep})
        st.switch_page("train.py", query_params={"run": runs[0].id})


def show_run_limits() -> None:
    """Show what a visitor may train in small type, and on hover the limits that all share."""
    own, shared = describe_run_limits(), describe_shared_limits()
    if own or shared:
        st.caption(own or shared, help=shared if own and shared else None)


@st.fragment(run_every=REFUSAL_POLL_SECONDS)
def show_refusal(refusal: str, configs: list[RunConfig]) -> None:
    """Show why these runs cannot start; run the page once more when that has changed."""
    show_note(refusal, "block")
    if explain_refusal(get_visitor(), configs) != refusal:
        st.rerun()


def choose_seeds(
    row: DeltaGenerator, choice: TrainingChoice, place: TrainingPlace | None
) -> SweepRequest | None:
    """Show a switch for three seeds with what they take; return them where it is on.

    It is disabled, and its help says why, where so many runs may not start at once.
    """
    seconds = estimate_choice_seconds(choice, place, SEEDS)
    price = "" if seconds is None else f", about {format_rough_time(seconds)}"
    obstacle = explain_apart(choice.config, choice.about.is_on_disk)
    how = f"Runs {obstacle} train one after another." if obstacle else "They train together."
    limit = read_start_limit()
    if limit < SEEDS:
        how = f"Not available here: at most {format_count(int(limit), 'run')} may start at once."
    is_on = row.toggle(
        f"Three seeds{price}",
        key="three-seeds",
        help="Trains the model from three random seeds, for a mean and a standard deviation: "
        f"smaller differences between models may be chance. {how}",
        disabled=limit < SEEDS,
        persist_state="session",
    )
    return SweepRequest([choice.config], SEEDS) if is_on and limit >= SEEDS else None


def choose_publishing(config: RunConfig) -> bool:
    """Show on a public Space whether everybody may see the run; return the choice."""
    if not is_public():
        return False
    return st.toggle(
        "Show to everybody",
        is_published_by_default(config),
        key=f"publish-{config.data.name if config.data else ''}",
        help="Others see the run, examples of its data, and its model. "
        "Only you can stop, resume, publish or delete it.",
    )


def list_configs(config: RunConfig, sweep: SweepRequest | None) -> list[RunConfig]:
    """Returns a config for each run that is asked for."""
    return [config] if sweep is None else sweep.configs * sweep.seeds


def start_runs(
    config: RunConfig, sweep: SweepRequest | None, place: TrainingPlace | None, published: bool
) -> list[Run]:
    """Create the run or the runs of the sweep, within the limits, and start each."""
    configs = list_configs(config, sweep)
    with reserve_runs(configs), admit_runs(get_visitor(), configs):
        runs = [create_run(config)] if sweep is None else sweep.create()
        for run in runs:
            claim(run.path, published)
        start_training(runs, place)
    return runs
