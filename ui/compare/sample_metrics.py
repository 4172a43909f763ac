"""The metrics of samples of runs that were trained without them, measured where asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from aecore.analysis.sample_metrics import FRECHET_METRIC, name_quality
from aecore.analysis.sample_quality import has_picture_features, measure_sample_quality
from aecore.errors import AecoreError
from aecore.progress import track_progress
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES
from ui.kit.cache import get_dataset, get_density, get_model
from ui.kit.jobs import forget_jobs, poll_job, start_job
from ui.kit.memory import keep_in_memory
from ui.kit.sample_quality import can_measure_samples, load_test_features


def offer_sample_metrics(runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """Offer to measure the samples of runs whose record lacks it; return what is measured, by ids.

    Nothing is offered where no run decodes pictures, nor of runs that train: their weights would be
    others before that is done.
    """
    lacking = [
        run
        for run in runs
        if has_picture_features(run.config().model) and FRECHET_METRIC not in run.test_metrics()
    ]
    if live := [run for run in lacking if run.state().state in LIVE_STATES]:
        lacking = [run for run in lacking if run not in live]
        st.caption("Samples of a run are measured when its training has ended.")
    if not lacking:
        return {}
    name = f"samples-{[(str(run.path), run.version()) for run in lacking]}"
    outcome = poll_job(name, "Measuring samples")
    if outcome.state == "failed":
        forget_jobs([name])  # the next click tries again
    if outcome.state in ("idle", "failed"):
        st.button(
            "Measure samples",
            icon=":material/balance:",
            on_click=start_job,
            args=(name, lambda: measure_run_samples(lacking)),
            help="Compares samples with test pictures: Fréchet distance, precision and recall, on "
            "features of a small classifier. Takes some seconds for each run.",
        )
    return outcome.result if outcome.state == "done" else {}


def measure_run_samples(runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """Returns the metrics of samples by the ids of runs; of a run that cannot be measured, none."""
    return {run.id: measure_or_skip(run) for run in track_progress(runs)}


def measure_or_skip(run: Run) -> dict[str, float]:
    """Returns the metrics of a run's samples; none where its own data or weights are not here."""
    try:
        if not can_measure_samples(run):
            return {}
        return load_run_samples(str(run.path), run.version(), get_dataset(run)[0].name)
    except AecoreError:
        return {}


@keep_in_memory()
def load_run_samples(path: str, version: float, data_name: str) -> dict[str, float]:
    """Returns the metrics of a run's samples, from its prior or a mixture, as its trainer would."""
    run = Run(Path(path))
    real = load_test_features(path, data_name)
    return name_quality(measure_sample_quality(get_model(run), real, get_density(run)))
