"""Reconstruction: the residual network beside PCA, a tutorial's net and the plain `conv`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aecore.analysis.chunks import reconstruct_in_chunks
from aecore.analysis.latent import fit_pca
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.runs.records import EpochRecord
from aecore.training.trainer import fit
from bench.fidelity.cells import CellStore
from bench.pictures.part import PicturePart
from bench.pictures.photographs import (
    PICTURE_SETS,
    WHOLE_CIFAR,
    load_pictures,
    measure_mean_psnr,
)
from bench.pictures.tutorial import train_tutorial_net

MODELS = ("pca", "tutorial", "conv", "unaugmented", "residual")
MODEL_LABELS = {
    "pca": "PCA",
    "tutorial": "a plain tutorial net",
    "conv": "conv without residual blocks (the former default)",
    "unaugmented": "conv with the residual network, without augmentation",
    "residual": "conv with the residual network (the default)",
}
SHORT, LONG = 10, 40  # epochs
COMPARED_SETS = {**PICTURE_SETS, "cifar-whole": WHOLE_CIFAR}
LONG_SETS = ("bsds", "cifar-whole")


def list_cells() -> Iterator[tuple[str, str, int]]:
    """Yield set, model and epochs of each cell; the long ones last."""
    for name, pictures in COMPARED_SETS.items():
        augments = pictures is not WHOLE_CIFAR  # so many are not augmented by default
        yield from ((name, m, SHORT) for m in MODELS if augments or m != "unaugmented")
    yield from ((name, "residual", LONG) for name in LONG_SETS)


def measure_reconstruction(store: CellStore, device: str) -> None:
    """Train the cells that are missing: PSNR on the test pictures, seconds per epoch, weights."""
    for name, model, epochs in list_cells():
        path, units = COMPARED_SETS[name].place(name), COMPARED_SETS[name].units
        key = name_reconstruction_cell(name, model, epochs)
        store.measure(
            key, lambda p=path, m=model, u=units, e=epochs: measure_model(p, m, u, e, device)
        )


def name_reconstruction_cell(name: str, model: str, epochs: int) -> str:
    """Return the key of a cell."""
    return f"reconstruction {name} {model} {epochs}"


def measure_model(path: str, model: str, units: int, epochs: int, device: str) -> list[float]:
    """Return PSNR, seconds per epoch and the number of weights of a model."""
    train, test = load_pictures(path)
    if model == "pca":
        return [measure_mean_psnr(test, rebuild_by_pca(train, test, units)), 0.0, 0.0]
    if model == "tutorial":
        net, seconds = train_tutorial_net(train, units, epochs, device)
        with torch.no_grad():
            rebuilt = torch.cat([net(part) for part in test.split(128)])
        weights = sum(parameter.numel() for parameter in net.parameters())
        return [measure_mean_psnr(test, rebuilt), seconds, float(weights)]
    trained, seconds = train_run(plan_reconstruction(path, model, units, epochs, device))
    weights = sum(parameter.numel() for parameter in trained.parameters())
    rebuilt = reconstruct_in_chunks(trained, test)
    return [measure_mean_psnr(test, rebuilt), seconds, float(weights)]


def plan_reconstruction(path: str, model: str, units: int, epochs: int, device: str) -> RunConfig:
    """Return the run of `conv` as it was, or as it is."""
    settings: dict[str, Any] = {
        "data.validation_fraction": 0,  # the others have all pictures too
        "training.epochs": epochs,
        "training.previews": 0,
        "training.device": device,
    }
    if model == "unaugmented":
        settings["training.augment"] = ()
    is_former = model == "conv"
    return plan_run("conv", path, latent_dim=units, settings=settings, as_published=is_former)


def train_run(config: RunConfig) -> tuple[Autoencoder, float]:
    """Train a run in a temporary folder; return its model and the seconds of an epoch."""
    with tempfile.TemporaryDirectory() as folder:
        run = create_run(config, Path(folder) / "run")
        seconds, started = 0.0, time.process_time()
        for record in fit(run):
            if isinstance(record, EpochRecord):
                seconds = time.process_time() - started
                print(f"    {record.epoch}: {record.loss:.2f}, {seconds:.0f} s", flush=True)
        assert config.training is not None
        return Autoencoder.load(run.path), seconds / config.training.epochs


def rebuild_by_pca(train: Tensor, test: Tensor, units: int) -> Tensor:
    """Return test pictures as PCA of the training pictures rebuilds them."""
    pca = fit_pca(train.flatten(1).numpy(), units)
    rebuilt = pca.inverse_transform(pca.transform(test.flatten(1).numpy()))
    return torch.from_numpy(rebuilt).view_as(test)


def report_reconstruction(store: CellStore) -> list[str]:
    """Return a table for each set of the cells that are kept."""
    lines = []
    for name, pictures in COMPARED_SETS.items():
        rows = [
            format_cell(store, cell)
            for cell in list_cells()
            if cell[0] == name and name_reconstruction_cell(*cell) in store.figures
        ]
        if rows:
            head = ["| model | epochs | PSNR, dB | over PCA | s per epoch | weights |"]
            head += ["|---|---:|---:|---:|---:|---:|"]
            lines += ["", f"## Reconstruction: {pictures.label}", "", *head, *rows]
    return lines


def format_cell(store: CellStore, cell: tuple[str, str, int]) -> str:
    """Return the line of a cell."""
    name, model, epochs = cell
    psnr, seconds, weights = store.figures[name_reconstruction_cell(*cell)]
    label = MODEL_LABELS[model]
    pca = store.figures.get(name_reconstruction_cell(name, "pca", SHORT))
    if model == "pca":
        return f"| {label} | | {psnr:.2f} | | | |"
    over = f"{psnr - pca[0]:+.2f}" if pca else ""
    return f"| {label} | {epochs} | {psnr:.2f} | {over} | {seconds:.1f} | {weights:,.0f} |"


RECONSTRUCTION = PicturePart("reconstruction", measure_reconstruction, report_reconstruction)
