"""Detection performance over all thresholds: ROC, and precision over recall."""

from __future__ import annotations

import streamlit as st

from aecore.tasks.detection import (
    Confusion,
    DetectionCurves,
    compute_detection_curves,
    count_confusion,
)
from ui.apply_anomaly.charts import draw_rate_curve
from ui.apply_anomaly.scoring import ScoredInputs


def show_detection_curves(scored: ScoredInputs, threshold: float) -> None:
    """Show ROC and precision over recall, where there are anomalies to find."""
    if scored.anomalous is None or not scored.anomalous.any():
        return
    st.subheader("Detection performance", anchor=False)
    if not scored.has_both_kinds:
        st.caption("None that is scored is normal: there is nothing to tell apart.")
        return
    curves = compute_detection_curves(scored.scores, scored.anomalous)
    confusion = count_confusion(scored.scores, scored.anomalous, threshold)
    left, right = st.columns(2, gap="large")
    with left:
        show_roc_curve(curves, confusion)
    with right:
        show_precision_curve(curves, confusion, float(scored.anomalous.float().mean()))


def show_roc_curve(curves: DetectionCurves, confusion: Confusion) -> None:
    """Show the ROC curve with the threshold's point."""
    st.markdown(
        f"**ROC**: area {curves.auroc:.3f}",
        help="The chance that an anomaly scores above a normal example.",
    )
    normal_count = confusion.false_positives + confusion.true_negatives
    figure = draw_rate_curve(
        curves.false_positive_rate,
        curves.true_positive_rate,
        (confusion.false_positives / normal_count, confusion.recall),
        ("false positive rate", "true positive rate"),
        ((0, 0), (1, 1)),
    )
    st.plotly_chart(figure, key="roc", alt=f"ROC curve, area {curves.auroc:.3f}")


def show_precision_curve(
    curves: DetectionCurves, confusion: Confusion, anomalous_share: float
) -> None:
    """Show precision over recall with the threshold's point."""
    st.markdown(
        f"**Precision and recall**: average precision {curves.average_precision:.3f}",
        help="Depends on how many are anomalous: guessing gives their share.",
    )
    figure = draw_rate_curve(
        curves.recall,
        curves.precision,
        (confusion.recall, confusion.precision),
        ("recall", "precision"),
        ((0, anomalous_share), (1, anomalous_share)),
    )
    st.plotly_chart(
        figure,
        key="pr",
        alt=f"Precision over recall, average precision {curves.average_precision:.3f}",
    )
