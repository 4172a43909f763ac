"""Metrics by hand, by Monte Carlo, and against the loss that was minimised."""

from __future__ import annotations

import math

import pytest
import torch
from helpers import VAE, digits, model, tiny, trained
from torch.distributions import Normal

from aecore.analysis import chunks
from aecore.analysis.bounds import iwae_bound, log_importance_weights
from aecore.analysis.metrics import METRICS, count_active_units, evaluate_model
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.ssim import compute_ssim


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    config = tiny(**VAE, data={"limit": None}, training={"epochs": 15, "lr": 3e-3}, latent_dim=6)
    return Autoencoder.load(trained(config, tmp_path_factory.mktemp("run") / "vae").path)


def test_errors_are_those_of_the_reconstruction():
    made, x = (
        model(input_shape=(1, 8, 8), likelihood={"kind": "gaussian", "output": "sigmoid"}).eval(),
        digits(150),
    )
    values = evaluate_model(made, x)
    se = (made.reconstruct(x) - x).square().flatten(1).sum(1).mean().item()
    assert values["se"] == pytest.approx(se, rel=1e-5)
    assert values["psnr"] == pytest.approx(10 * math.log10(64 / se), rel=1e-5)
    errors = (made.reconstruct(x) - x).square().flatten(1).mean(1)
    of_pictures = (-10 * errors.log10()).mean().item()
    assert values["picture_psnr"] == pytest.approx(of_pictures, rel=1e-5)
    assert values["ssim"] == pytest.approx(compute_ssim(made.reconstruct(x), x).mean().item())
    assert values["parameters"] == sum(p.numel() for p in made.parameters())
    pictures = {"psnr", "picture_psnr", "ssim"}  # too small for several scales
    assert set(values) == {"se", *pictures, "active_units", "parameters"}


def test_errors_of_columns_are_in_the_units_that_the_network_works_in():
    made = model(scaling="standard")
    x = torch.randn(300, 6) * 1000
    made.fit_scaling(x)
    made.eval()
    scaled = made.to_scaled(x)
    expected = (made.to_scaled(made.reconstruct(x)) - scaled).square().sum(1).mean().item()
    values = evaluate_model(made, x)
    assert values["se"] == pytest.approx(expected, rel=1e-4)
    assert not {"psnr", "picture_psnr", "ssim"} & set(values)


def test_the_bound_and_the_kl_are_those_of_the_training_loss(vae):
    x = digits(500)
    values = evaluate_model(vae, x)
    torch.manual_seed(1)
    losses = [vae.loss(x) for _ in range(30)]
    assert values["kl"] == pytest.approx(losses[0].rate.item(), rel=1e-5)
    totals = torch.stack([loss.total for loss in losses])
    assert values["nll_bound"] == pytest.approx(totals.mean().item(), abs=4 * totals.std().item())
    assert values["cross_entropy"] < values["nll_bound"] - values["kl"] + 0.5
    assert values["cross_entropy"] > compute_floor(x)


def compute_floor(x):
    return -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x)).flatten(1).sum(1).mean().item()


def test_beta_weighs_the_training_and_not_the_reported_bound(vae):
    heavy = Autoencoder(
        vae.config.model_copy(
            update={"bottleneck": vae.config.bottleneck.model_copy(update={"beta": 50})}
        )
    )
    heavy.load_state_dict(vae.state_dict())
    assert evaluate_model(heavy.eval(), digits(200)) == evaluate_model(vae, digits(200))


def test_the_bound_tightens_with_every_sample_of_a_trained_model(vae):
    x = digits(300)
    torch.manual_seed(0)
    bounds = [iwae_bound(vae, x, k) for k in (1, 5, 50)]
    assert bounds == sorted(bounds, reverse=True) and bounds[0] - bounds[-1] > 0.05
    assert bounds[0] == pytest.approx(evaluate_model(vae, x)["nll_bound"], abs=0.5)


def test_the_bound_is_one_of_means_over_samples_however_they_are_cut(vae, monkeypatch):
    x = digits(20)
    torch.manual_seed(0)
    whole = iwae_bound(vae, x, 100)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1)  # one sample at a time
    torch.manual_seed(0)
    assert iwae_bound(vae, x, 100) == pytest.approx(whole, abs=0.1)
    torch.manual_seed(7)
    log_weight, _ = log_importance_weights(vae, x, 3, ratio=True)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 10**9)
    torch.manual_seed(7)
    by_hand = -(log_weight.exp().mean(0).log()).mean().item()
    assert iwae_bound(vae, x, 3) == pytest.approx(by_hand, abs=1e-4)


def test_importance_weights_are_the_densities_written_out(vae):
    x, seen = digits(4), []
    draw = vae.bottleneck.draw
    vae.bottleneck.draw = lambda *arguments: seen.append(draw(*arguments)) or seen[-1]
    try:
        log_weight, _ = log_importance_weights(vae, x, 5, ratio=True)
    finally:
        del vae.bottleneck.draw
    z = seen[0][0]
    mean, log_variance = vae.encoder(x).out.chunk(2, dim=1)
    likelihood = x * vae.decode_samples(z) - torch.nn.functional.softplus(vae.decode_samples(z))
    prior = Normal(0, 1).log_prob(z).sum(-1)
    posterior = Normal(mean, (0.5 * log_variance).exp()).log_prob(z).sum(-1)
    assert torch.allclose(log_weight, likelihood.flatten(2).sum(-1) + prior - posterior, atol=1e-3)


def test_the_gaussian_bound_includes_its_constant():
    made = model(
        bottleneck={"kind": "gaussian"}, likelihood={"kind": "gaussian", "variance": 1.0}
    ).eval()
    x = torch.randn(400, 6)
    values = evaluate_model(made, x)
    torch.manual_seed(0)
    assert values["nll_bound"] == pytest.approx(
        made.loss(x).total.item() + 3 * math.log(2 * math.pi), abs=0.5
    )


@pytest.mark.parametrize("options", [{"variance": 0.1}, {"variance": 0.5, "learned": True}])
def test_bits_per_dimension_are_the_bound_of_the_density_and_the_bits_of_a_level(options):
    x = (0.3 + 0.4 * torch.rand(60, 3, 24, 24)).mul(255).round() / 255
    made = model(
        input_shape=(3, 24, 24),
        bottleneck={"kind": "gaussian"},
        likelihood={"kind": "gaussian", **options},
    ).eval()
    values = evaluate_model(made, x)
    bits = values["nll_bound"] / (3 * 24 * 24 * math.log(2)) + math.log2(255)
    assert values["bits_per_dim"] == pytest.approx(bits, abs=0.01)
    assert values["ms_ssim"] < 1


def test_a_distance_has_no_bound_and_no_bits():
    made = model(
        input_shape=(1, 8, 8), bottleneck={"kind": "gaussian"}, likelihood={"kind": "ms_ssim"}
    ).eval()
    values = evaluate_model(made, digits(30), samples=2)
    assert not {"nll_bound", "iwae_bound", "bits_per_dim", "cross_entropy"} & set(values)
    assert values["kl"] > 0


def test_a_bound_is_only_for_codes_with_a_distribution():
    with pytest.raises(ConfigError, match="no likelihood bound"):
        iwae_bound(model(), torch.randn(3, 6), 5)
    assert "iwae_bound" not in evaluate_model(model().eval(), torch.randn(3, 6), samples=5)


def test_active_units_are_those_whose_means_vary():
    codes = torch.zeros(1000, 4)
    codes[:, 1] = torch.linspace(-1, 1, 1000)  # variance 1/3
    codes[:, 2] = torch.linspace(-0.1, 0.1, 1000)  # variance 0.0033
    codes[:, 3] = 5
    assert count_active_units(codes) == 1


def test_measuring_repeats_leaves_the_random_state_alone_and_does_not_depend_on_chunks(
    vae, monkeypatch
):
    x = digits(100)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = evaluate_model(vae, x, samples=3)
    assert torch.equal(torch.rand(1), expected)
    assert evaluate_model(vae, x, samples=3) == first
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 33)
    cut = evaluate_model(vae, x)
    for name in ("se", "kl", "cross_entropy", "psnr", "active_units"):
        assert cut[name] == pytest.approx(first[name], rel=1e-5)


def test_every_metric_is_described():
    values = evaluate_model(model(input_shape=(1, 8, 8), **VAE).eval(), digits(50), samples=2)
    assert set(values) <= set(METRICS)
