"""Samples of the shipped models of MNIST from each source of codes, by numbers.

`python -m bench.pictures.samples` writes docs/results/samples.md. Each model's codes of 10,000
training images are given to every density; a tenth of them is held out for the log density. 2,000
samples from each are compared with 2,000 test images on the features of the shipped classifier.
Some ten minutes of one core. Needs MNIST.
"""

from __future__ import annotations

import time

import torch

from aecore.analysis.densities.fitting import (
    PRIOR_SOURCE,
    FittedDensities,
    draw_training_codes,
    fit_densities,
)
from aecore.analysis.latent import choose_density_examples
from aecore.analysis.picture_classifier import extract_picture_features
from aecore.analysis.sample_quality import (
    SampleQuality,
    compare_features,
    draw_real_pictures,
    measure_sample_quality,
)
from aecore.data.splits import Dataset
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import SHIPPED_FOLDER
from bench.results import describe_commit, describe_processor, write_result
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


def main() -> None:
    """Measure every model and write the result."""
    dataset = load_mnist()
    test = extract_picture_features(draw_real_pictures(dataset.test.x))
    train = extract_picture_features(draw_real_pictures(dataset.train.x))
    halves, real = compare_features(test[::2], test[1::2]), compare_features(train, test)
    lines = [
        "# Samples",
        "",
        f"{describe_processor()}, {torch.get_num_threads()} thread, commit {describe_commit()}, "
        "`python -m bench.pictures.samples`. Fréchet distance, precision and recall on features "
        "of the small classifier that comes with the package: the distance is no FID.",
        "",
        f"2,000 training images beside 2,000 test images: {describe_quality(real)}. "
        f"Two halves of these test images: {describe_quality(halves)}.",
        "",
        "| model | code | codes from | log density, nats | Fréchet | precision | recall |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in SAMPLED_MODELS:
        rows = measure_model(name, dataset, test)
        print("\n".join(rows), flush=True)
        lines += rows
    write_result("samples.md", [*lines, ""])


def measure_model(name: str, dataset: Dataset, test: torch.Tensor) -> list[str]:
    """Returns a row of the table for each source of codes; the best value of a model is bold."""
    model = Autoencoder.load(SHIPPED_FOLDER / name)
    codes = draw_training_codes(model, choose_density_examples(dataset.train.x))
    started = time.perf_counter()
    fitted = fit_densities(codes, has_prior=model.config.has_prior)
    print(f"{name}: densities fitted in {time.perf_counter() - started:.1f} s", flush=True)
    sources = [PRIOR_SOURCE] if model.config.has_prior else []
    sources += fitted.by_kind
    qualities = {
        source: measure_sample_quality(model, test, fitted.by_kind.get(source))
        for source in sources
    }
    head = f"| {name} | {model.config.latent_dim} |"
    return [f"{head} {source} | {row}" for source, row in format_rows(fitted, qualities).items()]


def format_rows(fitted: FittedDensities, qualities: dict[str, SampleQuality]) -> dict[str, str]:
    """Returns the cells of each source: the best of each column in bold."""
    values = {
        source: (fitted.held_out[source], -one.frechet, one.precision, one.recall)
        for source, one in qualities.items()
    }
    best = [max(column) for column in zip(*values.values(), strict=True)]
    return {
        source: " | ".join(
            f"**{abs_text}**" if value == top else abs_text
            for value, top, abs_text in zip(row, best, format_values(row), strict=True)
        )
        + " |"
        for source, row in values.items()
    }


def format_values(row: tuple[float, ...]) -> tuple[str, ...]:
    """Returns log density, Fréchet distance, precision and recall as texts."""
    density, negated, precision, recall = row
    return f"{density:.1f}", f"{-negated:.3f}", f"{precision:.3f}", f"{recall:.3f}"


def describe_quality(quality: SampleQuality) -> str:
    """Returns the numbers of two sets of pictures in words."""
    return (
        f"Fréchet distance {quality.frechet:.3f}, precision {quality.precision:.3f}, "
        f"recall {quality.recall:.3f}"
    )


if __name__ == "__main__":
    main()
