"""Samples from each source of codes beside each other, and by numbers."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from aecore.analysis.chunks import decode_in_chunks
from aecore.analysis.densities.fitting import FittedDensities
from aecore.analysis.latent import sample_codes
from aecore.analysis.sample_quality import SampleQuality
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES
from ui.generate.sources import name_code_source
from ui.kit.examples import draw_examples
from ui.kit.jobs import forget_jobs, poll_job, start_job
from ui.kit.sample_quality import (
    can_measure_samples,
    get_fitted_densities,
    get_training_quality,
    list_code_sources,
    measure_all_sources,
)

SHOWN_SAMPLES, SHOWN_COLUMNS = 16, 4  # of each source
FEATURES_NOTE = (
    "On features of a small classifier of digits and CIFAR-10 that comes with the app: the "
    "numbers compare models here, and are no FID, which is measured on Inception-v3."
)
COLUMN_HELP = {
    "log density": "Mean log density of codes held out, in nats: higher is better.",
    "Fréchet distance": "Between Gaussians fitted to the features of samples and of test pictures "
    "(Heusel et al., 2017): lower is better.",
    "precision": "Share of samples that lie among the test pictures, by the features (Kynkäänniemi "
    "et al., 2019): higher is better.",
    "recall": "Share of test pictures that lie among the samples: higher is better.",
}


def show_sample_quality(run: Run, model: Autoencoder, seed: int) -> None:
    """Offer to compare the sources of codes; show samples of each, and a table of numbers."""
    if not can_measure_samples(run):
        return
    st.subheader("Compare what codes are drawn from", anchor=False)
    if run.state().state in LIVE_STATES:  # its weights would be others before that is done
        st.caption("Available when the training has ended.")
        return
    name = f"quality-{run.path}-{run.version()}"
    outcome = poll_job(name, "Measuring samples")
    if outcome.state == "failed":
        forget_jobs([name])  # the next click tries again
    if outcome.state == "done":
        show_source_samples(run, model, seed)
        show_quality_table(run, outcome.result)
    elif outcome.state != "running":
        st.button(
            "Compare",
            icon=":material/balance:",
            on_click=start_job,
            args=(name, lambda: measure_all_sources(run)),
            help="Fits all densities, draws samples from each and compares them with test "
            "pictures: Fréchet distance, precision and recall. Takes up to a minute.",
        )


def show_source_samples(run: Run, model: Autoencoder, seed: int) -> None:
    """Show a few samples of each source beside each other."""
    fitted, sources = get_fitted_densities(run), list_code_sources(run)
    for column, source in zip(st.columns(len(sources)), sources, strict=True):
        z = sample_codes(model, SHOWN_SAMPLES, seed, fitted.by_kind.get(source))
        label = name_code_source(source)
        picture = draw_examples(model, decode_in_chunks(model, z), SHOWN_COLUMNS)
        column.image(picture, label, width="stretch", alt=f"Samples from {label}")


def show_quality_table(run: Run, qualities: dict[str, SampleQuality]) -> None:
    """Show a row of numbers for each source, and for training pictures."""
    training = get_training_quality(run)
    frame = tabulate_quality(get_fitted_densities(run), qualities, training)
    st.dataframe(
        frame.style.format(precision=3, na_rep=""),
        hide_index=True,
        column_config={
            name: st.column_config.Column(help=text) for name, text in COLUMN_HELP.items()
        },
        alt="Quality of samples from each source of codes",
    )
    st.caption(f"{training.pictures:,} samples beside as many test pictures. {FEATURES_NOTE}")


def tabulate_quality(
    fitted: FittedDensities, qualities: dict[str, SampleQuality], training: SampleQuality
) -> pd.DataFrame:
    """Returns a row of numbers for each source, and a last one for training pictures."""
    rows = [
        {"samples from": name_code_source(source), "log density": fitted.held_out[source]}
        | format_quality(quality)
        for source, quality in qualities.items()
    ]
    return pd.DataFrame([*rows, {"samples from": "training pictures"} | format_quality(training)])


def format_quality(quality: SampleQuality) -> dict[str, float]:
    """Returns the cells of a row."""
    return {
        "Fréchet distance": quality.frechet,
        "precision": quality.precision,
        "recall": quality.recall,
    }
