"""What the Anomaly page judges: the inputs' scores, and those of the normal examples that the threshold is set on."""

from __future__ import annotations

from typing import Any, NamedTuple

import streamlit as st
import torch
from torch import Tensor

from aecore.data.splits import Dataset
from aecore.runs.run import Run
from aecore.runs.uploads import find_upload_of_path
from aecore.tasks.anomaly import Detector, draw_calibration_rows, score_anomalies
from ui.kit.cache import digest_examples, get_model
from ui.kit.inputs import Inputs, make_split_inputs

MAX_SCORED = 10_000  # pictures at a time: a convolutional network takes a second for so many
MIN_NORMAL = 20  # normal test examples, below which the threshold is set on training examples
RARE_SHARE = 0.6  # share from which one of two classes is taken for the normal one


class ScoredInputs(NamedTuple):
    """Examples to judge, and what they are judged by."""

    x: Tensor  # (N, *input_shape)
    rows: Tensor  # (N,) in the inputs
    scores: Tensor  # (N,)
    anomalous: Tensor | None  # (N,) bool, the truth; None where nothing is known
    normal: tuple[str, ...]  # the classes that count as normal
    detector: Detector
    halved: (
        tuple[Tensor, Tensor] | None
    )  # scores and normality of all, where half of the normal ones set the threshold

    @property
    def known(self) -> bool:
        """Whether there are examples of both kinds."""
        return (
            self.anomalous is not None
            and bool(self.anomalous.any())
            and not bool(self.anomalous.all())
        )


# -- what is scored, and on what the threshold is set


def score_inputs(run: Run, found: Dataset, given: Inputs, place: Any) -> ScoredInputs:
    """Scores of the inputs, beside those of normal examples that are not among them."""
    given = limit_inputs(given)
    names = choose_normal_classes(run, given, place)
    normal = is_normal_row(given.y, given.classes, names, len(given.x))
    scores, halved = score_cached(run, given.x), None
    if given.brought:
        rows, (reference, about) = torch.arange(len(given.x)), score_held_out(run, found, names)
        if is_training_set(run):
            about += " The inputs are those that the run was made of: what it was trained on scores low among them."
    elif int(normal.sum()) >= MIN_NORMAL:
        halved, held = (scores, normal), draw_calibration_rows(normal)
        rows = (
            torch.ones(len(normal), dtype=torch.bool).index_fill(0, held, False).nonzero().flatten()
        )
        reference = scores[held]
        about = f"The threshold is set on {len(held):,} normal test examples{spell_classes(names)}; the others are scored."
    else:
        rows, (reference, about) = torch.arange(len(given.x)), score_training(run, found, names)
    if len(given.x) == MAX_SCORED and given.x.dim() == 4 and given.brought:
        about += f" The first {MAX_SCORED:,} pictures are scored."
    place.caption(
        about,
        help="Never on those that are scored, where there are enough: half of the normal ones, by a "
        "seed.",
    )
    truth = None if given.y is None or not names else ~normal[rows]
    detector = Detector(get_model(run), reference.sort().values)
    return ScoredInputs(given.x[rows], rows, scores[rows], truth, names, detector, halved)


def limit_inputs(given: Inputs) -> Inputs:
    """Of many pictures the first ones; all rows of a table."""
    if given.x.dim() == 2 or len(given.x) <= MAX_SCORED:
        return given
    y = None if given.y is None else given.y[:MAX_SCORED]
    return given._replace(x=given.x[:MAX_SCORED], y=y, name=f"first {MAX_SCORED:,} of {given.name}")


def choose_normal_classes(run: Run, given: Inputs, place: Any) -> tuple[str, ...]:
    """Which classes count as normal: what the run was trained on, else what the visitor says; () without classes."""
    config = run.config().data
    wanted = config.train_class if config else None
    if given.y is None or not given.classes:
        return ()
    if wanted in given.classes:
        place.markdown(
            f"Normal: **{wanted}**", help="The class that the run was trained on, and no other."
        )
        return (wanted,)
    present = [given.classes[i] for i in given.y.unique().tolist() if i < len(given.classes)]
    start = guess_normal_classes(given.y, given.classes, present)
    if not set(st.session_state.get("normal") or []) <= set(present):
        del st.session_state["normal"]
    chosen = place.multiselect(
        "Normal classes",
        present,
        start,
        key="normal",
        bind="query-params",
        help="All others are there to be found. This run was trained on every class: for a "
        "detector of one, train it with that alone.",
    )
    return tuple(chosen or start)


def guess_normal_classes(y: Tensor, classes: tuple[str, ...], present: list[str]) -> list[str]:
    """Of two classes the common one, where the other is rare; else all: the run was trained on every class."""
    counts = {name: int((y == classes.index(name)).sum()) for name in present}
    common = max(counts, key=lambda name: counts[name], default="")
    return [common] if len(present) == 2 and counts[common] >= RARE_SHARE * len(y) else present


def is_normal_row(
    y: Tensor | None, classes: tuple[str, ...], names: tuple[str, ...], count: int
) -> Tensor:
    """bool (count,): all, where nothing is known."""
    if y is None or not names:
        return torch.ones(count, dtype=torch.bool)
    return torch.isin(y, torch.tensor([i for i, name in enumerate(classes) if name in names]))


def score_held_out(run: Run, found: Dataset, names: tuple[str, ...]) -> tuple[Tensor, str]:
    """Scores of the run's own normal test examples."""
    test = limit_inputs(make_split_inputs(found, "test"))
    names = list_own_classes(run, found, names)
    normal = is_normal_row(test.y, found.classes, names, len(test.x))
    if int(normal.sum()) < MIN_NORMAL // 2:
        return score_training(run, found, names)
    about = f"The threshold is set on {int(normal.sum()):,} normal examples{spell_classes(names)} of the {test.name}."
    return score_cached(run, test.x)[normal], about


def score_training(run: Run, found: Dataset, names: tuple[str, ...]) -> tuple[Tensor, str]:
    """Scores of training examples, where there are too few others."""
    train = limit_inputs(make_split_inputs(found, "train"))
    names = list_own_classes(run, found, names)
    normal = is_normal_row(train.y, found.classes, names, len(train.x))
    normal = normal if normal.any() else torch.ones_like(normal)
    about = (
        "There are too few normal test examples: the threshold is set on "
        f"{int(normal.sum()):,} training examples{spell_classes(names)}. These score low, so expect more false alarms than "
        "you ask for."
    )
    return score_cached(run, train.x)[normal], about


def list_own_classes(run: Run, found: Dataset, names: tuple[str, ...]) -> tuple[str, ...]:
    """The normal classes among those of the run's data."""
    config = run.config().data
    if config and config.train_class in found.classes:
        return (config.train_class,)
    return tuple(name for name in names if name in found.classes)


def is_training_set(run: Run) -> bool:
    """Whether the chosen inputs are the set that the run was trained on."""
    config = run.config().data
    brought = find_upload_of_path(config.name) if config else None
    return brought is not None and brought.token == st.session_state.get("inputs")


def spell_classes(names: tuple[str, ...]) -> str:
    """After what are of these classes."""
    return (
        ""
        if not names or len(names) > 3
        else f", {' or '.join(spell_class(name) for name in names)}"
    )


def spell_class(name: str) -> str:
    """A class as it is called in a sentence: a bare number would be taken for one."""
    return f"class {name}" if name.isdigit() else name


def score_cached(run: Run, x: Tensor) -> Tensor:
    return torch.from_numpy(
        load_anomaly_scores(str(run.path), run.version(), digest_examples(x), run, x)
    )


@st.cache_data(max_entries=24, show_spinner="Scoring ...")
def load_anomaly_scores(path: str, version: float, examples: str, _run: Run, _x: Tensor) -> Any:
    return score_anomalies(get_model(_run), _x).numpy()
