"""What the Anomaly page is made of: scores against a threshold, how well they tell apart, and why one is high."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore import data, metrics, own
from aecore.data import Dataset
from aecore.pictures import grid, signed
from aecore.runs import Run
from aecore.tasks import anomaly, search
from aecore.tasks.anomaly import Confusion, Detector
from aecore.tasks.search import Index
from ui import cache, examples, figures, inputs
from ui.inputs import Inputs

SCORED = 10_000  # pictures at a time: a convolutional network takes a second for so many
LEAST = 20  # normal test examples, below which the threshold is set on training examples
FEW = 500  # examples behind a threshold, up to which another draw of them matters
RARE = 0.6  # share from which one of two classes is taken for the normal one
SHOWN, NEAR, BARS = 16, 8, 12
SHARES = "By false alarms", "By score", "By cost"
WAYS_HELP = (
    "**By false alarms**: the score that this share of the normal examples exceeds. **By score**: a score of your "
    "own. **By cost**: what is cheapest on these examples, at what a miss costs beside a false alarm; needs classes."
)
ALL_NORMAL = (
    "All that are scored count as normal, so each of these is a false alarm, or a find: the strangest come first. "
    "With other classes to be found, it shows how well they are told apart."
)
P_HELP = "The share of the normal examples behind the threshold that score as high: small is unusual."


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


# -- the threshold


def threshold(judged: Scored, place: Any) -> float:
    """The score above which an example is anomalous."""
    ways = SHARES if judged.known else SHARES[:2]
    if st.session_state.get("threshold", ways[0]) not in ways:
        del st.session_state["threshold"]
    way = place.segmented_control("Threshold", ways, default=ways[0], required=True, key="threshold",
                                  bind="query-params", help=WAYS_HELP)  # fmt: skip
    usual = judged.detector.threshold(0.1)
    if way == SHARES[1]:
        given = place.number_input("Score", 0.0, value=None, key="score", bind="query-params", format="%.4g", width=160,
                                   placeholder=f"{usual:.3g}")  # fmt: skip
        return usual if given is None else given
    if way == SHARES[2] and judged.anomalous is not None:
        miss = place.slider("A miss costs so many false alarms", 0.1, 100.0, 5.0, 0.1, key="miss", bind="query-params",
                            width=280)  # fmt: skip
        return anomaly.cheapest(judged.scores, judged.anomalous, miss)
    share = place.slider("False alarms, %", 0.5, 50.0, 10.0, 0.5, key="alarms", bind="query-params", width=280,
                         help="Of normal examples, so many in a hundred are to be above the threshold.")  # fmt: skip
    low, high = judged.detector.alarms_between(share / 100)
    st.caption(f"Set by {len(judged.detector.normal):,} normal examples, it gives alarms on {low:.1%} to {high:.1%} of "
               "new ones, in nine cases of ten.")  # fmt: skip
    return judged.detector.threshold(share / 100)


def over_draws(judged: Scored) -> None:
    """Where the threshold was set on few, what other draws of them would give."""
    if (
        judged.halved is None
        or len(judged.detector.normal) > FEW
        or st.session_state.get("threshold") not in (None, SHARES[0])
    ):
        return
    found = anomaly.average(*judged.halved, (st.session_state.get("alarms") or 10) / 100)
    st.caption(f"Over {found.draws} draws of the examples that set the threshold: {found.false_alarms:.1%} false "
               f"alarms and {found.found:.1%} found, on average.")  # fmt: skip


def verdicts(judged: Scored, at: float) -> None:
    """The scores on a line, and what the threshold makes of them."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.plotly_chart(figures.score_histogram(groups(judged), at), key="scores",
                        alt=f"Histogram of {len(judged.scores):,} scores; the threshold is {at:.3g}")  # fmt: skip
    with right:
        above = judged.scores > at
        if judged.anomalous is None or not judged.anomalous.any():
            st.metric("Above the threshold", f"{int(above.sum()):,} of {len(above):,}", f"{above.float().mean():.1%}",
                      delta_color="off", delta_arrow="off")  # fmt: skip
            st.caption("These data have no classes, so nobody knows which of them are mistakes."
                       if judged.anomalous is None else ALL_NORMAL)  # fmt: skip
            return
        counts = anomaly.confusion(judged.scores, judged.anomalous, at)
        st.html(confusion_html(counts))
        row = st.container(horizontal=True)
        row.metric("Precision", f"{counts.precision:.1%}" if above.any() else "none",
                   help="Of the alarms, the share that is right.", width=130)  # fmt: skip
        row.metric("Recall", f"{counts.recall:.1%}",
                   help="Of the anomalies, the share that is found.", width=130)  # fmt: skip
        over_draws(judged)


def groups(judged: Scored) -> dict[str, Any]:
    scores = judged.scores.numpy()
    if judged.anomalous is None:
        return {"inputs": scores}
    truth = judged.anomalous.numpy()
    return {name: part for name, part in (("normal", scores[~truth]), ("anomalous", scores[truth])) if len(part)}


CONFUSION = """<style>
.conf {display: grid; grid-template-columns: auto 1fr 1fr; gap: .4rem; align-items: stretch}
.conf div {padding: .6rem .5rem; text-align: center; border-radius: .3rem; line-height: 1.3}
.conf .name {text-align: right; align-self: center; padding-left: 0; opacity: .8} .conf .top {opacity: .8; padding: 0}
.conf b {font-size: 1.5rem; display: block} .conf small {opacity: .8}
</style>"""


def confusion_html(counts: Confusion) -> str:
    """The four counts, deeper in colour the larger their share: blue where right, red where wrong."""
    rows = {
        "normal": ((counts.passed, "passed", True), (counts.false_alarms, "false alarms", False)),
        "anomalous": ((counts.missed, "missed", False), (counts.found, "found", True)),
    }
    cells = ['<div></div><div class="top">below</div><div class="top">above the threshold</div>']
    for name, pair in rows.items():
        total = sum(count for count, _, _ in pair)
        cells.append(f'<div class="name">{name}<br><small>{total:,}</small></div>')
        for count, word, right in pair:
            share = count / total if total else 0.0
            tint = f"rgba({'68,119,170' if right else '238,102,119'},{0.08 + 0.6 * share:.2f})"
            cells.append(f'<div style="background:{tint}"><b>{count:,}</b>{word}<br><small>{share:.1%}</small></div>')
    return f'{CONFUSION}<div class="conf" role="img" aria-label="{said(counts)}">{"".join(cells)}</div>'


def said(counts: Confusion) -> str:
    return (f"{counts.found} anomalies found, {counts.missed} missed; {counts.passed} normal examples passed, "
            f"{counts.false_alarms} false alarms")  # fmt: skip


# -- how well


def curves(judged: Scored, at: float) -> None:
    """ROC and precision-recall, where the truth is known."""
    if judged.anomalous is None or not judged.anomalous.any():
        return
    st.subheader("How well it tells them apart", anchor=False)
    if not judged.known:
        st.caption("None that is scored is normal: there is nothing to tell apart.")
        return
    found = anomaly.curves(judged.scores, judged.anomalous)
    counts = anomaly.confusion(judged.scores, judged.anomalous, at)
    alarms = counts.false_alarms / (counts.false_alarms + counts.passed)
    share = float(judged.anomalous.float().mean())
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(
            f"**ROC**: area {found.auroc:.3f}", help="The chance that an anomaly scores above a normal example."
        )
        axes = ("false alarms, share of the normal", "found, share of the anomalous")
        figure = figures.rate_curve(found.false_alarms, found.found, (alarms, counts.recall), axes, ((0, 0), (1, 1)))
        st.plotly_chart(figure, key="roc", alt=f"ROC curve, area {found.auroc:.3f}")
    with right:
        st.markdown(f"**Precision and recall**: average precision {found.average_precision:.3f}",
                    help="Depends on how many are anomalous: guessing gives their share.")  # fmt: skip
        axes = ("recall: found, share of the anomalous", "precision: right, share of the alarms")
        now = (counts.recall, counts.precision)
        figure = figures.rate_curve(found.recall, found.precision, now, axes, ((0, share), (1, share)))
        st.plotly_chart(figure, key="pr", alt=f"Precision over recall, average precision {found.average_precision:.3f}")


# -- which, and why


def ranking(run: Run, found: Dataset, given: Inputs, judged: Scored, at: float) -> None:
    """The most anomalous, one of them explained, and all as a file."""
    st.subheader("The most anomalous", anchor=False)
    order = judged.scores.argsort(descending=True)
    top, net = order[:SHOWN], cache.model(run)
    x = data.as_float(judged.x[top])
    if examples.is_cloud(found):
        above = judged.scores > at
        parts = {"training data": found.train.x[:2000], "below the threshold": judged.x[~above],
                 "above": judged.x[above]}  # fmt: skip
        tints = (figures.NORMAL, figures.NORMAL, figures.ANOMALOUS)
        figure = figures.cloud({name: part.numpy() for name, part in parts.items()}, tints)
        st.container(width=640).plotly_chart(figure, key="found", alt="Examples above and below the threshold")
    else:
        details = [f"{score:.3g}{kind}" for score, kind in zip(judged.scores[top].tolist(), kinds(given, judged, top),
                                                               strict=True)]  # fmt: skip
        st.html(examples.cards(net, x, [named(given, judged, i) for i in top.tolist()], details,
                               (judged.scores[top] > at).tolist()))  # fmt: skip
        st.caption("Underlined in red: above the threshold. Under each its score."
                   + ("" if x.dim() == 4 else f" {examples.BARS}"))  # fmt: skip
    row = st.container(horizontal=True, vertical_alignment="bottom")
    rank = (
        examples.choose_index(row, "Rank", "rank", len(order), 0, "Which to look into: 0 is the most anomalous.") or 0
    )
    row.download_button("Scores as CSV", lambda: results(given, judged, at).to_csv(index=False),
                        f"{run.id}-anomalies.csv", "text/csv", icon=":material/table:", on_click="ignore",
                        help="Every example that was scored, with score, p-value and verdict.")  # fmt: skip
    explain(run, found, given, judged, int(order[rank]), at)


def kinds(given: Inputs, judged: Scored, at: Tensor) -> list[str]:
    """The class of each, with a comma before it; nothing where there is none."""
    if given.y is None or not given.classes:
        return [""] * len(at)
    return [f", {classed(given.classes[int(given.y[row])])}" for row in judged.rows[at]]


def named(given: Inputs, judged: Scored, i: int) -> str:
    row = int(judged.rows[i])
    return given.names[row] if given.names else f"row {row}" if given.x.dim() == 2 else f"No. {row}"


def explain(run: Run, found: Dataset, given: Inputs, judged: Scored, i: int, at: float) -> None:
    """One example: what was expected of it, where it differs, and the normal ones nearest to it."""
    net, x = cache.model(run), data.as_float(judged.x[i : i + 1])
    rebuilt, residual = metrics.reconstruct(net, x), anomaly.residuals(net, x)
    value, p = float(judged.scores[i]), float(judged.detector.p_of(judged.scores[i : i + 1]))
    verdict = "above" if value > at else "below"
    kind = kinds(given, judged, torch.tensor([i]))[0]
    st.markdown(
        f"**{named(given, judged, i)}**{kind}: score {value:.4g}, {verdict} the threshold; p = {p:.2g}", help=P_HELP
    )
    places = st.columns([3, 2], gap="large") if x.dim() == 4 or examples.is_cloud(found) else (st, st)
    with places[0].container():
        if x.dim() == 4:
            pixels(net, x, rebuilt, residual)
        else:
            columns(found, x[0], rebuilt[0], residual[0])
    with places[1].container():
        nearest(run, found, x, rebuilt, residual, judged.normal)


def pixels(net: Any, x: Tensor, rebuilt: Tensor, residual: Tensor) -> None:
    """A picture, what the model makes of it, and their difference."""
    limit = float(residual.abs().max()) or 1.0
    difference = examples.large(net, signed(residual, limit))
    tiles = torch.cat([examples.large(net, x), examples.large(net, rebuilt), difference])
    st.image(grid(tiles, 3), width="stretch", alt="The picture, what the model expected, and their difference")
    st.caption(f"The picture, what the model expected, and their difference: red brighter, blue darker than expected, "
               f"full at {limit:.2g}.")  # fmt: skip


def columns(found: Dataset, x: Tensor, rebuilt: Tensor, residual: Tensor) -> None:
    """The columns that make the score, the largest first."""
    names = list(found.columns) or [f"x{i}" for i in range(len(x))]
    order = residual.abs().argsort(descending=True)[:BARS].tolist()
    about = [f"{names[j]}: {x[j]:.4g}, expected {rebuilt[j]:.4g}" for j in order]
    figure = figures.residual_bars([names[j] for j in order], residual[order].numpy(), about)
    st.plotly_chart(figure, key="why", alt=f"Residuals by column. {about[0]}", config={"displayModeBar": False})
    share = float(residual[order].square().sum() / residual.square().sum().clamp(min=1e-12))
    st.caption(f"The {len(order)} columns that make {share:.0%} of the score; red is more than expected, blue less.")


def nearest(run: Run, found: Dataset, x: Tensor, rebuilt: Tensor, residual: Tensor,
            names: tuple[str, ...]) -> None:  # fmt: skip
    """The normal training examples of the nearest codes."""
    net, names = cache.model(run), own_names(run, found, names)
    index, rows = load_normal(str(run.path), run.version(), found.name, names, run, found)
    near = index.nearest(metrics.encode(net, x), NEAR if x.dim() == 4 else 3)
    at = rows[near.rows[0]]
    close = inputs.of(found, "train").x[at]
    what = f"the {len(at)} nearest normal training examples"
    if examples.is_cloud(found):
        examples.show_cloud(found, {"nearest": close, "input": x, "expected": rebuilt}, f"The input, and {what}")
        return
    if x.dim() == 2:
        shown = {"value": x[0], "expected": rebuilt[0]} | {f"nearest {i + 1}": row for i, row in enumerate(close)}
        examples.show_table(examples.table(found, shown).iloc[residual[0].abs().argsort(descending=True).numpy()])
        st.caption(f"In the data's units, beside {what}, by code.")
        return
    st.html(examples.cards(net, data.as_float(close), [f"No. {row}" for row in at.tolist()],
                           [f"{d:.3g}" for d in near.distances[0].tolist()]))  # fmt: skip
    st.caption(f"{what[0].upper()}{what[1:]}, by code, with the distance to each.")


@st.cache_resource(max_entries=8, show_spinner="Encoding normal examples ...")
def load_normal(
    path: str, version: float, name: str, names: tuple[str, ...], _run: Run, _found: Dataset
) -> tuple[Index, Tensor]:
    """The codes of the normal training examples, and their rows."""
    codes = torch.from_numpy(cache.codes(_run, "train")[0])
    y = None if _found.train.y is None else _found.train.y[: len(codes)]
    rows = is_normal(y, _found.classes, names, len(codes)).nonzero().flatten()
    return search.index(codes[rows]), rows


def results(given: Inputs, judged: Scored, at: float) -> pd.DataFrame:
    """A line for each scored example: the visitor's own columns or its name, then the verdict."""
    rows = judged.rows.numpy()
    if given.frame is not None:
        table = given.frame.iloc[rows].reset_index(drop=True)
    else:
        table = pd.DataFrame({"row": rows})
        if given.names:
            table["name"] = [given.names[row] for row in rows]
        if given.y is not None and given.classes:
            table["class"] = [given.classes[int(given.y[row])] for row in rows]
    found = {"score": judged.scores, "p_value": judged.detector.p_of(judged.scores), "is_anomaly": judged.scores > at}
    for name, values in found.items():
        while name in table.columns:  # a column of the visitor's own is never written over
            name = f"anomaly_{name}"
        table[name] = values.numpy()
    return table
