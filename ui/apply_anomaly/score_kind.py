"""The kind of score: what makes a picture anomalous."""

from __future__ import annotations

from typing import get_args

from streamlit.delta_generator import DeltaGenerator

from aecore.analysis.anomaly_scores import SCORE_TEXTS
from aecore.model.config import AnomalyScore
from aecore.runs.run import Run
from ui.kit.links import select_linked

OWN_SCORE = "own"  # an option: as the run's config says


def choose_anomaly_score(run: Run, container: DeltaGenerator) -> AnomalyScore:
    """Show a select box over the scores of pictures, and return the kind that is chosen.

    Rows of tables have one kind, and no select box.
    """
    model = run.config().model
    own = model.anomaly_score
    if len(model.input_shape) != 3:
        return own
    others = {kind: SCORE_TEXTS[kind].label for kind in get_args(AnomalyScore) if kind != own}
    names = {OWN_SCORE: f"{SCORE_TEXTS[own].label} (default of this run)", **others}
    texts = SCORE_TEXTS.values()
    option = select_linked(
        container,
        "Score",
        list(names),
        "scored_by",
        names,
        " ".join(f"**{text.label}**: {text.explanation}." for text in texts),
    )
    return next((kind for kind in others if kind == option), own)
