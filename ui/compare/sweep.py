"""A sweep on the Compare page: its progress, and its metrics with mean and deviation."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from aecore.analysis.metrics import METRICS
from aecore.limits import read_slot_limit
from aecore.progress import format_duration
from aecore.runs.estimates import estimate_sweep_left
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES
from aecore.runs.sweep import SeedGroup, group_by_seed, list_sweep_runs, list_sweeps
from ui.compare.charts import draw_sweep
from ui.kit.figures import get_variant_colour
from ui.kit.runs import format_variant
from ui.kit.visitor import list_visible_runs, may_see

SWEEP_POLL_SECONDS = 2.0
SHOWN_METRICS = [name for name in METRICS if name != "parameters"]


def show_sweep() -> None:
    """Show the sweep of the address, or one that is chosen, with mean and deviation over seeds."""
    names = list_sweeps(list_visible_runs())
    if not names:
        return
    linked = st.query_params.get("sweep")
    with st.expander("Sweep", icon=":material/grid_view:", expanded=linked in names):
        name = st.selectbox(
            "Sweep",
            names,
            names.index(linked) if linked in names else 0,
            label_visibility="collapsed",
        )
        runs = [run for run in list_sweep_runs(name) if may_see(run)]
        alive = any(run.state().state in LIVE_STATES for run in runs)
        st.fragment(
            lambda: show_sweep_table(name, alive), run_every=SWEEP_POLL_SECONDS if alive else None
        )()


def show_sweep_table(name: str, was_alive: bool) -> None:
    """Show a sweep as it stands; run the page once more when its last run has ended."""
    runs = [run for run in list_sweep_runs(name) if may_see(run)]
    alive = show_sweep_progress(runs)
    groups = group_by_seed(runs)
    measured = dict.fromkeys(metric for group in groups for metric in group.metrics())
    metrics = [metric for metric in measured if metric in SHOWN_METRICS]
    if metrics:
        show_sweep_results(groups, metrics)
    if was_alive and not alive:
        st.rerun()


def show_sweep_progress(runs: Sequence[Run]) -> bool:
    """Show how many runs of a sweep have ended; return True while one is alive."""
    states = [run.state().state for run in runs]
    live = sum(state in LIVE_STATES for state in states)
    failed = sum(state in ("failed", "lost") for state in states)
    ended = len(states) - live
    left = estimate_sweep_left(runs, read_slot_limit()) if live else None
    st.progress(
        ended / max(1, len(states)),
        text=f"{ended} of {len(states)} runs"
        + (f", {failed} failed" if failed else "")
        + (f", about {format_duration(left)} left" if left else ""),
    )
    return live > 0


def show_sweep_results(groups: Sequence[SeedGroup], metrics: Sequence[str]) -> None:
    """Show one metric over the latent dimension, and all metrics in a table."""
    metric = st.segmented_control(
        "Metric",
        metrics,
        default=metrics[0],
        required=True,
        key="sweep-metric",
        format_func=lambda metric: METRICS[metric].label,
    )
    st.plotly_chart(
        make_sweep_figure(groups, metric),
        key="sweep-chart",
        alt=f"{METRICS[metric].label} over the latent dimension",
    )
    st.dataframe(
        make_sweep_frame(groups, metrics),
        hide_index=True,
        alt="Mean and deviation over the seeds",
    )
    st.caption(f"Mean ± standard deviation over seeds. {METRICS[metric].help}")


def make_sweep_figure(groups: Sequence[SeedGroup], metric: str) -> go.Figure:
    """Returns a metric over the latent dimension, a line a variant."""
    lines: dict[str, list[tuple[int, float, float]]] = {}
    for group in groups:
        if summary := group.metrics().get(metric):
            point = (group.latent_dim, summary.mean, summary.deviation or 0.0)
            lines.setdefault(group.variant, []).append(point)
    colours = {format_variant(name): get_variant_colour(name) for name in lines}
    labelled = {format_variant(name): points for name, points in lines.items()}
    return draw_sweep(labelled, colours, METRICS[metric].label)


def make_sweep_frame(groups: Sequence[SeedGroup], metrics: Sequence[str]) -> pd.DataFrame:
    """Returns the metrics of a sweep with mean and deviation over seeds, a row a group."""
    rows = []
    for group in groups:
        measured = group.metrics()
        row = {
            "variant": format_variant(group.variant),
            "latent dimension": group.latent_dim,
            "seeds": f"{group.count_done()} of {len(group.runs)}",
        }
        rows.append(row | {METRICS[m].label: str(measured.get(m, "")) for m in metrics})
    return pd.DataFrame(rows)
