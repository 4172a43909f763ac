"""Detection: one class of CIFAR-10 is normal, the nine others are to be found.

The recipe of detectors, with fewer epochs, beside PCA of as many numbers and the distance to the
mean, on the same pictures; PCA is scored as the network is, by each kind of score.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.anomaly_scores import SCORE_TEXTS, score_residuals
from aecore.analysis.doctor import DISEASES, draw_specimen, examine_specimen
from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from aecore.runs.listing import runs_folder
from aecore.tasks.anomaly import compute_scaled_residuals, plan_detector
from aecore.tasks.detection import compute_auroc
from bench.fidelity.cells import CellStore
from bench.fidelity.data_files import find_data_file
from bench.pictures.part import PicturePart
from bench.pictures.photographs import CIFAR, Pixels, list_jpegs, read_picture
from bench.pictures.reconstruction import rebuild_by_pca, train_run

CIFAR_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
SEEDS = (0, 1, 2)  # each draws other pictures to train with, and other weights
COUNTS = {"train": 2000, "test": 500}  # pictures of a class
EPOCHS = 5
KINDS = tuple(SCORE_TEXTS)
METHODS = ("detector", "PCA")  # each scored by all kinds
COLUMNS = (
    *(f"{method}, {SCORE_TEXTS[kind].label.lower()}" for method in METHODS for kind in KINDS),
    "distance to the mean",
)
WEAK = next(disease for disease in DISEASES if disease.name == "weak detector")


def measure_detection(store: CellStore, device: str) -> None:
    """Train the detectors that are missing: AUROC of COLUMNS, the doctor's figure, seconds."""
    for seed in SEEDS:
        for name in CIFAR_CLASSES:
            key = name_detection_cell(name, seed)
            store.measure(key, lambda name=name, seed=seed: measure_detector(name, seed, device))


def name_detection_cell(name: str, seed: int) -> str:
    """Return the key of a cell."""
    return f"detection {name} {seed}"


def measure_detector(name: str, seed: int, device: str) -> list[float]:
    """Return the areas of COLUMNS for one normal class, the doctor's figure and the seconds."""
    settings: dict[str, Any] = {
        "data.train_class": name,
        "training.epochs": EPOCHS,
        "training.seed": seed,
        "training.previews": 0,
        "training.device": device,
    }
    config = plan_detector(place_classes(seed), settings)
    assert config.data is not None
    model, seconds = train_run(config)
    dataset = load_dataset(config.data)
    train, test = as_float(dataset.train.x), as_float(dataset.test.x)
    assert dataset.test.y is not None
    anomalous = dataset.test.y != dataset.classes.index(name)
    by_pca = test - rebuild_by_pca(train, test, config.model.latent_dim)
    scores = [
        score_residuals(residuals, test, kind)
        for residuals in (compute_scaled_residuals(model, test), by_pca)
        for kind in KINDS
    ]
    scores.append((test - train.mean(0)).square().flatten(1).sum(1))
    findings = examine_specimen(model, draw_specimen(dataset, config.data))
    lead = next(finding.evidence for finding in findings if finding.name == WEAK.name)
    return [*(compute_auroc(part, anomalous) for part in scores), lead, EPOCHS * seconds]


def place_classes(seed: int) -> str:
    """Return the path of the pictures of all classes as .npz, which is written where missing."""
    path = runs_folder() / "pictures" / f"cifar-classes-{seed}.npz"
    if not path.exists():
        arrays: dict[str, Pixels] = {}
        for part, count in COUNTS.items():
            pairs = list(iterate_labelled(part, count, seed))
            arrays[f"x_{part}"] = np.stack([picture for picture, _ in pairs])
            arrays[f"y_{part}"] = np.array([name for _, name in pairs])
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft.npz")
        np.savez(draft, **arrays)
        draft.replace(path)
    return str(path.resolve())


def iterate_labelled(part: str, count: int, seed: int) -> Iterator[tuple[Pixels, str]]:
    """Yield pictures (3, 32, 32) with their classes; those for training are drawn by the seed."""
    rng = np.random.default_rng(seed if part == "train" else 0)
    with zipfile.ZipFile(find_data_file(CIFAR)) as archive:
        for name in CIFAR_CLASSES:
            files = list_jpegs(archive, f"{part}/{name}/")
            for i in rng.permutation(len(files))[:count]:
                yield read_picture(archive, files[i]), name


# -- the report


def report_detection(store: CellStore) -> list[str]:
    """Return a table of mean areas over seeds for each class, and over the classes."""
    whole = [
        seed  # of which every class is there
        for seed in SEEDS
        if all(name_detection_cell(name, seed) in store.figures for name in CIFAR_CLASSES)
    ]
    if not whole:
        return []
    kept = {
        name: [store.figures[name_detection_cell(name, seed)] for seed in whole]
        for name in CIFAR_CLASSES
    }
    lines = ["", "## Detection: one class of CIFAR-10 against the others", ""]
    lines += [describe_setting(len(whole)), "", f"| normal class | {' | '.join(COLUMNS)} |"]
    lines += ["|---|" + "---:|" * len(COLUMNS)]
    rows = {name: torch.tensor(cells) for name, cells in kept.items()}
    lines += [format_areas(name, areas.mean(0)) for name, areas in rows.items()]
    of_class = torch.stack([areas.mean(0) for areas in rows.values()])
    lines.append(format_areas(f"mean of {len(rows)}", of_class.mean(0)))
    if len(whole) > 1:
        of_seed = torch.stack(list(rows.values())).mean(0)
        lines.append(format_areas("deviation of that over seeds", of_seed.std(0)))
    every = torch.cat(list(rows.values()))
    weak = int((every[:, len(COLUMNS)] > WEAK.threshold).sum())
    lead, seconds = of_class.mean(0)[len(COLUMNS) :].tolist()
    lines += [
        "",
        f"By the model doctor, the area of the distance to the mean less that of the detector is "
        f"{lead:.3f} on average; it calls {weak} of {len(every)} detectors weak. Training took "
        f"{seconds:.0f} s each.",
    ]
    return lines


def describe_setting(seeds: int) -> str:
    """Return what was trained on what, with so many seeds."""
    return (
        f"Area under the ROC curve, {COUNTS['test']:,} test pictures of each class; trained with "
        f"{COUNTS['train']:,} pictures of the normal class in {EPOCHS} epochs; seeds: "
        f"{seeds} of {len(SEEDS)}, which draw other pictures and weights. PCA has as many numbers "
        "as the detector's code. The detector's own score is the relative error."
    )


def format_areas(name: str, figures: Tensor) -> str:
    """Return a line of the table."""
    cells = " | ".join(f"{area:.3f}" for area in figures[: len(COLUMNS)].tolist())
    return f"| {name} | {cells} |"


DETECTION = PicturePart("detection", measure_detection, report_detection)
