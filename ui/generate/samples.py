"""Samples: codes drawn from the prior, or from a density of the training codes, and decoded."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from aecore.analysis.chunks import decode_in_chunks
from aecore.analysis.latent import sample_codes
from aecore.data.splits import Dataset
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from ui.generate.controls import MAX_SAMPLE_SEED, choose_seed, make_control_row
from ui.generate.downloads import offer_generated
from ui.generate.quality import show_sample_quality
from ui.generate.sources import choose_code_source, find_code_density
from ui.kit.cache import get_density, get_model
from ui.kit.examples import show_examples


def show_samples(run: Run, model: Autoencoder, dataset: Dataset) -> None:
    """Show new examples."""
    row = make_control_row()
    count = choose_sample_count(row)
    source = choose_code_source(row, run)
    seed = choose_seed(row, "Seed", "draw", 0, 160, "The same seed draws the same samples.")
    row.button(
        "Another",
        icon=":material/casino:",
        type="primary",
        on_click=advance_sample_seed,
        help="The next seed.",
    )
    density = find_code_density(run, source)
    z = sample_codes(model, count, seed, density)
    x = decode_in_chunks(model, z)
    show_examples(dataset, model, x, f"{count} samples of {run.id}, seed {seed}")
    offer_generated(run, f"samples-{seed}", dataset, model, x, z, 8)
    show_sample_quality(run, model, seed)


def choose_sample_count(row: DeltaGenerator) -> int:
    """Show a control for the number of samples; return it."""
    return row.segmented_control(
        "Samples",
        [16, 32, 64],
        default=32,
        required=True,
        key="samples",
        bind="query-params",
        help="How many to draw.",
    )


def advance_sample_seed() -> None:
    """Put the next seed into the number input."""
    st.session_state["draw"] = ((st.session_state.get("draw") or 0) + 1) % MAX_SAMPLE_SEED


def sample_run_codes(run: Run, count: int, seed: int) -> Tensor:
    """Returns sampled codes (count, latent_dim), the same for the same seed."""
    return sample_codes(get_model(run), count, seed, get_density(run))
