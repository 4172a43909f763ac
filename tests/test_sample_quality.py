"""Fréchet distance, precision and recall: by hand, in closed form, and of models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import VAE, digits, model
from scipy.linalg import sqrtm

from aecore.analysis.metrics import evaluate_model
from aecore.analysis.picture_classifier import (
    CLASSIFIER_FILE,
    FEATURE_COUNT,
    extract_picture_features,
    fit_classifier_input,
    load_picture_classifier,
)
from aecore.analysis.sample_metrics import SAMPLE_METRICS
from aecore.analysis.sample_quality import (
    compare_features,
    draw_real_pictures,
    measure_coverage,
    measure_frechet_distance,
    measure_sample_quality,
)
from aecore.data.sample_inputs import read_sample
from aecore.errors import CheckpointError, ConfigError

SAMPLE_NAMES = {metric.name for metric in SAMPLE_METRICS}


@pytest.fixture(scope="module")
def numbers():
    """Pictures of MNIST (2000, 1, 28, 28), bytes."""
    return torch.from_numpy(read_sample("mnist").x)


# -- distances


def test_the_frechet_distance_of_equal_sets_is_zero():
    a = np.random.default_rng(0).normal(size=(500, 6))
    assert measure_frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_the_frechet_distance_is_that_of_the_direct_formula():
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(400, 5)) @ rng.normal(size=(5, 5)) + rng.normal(size=5) for _ in "ab")
    c, d = np.cov(a.T), np.cov(b.T)
    direct = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(c + d - 2 * sqrtm(c @ d).real)
    assert measure_frechet_distance(a, b) == pytest.approx(direct, rel=1e-8)


def test_the_frechet_distance_of_gaussians_has_its_closed_form():
    rng = np.random.default_rng(0)
    deviations, other = np.array([1.0, 2.0, 0.5]), np.array([2.0, 1.0, 0.5])
    a = rng.normal(size=(200_000, 3)) * deviations
    b = rng.normal(size=(200_000, 3)) * other + [1, 0, 0]
    assert measure_frechet_distance(a, b) == pytest.approx(1 + 1 + 1 + 0, rel=0.02)


def test_the_frechet_distance_of_features_that_never_vary_is_a_number():
    a = np.zeros((50, 4))
    a[:, 0] = np.arange(50)
    assert measure_frechet_distance(a, a + 2) == pytest.approx(16)


def test_precision_and_recall_of_sets_that_are_known():
    line = torch.arange(20.0)[:, None]  # the third neighbour of most is 2 away, of the ends 3
    assert measure_coverage(line, line) == 1
    assert measure_coverage(line + 100, line) == 0
    half = compare_features(line[:10] + 0.1, line[:10].clone())
    assert half.precision == 1 and half.recall == 1 and half.pictures == 10
    spread = torch.cat([line[:10], line[:10] + 1000])
    partly = compare_features(line.repeat(1, 1), spread)
    assert partly.recall == pytest.approx(0.5)  # the far half has no sample near it
    assert partly.precision == pytest.approx(13 / 20)  # the last of those near is 9 + 3
    invented = compare_features(spread, line)
    assert invented.precision == pytest.approx(0.5)


# -- the classifier


def test_the_shipped_classifier_is_small_and_tells_digits_apart(numbers):
    assert CLASSIFIER_FILE.stat().st_size <= 600_000
    labels = torch.from_numpy(read_sample("mnist").y)[1000:1200]
    inputs = fit_classifier_input(numbers[1000:1200].float() / 255)
    assert inputs.shape == (200, 3, 32, 32)
    accuracy = (load_picture_classifier()(inputs).argmax(1) == labels).float().mean()
    assert float(accuracy) > 0.95


def test_features_of_bytes_and_of_greys_in_colour_are_those_of_greys(numbers):
    few = numbers[:8]
    features = extract_picture_features(few)
    assert features.shape == (8, FEATURE_COUNT) and features.isfinite().all()
    as_colour = (few.float() / 255).expand(-1, 3, -1, -1)
    assert torch.allclose(extract_picture_features(as_colour), features, atol=1e-4)


def test_real_pictures_are_closer_than_spoiled_ones(numbers):
    train, test = (extract_picture_features(part[:400]) for part in numbers.split(1000))
    generator = torch.Generator().manual_seed(0)
    noisy = numbers[1000:1400].float() / 255
    noisy = noisy + 0.3 * torch.randn(noisy.shape, generator=generator)
    spoiled = compare_features(extract_picture_features(noisy), test)
    real = compare_features(train, test)
    assert real.frechet < 0.3 * spoiled.frechet
    assert real.precision > 0.6 and real.recall > 0.6
    assert spoiled.precision < real.precision and spoiled.recall < real.recall


# -- models


def test_the_quality_of_samples_repeats_with_its_seed():
    made = model(input_shape=(1, 8, 8), **VAE).eval()
    real = extract_picture_features(digits(300))
    first = measure_sample_quality(made, real, seed=1)
    assert first == measure_sample_quality(made, real, seed=1) and first.pictures == 300
    assert first != measure_sample_quality(made, real, seed=2)


@pytest.mark.parametrize("options", [VAE, {}])
def test_samples_are_measured_where_training_examples_are_given(options):
    made, x = model(input_shape=(1, 8, 8), **options).eval(), digits(300)
    plain = evaluate_model(made, x)
    values = evaluate_model(made, x, training_x=x)
    assert set(values) - set(plain) == SAMPLE_NAMES
    assert all(values[name] == plain[name] for name in plain)
    assert values == evaluate_model(made, x, training_x=x)
    assert not SAMPLE_NAMES & set(evaluate_model(made, x[:100], training_x=x))  # too few


def test_samples_of_rows_and_of_three_bands_and_more_are_not_measured():
    x = torch.randn(300, 6)
    assert not SAMPLE_NAMES & set(evaluate_model(model().eval(), x, training_x=x))
    bands = torch.rand(300, 2, 8, 8)
    made = model(input_shape=(2, 8, 8)).eval()
    assert not SAMPLE_NAMES & set(evaluate_model(made, bands, training_x=bands))


def test_too_few_pictures_and_unsound_weights_are_said():
    with pytest.raises(ConfigError, match="256 pictures or more, got 10"):
        draw_real_pictures(torch.zeros(10, 1, 8, 8))
    made = model(input_shape=(1, 8, 8), **VAE).eval()
    made.decoder.output_bias.data.fill_(float("nan"))
    with pytest.raises(CheckpointError, match="no numbers"):
        measure_sample_quality(made, torch.zeros(20, FEATURE_COUNT))
