"""Runs on a page: choosing one or several, their state as a badge, the ones under way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import streamlit as st
from cachetools import TTLCache, cached
from streamlit.delta_generator import DeltaGenerator

from aecore.errors import RunError
from aecore.limits import is_public
from aecore.model.config import RunConfig
from aecore.model.variants import VARIANTS
from aecore.names import escape_name
from aecore.runs.foreign import strip_local_paths
from aecore.runs.listing import has_sound_config, is_shipped_run, runs_folder
from aecore.runs.ownership import read_owner_record
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES
from aecore.runs.storage_probe import check_storage
from aecore.tasks.apply import choose_output
from ui.kit.cache import DEFAULT_RUN
from ui.kit.links import NO_SUCH_RUN, drop_unknown_links, forget_kept, select_linked
from ui.kit.messages import show_note
from ui.kit.visitor import list_own_runs, list_visible_runs

STORAGE_SECONDS = 300  # between two looks at whether runs can be kept
LINKED_RUNS = 5  # runs under way that the sidebar names
TASK_PAGES = {  # by what a run is made for
    "scores": ("apply_anomaly", "Find odd examples", "crisis_alert"),
    "filled": ("apply_impute", "Fill missing cells", "healing"),
}
RUN_PAGES = (
    ("latent", "Latent map", "scatter_plot"),
    ("generate", "Generate", "auto_awesome"),
    ("compare", "Compare", "compare"),
)
STATE_ICONS = {
    "queued": ":material/hourglass_empty:",
    "running": ":material/play_circle:",
    "done": ":material/check_circle:",
    "stopped": ":material/stop_circle:",
    "failed": ":material/error:",
    "lost": ":material/help:",
}
STATE_BADGES = {
    "queued": "gray",
    "running": "blue",
    "done": "green",
    "stopped": "orange",
    "failed": "red",
    "lost": "red",
}


class Task(NamedTuple):
    """What a page uses runs for."""

    name: str  # in a sentence: "to fill missing cells"
    suits: Callable[[RunConfig], bool]  # returns whether a run was trained for it


DENOISING = Task("to remove noise", lambda config: config.model.corruption is not None)
IMPUTING = Task("to fill missing cells", lambda config: choose_output(config) == "filled")
DETECTING = Task("to find anomalies", lambda config: choose_output(config) == "scores")


# -- choosing


def list_usable_runs() -> list[Run]:
    """Returns the runs that have weights and a sound config, and that the visitor may see."""
    return [run for run in list_visible_runs() if run.has_model() and has_sound_config(run)]


def choose_run(
    fits: Callable[[Run], bool] = lambda run: True,
    first: str = DEFAULT_RUN,
    label: str = "Run",
    task: Task | None = None,
) -> Run:
    """Show a select box over the runs that fit, kept in ?run=, and return the chosen one.

    It begins with the newest of the user's own that is finished and made for the task, else with
    the shipped run `first`. Stops the page where no run fits.
    """
    runs = list_fitting_runs(fits, "No run has a model yet. Train one, or pull one from the Hub.")
    drop_unknown_links("run", runs, NO_SUCH_RUN)
    ids = list(runs)
    start = pick_default_runs(runs, [first], task)[0]
    run_id = select_linked(None, label, ids, "run", {}, default=start, keeps=True)
    if run_id == start:
        forget_kept("run")
    run = runs[run_id]
    show_other_task([run], task)
    if title := read_owner_record(run.path).title:  # no option: the address holds what is shown
        st.caption(f":material/label: {escape_name(title)}")
    return run


def choose_runs(
    fits: Callable[[Run], bool],
    first: list[str],
    limit: int = 4,
    container: DeltaGenerator | None = None,
    task: Task | None = None,
) -> list[Run]:
    """Show a list of the runs that fit, bound to ?runs=, and return up to `limit` chosen ones.

    It begins with the newest of the user's own that is finished and made for the task, else with
    the shipped runs `first`. Stops the page where no run fits.
    """
    runs = list_fitting_runs(fits, "No run fits this page. Train one.")
    drop_unknown_links("runs", runs, NO_SUCH_RUN)
    ids = list(runs)
    start = pick_default_runs(runs, first, task)
    multiselect = st.multiselect if container is None else container.multiselect
    chosen_ids = multiselect(
        "Runs", ids, start, key="runs", bind="query-params", max_selections=limit
    )
    chosen = [runs[run_id] for run_id in chosen_ids or start]
    show_other_task(chosen, task)
    return chosen


def list_fitting_runs(fits: Callable[[Run], bool], advice: str) -> dict[str, Run]:
    """Returns the usable runs that fit, by id; where there are none, shows advice and stops."""
    runs = {run.id: run for run in list_usable_runs() if fits(run)}
    if not runs:
        st.info(advice, icon=":material/info:")
        offer_train_page()
        st.stop()
    return runs


def offer_train_page() -> None:
    """Show a link to the Train page."""
    st.page_link("train.py", label="Train a model", icon=":material/model_training:")


def pick_default_runs(
    runs: Mapping[str, Run], first: Sequence[str], task: Task | None = None
) -> list[str]:
    """Returns with which of the runs {id: run}, the newest first, a page begins.

    That is the newest of the user's own that is finished and made for the task, else those of the
    shipped runs `first` that are there, else the first that is finished, else the first.
    """
    own = [run for run in runs.values() if not is_shipped_run(run.path)]
    for run in own:
        if is_finished(run) and (task is None or task.suits(run.config())):
            return [run.id]
    shipped = [run_id for run_id in first if run_id in runs and is_shipped_run(runs[run_id].path)]
    finished = (run_id for run_id, run in runs.items() if is_finished(run))
    return shipped or [next(finished, next(iter(runs)))]


def is_finished(run: Run) -> bool:
    """Returns True for a run that trained to its end: it was neither stopped nor did it diverge."""
    return run.state().state == "done"


def show_other_task(runs: Sequence[Run], task: Task | None) -> None:
    """Say which runs were not trained for the task of a page."""
    others = [run.id for run in runs if task and not task.suits(run.config())]
    if task and others:
        verb = "was" if len(others) == 1 else "were"
        show_note(f"{', '.join(others)} {verb} not trained {task.name}.")


def takes_pictures(run: Run) -> bool:
    """Returns True where a run's inputs are pictures."""
    return len(run.config().model.input_shape) == 3


def has_same_inputs(first: RunConfig, second: RunConfig) -> bool:
    """Returns True where two runs take inputs of one shape, of data of one name."""
    names = [config.data.name if config.data else None for config in (first, second)]
    return first.model.input_shape == second.model.input_shape and names[0] == names[1]


# -- showing


def show_run_links(run: Run) -> None:
    """Show links to the pages on which to look at a run, first the one that it was made for."""
    task = TASK_PAGES.get(choose_output(run.config()))
    for page, label, icon in ((task,) if task else ()) + RUN_PAGES:
        params = {"runs": [run.id]} if page == "compare" else {"run": run.id}
        st.page_link(f"{page}.py", label=label, icon=f":material/{icon}:", query_params=params)


def get_shown_config(config: RunConfig) -> RunConfig:
    """Returns a config as a page shows it: on a public Space without folders of the server."""
    return strip_local_paths(config) if is_public() else config


def format_run_title(run: Run) -> str:
    """Returns the variant and the id of a run as Markdown."""
    return f"**{escape_name(get_variant_label(run))}** {escape_name(run.id)}"


def get_variant_label(run: Run) -> str:
    """Returns the name of the run's variant for people."""
    return format_variant(run.config().model.variant)


def format_variant(name: str) -> str:
    """Returns a variant's name for people; one that is unknown, as a stranger's config may have."""
    return VARIANTS[name].label if name in VARIANTS else name


def format_state_badge(run: Run) -> str:
    """Returns the run's state as a coloured badge in Markdown."""
    state = run.state().state
    return f":{STATE_BADGES[state]}-badge[{STATE_ICONS[state]} {state}]"


@cached(TTLCache(4, STORAGE_SECONDS), lock=threading.Lock())
def find_storage_problem(folder: str) -> str:
    """Returns why no run can be kept in a folder, as a sentence; empty where runs can."""
    try:
        check_storage(Path(folder))
    except RunError as error:
        return str(error)
    return ""


def show_storage_problem() -> None:
    """Says so where no run can be kept, before somebody starts one."""
    if problem := find_storage_problem(str(runs_folder())):
        st.error(problem, icon=":material/error:")


def show_live_runs() -> None:
    """Show the visitor's runs under way, each a link, for the sidebar."""
    live_runs = [run for run in list_own_runs() if run.state().state in LIVE_STATES]
    for run in live_runs[:LINKED_RUNS]:
        st.page_link(
            "train.py",
            label=escape_name(run.id),
            icon=STATE_ICONS[run.state().state],
            query_params={"run": run.id},
        )
