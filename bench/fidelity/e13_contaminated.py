"""E13: anomalies are found in tables that hold them, without clean rows to learn from.

The data are the 23 sets of ADBench that E9 has, whole: a detector is fitted to all rows, and its
scores of these same rows are compared with the truth. The others are scikit-learn's and PyOD's at
their defaults, scored as their libraries score the rows that they were fitted on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from aecore.estimator import AutoencoderDetector
from aecore.tasks.anomaly import plan_detector, score_anomalies
from aecore.tasks.detection import compute_auroc
from bench.fidelity.cells import CellStore
from bench.fidelity.detectors import (
    BASELINES,
    PYOD,
    RANDOM,
    Figures,
    Matrix,
    has_pyod,
    leave_out_sets,
)
from bench.fidelity.e09_anomaly import (
    CHOSEN_ON,
    compute_average,
    find_adbench_file,
    read_published,
)
from bench.fidelity.experiment import Check, Experiment, Lab, Result, at_least, at_most

SEEDS = (0, 1, 2, 3, 4)
RIVALS = ("IsolationForest", "LOF(20)", *PYOD)
LEAD = 2.0  # points above the best rival: the higher bar
NORMAL_POINTS, FAR_POINTS, SIDE = 285, 15, 8.0  # of the generated sets
POINT_SEEDS = 10

PROTOCOL = """All rows of a set, columns standardised by all of them but for IsolationForest, which
needs no scaling. Ours is `plan_detector` with all rows as training rows; a row is scored by the
networks that have not seen it. {pyod}"""
NO_PYOD = "PyOD was not installed (bench/requirements.txt), so its detectors are missing here."


class FoundPoints(NamedTuple):
    """How many of the 15 far points are among the 15 oddest rows, and how many could be."""

    ours: int
    forest: int
    at_defaults: int  # above the threshold at contamination "auto"
    false_alarms: int  # normal points above it
    beyond: int  # of the far points, farther out than every normal one


def run_full(lab: Lab) -> Result:
    """Check the mean AUROC on 23 sets beside others, and the 15 points of ten seeds."""
    cells = CellStore(lab.folder / "e13-cells.jsonl")
    names = [name for name in (*BASELINES, *PYOD) if name in BASELINES or has_pyod()]
    figures = {file: measure_set(lab, cells, file, names) for file in read_published()}
    points = [find_points(seed) for seed in range(POINT_SEEDS)]
    notes = PROTOCOL.format(pyod="" if has_pyod() else NO_PYOD)
    return Result(
        [*check_sets(figures, names), *check_points(points)],
        seeds=SEEDS,
        notes="\n".join([notes, "", *format_figures(figures, names)]),
    )


def run_quick(lab: Lab) -> Result:
    """Check the 15 points of three seeds, and breast tumours with few malignant ones among them."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    rows = np.concatenate([np.flatnonzero(data.target == 1), np.flatnonzero(data.target == 0)[:30]])
    x, odd = data.data[rows], data.target[rows] == 0
    auroc = measure_ours(lab, "breast", x, odd, 0)
    forest = compute_percent(BASELINES["IsolationForest"](x, None, 0), odd)
    return Result(
        [
            Check("AUROC, %, breast tumours", auroc, at_least(forest - 8)),
            *check_points([find_points(seed) for seed in range(3)]),
        ]
    )


# -- the sets


def check_sets(figures: Figures, names: list[str]) -> list[Check]:
    """Returns the checks of mean AUROCs: of all sets, and of those that nothing was chosen on."""
    others = leave_out_sets(figures, CHOSEN_ON)
    checks = []
    for label, part in (("23 sets", figures), (f"the {len(others)} not chosen on", others)):
        means = {name: compute_average(part, name).mean for name in names}
        best = max(means[name] for name in names if name in RIVALS)
        ours = compute_average(part, "ours")
        bars = (at_least(best), at_least(best + LEAD)) if part is figures else (None, None)
        checks += [
            Check(f"mean AUROC, %, {label}", ours.mean, *bars, spread=ours.spread),
            *(Check(f"{name}, {label}", mean) for name, mean in means.items()),
        ]
    return checks


def measure_set(
    lab: Lab, cells: CellStore, file: str, names: list[str]
) -> Mapping[str, list[float]]:
    """Returns the AUROCs in % of ours and of each other detector on one set, one for each seed."""
    x, odd = read_contaminated(file)
    stem = Path(file).stem
    figures = {"ours": [measure_ours(lab, stem, x, odd, seed) for seed in SEEDS]}
    for name in names:
        seeds = SEEDS if name in RANDOM else SEEDS[:1]
        figures[name] = [
            cells.measure(f"{stem} {name} {seed}", partial(measure_other, name, x, odd, seed))
            for seed in seeds
        ]
    return figures


def measure_other(name: str, x: Matrix, odd: Matrix, seed: int) -> float:
    """Returns the AUROC in % of another detector's scores of the rows that it was fitted on."""
    return compute_percent({**BASELINES, **PYOD}[name](x, None, seed), odd)


def measure_ours(lab: Lab, name: str, x: Matrix, odd: Matrix, seed: int) -> float:
    """Returns the AUROC in % of the default detector, trained as a user would, from a file."""
    lab.folder.mkdir(parents=True, exist_ok=True)
    file, rows = lab.folder / f"e13-{name}.npz", x.astype(np.float32)
    np.savez(file, x=rows, x_test=rows[:1])
    config = plan_detector(str(file), {"training.previews": 0, "training.seed": seed})
    model = lab.train_config(f"{name}-{seed}", config).model
    return compute_percent(score_anomalies(model, torch.from_numpy(rows)).numpy(), odd)


def compute_percent(scores: Matrix, odd: Matrix) -> float:
    """Returns the AUROC in %."""
    return 100 * compute_auroc(torch.from_numpy(scores), torch.from_numpy(odd))


def read_contaminated(file: str) -> tuple[Matrix, Matrix]:
    """Returns all rows (N, features) of a set of ADBench, and which are anomalies (N,)."""
    with np.load(find_adbench_file(file)) as arrays:
        return arrays["X"].astype(np.float64), arrays["y"] == 1


def format_figures(figures: Figures, names: list[str]) -> Iterator[str]:
    """Yields the lines of a table in Markdown, one for each set."""
    columns = ["ours", *names]
    yield f"| set | {' | '.join(columns)} |"
    yield "|---|" + "---|" * len(columns)
    for file, row in figures.items():
        cells = [f"{np.mean(row[name]):.1f}" for name in columns]
        yield f"| {Path(file).stem} | {' | '.join(cells)} |"


# -- the points


def find_points(seed: int) -> FoundPoints:
    """Fit detectors to 285 points of N(0, I) in five dimensions and 15 of a wide cube."""
    from sklearn.ensemble import IsolationForest

    rng = np.random.default_rng(seed)
    normal = rng.normal(size=(NORMAL_POINTS, 5))
    far = rng.uniform(-SIDE, SIDE, (FAR_POINTS, 5))
    x, share = np.concatenate([normal, far]), FAR_POINTS / (NORMAL_POINTS + FAR_POINTS)
    ours = AutoencoderDetector(contamination=share, random_state=0, device="cpu").fit_predict(x)
    forest = IsolationForest(contamination=share, random_state=0).fit_predict(x)
    usual = AutoencoderDetector(random_state=0, device="cpu").fit_predict(x)
    farthest = np.linalg.norm(normal, axis=1).max()
    return FoundPoints(
        int((ours[NORMAL_POINTS:] == -1).sum()),
        int((forest[NORMAL_POINTS:] == -1).sum()),
        int((usual[NORMAL_POINTS:] == -1).sum()),
        int((usual[:NORMAL_POINTS] == -1).sum()),
        int((np.linalg.norm(far, axis=1) > farthest).sum()),
    )


def check_points(points: list[FoundPoints]) -> list[Check]:
    """Returns the checks of the 15 points over seeds of the data."""
    total, alarms = len(points) * FAR_POINTS, len(points) * NORMAL_POINTS
    fewer = sum(found.ours < found.forest for found in points)
    missed = sum(found.ours < FAR_POINTS == found.beyond for found in points)
    found, false = (sum(values) for values in zip(*((p[2], p[3]) for p in points), strict=True))
    return [
        Check(f"of {len(points)} seeds, fewer points found than by the forest", fewer, at_most(0)),
        Check("seeds with a point missed though all lie outside", missed, at_most(0)),
        Check("points found at the defaults, %", 100 * found / total, at_least(90)),
        Check("normal points above the threshold then, %", 100 * false / alarms, at_most(3)),
    ]


EXPERIMENT = Experiment(
    "E13",
    "Anomalies in contaminated tables",
    "Small networks that each saw a few rows find anomalies in data that hold them.",
    "Han et al. (2022), ADBench: Anomaly Detection Benchmark",
    "https://arxiv.org/abs/2206.09426",
    run_full,
    run_quick,
)
