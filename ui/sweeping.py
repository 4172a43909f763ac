"""Sweeps: the part of the Train form that makes one, and the part of Compare that shows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st

from aecore import data, sweep
from aecore.config import RunConfig
from aecore.errors import AecoreError, ConfigError
from aecore.metrics import DESCRIPTIONS, LABELS
from aecore.runs import LIVE, Run
from aecore.variants import VARIANTS, configure
from ui import cache, charts, figures, state

POLL_SECONDS = 2.0
SHOWN = [name for name in DESCRIPTIONS if name != "parameters"]


class Wanted(NamedTuple):
    """The grid that the form describes."""

    configs: list[RunConfig]
    seeds: int

    @property
    def count(self) -> int:
        return len(self.configs) * self.seeds

    def create(self) -> list[Run]:
        return sweep.create(self.configs, self.seeds)


# -- the form


def choose(config: RunConfig, kind: str) -> Wanted | None:
    """A folded form over the grid; None where it asks for nothing but the run of the form above."""
    with st.expander("Sweep", icon=":material/grid_view:"):
        st.caption("One run for each combination. The form above holds for its variant; others have their defaults.")
        left, middle, right = st.columns([2, 1, 1])
        others = [name for name in VARIANTS if name != config.model.variant]
        chosen = left.multiselect("More variants", others, key="sweep-variants")
        own = config.model.latent_dim
        sizes = middle.text_input("Sizes of the code", str(own), key=f"sweep-{own}",
                                  help="Separated by commas, such as 2, 8, 20.")  # fmt: skip
        seeds = int(right.number_input("Seeds", 1, 20, 1, key="sweep-seeds", help="Each gives another deviation."))
        try:
            configs = [one for name in (None, *chosen) for one in at_sizes(config, name, kind, numbers(sizes))]
        except AecoreError as error:
            state.show_error(error)
            return None
    wanted = Wanted(configs, seeds)
    return wanted if seeds > 1 or configs != [config] else None


def numbers(text: str) -> list[int]:
    """`2, 8` as numbers, each once. ConfigError where it is something else."""
    try:
        found = json.loads(f"[{text.strip().rstrip(',')}]")
    except ValueError:
        found = None
    if not found or not all(type(value) is int and value > 0 for value in found):
        raise ConfigError(f"Sizes are whole numbers of 1 or more with commas between them, got {text[:60]!r}.")
    return list(dict.fromkeys(found))


def at_sizes(config: RunConfig, variant: str | None, kind: str, sizes: Sequence[int]) -> list[RunConfig]:
    """The form's run, or another variant with its defaults on the same data, at each size of the code."""
    if variant is None:
        return [sweep.with_latent_dim(config, size) for size in sizes]
    wanted = config.data
    entry = data.CATALOG.get(wanted.name) if wanted else None
    count = entry.sizes[0] if entry else cache.load_data(wanted).count
    shape = config.model.input_shape
    return [configure(variant, shape, kind=kind, examples=count, data=wanted, latent_dim=size) for size in sizes]


# -- the results


def show() -> None:
    """The sweep of the address, or one that is chosen, with mean and deviation over its seeds."""
    known = [name for name in sweep.names() if any(state.is_mine(run) for run in sweep.members(name))]
    if not known:
        return
    asked = st.query_params.get("sweep")
    with st.expander("Sweep", icon=":material/grid_view:", expanded=asked in known):
        name = st.selectbox("Sweep", known, known.index(asked) if asked in known else 0, label_visibility="collapsed")
        alive = any(run.state().state in LIVE for run in sweep.members(name))
        st.fragment(lambda: table(name, alive), run_every=POLL_SECONDS if alive else None)()


def table(name: str, was_alive: bool) -> None:
    """One look at a sweep: how far it is, a metric over the size of the code, and all metrics."""
    members = [run for run in sweep.members(name) if state.is_mine(run)]
    states = [run.state().state for run in members]
    live, failed = sum(one in LIVE for one in states), sum(one in ("failed", "lost") for one in states)
    over = len(states) - live
    st.progress(
        over / max(1, len(states)), text=f"{over} of {len(states)} runs" + (f", {failed} failed" if failed else "")
    )
    groups = sweep.groups(members)
    metrics = list(
        dict.fromkeys(m for group in groups for m in group.metrics() if m in DESCRIPTIONS and m != "parameters")
    )
    if metrics:
        shown = st.segmented_control("Metric", metrics, default=metrics[0], required=True, key="sweep-metric",
                                     format_func=lambda metric: LABELS.get(metric, metric))  # fmt: skip
        st.plotly_chart(
            picture(groups, shown), key="sweep-chart", alt=f"{LABELS.get(shown, shown)} over the size of the code"
        )
        st.dataframe(frame(groups, metrics), hide_index=True, alt="Mean and deviation over the seeds")
        st.caption(f"Mean ± standard deviation over seeds. {DESCRIPTIONS[shown]}")
    if was_alive and not live:
        st.rerun()


def picture(groups: Sequence[sweep.Group], metric: str) -> object:
    lines: dict[str, list[tuple[int, float, float]]] = {}
    for group in groups:
        if found := group.metrics().get(metric):
            lines.setdefault(group.variant, []).append((group.latent_dim, found.mean, found.deviation or 0.0))
    tints = {name: figures.colour(name) for name in lines}
    return charts.sweep(lines, tints, LABELS.get(metric, metric))


def frame(groups: Sequence[sweep.Group], metrics: Sequence[str]) -> pd.DataFrame:
    rows = []
    for group in groups:
        measured = group.metrics()
        row = {
            "variant": group.variant,
            "size of the code": group.latent_dim,
            "seeds": f"{group.count()} of {len(group.runs)}",
        }
        rows.append(row | {LABELS.get(m, m): str(measured.get(m, "")) for m in metrics})
    return pd.DataFrame(rows)
