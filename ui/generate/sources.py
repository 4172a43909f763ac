"""What the codes of samples are drawn from: the prior, or a density of the training codes."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore.analysis.densities import DENSITIES
from aecore.analysis.densities.base import Density
from aecore.analysis.densities.fitting import PRIOR_SOURCE, FittedDensities
from aecore.analysis.latent import BEST_SOURCE
from aecore.runs.run import Run
from ui.kit.cache import get_density, get_model
from ui.kit.sample_quality import list_code_sources, wait_for_densities

PRIOR_LABEL = "prior N(0, I)"
PRIOR_HELP = (
    "The model was trained so that its codes follow N(0, I); a draw from it, decoded, "
    "is a new example."
)
LEARNED_PRIOR_HELP = (
    "After the model, a transformer learned which indices of codebook vectors or levels follow "
    "each other in the codes of the training set (van den Oord et al., 2017)."
)
DENSITY_HELP = (
    "Densities are fitted to codes of up to 10,000 training examples, and scored by the mean log "
    "density of codes that they were not fitted to: higher is better."
)
NO_PRIOR = "This model has no prior: codes"
BIT_DENSITY = (  # of a codec
    "This model's learned density of its codes counts bits, and is not sampled here: codes"
)


def name_code_source(source: str) -> str:
    """Returns the name of a source of codes."""
    if source == PRIOR_SOURCE:
        return PRIOR_LABEL
    return DENSITIES[source].label


def choose_code_source(row: DeltaGenerator, run: Run) -> str:
    """Show a control for what codes are drawn from; return a source, or "best" for the best one."""
    sources = list_code_sources(run)
    best = [BEST_SOURCE]
    options = [*sources, *best] if PRIOR_SOURCE in sources else [*best, *sources]
    kinds = "  \n".join(f"**{kind}**: {one.help}" for kind, one in DENSITIES.items())
    return row.segmented_control(
        "Codes from",
        options,
        default=options[0],
        required=True,
        key="codes_from",
        bind="query-params",
        help=f"{kinds}  \n**best**: the highest log density of codes held out.",
    )


def find_code_density(run: Run, source: str) -> Density | None:
    """Returns the density to draw codes from, None for the prior; shows what it is in a sentence.

    While a thread fits the densities it is the prior, or a mixture where there is none.
    """
    if source == PRIOR_SOURCE:
        show_prior_source(run)
        return None
    fitted = wait_for_densities(run)
    if fitted is None:
        return show_passing_source(run)
    kind = fitted.best_kind if source == BEST_SOURCE else source
    st.caption(describe_code_source(run, fitted, kind), help=DENSITY_HELP)
    return fitted.by_kind.get(kind)


def show_prior_source(run: Run) -> None:
    """Show that codes are drawn from the prior, and which one that is."""
    if get_model(run).prior is None:
        st.caption("Codes are drawn from the prior N(0, I) and decoded.", help=PRIOR_HELP)
    else:
        st.caption(
            "Indices of the code are drawn from the learned prior, one after another, and decoded.",
            help=LEARNED_PRIOR_HELP,
        )


def show_passing_source(run: Run) -> Density | None:
    """Show what codes are drawn from until the densities are fitted; return it."""
    density = get_density(run)
    if density is None:
        show_prior_source(run)
    else:
        st.caption(
            f"{name_drawn_codes(run)} are drawn from a mixture of Gaussians fitted to "
            f"{name_fitted_codes(run)}, "
            "until the densities are compared.",
            help=DENSITY_HELP,
        )
    return density


def name_drawn_codes(run: Run) -> str:
    """Returns the beginning of a sentence on what codes are drawn from."""
    if get_model(run).has_prior:
        return "Codes"
    return BIT_DENSITY if run.config().model.bottleneck.kind == "rate" else NO_PRIOR


def name_fitted_codes(run: Run) -> str:
    """Returns which codes densities are fitted to."""
    if run.config().model.network.is_pretrained:
        return "the codes of the pictures that it is shown on"
    return "the training codes"


def describe_code_source(run: Run, fitted: FittedDensities, kind: str) -> str:
    """Returns a sentence on what codes are drawn from, and the scores of all sources."""
    name = "the prior N(0, I)"
    if kind != PRIOR_SOURCE:
        name = f"a {name_code_source(kind)} fitted to {name_fitted_codes(run)}"
    in_order = sorted(fitted.held_out, key=fitted.held_out.__getitem__, reverse=True)
    scores = ", ".join(f"{name_code_source(one)} {fitted.held_out[one]:.1f}" for one in in_order)
    return (
        f"{name_drawn_codes(run)} are drawn from {name}, and decoded. "
        f"Log density of codes held out, in nats: {scores}."
    )
