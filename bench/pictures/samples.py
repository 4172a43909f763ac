"""Samples of the shipped models of MNIST from each source of codes, by numbers.

Every density is fitted to the codes of 10,000 training images, a tenth of which is held out for the
log density. 2,000 samples from each are compared with 2,000 test images on the features of the
small classifier that comes with the package.
"""

from __future__ import annotations

from functools import cache

from torch import Tensor

from aecore.analysis.densities import DENSITIES
from aecore.analysis.densities.fitting import PRIOR_SOURCE, draw_training_codes, fit_densities
from aecore.analysis.latent import choose_density_examples
from aecore.analysis.picture_classifier import extract_picture_features
from aecore.analysis.sample_quality import (
    SampleQuality,
    compare_features,
    draw_real_pictures,
    measure_sample_quality,
)
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import SHIPPED_FOLDER
from bench.fidelity.cells import CellStore
from bench.pictures.part import PicturePart
from bench.timing import load_mnist

SAMPLED_MODELS = (
    "mnist-vae",
    "mnist-conv-vae",
    "mnist-wae-mmd",
    "mnist-vanilla",
    "mnist-conv",
    "mnist-denoising-gaussian",
    "mnist-sparse-kl",
    "mnist-k-sparse",
    "mnist-vq-vae",
)
BASELINES = {
    "halves": "Two halves of 2,000 test images",
    "training images": "2,000 training images beside 2,000 test images",
}


def measure_samples(store: CellStore, device: str) -> None:
    """Measure the cells that are missing: of real images, and of each model and source."""
    for name in BASELINES:
        store.measure(f"samples real {name}", lambda name=name: list(measure_baseline(name)[:3]))
    for name in SAMPLED_MODELS:
        if not list_sample_cells(store, name):
            for source, figures in measure_sources(name).items():
                store.measure(f"samples {name} {source}", lambda figures=figures: figures)


@cache
def load_real_features() -> tuple[Tensor, Tensor]:
    """Return the features of 2,000 training images and of 2,000 test images."""
    sets = load_mnist()
    train, test = (draw_real_pictures(part.x) for part in (sets.train, sets.test))
    return extract_picture_features(train), extract_picture_features(test)


def measure_baseline(name: str) -> SampleQuality:
    """Return the quality of real images, as if they were samples."""
    train, test = load_real_features()
    return (
        compare_features(test[::2], test[1::2])
        if name == "halves"
        else compare_features(train, test)
    )


def measure_sources(name: str) -> dict[str, list[float]]:
    """Return log density, Fréchet distance, precision and recall for each source of codes."""
    model, real = Autoencoder.load(SHIPPED_FOLDER / name), load_real_features()[1]
    codes = draw_training_codes(model, choose_density_examples(load_mnist().train.x))
    fitted = fit_densities(codes, has_prior=model.config.has_prior)
    return {
        source: [score, *measure_sample_quality(model, real, fitted.by_kind.get(source))[:3]]
        for source, score in fitted.held_out.items()
    }


def list_sample_cells(store: CellStore, name: str) -> dict[str, list[float]]:
    """Return the kept figures of a model by the sources of its codes."""
    cells = {one: store.figures.get(f"samples {name} {one}") for one in (PRIOR_SOURCE, *DENSITIES)}
    return {source: figures for source, figures in cells.items() if figures}


def report_samples(store: CellStore) -> list[str]:
    """Return a table with a row for each model and source; the best of a model are bold."""
    lines = [
        "",
        "## Samples",
        "",
        "Fréchet distance, precision and recall of 2,000 samples beside 2,000 test images of "
        "MNIST, on features of the small classifier that comes with the package (no FID); mean log "
        "density of 1,000 training codes that were held out, in nats.",
        "",
        "| model | codes from | log density | Fréchet | precision | recall |",
        "|---|---|---|---|---|---|",
    ]
    for name in SAMPLED_MODELS:
        lines += format_model_rows(name, list_sample_cells(store, name))
    lines += [
        f"| {text} | | | {format_quality_cells(store.figures[f'samples real {name}'])} |"
        for name, text in BASELINES.items()
        if f"samples real {name}" in store.figures
    ]
    return lines


def format_model_rows(name: str, cells: dict[str, list[float]]) -> list[str]:
    """Return the rows of a model."""
    if not cells:
        return []
    best = [
        pick(column)
        for pick, column in zip(
            (max, min, max, max), zip(*cells.values(), strict=True), strict=True
        )
    ]
    rows = []
    for source, figures in cells.items():
        texts = [f"{figures[0]:.1f}", *format_quality_cells(figures[1:]).split(" | ")]
        marked = [
            f"**{text}**" if value == top else text
            for text, value, top in zip(texts, figures, best, strict=True)
        ]
        rows.append(f"| {name} | {source} | {' | '.join(marked)} |")
    return rows


def format_quality_cells(figures: list[float]) -> str:
    """Return Fréchet distance, precision and recall as cells."""
    return " | ".join(f"{value:.3f}" for value in figures)


SAMPLES = PicturePart("samples", measure_samples, report_samples)
