"""Densities of a run's codes, and how good samples are: computed in threads, kept for all."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from torch import Tensor

from aecore.analysis.densities import DENSITIES
from aecore.analysis.densities.base import Density
from aecore.analysis.densities.fitting import (
    PRIOR_SOURCE,
    FittedDensities,
    draw_training_codes,
    fit_densities,
)
from aecore.analysis.latent import choose_density_examples
from aecore.analysis.picture_classifier import extract_picture_features
from aecore.analysis.sample_quality import (
    MIN_QUALITY_PICTURES,
    SampleQuality,
    compare_features,
    draw_real_pictures,
    has_picture_features,
    measure_sample_quality,
)
from aecore.progress import run_parts
from aecore.runs.run import Run
from ui.kit.cache import get_dataset, get_model
from ui.kit.measurement import wait_for_measurement
from ui.kit.memory import keep_in_memory
from ui.kit.run_data import has_own_sample

# -- densities


@keep_in_memory()
def load_fitted_densities(path: str, version: float, data_name: str) -> FittedDensities:
    """Returns a density of each kind, fitted to the codes of training examples of a run."""
    run = Run(Path(path))
    model, x = get_model(run), choose_density_examples(get_dataset(run)[0].train.x)
    codes = draw_training_codes(model, x)
    return fit_densities(codes, has_prior=model.config.has_prior)


def get_fitted_densities(run: Run) -> FittedDensities:
    """Returns a density of each kind for a run's codes; it takes seconds the first time."""
    return load_fitted_densities(str(run.path), run.version(), get_dataset(run)[0].name)


def wait_for_densities(run: Run) -> FittedDensities | None:
    """Returns the densities of a run; None, and shows how far it is, while a thread fits them.

    Of a run that trains they may be those of an earlier epoch.
    """
    path, version, data_name = str(run.path), run.version(), get_dataset(run)[0].name

    def fit() -> None:
        load_fitted_densities(path, version, data_name)

    name, message = f"densities-{path}-{data_name}", "Fitting densities to the codes"
    fitted = wait_for_measurement(name, version, message, fit)
    return load_fitted_densities(path, fitted.version, data_name) if fitted else None


# -- quality


def can_measure_samples(run: Run) -> bool:
    """Returns whether samples of a run can be compared with pictures of its own, enough of them."""
    dataset, remark = get_dataset(run)
    is_own = not remark or has_own_sample(run)
    is_enough = min(len(dataset.train.x), len(dataset.test.x)) >= MIN_QUALITY_PICTURES
    return has_picture_features(run.config().model) and is_own and is_enough


def list_code_sources(run: Run) -> list[str]:
    """Returns what codes of a run can be drawn from: the prior, if it has one, and densities."""
    prior = [PRIOR_SOURCE] if get_model(run).has_prior else []
    return [*prior, *DENSITIES]


@keep_in_memory()
def load_test_features(path: str, data_name: str) -> Tensor:
    """Returns the features (N, 128) of test pictures of a run."""
    dataset, _ = get_dataset(Run(Path(path)))
    return extract_picture_features(draw_real_pictures(dataset.test.x))


@keep_in_memory()
def load_sample_quality(path: str, version: float, data_name: str, source: str) -> SampleQuality:
    """Returns the quality of samples of a run whose codes are drawn from a source."""
    run = Run(Path(path))
    density: Density | None = None
    if source != PRIOR_SOURCE:
        density = get_fitted_densities(run).by_kind[source]
    return measure_sample_quality(get_model(run), load_test_features(path, data_name), density)


@keep_in_memory()
def load_training_quality(path: str, data_name: str) -> SampleQuality:
    """Returns the quality of training pictures, as if they were samples: what is within reach."""
    test = load_test_features(path, data_name)
    train = draw_real_pictures(get_dataset(Run(Path(path)))[0].train.x)
    return compare_features(extract_picture_features(train), test)


def get_sample_quality(run: Run, source: str) -> SampleQuality:
    """Returns the quality of samples of a run; it takes seconds the first time."""
    return load_sample_quality(str(run.path), run.version(), get_dataset(run)[0].name, source)


def get_training_quality(run: Run) -> SampleQuality:
    """Returns the quality of training pictures, as if they were samples of a run."""
    return load_training_quality(str(run.path), get_dataset(run)[0].name)


def measure_all_sources(run: Run) -> dict[str, SampleQuality]:
    """Returns the quality of samples for each source of codes of a run; for a thread."""
    sources = list_code_sources(run)
    calls = (partial(get_sample_quality, run, source) for source in sources)
    _, _, *qualities = run_parts(
        partial(get_fitted_densities, run), partial(get_training_quality, run), *calls
    )
    return dict(zip(sources, qualities, strict=True))
