"""A sweep on the Compare page: its progress, and its metrics with mean and deviation."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from aecore.analysis.metrics import METRIC_DESCRIPTIONS, METRIC_LABELS
from aecore.runs.run import LIVE_STATES
from aecore.runs.sweep import SeedGroup, group_by_seed, list_sweep_runs, list_sweeps
from ui.compare.charts import draw_sweep
from ui.kit.figures import get_variant_colour
from ui.kit.visitor import is_mine

SWEEP_POLL_SECONDS = 2.0
SHOWN_METRICS = [name for name in METRIC_DESCRIPTIONS if name != "parameters"]


# -- the results


def show_sweep() -> None:
    """The sweep of the address, or one that is chosen, with mean and deviation over its seeds."""
    known = [name for name in list_sweeps() if any(is_mine(run) for run in list_sweep_runs(name))]
    if not known:
        return
    asked = st.query_params.get("sweep")
    with st.expander("Sweep", icon=":material/grid_view:", expanded=asked in known):
        name = st.selectbox(
            "Sweep",
            known,
            known.index(asked) if asked in known else 0,
            label_visibility="collapsed",
        )
        alive = any(run.state().state in LIVE_STATES for run in list_sweep_runs(name))
        st.fragment(
            lambda: show_sweep_table(name, alive), run_every=SWEEP_POLL_SECONDS if alive else None
        )()


def show_sweep_table(name: str, was_alive: bool) -> None:
    """One look at a sweep: how far it is, a metric over the size of the code, and all metrics."""
    members = [run for run in list_sweep_runs(name) if is_mine(run)]
    states = [run.state().state for run in members]
    live, failed = (
        sum(one in LIVE_STATES for one in states),
        sum(one in ("failed", "lost") for one in states),
    )
    over = len(states) - live
    st.progress(
        over / max(1, len(states)),
        text=f"{over} of {len(states)} runs" + (f", {failed} failed" if failed else ""),
    )
    groups = group_by_seed(members)
    metrics = list(
        dict.fromkeys(
            m
            for group in groups
            for m in group.metrics()
            if m in METRIC_DESCRIPTIONS and m != "parameters"
        )
    )
    if metrics:
        shown = st.segmented_control(
            "Metric",
            metrics,
            default=metrics[0],
            required=True,
            key="sweep-metric",
            format_func=lambda metric: METRIC_LABELS.get(metric, metric),
        )
        st.plotly_chart(
            show_sweep_figure(groups, shown),
            key="sweep-chart",
            alt=f"{METRIC_LABELS.get(shown, shown)} over the size of the code",
        )
        st.dataframe(
            make_sweep_frame(groups, metrics),
            hide_index=True,
            alt="Mean and deviation over the seeds",
        )
        st.caption(f"Mean ± standard deviation over seeds. {METRIC_DESCRIPTIONS[shown]}")
    if was_alive and not live:
        st.rerun()


def show_sweep_figure(groups: Sequence[SeedGroup], metric: str) -> object:
    lines: dict[str, list[tuple[int, float, float]]] = {}
    for group in groups:
        if found := group.metrics().get(metric):
            lines.setdefault(group.variant, []).append(
                (group.latent_dim, found.mean, found.deviation or 0.0)
            )
    tints = {name: get_variant_colour(name) for name in lines}
    return draw_sweep(lines, tints, METRIC_LABELS.get(metric, metric))


def make_sweep_frame(groups: Sequence[SeedGroup], metrics: Sequence[str]) -> pd.DataFrame:
    rows = []
    for group in groups:
        measured = group.metrics()
        row = {
            "variant": group.variant,
            "size of the code": group.latent_dim,
            "seeds": f"{group.count()} of {len(group.runs)}",
        }
        rows.append(row | {METRIC_LABELS.get(m, m): str(measured.get(m, "")) for m in metrics})
    return pd.DataFrame(rows)
