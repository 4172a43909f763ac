"""Codebooks: `vq-vae` as it is, beside the fully connected one of before with as many bits.

Both have 512 codes and 64 indices a picture, 576 bits, and as many epochs.
"""

from __future__ import annotations

import time
from typing import Any

from torch import Tensor

from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.latent import choose_density_examples, fit_density
from aecore.analysis.metrics import evaluate_model
from aecore.analysis.picture_classifier import extract_picture_features
from aecore.analysis.sample_quality import draw_real_pictures, measure_sample_quality
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.runs.listing import create_run, runs_folder
from aecore.runs.plan import plan_run
from aecore.runs.records import EpochRecord, PriorRecord
from aecore.runs.run import Run
from aecore.tasks.compress import compress_examples, expand_file
from aecore.training.trainer import fit
from bench.fidelity.cells import CellStore
from bench.pictures.part import PicturePart
from bench.pictures.photographs import PICTURE_SETS, load_pictures

CODES, PLACES, EPOCHS, PRIOR_EPOCHS = 512, 64, 12, 12
BITS = PLACES * 9
FORMER, PRESENT = "vq former", "vq present"
FIGURES = ("SE", "codes used", "perplexity", "bits of the file", "seconds per epoch")
FRECHET = "vq frechet"
SETTINGS: dict[str, dict[str, Any]] = {
    FORMER: {
        "network.kind": "mlp",
        "network.hidden": (512, 256),
        "bottleneck.codes": CODES,
        "likelihood.output": "sigmoid",
        "training.lr": 2e-3,
    },
    PRESENT: {
        "bottleneck.codes": CODES,
        "network.channels": (64, 128),
        "prior.kind": "transformer",
        "prior.epochs": PRIOR_EPOCHS,
    },
}


def measure_codebooks(store: CellStore, device: str) -> None:
    """Train both models where they are not there yet, and measure them."""
    for name in SETTINGS:
        store.measure(name, lambda name=name: measure_codes(name, device))
    store.measure(FRECHET, lambda: measure_samples(device))


def plan_codebook(name: str, device: str) -> RunConfig:
    """Return the run of one of the two models."""
    settings = {
        "data.validation_fraction": 0.05,  # the prior stops where it knows them best
        "training.epochs": EPOCHS,
        "training.previews": 0,
        "training.device": device,
        **SETTINGS[name],
    }
    path = PICTURE_SETS["cifar"].place("cifar")
    if name == FORMER:
        settings["bottleneck.update"] = "gradient"
        return plan_run("vq-vae", path, latent_dim=4 * PLACES, settings=settings, as_published=True)
    return plan_run("vq-vae", path, settings=settings)


def train_codebook(name: str, device: str) -> Run:
    """Return the trained run of that name; an interrupted one goes on."""
    folder = runs_folder() / "pictures" / name.replace(" ", "-")
    run = Run(folder) if folder.exists() else create_run(plan_codebook(name, device), folder)
    if run.state().state != "done":
        started = time.process_time()
        for record in fit(run):
            if isinstance(record, EpochRecord | PriorRecord):
                seconds = time.process_time() - started
                print(f"    {record.kind} {record.epoch}: {record.loss:.2f}", end="")
                print(f", held out {record.validation_loss or 0:.2f}, {seconds:.0f} s", flush=True)
    return run


def measure_codes(name: str, device: str) -> list[float]:
    """Return FIGURES of one of the two models on the test pictures."""
    run = train_codebook(name, device)
    model, test = Autoencoder.load(run.path), load_test_pictures()
    metrics = evaluate_model(model, test)
    file = compress_examples(model, test)
    error = (expand_file(model, file) - model.reconstruct(test)).abs().max()
    assert error < 1e-4, f"the file opens to pictures that differ by {error}"
    seconds = [record.seconds or 0.0 for record in run.epochs()]
    bits = 8 * len(file) / len(test)
    named = [metrics[key] for key in ("se", "codes_used", "perplexity")]
    return [*named, bits, sum(seconds) / len(seconds)]


def measure_samples(device: str) -> list[float]:
    """Return Fréchet distances: of the prior, and of mixtures of both models, whose codes snap."""
    present, former = (
        Autoencoder.load(train_codebook(name, device).path) for name in (PRESENT, FORMER)
    )
    real = extract_picture_features(draw_real_pictures(load_test_pictures()))
    mixtures = [measure_mixture(model, real) for model in (present, former)]
    return [measure_sample_quality(present, real).frechet, *mixtures]


def measure_mixture(model: Autoencoder, real: Tensor) -> float:
    """Return the Fréchet distance of the codes nearest to draws from a Gaussian mixture."""
    train, _ = load_pictures(PICTURE_SETS["cifar"].place("cifar"))
    density = fit_density(encode_in_chunks(model, choose_density_examples(train)))
    return measure_sample_quality(model, real, density).frechet


def load_test_pictures() -> Tensor:
    """Return the test pictures (N, 3, 32, 32)."""
    return load_pictures(PICTURE_SETS["cifar"].place("cifar"))[1]


def report_codebooks(store: CellStore) -> list[str]:
    """Return a table of the two models, and a sentence on the samples."""
    kept = [name for name in SETTINGS if name in store.figures]
    if not kept:
        return []
    lines = [
        "",
        f"## Codebooks: a fifth of CIFAR-10, {CODES} codes, {BITS} bits a picture, {EPOCHS} epochs",
        "",
        f"| model | {' | '.join(FIGURES)} |",
        "|---|" + "---:|" * len(FIGURES),
    ]
    for name in kept:
        se, used, perplexity, bits, seconds = store.figures[name]
        lines.append(
            f"| {name} | {se:.2f} | {used:.0%} | {perplexity:.0f} | {bits:.0f} | {seconds:.0f} |"
        )
    if FRECHET in store.figures:
        prior, mixture, former = store.figures[FRECHET]
        lines += ["", f"Fréchet distance of samples: {prior:.1f} with the prior, {mixture:.1f} of "]
        lines[-1] += (
            f"codes nearest to draws from a Gaussian mixture, {former:.1f} of those before."
        )
    return lines


CODEBOOKS = PicturePart("vq", measure_codebooks, report_codebooks)
