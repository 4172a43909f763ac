"""Densities of codes: what they recover, that they integrate, and which describes codes best."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from helpers import VAE, digits, model
from sklearn.datasets import make_moons
from torch.autograd.functional import jacobian

from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.densities import DENSITIES
from aecore.analysis.densities.fitting import draw_training_codes, fit_densities, fit_density
from aecore.analysis.densities.flow import Flow
from aecore.analysis.latent import fit_code_source, sample_codes, sample_examples
from aecore.errors import ConfigError


def moons(count, seed=0):
    return torch.from_numpy(make_moons(count, noise=0.08, random_state=seed)[0]).float()


def skewed(count, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=torch.Generator().manual_seed(9)) + 2 * torch.eye(
        width
    )
    return torch.randn(count, width, generator=generator) @ mixing + 3


@pytest.fixture(scope="module")
def moon_densities():
    return fit_densities(moons(1500))


def test_a_gaussian_recovers_mean_covariance_and_density():
    z, new = skewed(4000, 4), skewed(500, 4, seed=1)
    density = fit_density(z, kind="gaussian")
    drawn = density.sample(20_000, seed=1)
    assert torch.allclose(drawn.mean(0), z.mean(0), atol=0.1)
    assert torch.allclose(torch.cov(drawn.T), torch.cov(z.T), rtol=0.05, atol=0.15)
    exact = torch.distributions.MultivariateNormal(z.mean(0), torch.cov(z.T)).log_prob(new)
    scores = density.log_density(new).float()
    assert scores.mean() == pytest.approx(float(exact.mean()), abs=0.01)
    assert torch.corrcoef(torch.stack([scores, exact]))[0, 1] > 0.999


@pytest.mark.parametrize("kind", DENSITIES)
def test_the_density_of_every_kind_integrates_to_one(moon_densities, kind):
    side = torch.linspace(-4, 5, 300)
    grid = torch.cartesian_prod(side, side)
    mass = moon_densities.by_kind[kind].log_density(grid).exp().sum() * (9 / 299) ** 2
    assert float(mass) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("kind", DENSITIES)
def test_a_density_repeats_with_its_seed_and_draws_float32(moon_densities, kind):
    density = moon_densities.by_kind[kind]
    drawn = density.sample(50, seed=1)
    assert drawn.dtype == torch.float32
    assert torch.equal(drawn, density.sample(50, seed=1))
    assert not torch.equal(drawn, density.sample(50, seed=2))
    again = fit_density(moons(60), seed=3, kind=kind).sample(5)
    assert torch.equal(again, fit_density(moons(60), seed=3, kind=kind).sample(5))


def test_the_flow_beats_the_gaussian_on_two_moons_and_the_best_is_chosen(moon_densities):
    new = moons(500, seed=1)
    scores = {k: float(d.log_density(new).mean()) for k, d in moon_densities.by_kind.items()}
    assert scores["flow"] > scores["gaussian"] + 0.5
    assert moon_densities.best_kind == max(
        moon_densities.held_out, key=moon_densities.held_out.__getitem__
    )
    assert moon_densities.best_kind != "gaussian"
    drawn = moon_densities.by_kind["flow"].sample(500, seed=1)
    assert torch.cdist(drawn, moons(1500)).min(1).values.median() < 0.05


@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_flows_log_density_is_that_of_the_change_of_variables(width):
    torch.manual_seed(0)
    flow = Flow(width).double()
    for parameter in flow.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    u = torch.randn(6, width, dtype=torch.float64)

    def transform(point):
        return flow(point[None])[0][0]

    v = torch.stack([transform(point) for point in u])
    assert torch.allclose(flow.invert(v), u, atol=1e-6)
    slopes = torch.stack([jacobian(transform, point).det().abs().log() for point in u])
    assert torch.allclose(flow(u)[1], slopes, atol=1e-6)


@pytest.mark.parametrize("kind", DENSITIES)
@pytest.mark.parametrize(("count", "width"), [(300, 700), (40, 64), (5, 3), (2, 2), (60, 1)])
def test_every_kind_is_fitted_to_few_codes_and_to_wide_ones(kind, count, width):
    density = fit_density(torch.randn(count, width), kind=kind)
    drawn = density.sample(7)
    assert drawn.shape == (7, width) and drawn.isfinite().all()
    assert density.log_density(drawn).isfinite().all()


def test_shrinkage_describes_new_wide_codes_better_than_their_covariance_does():
    z, new = torch.randn(300, 200), torch.randn(100, 200)
    score = float(fit_density(z, kind="gaussian").log_density(new).mean())
    plain = torch.distributions.MultivariateNormal(
        z.mean(0), torch.cov(z.T) + 1e-6 * torch.eye(200)
    )
    assert score > float(plain.log_prob(new).mean()) + 10
    assert score == pytest.approx(-100 * math.log(2 * math.pi * math.e), rel=0.03)


@pytest.mark.parametrize("kind", DENSITIES)
def test_codes_that_repeat_or_never_vary_have_a_density(kind):
    z = torch.zeros(200, 4)
    z[:, 0] = torch.arange(200) % 30
    drawn = fit_density(z, kind=kind).sample(50)
    assert drawn.isfinite().all() and drawn[:, 1:].std() < 0.1 * drawn[:, 0].std()


def test_an_unknown_kind_and_a_single_code_are_refused():
    with pytest.raises(ConfigError, match=r"no density 'fog'\. Known: gaussian, mixture, flow"):
        fit_density(torch.randn(9, 2), kind="fog")
    with pytest.raises(ConfigError, match="2 codes or more, got 1"):
        fit_density(torch.randn(1, 2))


def test_the_prior_is_scored_beside_the_densities_and_wins_where_codes_follow_it():
    fitted = fit_densities(torch.randn(100, 12), has_prior=True)
    assert fitted.held_out["prior"] == pytest.approx(-6 * math.log(2 * math.pi * math.e), rel=0.1)
    assert fitted.best_kind == "prior" and fitted.by_kind.get("prior") is None


def test_codes_of_variational_models_are_drawn_and_those_of_others_encoded():
    x = digits(60)
    plain, vae = (model(input_shape=(1, 8, 8), **options).eval() for options in ({}, VAE))
    assert torch.equal(draw_training_codes(plain, x), encode_in_chunks(plain, x))
    drawn = draw_training_codes(vae, x)
    assert torch.equal(drawn, draw_training_codes(vae, x))
    spread = (drawn - encode_in_chunks(vae, x)).std(0)
    assert torch.allclose(spread, torch.ones(3), atol=0.4)  # as untrained as the posterior


@pytest.mark.parametrize("source", [*DENSITIES, "best"])
def test_samples_of_discrete_codes_are_valid_whatever_they_are_drawn_from(source):
    bottleneck = {"kind": "finite_scalar", "levels": 5}
    made, x = model(input_shape=(1, 8, 8), latent_dim=6, bottleneck=bottleneck).eval(), digits(200)
    drawn, name = sample_examples(made, 9, 1, lambda: x, source)
    assert drawn.shape == (9, 1, 8, 8) and name.endswith("fitted to the training codes")
    density, _ = fit_code_source(made, lambda: x, source)
    codes = sample_codes(made, 9, 1, density)
    assert torch.equal(made.bottleneck.snap(codes), codes)


def test_a_model_without_a_prior_says_what_to_sample_from():
    with pytest.raises(
        ConfigError, match=r"no prior to sample from.*gaussian, mixture, flow or best"
    ):
        fit_code_source(model(), lambda: torch.randn(9, 6), "prior")


def test_densities_take_codes_of_any_scale():
    z = moons(300) * 1e6
    for density in fit_densities(z).by_kind.values():
        assert np.isfinite(density.log_density(z).numpy()).all()
        assert density.sample(200).std(0).allclose(z.std(0), rtol=0.3)
