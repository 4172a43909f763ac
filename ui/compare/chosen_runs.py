"""Which runs the Compare page compares."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from aecore.model.variants import VARIANTS
from aecore.runs.run import Run
from ui.kit.links import NO_SUCH_RUN, drop_unknown_links
from ui.kit.runs import has_same_inputs, is_finished, list_usable_runs, offer_train_page

MAX_COMPARED = 8  # runs at a time
FIRST_COMPARED = 4  # runs that a first visit shows


def choose_compared_runs() -> list[Run]:
    """Show a list of the runs that have a model, bound to ?runs=; return the chosen ones.

    Stops the page where there is none.
    """
    runs = {run.id: run for run in list_usable_runs()}
    if not runs:
        st.info("No run has a model yet. Train two, and compare them here.", icon=":material/info:")
        offer_train_page()
        st.stop()
    drop_unknown_links("runs", runs, NO_SUCH_RUN)
    ids = st.multiselect(
        "Runs",
        list(runs),
        choose_first_runs(list(runs.values())),
        key="runs",
        bind="query-params",
        max_selections=MAX_COMPARED,
        help="Up to eight. The first one decides which inputs are shown.",
    )
    if not ids:
        st.info("Choose a run above.", icon=":material/arrow_upward:")
        st.stop()
    return [runs[run_id] for run_id in ids]


def choose_first_runs(runs: Sequence[Run]) -> list[str]:
    """Returns the ids of up to four finished runs with the newest one's shape and data.

    They are of different families where there are any.
    """
    runs = [run for run in runs if is_finished(run)] or runs
    configs = {run.id: run.config() for run in runs}
    newest = configs[runs[0].id]
    alike = [run_id for run_id, config in configs.items() if has_same_inputs(config, newest)]
    families: dict[str, str] = {}
    for run_id in alike:
        variant = VARIANTS.get(configs[run_id].model.variant)
        families.setdefault(variant.family if variant else "", run_id)
    others = [run_id for run_id in alike if run_id not in families.values()]
    chosen_ids = [*families.values(), *others][:FIRST_COMPARED]
    return [run_id for run_id in configs if run_id in chosen_ids]


def join_words(words: Sequence[str]) -> str:
    """Returns `a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
