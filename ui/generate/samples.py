"""Samples: codes drawn from the prior, or from a density of the training codes, and decoded."""

from __future__ import annotations

import streamlit as st
from torch import Tensor

from aecore.analysis.chunks import decode_in_chunks
from aecore.analysis.latent import sample_codes
from aecore.data.splits import Dataset
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from ui.generate.controls import MAX_SAMPLE_SEED, choose_seed, make_control_row
from ui.generate.downloads import offer_generated
from ui.kit.cache import get_density, get_model
from ui.kit.examples import show_examples

PRIOR_HELP = (
    "The model was trained so that its codes follow N(0, I); a draw from it, decoded, "
    "is a new example."
)
INDEX_PRIOR_HELP = (
    "After the model, a transformer learned which indices of codebook vectors or levels follow "
    "each other in the codes of the training set (van den Oord et al., 2017)."
)
MIXTURE_HELP = (
    "A model without a prior leaves holes in its code space. So a mixture of up to ten Gaussians "
    "is fitted to the training codes (after Ghosh et al., 2020), and codes are drawn from that. "
    "Discrete codes can have a learned prior: Prior, among the settings of a training."
)


def show_samples(run: Run, model: Autoencoder, dataset: Dataset) -> None:
    """Show new examples."""
    row = make_control_row()
    count = row.segmented_control(
        "Samples",
        [16, 32, 64],
        default=32,
        required=True,
        key="samples",
        bind="query-params",
        help="How many to draw.",
    )
    seed = choose_seed(row, "Seed", "draw", 0, 160, "The same seed draws the same samples.")
    row.button(
        "Another",
        icon=":material/casino:",
        type="primary",
        on_click=advance_sample_seed,
        help="The next seed.",
    )
    show_code_source(model)
    z = sample_run_codes(run, count, seed)
    x = decode_in_chunks(model, z)
    show_examples(dataset, model, x, f"{count} samples of {run.id}, seed {seed}")
    offer_generated(run, f"samples-{seed}", dataset, model, x, z, 8)


def advance_sample_seed() -> None:
    """Put the next seed into the number input."""
    st.session_state["draw"] = ((st.session_state.get("draw") or 0) + 1) % MAX_SAMPLE_SEED


def show_code_source(model: Autoencoder) -> None:
    """Show what codes are sampled from, in a sentence."""
    if model.has_prior and model.prior is not None:
        text = (
            "Indices of the code are drawn from the learned prior, one after another, and decoded."
        )
        st.caption(text, help=INDEX_PRIOR_HELP)
    elif model.has_prior:
        st.caption("Codes are drawn from the prior N(0, I) and decoded.", help=PRIOR_HELP)
    else:
        st.caption(
            "This model has no prior: codes are drawn from a mixture of Gaussians fitted to its "
            "training codes, and decoded.",
            help=MIXTURE_HELP,
        )


def sample_run_codes(run: Run, count: int, seed: int) -> Tensor:
    """Returns sampled codes (count, latent_dim), the same for the same seed."""
    return sample_codes(get_model(run), count, seed, get_density(run))
