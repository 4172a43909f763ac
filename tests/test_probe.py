"""Linear probes and fine-tuning: what codes are worth to a classifier."""

from __future__ import annotations

import pytest
import torch
from helpers import tiny, trained

from aecore.analysis.probe import fine_tune_encoder, fit_linear_probe
from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig


def draw_clouds(count, dims=6, seed=0):
    """Three classes, told apart by a plane in the first two of so many features."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 3, (count,), generator=generator)
    z = torch.randn(count, dims, generator=generator)
    z[:, :2] += 6 * torch.tensor([[0.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])[y]
    return z, y


def test_a_linear_probe_tells_apart_what_a_plane_does():
    assert fit_linear_probe(*draw_clouds(300), *draw_clouds(300, seed=1)).error < 0.02


def test_a_linear_probe_of_shuffled_classes_is_no_better_than_chance():
    (z, y), (test_z, test_y) = draw_clouds(600), draw_clouds(600, seed=1)
    assert (
        0.55
        < fit_linear_probe(torch.randn_like(z), y, torch.randn_like(test_z), test_y).error
        < 0.8
    )


def test_the_strength_is_the_one_that_does_best_on_the_examples_held_out():
    z, y = draw_clouds(120, dims=100)
    z[:, :2] *= 0.4  # little signal among much noise: a weak penalty overfits
    found = fit_linear_probe(z, y, z, y, strengths=(1e-4, 1e-2, 1e2))
    errors = {
        c: fit_linear_probe(z, y, z, y, strengths=(c,)).validation_error for c in (1e-4, 1e-2, 1e2)
    }
    assert found.validation_error == min(errors.values()) and errors[found.setting] == min(
        errors.values()
    )


def test_fine_tuning_learns_the_digits_and_leaves_the_model_as_it_was():
    run = trained(tiny({"limit": None}, {"epochs": 5}, latent_dim=32))
    model, sets = Autoencoder.load(run.path), load_dataset(DataConfig(name="digits"))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    x, test = as_float(sets.train.x), as_float(sets.test.x)
    found = fine_tune_encoder(
        model, x, sets.train.y, test, sets.test.y, epochs=12, batch_size=20, lr=3e-3
    )
    assert found.error < 0.08 and 1 <= found.setting <= 12
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert (
        fine_tune_encoder(
            model, x, sets.train.y, test, sets.test.y, epochs=12, batch_size=20, lr=3e-3
        )
        == found
    )


@pytest.mark.parametrize(
    ("y", "sentence"), [(torch.zeros(9).long(), "of one class"), (torch.arange(8), "8 classes")]
)
def test_classes_that_cannot_be_learned_are_refused_in_a_sentence(y, sentence):
    with pytest.raises(ConfigError, match=sentence):
        fit_linear_probe(torch.randn(9, 2), y, torch.randn(9, 2), torch.arange(9) % 2)
