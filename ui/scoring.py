"""What the Anomaly page judges: the inputs' scores, and those of the normal examples that the threshold is set on."""

from __future__ import annotations

from typing import Any, NamedTuple

import streamlit as st
import torch
from torch import Tensor

from aecore import own
from aecore.data import Dataset
from aecore.runs import Run
from aecore.tasks import anomaly
from aecore.tasks.anomaly import Detector
from ui import cache, inputs
from ui.inputs import Inputs

SCORED = 10_000  # pictures at a time: a convolutional network takes a second for so many
LEAST = 20  # normal test examples, below which the threshold is set on training examples
RARE = 0.6  # share from which one of two classes is taken for the normal one


class Scored(NamedTuple):
    """Examples to judge, and what they are judged by."""

    x: Tensor  # (N, *input_shape)
    rows: Tensor  # (N,) in the inputs
    scores: Tensor  # (N,)
    anomalous: Tensor | None  # (N,) bool, the truth; None where nothing is known
    normal: tuple[str, ...]  # the classes that count as normal
    detector: Detector
    halved: tuple[Tensor, Tensor] | None  # scores and normality of all, where half of the normal ones set the threshold

    @property
    def known(self) -> bool:
        """Whether there are examples of both kinds."""
        return self.anomalous is not None and bool(self.anomalous.any()) and not bool(self.anomalous.all())


# -- what is scored, and on what the threshold is set


def scored(run: Run, found: Dataset, given: Inputs, place: Any) -> Scored:
    """Scores of the inputs, beside those of normal examples that are not among them."""
    given = limited(given)
    names = normal_classes(run, given, place)
    normal = is_normal(given.y, given.classes, names, len(given.x))
    scores, halved = score(run, given.x), None
    if given.brought:
        rows, (reference, about) = torch.arange(len(given.x)), held_out(run, found, names)
        if is_own(run):
            about += " The inputs are those that the run was made of: what it was trained on scores low among them."
    elif int(normal.sum()) >= LEAST:
        halved, held = (scores, normal), anomaly.calibration_rows(normal)
        rows = torch.ones(len(normal), dtype=torch.bool).index_fill(0, held, False).nonzero().flatten()
        reference = scores[held]
        about = f"The threshold is set on {len(held):,} normal test examples{spelled(names)}; the others are scored."
    else:
        rows, (reference, about) = torch.arange(len(given.x)), trained_on(run, found, names)
    if len(given.x) == SCORED and given.x.dim() == 4 and given.brought:
        about += f" The first {SCORED:,} pictures are scored."
    place.caption(about, help="Never on those that are scored, where there are enough: half of the normal ones, by a "
                  "seed.")  # fmt: skip
    truth = None if given.y is None or not names else ~normal[rows]
    detector = Detector(cache.model(run), reference.sort().values)
    return Scored(given.x[rows], rows, scores[rows], truth, names, detector, halved)


def limited(given: Inputs) -> Inputs:
    """Of many pictures the first ones; all rows of a table."""
    if given.x.dim() == 2 or len(given.x) <= SCORED:
        return given
    y = None if given.y is None else given.y[:SCORED]
    return given._replace(x=given.x[:SCORED], y=y, name=f"first {SCORED:,} of {given.name}")


def normal_classes(run: Run, given: Inputs, place: Any) -> tuple[str, ...]:
    """Which classes count as normal: what the run was trained on, else what the visitor says; () without classes."""
    config = run.config().data
    wanted = config.train_class if config else None
    if given.y is None or not given.classes:
        return ()
    if wanted in given.classes:
        place.markdown(f"Normal: **{wanted}**", help="The class that the run was trained on, and no other.")
        return (wanted,)
    present = [given.classes[i] for i in given.y.unique().tolist() if i < len(given.classes)]
    start = usually(given.y, given.classes, present)
    if not set(st.session_state.get("normal") or []) <= set(present):
        del st.session_state["normal"]
    chosen = place.multiselect("Normal classes", present, start, key="normal", bind="query-params",
                               help="All others are there to be found. This run was trained on every class: for a "
                               "detector of one, train it with that alone.")  # fmt: skip
    return tuple(chosen or start)


def usually(y: Tensor, classes: tuple[str, ...], present: list[str]) -> list[str]:
    """Of two classes the common one, where the other is rare; else all: the run was trained on every class."""
    counts = {name: int((y == classes.index(name)).sum()) for name in present}
    common = max(counts, key=lambda name: counts[name], default="")
    return [common] if len(present) == 2 and counts[common] >= RARE * len(y) else present


def is_normal(y: Tensor | None, classes: tuple[str, ...], names: tuple[str, ...], count: int) -> Tensor:
    """bool (count,): all, where nothing is known."""
    if y is None or not names:
        return torch.ones(count, dtype=torch.bool)
    return torch.isin(y, torch.tensor([i for i, name in enumerate(classes) if name in names]))


def held_out(run: Run, found: Dataset, names: tuple[str, ...]) -> tuple[Tensor, str]:
    """Scores of the run's own normal test examples."""
    test = limited(inputs.of(found, "test"))
    names = own_names(run, found, names)
    normal = is_normal(test.y, found.classes, names, len(test.x))
    if int(normal.sum()) < LEAST // 2:
        return trained_on(run, found, names)
    about = f"The threshold is set on {int(normal.sum()):,} normal examples{spelled(names)} of the {test.name}."
    return score(run, test.x)[normal], about


def trained_on(run: Run, found: Dataset, names: tuple[str, ...]) -> tuple[Tensor, str]:
    """Scores of training examples, where there are too few others."""
    train = limited(inputs.of(found, "train"))
    names = own_names(run, found, names)
    normal = is_normal(train.y, found.classes, names, len(train.x))
    normal = normal if normal.any() else torch.ones_like(normal)
    about = (
        "There are too few normal test examples: the threshold is set on "
        f"{int(normal.sum()):,} training examples{spelled(names)}. These score low, so expect more false alarms than "
        "you ask for."
    )
    return score(run, train.x)[normal], about


def own_names(run: Run, found: Dataset, names: tuple[str, ...]) -> tuple[str, ...]:
    """The normal classes among those of the run's data."""
    config = run.config().data
    if config and config.train_class in found.classes:
        return (config.train_class,)
    return tuple(name for name in names if name in found.classes)


def is_own(run: Run) -> bool:
    """Whether the chosen inputs are the set that the run was trained on."""
    config = run.config().data
    brought = own.owner(config.name) if config else None
    return brought is not None and brought.token == st.session_state.get("inputs")


def spelled(names: tuple[str, ...]) -> str:
    """After what are of these classes."""
    return "" if not names or len(names) > 3 else f", {' or '.join(classed(name) for name in names)}"


def classed(name: str) -> str:
    """A class as it is called in a sentence: a bare number would be taken for one."""
    return f"class {name}" if name.isdigit() else name


def score(run: Run, x: Tensor) -> Tensor:
    return torch.from_numpy(load_scores(str(run.path), run.version(), cache.digest(x), run, x))


@st.cache_data(max_entries=24, show_spinner="Scoring ...")
def load_scores(path: str, version: float, examples: str, _run: Run, _x: Tensor) -> Any:
    return anomaly.score(cache.model(_run), _x).numpy()
