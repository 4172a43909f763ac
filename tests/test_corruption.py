"""Corruption: its statistics, and when it happens."""

from __future__ import annotations

import pytest
import torch
from helpers import digits, model

from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig, parse_options
from aecore.model.parts.corruption import GaussianNoise, Masking, SaltAndPepper

KINDS = [GaussianNoise(sigma=0.5), Masking(fraction=0.3), SaltAndPepper(fraction=0.3)]


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.rand(1000, 1, 20, 20, dtype=torch.float64) * 0.8 + 0.1  # neither 0 nor 1 anywhere


def measure_share(mask):
    return mask.double().mean().item()


def test_gaussian_noise_has_the_variance_it_says_and_is_not_clipped(x):
    noise = GaussianNoise(sigma=0.5)(x) - x
    assert noise.mean().abs() < 4 * 0.5 / noise.numel() ** 0.5
    assert noise.var().item() == pytest.approx(0.25, rel=4 * (2 / noise.numel()) ** 0.5)
    assert GaussianNoise(sigma=0.5)(x).min() < 0 and GaussianNoise(sigma=0.5)(x).max() > 1


def test_each_example_has_its_own_strength_between_the_lowest_and_sigma(x):
    noise = GaussianNoise(sigma=0.5, lowest_sigma=0.1)(x) - x
    strengths = noise.flatten(1).std(1)
    assert strengths.min() < 0.13 and strengths.max() > 0.46 and strengths.max() < 0.6
    assert strengths.mean().item() == pytest.approx(0.3, abs=4 * 0.4 / 12**0.5 / 1000**0.5)


def test_masking_zeroes_the_stated_share_and_rescales_nothing(x):
    masked = Masking(fraction=0.3)(x)
    assert measure_share(masked == 0) == pytest.approx(0.3, abs=4 * (0.21 / x.numel()) ** 0.5)
    assert torch.equal(masked[masked != 0], x[masked != 0])


def test_salt_and_pepper_come_equally_often_and_leave_the_rest_alone(x):
    noisy = SaltAndPepper(fraction=0.3)(x)
    for value in (0, 1):
        assert measure_share(noisy == value) == pytest.approx(
            0.15, abs=4 * (0.1275 / x.numel()) ** 0.5
        )
    kept = (noisy != 0) & (noisy != 1)
    assert torch.equal(noisy[kept], x[kept])


@pytest.mark.parametrize("kind", [Masking, SaltAndPepper])
def test_a_fraction_of_none_and_of_all(kind, x):
    assert torch.equal(kind(fraction=0)(x), x)
    assert set(kind(fraction=1)(x).unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("corruption", KINDS, ids=lambda c: c.kind)
def test_every_value_of_every_example_has_its_own_fresh_noise(corruption, x):
    same = x[:1, :, :1, :1].expand(200, 1, 20, 20).contiguous()
    first, second = corruption(same), corruption(same)
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])  # one mask a batch would be equal here
    assert first[0].unique().numel() > 1  # one value an example would be one here


@pytest.mark.parametrize("corruption", KINDS, ids=lambda c: c.kind)
def test_the_encoder_sees_noise_in_training_only(corruption):
    made, x, seen = model(input_shape=(1, 8, 8), corruption=corruption), digits(50), []
    made.encoder.register_forward_hook(lambda _module, inputs, _out: seen.append(inputs[0]))
    made.train().loss(x)
    made.eval().loss(x)
    made.encode(x)
    made.train().reconstruct(x)
    assert not torch.equal(seen[0], x)
    assert all(torch.equal(one, x) for one in seen[1:])


@pytest.mark.parametrize("corruption", KINDS, ids=lambda c: c.kind)
def test_the_target_stays_clean(corruption):
    x = digits(50)
    before = x.clone()
    made = model(input_shape=(1, 8, 8), corruption=corruption).train()
    with torch.no_grad():  # a decoder that gives one half, whatever the code
        made.decoder.layers[-1].weight.zero_()
        made.decoder.layers[-1].bias.fill_(0.5)
    assert made.loss(x).reconstruction.item() == pytest.approx(
        (x - 0.5).square().flatten(1).sum(1).mean().item()
    )
    assert torch.equal(x, before)


def test_masking_hides_all_features_of_a_column_together():
    owners = torch.tensor([0, 0, 0, 1, 2, 2])
    kept = Masking(fraction=0.5)(torch.ones(200, 6), owners)
    assert (kept[:, :3].std(1) == 0).all() and (kept[:, 4] == kept[:, 5]).all()
    assert 0.3 < kept[:, 0].mean() < 0.7 and not torch.equal(kept[:, 0], kept[:, 3])


def test_a_flag_that_is_drawn_anew_is_true_or_false_in_the_networks_units():
    torch.manual_seed(0)
    heads = [{"kind": "boolean"}, {"kind": "number"}]
    config = parse_options(
        ModelConfig,
        {
            "input_shape": (2,),
            "scaling": "standard",
            "missing": True,
            "likelihood": {"kind": "mixed", "heads": heads},
            "corruption": {"kind": "gaussian", "words": 1},
        },
    )
    made, x = Autoencoder(config), torch.tensor([[0.0, 2], [1, 3], [0, 4], [0, 5]]).repeat(50, 1)
    made.fit_scaling(x)
    flags = made.corrupt(made.to_scaled(x))[:, 0]
    assert set(flags.tolist()) == set(made.to_scaled(x)[:, 0].tolist())
    assert 0.3 < (flags > 0).float().mean() < 0.7
