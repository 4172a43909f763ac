"""E9: a denoising autoencoder finds anomalies in tables.

The data are 23 sets of ADBench, the protocol is that of the DTE paper. Training rows are the first
half of the normal ones; the rest and all anomalies are the test. The authors' loader first draws
1000 rows *with replacement* from every set that has fewer, so that in 8 of the 23 half or more of
the normal test rows are copies of training rows, and a method is rewarded for remembering them.
Their figures can only be compared under that protocol, so it is repeated here, draw by draw; what
a user should expect is the other figure, with each row used once. As all training rows are normal,
a copy of one counts as normal: `trained_on_normal`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.tasks.anomaly import plan_detector, score_anomalies
from aecore.tasks.detection import compute_auroc
from bench.fidelity.cells import CellStore
from bench.fidelity.data_files import find_data_file
from bench.fidelity.detectors import BASELINES, RANDOM, Figures, leave_out_sets
from bench.fidelity.experiment import Check, Experiment, Lab, Result, TrainedRun, at_least

SEEDS = (0, 1, 2, 3, 6)  # those whose draws give the published kNN figure of every small set
RIVALS = ("kNN(5)", "LOF(20)", "IsolationForest")
MOONSHOT = 78.11  # mean AUROC of the one wide net that was the default before
BELOW_CHANCE = ("vertebral", "wilt")  # whose anomalies lie among the normal rows
CHOSEN_ON = (  # every second set in the order of ADBench
    *("annthyroid", "Cardiotocography", "Hepatitis", "Ionosphere", "Lymphography", "mnist"),
    *("optdigits", "pendigits", "SpamBase", "WDBC", "wine", "yeast"),
)
DRAWN_ROWS = 1000  # the authors' loader draws so many with replacement from smaller sets

Published = Mapping[str, Mapping[str, str]]  # AUROC in %: file name -> column -> text

PROTOCOL = """The published protocol draws 1000 rows with replacement from each of the 8 sets that
have fewer, before the split: half to nearly all of their normal test rows are then copies of
training rows, and the nearest neighbour alone, kNN(1), beats all twelve published methods. With the
draws of seeds 0, 1, 2, 3 and 6 all 23 published kNN figures come out to within 0.005, so the
comparison is exact; *once* is the same without the draw, and is what to expect of new data. PCA has
74.42 in the paper."""

TRIED = """The default was chosen with a prototype on every second of the sets in the order of
ADBench, twelve of them, two seeds; the figures of the other eleven are reported apart. Clean rows
(each used once), 24 networks of 32-16-32 units on all columns, by the rows of each: 16 rows 80.9,
64 81.9, 128 81.9, 256 81.8; noise of .25 or .5 alike; a quarter of the columns each 81.3; networks
of 64-64-64 units 82.4, at twice the time. With the anomalies in (E13), 48 networks: 8 rows 75.0, 16
74.8, 32 73.7, 64 72.0, 256 70.9; 16 rows, half of the columns 76.2, a quarter 77.6, a tenth 76.7;
a third of the networks on all columns and the others on a quarter 76.9, which was taken since a row
that is far out in no few columns must be found too. The mean of the logarithms over networks
and the median are alike; the least of them has 67.3. Reconstructions that start as a mixture of
means of ten neighbouring rows, 64 of them in the code of each network, two seeds: 82.2 where the
default has 81.9, but on the nine others of the 21 sets 74.9 where it has 75.1; not taken."""


class AnomalyTable(NamedTuple):
    """A set of ADBench, divided."""

    name: str
    train: Tensor  # (N, features), normal rows
    test: Tensor  # (M, features)
    anomalous: Tensor  # (M,) bool


class AverageScore(NamedTuple):
    """A figure's mean over sets, and its standard deviation over seeds."""

    mean: float
    spread: float


def run_full(lab: Lab) -> Result:
    """Check the mean AUROC of the detector, with the published protocol and with rows used once."""
    published = read_published()
    cells = CellStore(lab.folder / "e9-cells.jsonl")
    once: dict[str, dict[str, list[float]]] = {}
    drawn: dict[str, dict[str, list[float]]] = {}
    for name in published:
        once[name] = measure_aurocs(lab, cells, name, draw=False)
        is_small = count_rows(name) < DRAWN_ROWS
        drawn[name] = measure_aurocs(lab, cells, name, draw=True) if is_small else once[name]
    return Result(
        [*check_published(published, drawn, once), *check_once(once)],
        seeds=SEEDS,
        notes="\n".join([PROTOCOL, "", TRIED, "", *format_sets(published, drawn, once)]),
    )


def check_published(published: Published, drawn: Figures, once: Figures) -> list[Check]:
    """Returns checks under the published protocol, on all sets and on those without copies."""
    average = compute_average(drawn, "ours")
    large = {name: row for name, row in published.items() if drawn[name] is once[name]}
    large_average = compute_average({name: once[name] for name in large}, "ours")
    return [
        Check(
            "mean AUROC, %, published protocol (VAE's there)",
            average.mean,
            at_least(81.2),
            paper=average_published(published, "VAE"),
            spread=average.spread,
        ),
        Check(
            f"mean AUROC, %, the {len(large)} sets that have no copies (VAE's there)",
            large_average.mean,
            at_least(average_published(large, "VAE")),
            paper=average_published(large, "VAE"),
            spread=large_average.spread,
        ),
        Check(
            "kNN(5), published protocol",
            compute_average(drawn, "kNN(5)").mean,
            (81.22, 81.24),
            paper=average_published(published, "KNN"),
        ),
        *(
            Check(f"{name}, published protocol", compute_average(drawn, name).mean)
            for name in BASELINES
            if name != "kNN(5)"
        ),
    ]


def check_once(once: Figures) -> list[Check]:
    """Returns checks with each row used once: all sets, without the two easiest, the other half."""
    others = leave_out_sets(once, (*BELOW_CHANCE, *CHOSEN_ON))
    return [
        *check_against("mean AUROC, %, each row used once", once, higher=MOONSHOT),
        *check_against(
            "the same without vertebral and wilt", leave_out_sets(once, BELOW_CHANCE), higher=None
        ),
        Check(
            f"the {len(others)} of these sets on which nothing was chosen",
            compute_average(others, "ours").mean,
            spread=compute_average(others, "ours").spread,
        ),
        *(Check(f"{name}, there", compute_average(others, name).mean) for name in BASELINES),
        Check(
            "each row used once, no noise in training, seed 0",
            compute_average(once, "no noise").mean,
        ),
    ]


def check_against(label: str, figures: Figures, higher: float | None) -> list[Check]:
    """Returns the check that ours is above kNN(5), LOF and the forest, and what these have."""
    means = {name: compute_average(figures, name).mean for name in BASELINES}
    average = compute_average(figures, "ours")
    best = max(means[name] for name in RIVALS)
    moonshot = None if higher is None else at_least(max(higher, means["kNN(1)"]))
    return [
        Check(label, average.mean, at_least(best), moonshot, spread=average.spread),
        *(Check(f"{name}, {label}", mean) for name, mean in means.items()),
    ]


def run_quick(lab: Lab) -> Result:
    """Check breast tumours, malignant ones being the anomalies, and Gaussian data.

    For the latter the exact score is known.
    """
    from sklearn.datasets import load_breast_cancer

    dataset = load_breast_cancer()
    table = divide_rows("breast", dataset.data, dataset.target == 0)
    return Result(
        [
            Check("AUROC, %, breast tumours", measure_auroc(lab, table, 0), at_least(92.5)),
            Check(
                "correlation with the exact score, Gaussian data",
                correlate_with_exact_score(lab),
                at_least(0.8),
            ),
        ]
    )


def correlate_with_exact_score(lab: Lab) -> float:
    """Returns the correlation of the logarithms of our scores and of |x - r*(x)|^2.

    For x ~ N(0, S) the optimum is known:  x - r*(x) = sigma^2 (S + sigma^2 I)^-1 x.  The rows are
    new ones.
    """
    covariance = torch.full((6, 6), 0.8, dtype=torch.float64).fill_diagonal_(1.0)
    noise = torch.randn(6000, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = noise @ torch.linalg.cholesky(covariance).T
    table = AnomalyTable(
        "gaussian", x[:4000].float(), x[4000:].float(), torch.zeros(2000, dtype=torch.bool)
    )
    trained = train_detector(lab, table, 0)
    variance = trained.run.config().model.corruption.sigma ** 2
    exact = variance * torch.linalg.solve(covariance + variance * torch.eye(6), x[4000:].T).T
    ours = score_anomalies(trained.model, table.test).double()
    return torch.corrcoef(torch.stack([ours.log(), exact.square().sum(1).log()]))[0, 1].item()


# -- one set


def measure_aurocs(lab: Lab, cells: CellStore, name: str, draw: bool) -> dict[str, list[float]]:
    """Returns the AUROCs in % of the detector, one for each seed, and of baselines on one set."""
    figures: dict[str, list[float]] = {name: [] for name in ("ours", "no noise", *BASELINES)}
    for seed in SEEDS:
        table = read_set(name, seed if draw else None)
        figures["ours"].append(measure_auroc(lab, table, seed))
        if seed == 0 and not draw:
            figures["no noise"].append(measure_auroc(lab, table, seed, {"corruption.sigma": 0.0}))
        for method in BASELINES:
            if draw or method in RANDOM or seed == 0:
                key = f"{table.name} {method} {seed}"
                figures[method].append(
                    cells.measure(key, partial(measure_baseline, method, table, seed))
                )
    return figures


def measure_baseline(method: str, table: AnomalyTable, seed: int) -> float:
    """Returns the AUROC in % of another detector, trained and tested on the same rows."""
    if method.startswith("kNN"):
        neighbour = int(method.removeprefix("kNN(").removesuffix(")"))
        return compute_percent_auroc(compute_neighbour_distances(table, neighbour), table)
    train, test = table.train.double().numpy(), table.test.double().numpy()
    return compute_percent_auroc(torch.from_numpy(BASELINES[method](train, test, seed)), table)


def measure_auroc(
    lab: Lab, table: AnomalyTable, seed: int, settings: Mapping[str, object] | None = None
) -> float:
    """Returns the AUROC in % of the default detector, `settings` changing it."""
    trained = train_detector(lab, table, seed, settings)
    scores = score_anomalies(trained.model, table.test, trained_on_normal=True)
    return compute_percent_auroc(scores, table)


def train_detector(
    lab: Lab, table: AnomalyTable, seed: int, settings: Mapping[str, object] | None = None
) -> TrainedRun:
    """Train the default detector as a user would: from a file, in a run folder."""
    lab.folder.mkdir(parents=True, exist_ok=True)
    file = lab.folder / f"{lab.id.lower()}-{table.name}.npz"
    np.savez(file, x=table.train.numpy(), x_test=table.test.numpy())
    ablation = "".join(f"-{value:g}" for value in (settings or {}).values())
    changes = {"training.previews": 0, "training.seed": seed, **(settings or {})}
    config = plan_detector(str(file), changes, is_clean=True)
    return lab.train_config(f"{table.name}-{seed}{ablation}", config)


def compute_percent_auroc(scores: Tensor, table: AnomalyTable) -> float:
    """Returns the AUROC in % of scores of the test rows."""
    return 100 * compute_auroc(scores, table.anomalous)


def compute_neighbour_distances(table: AnomalyTable, k: int) -> Tensor:
    """Returns the distance of each test row to its k-th nearest training row.

    Columns are standardised by the training rows.
    """
    center, scale = table.train.double().mean(0), table.train.double().std(0, correction=0)
    scale[scale < 1e-12] = 1
    train, test = ((x.double() - center) / scale for x in (table.train, table.test))
    exact = "donot_use_mm_for_euclid_dist"  # the fast way cannot tell a copy from a near neighbour
    return torch.cat(
        [
            torch.cdist(x, train, compute_mode=exact).kthvalue(k, dim=1).values
            for x in test.split(1000)
        ]
    )


def divide_rows(name: str, x: np.ndarray, anomalous: np.ndarray) -> AnomalyTable:
    """Take the first half of the normal rows to train with, the rest and anomalies to test."""
    normal = np.flatnonzero(~anomalous)
    half = round(0.5 * len(normal))
    test = np.concatenate([normal[half:], np.flatnonzero(anomalous)])
    values = torch.from_numpy(x.astype(np.float32))
    return AnomalyTable(
        name, values[normal[:half]], values[test], torch.from_numpy(anomalous[test])
    )


# -- files of ADBench


def read_set(name: str, seed: int | None) -> AnomalyTable:
    """Read a set of ADBench, and divide it.

    With a seed, 1000 rows are drawn from it with replacement, as the authors' loader does.
    """
    with np.load(find_adbench_file(name)) as file:
        x, anomalous = file["X"], file["y"] == 1
    stem = Path(name).stem
    if seed is not None:
        rows = np.random.RandomState(seed).choice(len(x), DRAWN_ROWS, replace=True)
        x, anomalous, stem = x[rows], anomalous[rows], f"{stem}-drawn{seed}"
    return divide_rows(stem, x, anomalous)


def count_rows(name: str) -> int:
    """Returns how many rows a set has."""
    with np.load(find_adbench_file(name)) as file:
        return len(file["y"])


def read_published() -> dict[str, dict[str, str]]:
    """Read the authors' AUROC in %: file name -> method -> figure."""
    with find_adbench_file("published_auroc.csv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def find_adbench_file(name: str) -> Path:
    """Returns the path of a file of ADBench in the data folder."""
    return find_data_file(f"adbench/{name}")


# -- averages and the table of all sets


def compute_average(figures: Figures, name: str) -> AverageScore:
    """Average the figures of one method; one without seeds has a single figure per set."""
    count = max(len(by_method[name]) for by_method in figures.values())
    means = np.mean(
        [np.broadcast_to(by_method[name], count) for by_method in figures.values()], axis=0
    )
    return AverageScore(float(means.mean()), float(means.std(ddof=1)) if count > 1 else 0.0)


def average_published(published: Published, method: str) -> float:
    """Returns the mean over sets of a method's published figures."""
    return float(np.mean([float(row[method]) for row in published.values()]))


def format_sets(published: Published, drawn: Figures, once: Figures) -> Iterator[str]:
    """Yields the lines of a table in Markdown, one for each set and one of means."""
    methods = ("PCA", "VAE", "KNN", "ICL", "DTE-C")
    columns = ((drawn, "ours"), (once, "ours"), (once, "kNN(5)"), (once, "kNN(1)"))
    yield f"| set | {' | '.join(methods)} | ours | ours, once | kNN(5), once | kNN(1), once |"
    yield "|---|" + "---|" * (len(methods) + len(columns))
    for name, row in published.items():
        cells = [
            *(f"{float(row[method]):.1f}" for method in methods),
            *(f"{np.mean(figures[name][method]):.1f}" for figures, method in columns),
        ]
        yield f"| {row['dataset']} | {' | '.join(cells)} |"
    means = [
        *(average_published(published, method) for method in methods),
        *(compute_average(figures, method).mean for figures, method in columns),
    ]
    yield f"| mean | {' | '.join(f'{value:.2f}' for value in means)} |"


EXPERIMENT = Experiment(
    "E9",
    "Anomalies in tables",
    "A row that a denoising autoencoder would move far is unlike the normal rows that it was "
    "trained on.",
    "Livernoche et al. (2024), On Diffusion Modeling for Anomaly Detection, Table 1 and its code",
    "https://arxiv.org/abs/2305.18593",
    run_full,
    run_quick,
)
