"""Scores of the inputs, and of the normal examples that the threshold is set on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.anomaly_scores import SCORE_TEXTS
from aecore.data.splits import Dataset
from aecore.model.config import AnomalyScore
from aecore.names import escape_markdown
from aecore.runs.run import Run
from aecore.runs.uploads import find_upload_of_path
from aecore.tasks.anomaly import (
    compute_scaled_residuals,
    count_known_to_all,
    score_model_residuals,
)
from aecore.tasks.detector import Detector
from aecore.tasks.thresholds import draw_calibration_rows
from ui.apply_anomaly.normal_classes import (
    choose_normal_classes,
    list_own_normal_classes,
    mark_normal,
    spell_classes,
)
from ui.kit.cache import digest_examples, get_model
from ui.kit.inputs import Inputs, make_split_inputs, take_split
from ui.kit.memory import ExamplesKey, keep_in_memory

MAX_SCORED = 10_000  # pictures at a time: a convolutional network takes a second for so many
MIN_NORMAL = 20  # normal test examples, below which the threshold is set on training examples
CALIBRATION_HELP = (
    "Never on those that are scored, where there are enough: half of the normal ones, by a seed."
)


class ScoredInputs(NamedTuple):
    """Scored examples, and the detector that sets a threshold for them."""

    x: Tensor  # (N, *input_shape)
    rows: Tensor  # (N,) in the inputs
    scores: Tensor  # (N,)
    anomalous: Tensor | None  # (N,) bool, the truth; None where it is not known
    normal: tuple[str, ...]  # the classes that count as normal
    detector: Detector
    # Where half of the normal examples set the threshold: scores and normality of all.
    halved: tuple[Tensor, Tensor] | None
    contaminated: bool = False  # the run was trained on rows that may hold what is to be found

    @property
    def kind(self) -> AnomalyScore:
        """The kind of the scores."""
        return self.detector.kind or "error"

    @property
    def has_both_kinds(self) -> bool:
        """Returns True where there are normal and anomalous examples."""
        if self.anomalous is None:
            return False
        return bool(self.anomalous.any()) and not bool(self.anomalous.all())


class Calibration(NamedTuple):
    """The inputs that are scored, and the normal examples that set the threshold."""

    rows: Tensor  # (N,) of the inputs that are scored
    reference: Tensor  # (M,) scores of normal examples
    text: str  # what the threshold is set on, for the page
    halved: tuple[Tensor, Tensor] | None = None  # as in ScoredInputs


def score_inputs(
    run: Run, dataset: Dataset, inputs: Inputs, kind: AnomalyScore = "error"
) -> ScoredInputs:
    """Show which classes count as normal; return the scores of the inputs, of this kind.

    The threshold is set on normal examples that are not among those that are scored, where there
    are enough.
    """
    inputs = limit_inputs(inputs)
    names = choose_normal_classes(run, inputs)
    normal = mark_normal(inputs.y, inputs.classes, names, len(inputs.x))
    scores = get_anomaly_scores(run, inputs.x, kind)
    if is_contaminated(run):
        calibration = calibrate_on_unseen(run, dataset, inputs, scores)
    else:
        calibration = calibrate(run, dataset, inputs, names, normal, scores, kind)
    text = calibration.text
    if len(inputs.x) == MAX_SCORED and inputs.x.dim() == 4 and inputs.brought:
        text += f" The first {MAX_SCORED:,} pictures are scored."
    st.caption(escape_markdown(text), help=CALIBRATION_HELP)
    rows = calibration.rows
    return ScoredInputs(
        inputs.x[rows],
        rows,
        scores[rows],
        None if inputs.y is None or not names else ~normal[rows],
        names,
        Detector(get_model(run), calibration.reference.sort().values, kind),
        calibration.halved,
        is_contaminated(run),
    )


def limit_inputs(inputs: Inputs) -> Inputs:
    """Returns the first MAX_SCORED of many pictures; all rows of a table."""
    if inputs.x.dim() == 2 or len(inputs.x) <= MAX_SCORED:
        return inputs
    return inputs._replace(
        x=inputs.x[:MAX_SCORED],
        y=None if inputs.y is None else inputs.y[:MAX_SCORED],
        name=f"first {MAX_SCORED:,} of {inputs.name}",
    )


# -- the normal examples that set the threshold


def is_contaminated(run: Run) -> bool:
    """Returns True for an ensemble trained on all rows: they may hold what is to be found."""
    config = run.config()
    is_clean = config.data is not None and config.data.train_class is not None
    return config.model.network.kind == "ensemble" and not is_clean


def calibrate_on_unseen(run: Run, dataset: Dataset, inputs: Inputs, scores: Tensor) -> Calibration:
    """Returns that all inputs are scored, and the scores of the run's own rows by unseen networks.

    These are the inputs themselves where they are all that the run was made of.
    """
    model, all_rows = get_model(run), torch.arange(len(inputs.x))
    known = count_known_to_all(model, inputs.x)
    copies = f"Of {known:,} rows there are so many copies that every network knows them: they score"
    remark = f" {copies} low." if known else ""
    if len(inputs.x) >= len(dataset.train.x):
        text = f"Each of the {len(scores):,} rows is scored by the networks that have not seen it."
        return Calibration(all_rows, scores, text + remark)
    own = get_anomaly_scores(run, take_split(dataset, "train").x)
    text = (
        f"The threshold is set on the {len(own):,} training rows, each scored by the networks that "
        "have not seen it."
    )
    return Calibration(all_rows, own, text + remark)


def calibrate(
    run: Run,
    dataset: Dataset,
    inputs: Inputs,
    names: tuple[str, ...],
    normal: Tensor,
    scores: Tensor,
    kind: AnomalyScore,
) -> Calibration:
    """Returns which inputs are scored and on what the threshold is set.

    `normal`, bool (N,), and `scores` (N,) of a kind are those of the inputs; `names` the normal
    classes.
    """
    all_rows = torch.arange(len(inputs.x))
    if inputs.brought:
        reference, text = score_test_reference(run, dataset, names, kind)
        if is_training_set(run):
            text += (
                " The inputs are those that the run was made of: "
                "what it was trained on scores low among them."
            )
        return Calibration(all_rows, reference, text)
    if int(normal.sum()) < MIN_NORMAL:
        return Calibration(all_rows, *score_training_reference(run, dataset, names, kind))
    held = draw_calibration_rows(normal)
    is_scored = torch.ones(len(normal), dtype=torch.bool).index_fill(0, held, False)
    text = (
        f"The threshold is set on {len(held):,} normal test examples{spell_classes(names)}; "
        "the others are scored."
    )
    return Calibration(is_scored.nonzero().flatten(), scores[held], text, (scores, normal))


def score_test_reference(
    run: Run, dataset: Dataset, names: tuple[str, ...], kind: AnomalyScore
) -> tuple[Tensor, str]:
    """Returns the scores (M,) of the run's own normal test examples, and a sentence on them."""
    inputs = limit_inputs(make_split_inputs(dataset, "test"))
    names = list_own_normal_classes(run, dataset, names)
    normal = mark_normal(inputs.y, dataset.classes, names, len(inputs.x))
    count = int(normal.sum())
    if count < MIN_NORMAL // 2:
        return score_training_reference(run, dataset, names, kind)
    text = (
        f"The threshold is set on {count:,} normal examples{spell_classes(names)} "
        f"of the {inputs.name}."
    )
    return get_anomaly_scores(run, inputs.x, kind)[normal], text


def score_training_reference(
    run: Run, dataset: Dataset, names: tuple[str, ...], kind: AnomalyScore
) -> tuple[Tensor, str]:
    """Returns the scores (M,) of normal training examples, and a sentence on them."""
    inputs = limit_inputs(make_split_inputs(dataset, "train"))
    names = list_own_normal_classes(run, dataset, names)
    normal = mark_normal(inputs.y, dataset.classes, names, len(inputs.x))
    normal = normal if normal.any() else torch.ones_like(normal)
    text = (
        "There are too few normal test examples: the threshold is set on "
        f"{int(normal.sum()):,} training examples{spell_classes(names)}. These score low, so "
        "expect more false alarms than you ask for."
    )
    return get_anomaly_scores(run, inputs.x, kind)[normal], text


def is_training_set(run: Run) -> bool:
    """Returns True where the chosen inputs are the set that the run was trained on."""
    config = run.config().data
    upload = find_upload_of_path(config.name) if config else None
    return upload is not None and upload.token == st.session_state.get("inputs")


# -- scores


def get_anomaly_scores(run: Run, x: Tensor, kind: AnomalyScore = "error") -> Tensor:
    """Returns the scores (N,) of examples x (N, *input_shape), of this kind."""
    scores = load_anomaly_scores(str(run.path), run.version(), digest_examples(x), run, x)
    return torch.from_numpy(scores[kind])


@keep_in_memory("Scoring ...")
def load_anomaly_scores(
    path: str, version: float, digest: ExamplesKey, _run: Run, _x: Tensor
) -> dict[AnomalyScore, np.ndarray]:
    """Returns the scores (N,) of examples, which `digest` identifies, of each kind that they have.

    All kinds come from one pass through the model.
    """
    model = get_model(_run)
    residuals = compute_scaled_residuals(model, _x, not is_contaminated(_run))
    kinds: tuple[AnomalyScore, ...] = tuple(SCORE_TEXTS) if _x.dim() == 4 else ("error",)
    return {kind: score_model_residuals(model, _x, residuals, kind).numpy() for kind in kinds}
