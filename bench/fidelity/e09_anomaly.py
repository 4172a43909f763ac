"""E9: a denoising autoencoder finds anomalies in tables (23 sets of ADBench, the protocol of the DTE paper).

Training rows are the first half of the normal ones; the rest and all anomalies are the test. The authors' loader
first draws 1000 rows *with replacement* from every set that has fewer, so that in 8 of the 23 half or more of the
normal test rows are copies of training rows, and a method is rewarded for remembering them. Their figures can only
be compared under that protocol, so it is repeated here, draw by draw; what a user should expect is the other
figure, with each row used once, and the default settings were chosen on that one.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.data.catalog import data_folder
from aecore.tasks.anomaly import plan_detector, score_anomalies
from aecore.tasks.detection import compute_auroc
from bench.fidelity.experiment import Check, Experiment, Lab, Result, Trained, at_least

SEEDS = (0, 1, 2, 3, 6)  # those whose draws give the published kNN figure of every small set
ENOUGH = 1000  # rows below which the authors' loader draws with replacement


class Table(NamedTuple):
    name: str
    train: Tensor  # (N, features), normal rows
    test: Tensor  # (M, features)
    anomalous: Tensor  # (M,) bool


def full(lab: Lab) -> Result:
    published = read_published()
    once, drawn = {}, {}  # figures of each set: by name, then by what scored, one for each seed
    for name in published:
        once[name] = measure(lab, name, draw=False)
        drawn[name] = measure(lab, name, draw=True) if rows_in(name) < ENOUGH else once[name]
    mean, spread = average(drawn, "ours")
    honest, honest_spread = average(once, "ours")
    paper = {
        method: float(np.mean([float(row[method]) for row in published.values()]))
        for method in ("VAE", "KNN")
    }
    whole = [name for name in published if drawn[name] is once[name]]
    alike, alike_spread = average({name: once[name] for name in whole}, "ours")
    theirs = {
        method: float(np.mean([float(published[name][method]) for name in whole]))
        for method in ("VAE", "KNN")
    }
    k5, k1 = average(once, "kNN(5)")[0], average(once, "kNN(1)")[0]
    return Result(
        [
            Check(
                "mean AUROC, %, published protocol (VAE's there)",
                mean,
                at_least(75.29),
                at_least(81.2),
                paper=paper["VAE"],
                spread=spread,
            ),
            Check(
                "mean AUROC, %, each row used once",
                honest,
                at_least(k5),
                at_least(k1),
                spread=honest_spread,
            ),
            Check(
                f"mean AUROC, %, the {len(whole)} sets that have no copies (VAE's there)",
                alike,
                at_least(theirs["VAE"]),
                at_least(theirs["KNN"]),
                paper=theirs["VAE"],
                spread=alike_spread,
            ),
            Check("each row used once, no noise in training, seed 0", average(once, "no noise")[0]),
            Check(
                "kNN(5), published protocol",
                average(drawn, "kNN(5)")[0],
                (81.22, 81.24),
                paper=paper["KNN"],
            ),
            Check("kNN(1), published protocol", average(drawn, "kNN(1)")[0]),
            Check("kNN(5), each row used once", k5),
            Check("kNN(1), each row used once", k1),
        ],
        seeds=SEEDS,
        notes=notes(published, drawn, once),
    )


def quick(lab: Lab) -> Result:
    """Breast tumours, where malignant ones are the anomalies; and Gaussian data, where the score is known."""
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    table = divide("breast", found.data, found.target == 0)
    return Result(
        [
            Check("AUROC, %, breast tumours", scored(lab, table, 0), at_least(92.5)),
            Check(
                "correlation with the exact score, Gaussian data", against_exact(lab), at_least(0.8)
            ),
        ]
    )


def against_exact(lab: Lab) -> float:
    """Correlation of the logarithms of our scores and of |x - r*(x)|^2 on new Gaussian rows.

    For x ~ N(0, S) the optimum is known:  x - r*(x) = sigma^2 (S + sigma^2 I)^-1 x.
    """
    covariance = torch.full((6, 6), 0.8, dtype=torch.float64).fill_diagonal_(1.0)
    draw = torch.randn(6000, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = draw @ torch.linalg.cholesky(covariance).T
    table = Table(
        "gaussian", x[:4000].float(), x[4000:].float(), torch.zeros(2000, dtype=torch.bool)
    )
    trained = train(lab, table, 0)
    variance = trained.run.config().model.corruption.sigma ** 2
    exact = variance * torch.linalg.solve(covariance + variance * torch.eye(6), x[4000:].T).T
    ours = score_anomalies(trained.model, table.test).double()
    return torch.corrcoef(torch.stack([ours.log(), exact.square().sum(1).log()]))[0, 1].item()


def measure(lab: Lab, name: str, draw: bool) -> dict[str, list[float]]:
    """AUROC in % of the detector, one for each seed, and of baselines on one set."""
    figures: dict[str, list[float]] = {"ours": [], "no noise": [], "kNN(5)": [], "kNN(1)": []}
    for seed in SEEDS:
        table = read(name, seed if draw else None)
        figures["ours"].append(scored(lab, table, seed))
        if seed == 0 and not draw:
            figures["no noise"].append(scored(lab, table, seed, {"corruption.sigma": 0.0}))
        if seed == 0 or draw:
            for k in (1, 5):
                figures[f"kNN({k})"].append(percent(neighbour_distance(table, k), table))
    return figures


def scored(
    lab: Lab, table: Table, seed: int, settings: Mapping[str, object] | None = None
) -> float:
    """AUROC in % of the default detector."""
    return percent(score_anomalies(train(lab, table, seed, settings).model, table.test), table)


def train(
    lab: Lab, table: Table, seed: int, settings: Mapping[str, object] | None = None
) -> Trained:
    """The default detector's model, trained as a user would: from a file, in a run folder."""
    lab.folder.mkdir(parents=True, exist_ok=True)
    file = lab.folder / f"{lab.id.lower()}-{table.name}.npz"
    np.savez(file, x=table.train.numpy(), x_test=table.test.numpy())
    ablation = "".join(f"-{value:g}" for value in (settings or {}).values())
    config = plan_detector(
        str(file), {"training.previews": 0, "training.seed": seed, **(settings or {})}
    )
    return lab.finish(f"{table.name}-{seed}{ablation}", config)


def percent(scores: Tensor, table: Table) -> float:
    return 100 * compute_auroc(scores, table.anomalous)


def neighbour_distance(table: Table, k: int) -> Tensor:
    """Distance to the k-th nearest training row, columns standardised by them."""
    center, scale = table.train.double().mean(0), table.train.double().std(0, correction=0)
    scale[scale < 1e-12] = 1
    train, test = ((x.double() - center) / scale for x in (table.train, table.test))
    parts = test.split(1000)
    exact = "donot_use_mm_for_euclid_dist"  # the fast way cannot tell a copy from a near neighbour
    return torch.cat(
        [torch.cdist(x, train, compute_mode=exact).kthvalue(k, dim=1).values for x in parts]
    )


def divide(name: str, x: np.ndarray, anomalous: np.ndarray) -> Table:
    """The first half of the normal rows to train with, the rest and every anomaly to test."""
    normal = np.flatnonzero(~anomalous)
    half = round(0.5 * len(normal))
    test = np.concatenate([normal[half:], np.flatnonzero(anomalous)])
    values = torch.from_numpy(x.astype(np.float32))
    return Table(name, values[normal[:half]], values[test], torch.from_numpy(anomalous[test]))


def read(name: str, seed: int | None) -> Table:
    """A set of ADBench; with a seed, 1000 rows drawn from it with replacement, as the authors' loader does."""
    with np.load(folder() / name) as file:
        x, anomalous = file["X"], file["y"] == 1
    stem = Path(name).stem
    if seed is not None:
        rows = np.random.RandomState(seed).choice(len(x), ENOUGH, replace=True)
        x, anomalous, stem = x[rows], anomalous[rows], f"{stem}-drawn{seed}"
    return divide(stem, x, anomalous)


def rows_in(name: str) -> int:
    with np.load(folder() / name) as file:
        return len(file["y"])


def folder() -> Path:
    return data_folder() / "adbench"


def read_published() -> dict[str, dict[str, str]]:
    """The authors' AUROC in %: file name -> method -> figure."""
    with (folder() / "published_auroc.csv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


Figures = Mapping[str, Mapping[str, list[float]]]


def average(figures: Figures, what: str) -> tuple[float, float]:
    """Mean over sets, and its standard deviation over seeds; a method without seeds has one figure a set."""
    count = max(len(of[what]) for of in figures.values())
    means = np.mean([np.broadcast_to(of[what], count) for of in figures.values()], axis=0)
    return float(means.mean()), float(means.std(ddof=1)) if count > 1 else 0.0


def notes(published: Mapping[str, Mapping[str, str]], drawn: Figures, once: Figures) -> str:
    return "\n".join([PROTOCOL, "", TRIED, "", *per_set(published, drawn, once)])


def per_set(
    published: Mapping[str, Mapping[str, str]], drawn: Figures, once: Figures
) -> Iterator[str]:
    """A table in Markdown, one line a set."""
    methods = ("PCA", "VAE", "KNN", "ICL", "DTE-C")
    yield f"| set | {' | '.join(methods)} | ours | ours, once | kNN(5), once | kNN(1), once |"
    yield "|---|" + "---|" * (len(methods) + 4)
    for name, row in published.items():
        mine = [drawn[name]["ours"], once[name]["ours"], once[name]["kNN(5)"], once[name]["kNN(1)"]]
        cells = [
            *(f"{float(row[m]):.1f}" for m in methods),
            *(f"{np.mean(values):.1f}" for values in mine),
        ]
        yield f"| {row['dataset']} | {' | '.join(cells)} |"
    means = [np.mean([float(row[m]) for row in published.values()]) for m in methods]
    means += [
        average(drawn, "ours")[0],
        *(average(once, what)[0] for what in ("ours", "kNN(5)", "kNN(1)")),
    ]
    yield f"| mean | {' | '.join(f'{value:.2f}' for value in means)} |"


PROTOCOL = """The published protocol draws 1000 rows with replacement from each of the 8 sets that have fewer, before
the split: half to nearly all of their normal test rows are then copies of training rows, and the nearest neighbour
alone, kNN(1), beats all twelve published methods. With the draws of seeds 0, 1, 2, 3 and 6 all 23 published kNN
figures come out to within 0.005, so the comparison is exact; *once* is the same without the draw, and is what to
expect of new data. PCA has 74.42 in the paper."""


TRIED = """The default was chosen by its mean over the sets, with one seed of a prototype, among these (once /
published protocol). Plain autoencoder with 64 hidden units and a quarter as many codes as columns 75.0 / 79.7, VAE of
that shape 72.9 / 77.9. Denoising with 256 hidden and 128 code units: sigma 0.1 78.4 / 85.1, **0.25 78.2 / 85.2**, 0.5
77.7 / 83.8, random up to 1 78.0 / 84.4, 0.25 with tanh for ReLU 77.6 / 85.0. Other scores of the model with 0.25:
absolute for squared residuals 77.5 / 84.6, residuals over their deviation in training 78.0 / 85.0, mean over 16 noisy
copies 77.6 / 84.2, hidden columns 73.9 / 78.9, the nearest training row in whitened code and residual 77.8 / 85.6.
As the choice was made on these sets, others count: on scikit-learn's breast tumours and its digits without 4 or
without 8 the prototype has a mean of 87.7 (kNN(5) 87.1, kNN(1) 90.3); on the first of them alone 94.4, where kNN(5)
has 96.5. It is weakest on tables of few columns with long tails (mammography, annthyroid), where far rows are copied
too; vertebral and wilt, whose anomalies lie among the normal rows, make up all of its lead over kNN(5)."""


EXPERIMENT = Experiment(
    "E9",
    "Anomalies in tables",
    "A row that a denoising autoencoder would move far is unlike the normal rows that it was trained on.",
    "Livernoche et al. (2024), On Diffusion Modeling for Anomaly Detection, Table 1 and its code",
    "https://arxiv.org/abs/2305.18593",
    full,
    quick,
)
