"""What the Anomaly page is made of: scores, a threshold and its mistakes, and why one example stands out."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore import data, metrics
from aecore.data import Dataset
from aecore.pictures import grid, signed
from aecore.runs import Run
from aecore.tasks import anomaly, search
from aecore.tasks.anomaly import Detector
from ui import cache, examples, figures, inputs
from ui.inputs import Inputs

FEWEST = 10  # normal examples behind a threshold
RANKED, NEAR, WHY = 16, 8, 12
COLLECTED = 20_000  # training examples among which the nearest are looked for
WIDTH = 150


class Scored(NamedTuple):
    """Examples, their scores, and the truth where it is known."""

    inputs: Inputs
    detector: Detector
    scores: Tensor  # (N,)
    truth: Tensor | None  # (N,) bool: anomalous
    calibrated: str  # on what, in words


def judge(run: Run, found: Dataset, chosen: Inputs) -> Scored:
    """Score the inputs by a detector that is calibrated on normal examples, none of them among the scored."""
    normal = normal_classes(run, found, chosen)
    calibration, rest, words = divided(found, chosen, normal)
    x = chosen.x[rest]
    names = tuple(chosen.names[i] for i in rest.tolist()) if chosen.names else ()
    frame = None if chosen.frame is None else chosen.frame.iloc[rest.numpy()]
    kept = chosen._replace(x=x, y=None if chosen.y is None else chosen.y[rest], names=names, frame=frame)
    detector, scores = load_scores(str(run.path), run.version(), digest(calibration), digest(x), run, calibration, x)
    truth = None
    if kept.y is not None and 0 < len(normal) < len(chosen.classes):
        truth = ~torch.isin(kept.y, torch.tensor([chosen.classes.index(name) for name in normal]))
        truth = truth if truth.any() and not truth.all() else None
    return Scored(kept, detector, scores, truth, words)


def normal_classes(run: Run, found: Dataset, chosen: Inputs) -> list[str]:
    """Which classes of the inputs count as normal; all of them where nothing is known."""
    if chosen.y is None or len(chosen.classes) < 2:
        return list(chosen.classes)
    config = run.config().data
    trained = config.train_class if config and config.train_class in chosen.classes else None
    picked = st.multiselect("Normal classes", chosen.classes, [trained] if trained else list(chosen.classes),
                            key=f"normal-{run.id}-{chosen.name}",
                            help="The others are what should be found. Take one away to see how well.")  # fmt: skip
    return list(picked) or list(chosen.classes)


def divided(found: Dataset, chosen: Inputs, normal: list[str]) -> tuple[Tensor, Tensor, str]:
    """Normal examples to calibrate on (M, ...), and which inputs are scored: (N,) rows."""
    ours = inputs.filled(found.test.x, found)
    is_test = chosen.frame is None and chosen.name == f"{inputs.TEST} of {found.name}"
    kinds = [i for i, name in enumerate(found.classes) if name in normal]
    rows = torch.arange(len(ours))
    if found.test.y is not None and kinds:
        rows = rows[torch.isin(found.test.y, torch.tensor(kinds))]
    every = torch.arange(len(chosen.x))
    if is_test and len(rows) >= 2 * FEWEST:
        held = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[: len(rows) // 2]]
        return ours[held], every[~torch.isin(every, held)], f"{len(held):,} normal test examples, which are not scored"
    if not is_test and len(rows) >= FEWEST:
        return ours[rows], every, f"the {len(rows):,} normal examples of the run's test set"
    train = inputs.filled(found.train.x, found)[:COLLECTED]
    return train, every, f"{len(train):,} training examples, which score too low: the threshold is strict"


@st.cache_resource(max_entries=16, show_spinner="Scoring ...")
def load_scores(
    path: str, version: float, normal: str, given: str, _run: Run, _normal: Tensor, _x: Tensor
) -> tuple[Detector, Tensor]:
    detector = anomaly.fit(cache.model(_run), _normal)
    return detector, detector.score(_x)


def digest(x: Tensor) -> str:
    return hashlib.sha256(x.numpy().tobytes()).hexdigest()


# -- the threshold and its mistakes


def threshold(scored: Scored) -> float:
    """A slider over false alarms, and what that threshold gives."""
    share = st.slider("False alarms allowed", 0.5, 30.0, 5.0, 0.5, key="alarms", bind="query-params", format="%g %%",
                      help="The share of normal examples that may be called anomalous. The threshold is the score that "
                      f"so many exceed of {scored.calibrated}.")  # fmt: skip
    limit = scored.detector.threshold(share / 100)
    above = int((scored.scores > limit).sum())
    row = st.container(horizontal=True)
    row.metric("Anomalous", f"{above:,} of {len(scored.scores):,}", width=200)
    row.metric("Threshold", f"{limit:.3g}", width=WIDTH, help="Of the score: squared distance, in the network's units, "
               "from the example to what the model makes of it.")  # fmt: skip
    if scored.truth is not None:
        counts = anomaly.confusion(scored.scores, scored.truth, limit)
        curves = anomaly.curves(scored.scores, scored.truth)
        row.metric("Found", f"{counts.recall:.1%}", width=WIDTH, help="Share of the anomalies above the threshold.")
        row.metric("Right", f"{counts.precision:.1%}", width=WIDTH, help="Share of anomalies above the threshold.")
        row.metric("AUROC", f"{curves.auroc:.4f}", width=WIDTH,
                   help="The chance that an anomaly scores above a normal example.")  # fmt: skip
        row.metric("Average precision", f"{curves.average_precision:.4f}", width=WIDTH)
    left, right = st.columns([3, 2], gap="large")
    with left:
        groups = {"scores": scored.scores.numpy()}
        if scored.truth is not None:
            groups = {"normal": scored.scores[~scored.truth].numpy(), "anomalous": scored.scores[scored.truth].numpy()}
        st.plotly_chart(figures.histogram(groups, limit), key="histogram", alt="How many examples have which score")
    with right:
        if scored.truth is None:
            st.caption("Nothing says which of these are anomalous. Where the inputs have classes, take those away "
                       "above that are not normal, and see here how well they are found.")  # fmt: skip
        else:
            st.plotly_chart(figures.confusion(*counts), key="confusion", alt=f"Confusion: {counts}")
    if scored.truth is not None:
        at = counts.false_alarms / max(1, counts.false_alarms + counts.passed)
        left, right = st.columns(2, gap="large")
        left.plotly_chart(figures.path(curves.false_alarms, curves.found, (at, counts.recall), "false alarms", "found"),
                          key="roc", alt=f"ROC curve, area {curves.auroc:.4f}")  # fmt: skip
        here = (counts.recall, counts.precision)
        right.plotly_chart(figures.path(curves.recall, curves.precision, here, "found", "right"), key="pr",
                           alt=f"Precision-recall curve, average {curves.average_precision:.4f}")  # fmt: skip
    st.caption(f"Calibrated on {scored.calibrated}. The diamond is the threshold above.")
    return limit


# -- the examples


def ranked(run: Run, found: Dataset, scored: Scored, limit: float) -> None:
    """The most anomalous first; one of them explained; all of them as a file."""
    st.subheader("The most anomalous", anchor=False)
    net, order = cache.model(run), scored.scores.argsort(descending=True)
    top = order[:RANKED].tolist()
    if examples.is_cloud(found):
        examples.show_cloud(found, {"most anomalous": data.as_float(scored.inputs.x[top])}, "The most anomalous")
    else:
        st.image(examples.picture(net, data.as_float(scored.inputs.x[top]), 8), width="stretch",
                 alt=f"The {len(top)} examples with the highest scores, highest first")  # fmt: skip
    table = as_table(scored, limit)
    st.download_button("Results as CSV", lambda: table.to_csv(index=False), f"{run.id}-anomalies.csv", "text/csv",
                       icon=":material/table:", on_click="ignore",
                       help="Every example as you brought it, its score, its p-value and the verdict.")  # fmt: skip
    rank = examples.choose_index(st, "Rank", "rank", len(order), 0, "0 is the most anomalous.") or 0
    explain(run, found, scored, int(order[rank]), limit)


def as_table(scored: Scored, limit: float) -> pd.DataFrame:
    """The inputs' own columns, then score, p-value and verdict; a row an example, in the order given."""
    below = torch.searchsorted(scored.detector.normal, scored.scores)
    count = len(scored.detector.normal)
    table = pd.DataFrame() if scored.inputs.frame is None else scored.inputs.frame.reset_index(drop=True)
    if scored.inputs.names:
        table["name"] = list(scored.inputs.names)
    if scored.inputs.frame is None and scored.inputs.y is not None and scored.inputs.classes:
        table["class"] = [scored.inputs.classes[i] for i in scored.inputs.y.tolist()]
    verdict = {"score": scored.scores.numpy(), "p_value": ((1 + count - below) / (1 + count)).numpy(),
               "is_anomaly": (scored.scores > limit).numpy()}  # fmt: skip
    return pd.concat([table, pd.DataFrame(verdict)], axis=1)


def explain(run: Run, found: Dataset, scored: Scored, row: int, limit: float) -> None:
    """Which pixels or columns made one example anomalous, and the normal ones nearest to it."""
    net, x = cache.model(run), data.as_float(scored.inputs.x[row : row + 1])
    kind = ""
    if scored.inputs.y is not None and scored.inputs.classes:
        kind = f", class {scored.inputs.classes[int(scored.inputs.y[row])]}"
    verdict = "anomalous" if scored.scores[row] > limit else "normal"
    st.markdown(f"**Why {scored.inputs.label(row)}{kind}** scores {scored.scores[row]:.3g}: {verdict}")
    residual, rebuilt = anomaly.residuals(net, x), metrics.reconstruct(net, x)
    if x.dim() == 4:
        shown = torch.cat([examples.large(net, x), examples.large(net, rebuilt)])
        heat = signed(residual)
        scale = shown.shape[2] // heat.shape[2]
        heat = heat.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
        st.image(grid(torch.cat([shown, heat]), 3), alt="The example, what the model makes of it, and the difference")
        st.caption("The example, what the model makes of it, and the difference: red is brighter than the model "
                   "expects, blue darker.")  # fmt: skip
    else:
        columns(found, x[0], rebuilt[0], residual[0])
    nearest(run, found, x)


def columns(found: Dataset, x: Tensor, rebuilt: Tensor, residual: Tensor) -> None:
    """The columns that count most, in deviations, and their values beside what the model expects."""
    order = residual.abs().argsort(descending=True)[:WHY].tolist()
    names = [found.columns[i] if found.columns else f"x{i}" for i in order]
    left, right = st.columns(2, gap="large")
    left.plotly_chart(figures.signed_bars(names, residual[order].numpy(), "deviations from what the model expects"),
                      key="why", alt=f"The columns that count most: {', '.join(names[:5])}")  # fmt: skip
    share = (residual.square() / residual.square().sum().clamp(min=1e-12))[order]
    values = {"value": x[order], "expected": rebuilt[order], "share": 100 * share}
    table = pd.DataFrame({name: part.numpy() for name, part in values.items()}, index=pd.Index(names, name="column"))
    with right:
        config = {name: examples.number() for name in ("value", "expected")}
        config["share"] = st.column_config.NumberColumn(format="%.0f %%", help="Of the score.")
        st.dataframe(table, column_config=config, alt="Values beside what the model expects")


def nearest(run: Run, found: Dataset, x: Tensor) -> None:
    """The training examples whose codes are nearest."""
    net = cache.model(run)
    index = load_index(str(run.path), run.version(), found.name, run, found)
    rows = index.nearest(metrics.encode(net, x), NEAR).rows[0].tolist()
    near = inputs.filled(found.train.x[rows], found)
    st.markdown("**The nearest normal examples**, from the training set")
    if found.kind == "image":
        st.image(examples.picture(net, data.as_float(near), NEAR), width="stretch", alt="The nearest training examples")
    else:
        shown = {"this one": x[0]} | {str(row): one for row, one in zip(rows, near, strict=True)}
        examples.show_table(examples.table(found, shown))


@st.cache_resource(max_entries=8, show_spinner="Encoding the training set ...")
def load_index(path: str, version: float, name: str, _run: Run, _found: Dataset) -> search.Index:
    return search.index(torch.from_numpy(cache.codes(_run, "train", COLLECTED)[0]))
