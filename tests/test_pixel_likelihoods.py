"""Likelihoods of pixels: probabilities of their levels, the noise that is fitted, and extremes."""

from __future__ import annotations

import math

import pytest
import torch
from helpers import model, tiny, trained
from torch.distributions import Laplace as Density

from aecore.data.splits import as_float
from aecore.data.tones import has_many_midtones
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig
from aecore.model.parts.likelihoods.calibrated import Calibrated
from aecore.model.parts.likelihoods.gaussian import Gaussian
from aecore.model.parts.likelihoods.laplace import Laplace
from aecore.model.parts.likelihoods.logistic_mixture import LogisticMixture
from aecore.model.parts.likelihoods.ms_ssim import MsSsim
from aecore.model.parts.likelihoods.spread import WINDOW
from aecore.model.scaling import RowTraits
from aecore.model.variants.fitting import configure
from aecore.training.pca_start import start_as_pca
from aecore.training.preparation import build_initial_model

LEVELS = torch.arange(256, dtype=torch.float64) / 255
SHAPE = (3, 4, 6)
FEATURES = math.prod(SHAPE)
KINDS = [
    Calibrated(),
    Calibrated(variance="channel", output="sigmoid"),
    Calibrated(variance="image"),
    Laplace(),
    Laplace(scale="channel"),
    LogisticMixture(components=2),
    MsSsim(),
]


def name_options(options):
    return "-".join(str(value) for value in options.model_dump().values())


def make_logits(options, size=1.0):
    """Logits (samples, N, L, H, W) of 2 samples of 5 pictures."""
    torch.manual_seed(0)
    maps = options.count_logits(FEATURES, 3) // 24
    return size * torch.randn(2, 5, maps, *SHAPE[1:], dtype=torch.float64)


@pytest.fixture
def x():
    torch.manual_seed(1)
    return (torch.rand(5, *SHAPE, dtype=torch.float64) * 255).round() / 255


@pytest.fixture
def digits_model():
    def build(**options):
        config = tiny(**options).model
        torch.manual_seed(0)
        sample = torch.rand(60, *config.input_shape)
        built = build_initial_model(config, sample, torch.device("cpu"), 0)
        if config.network.has_linear_path:
            start_as_pca(built, sample)
        return built, sample

    return build


# -- probabilities of the levels


@pytest.mark.parametrize("location", [-2.0, 0.1234, 1.0])
@pytest.mark.parametrize(
    "options", [Gaussian(variance=3e-4), Gaussian(variance=2.0, learned=True), *KINDS[:5]], ids=repr
)
def test_the_256_levels_of_a_density_have_probabilities_that_sum_to_one(options, location):
    likelihood = options.build(1)
    likelihood.has_sigmoid = False
    logits = torch.full((256, 1, 1, 1), location, dtype=torch.float64)
    nats = likelihood.level_nats(logits, LEVELS.view(256, 1, 1, 1))
    assert (nats >= 0).all() and nats.isfinite().all()
    assert (-nats).exp().sum().item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("size", [1.0, 20.0])
def test_levels_of_a_mixture_sum_to_one_over_all_colours_of_a_pixel(size):
    options = LogisticMixture(components=3)
    torch.manual_seed(0)
    logits = size * torch.randn(1, options.count_logits(2, 2), 1, 1, dtype=torch.float64)
    colours = torch.cartesian_prod(LEVELS, LEVELS).view(-1, 2, 1, 1)
    likelihood = options.build(2, 2)
    nats = likelihood.loss(logits.expand(len(colours), -1, 1, 1), colours)
    assert (-nats).exp().sum().item() == pytest.approx(1, abs=1e-6)
    assert torch.equal(likelihood.level_nats(logits, colours[:1]), nats[:1])


def test_a_mixture_is_the_sum_of_logistic_densities_of_which_later_channels_follow_earlier(x):
    options = LogisticMixture(components=2)
    likelihood, logits = options.build(FEATURES, 3), make_logits(options)[0]
    assert options.count_logits(FEATURES, 3) == 24 * 2 * 10
    parts = likelihood.split(logits)
    total = 0
    for k in range(2):
        weight, m, scale, slope = (part[:, k] for part in parts)
        gap = x - m
        red, green = m[:, 0], m[:, 1] + slope[:, 0] * gap[:, 0]
        blue = m[:, 2] + slope[:, 1] * gap[:, 0] + slope[:, 2] * gap[:, 1]
        means = torch.stack([red, green, blue], 1)
        above, below = ((x + side / 510 - means) / scale.exp() for side in (1, -1))
        high = above.sigmoid().where(x < 1, 1)
        low = below.sigmoid().where(x > 0, 0)
        total = total + weight.exp() * (high - low).prod(1)
    exact = -total.log().flatten(1).sum(1)
    assert torch.allclose(likelihood.loss(logits, x), exact, rtol=1e-9)


def test_a_fine_gaussian_has_the_bits_of_its_density_and_of_eight_bit_rounding():
    likelihood, x = Gaussian(variance=0.01).build(1), LEVELS[100:150].view(-1, 1, 1, 1)
    logits = torch.full_like(x, 0.5)
    density = likelihood.loss(logits, x) + likelihood.constant(1)
    assert torch.allclose(likelihood.level_nats(logits, x), density + math.log(255), atol=1e-3)


def test_laplace_is_the_density_of_its_name(x):
    likelihood = Laplace().build(FEATURES, 3)
    likelihood.spread.fill_(0.2)
    logits = make_logits(Laplace())
    exact = -Density(logits, 0.2).log_prob(x).flatten(2).sum(-1)
    assert torch.allclose(likelihood.loss(logits, x), exact, atol=1e-6)


# -- noise that is fitted


@pytest.mark.parametrize("unit", ["shared", "channel", "image"])
def test_the_variance_in_training_is_the_best_there_is_for_the_batch(unit, x):
    likelihood = Calibrated(variance=unit).build(FEATURES, 3).double()
    logits = make_logits(Calibrated()).requires_grad_()
    loss = likelihood.training_loss(logits, x)
    errors = (logits - x).square().detach()
    axes = {"shared": (0, 1, 2, 3, 4), "channel": (0, 1, 3, 4), "image": (2, 3, 4)}[unit]
    best = errors.mean(axes, keepdim=True)

    def weigh(variance):
        density = errors / (2 * variance) + (2 * math.pi * variance).log() / 2
        return density.sum((2, 3, 4))

    assert torch.allclose(loss, weigh(best))
    assert all((weigh(best * factor).mean() > loss.mean()) for factor in (0.9, 1.1))
    loss.sum().backward()
    assert torch.allclose(logits.grad, (logits.detach() - x) / best)


@pytest.mark.parametrize("options", [Calibrated(), Laplace(), Calibrated(variance="channel")])
def test_outside_of_training_the_mean_of_the_last_batches_is_used(options, x):
    likelihood = options.build(FEATURES, 3).double()
    seen = []
    for size in (0.1, 0.5, 1.0):
        logits = make_logits(options, size)
        likelihood.training_loss(logits, x)
        seen.append(likelihood.pool_spread(*likelihood.sum_deviations(logits, x, None)))
    assert torch.allclose(likelihood.spread, torch.stack(seen).mean(0))
    before = likelihood.eval().spread.clone()
    assert torch.equal(likelihood.training_loss(logits, x), likelihood.loss(logits, x))
    assert torch.equal(likelihood.spread, before) and likelihood.batches == 3
    likelihood.train().batches.fill_(10 * WINDOW)
    likelihood.training_loss(logits, x)
    assert torch.allclose(likelihood.spread, before.lerp(seen[-1], 1 / WINDOW))


def test_cells_that_were_not_observed_have_no_part_in_the_noise(x):
    likelihood = Calibrated(variance="channel").build(FEATURES, 3).double()
    logits, observed = make_logits(Calibrated()), torch.rand(5, *SHAPE) < 0.5
    observed[:, 1] = False
    likelihood.training_loss(logits, x.masked_fill(~observed, 1e6), observed)
    errors = (logits - x).square()
    for channel in (0, 2):
        expected = errors[:, :, channel][:, observed[:, channel]].mean()
        assert likelihood.spread[channel].item() == pytest.approx(expected.item())
    assert likelihood.spread[1] == 1, "a channel without any keeps its spread"


def test_a_model_that_starts_as_pca_starts_with_the_noise_that_pca_leaves(digits_model):
    built, sample = digits_model(
        network={"kind": "mlp", "linear_path": True},
        bottleneck={"kind": "gaussian"},
        likelihood={"kind": "calibrated"},
    )
    errors = (built.eval().reconstruct(sample) - sample).square().mean()
    assert built.likelihood.spread.item() == pytest.approx(errors.item(), rel=1e-3)


# -- every kind


@pytest.mark.parametrize("options", KINDS, ids=name_options)
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_losses_and_gradients_are_finite_at_extremes(options, size):
    likelihood, logits = options.build(FEATURES, 3), make_logits(options, size).float()
    x = torch.randint(0, 2, (5, *SHAPE)).float()
    for values in (logits.requires_grad_(), likelihood.logits(x).expand(1, -1, -1, -1, -1)):
        values = values.detach().requires_grad_()
        loss = likelihood.training_loss(values, x)
        loss.sum().backward()
        assert loss.shape == values.shape[:2] and loss.isfinite().all()
        assert values.grad.isfinite().all()


@pytest.mark.parametrize("options", KINDS, ids=name_options)
def test_draws_have_the_mean_that_reconstructions_show(options):
    likelihood = options.build(FEATURES, 3).double()
    torch.manual_seed(0)
    mean = 0.4 + 0.2 * torch.rand(SHAPE, dtype=torch.float64)
    logits = likelihood.logits(mean)
    if hasattr(likelihood, "spread"):
        likelihood.spread.fill_(0.02)
    assert torch.allclose(likelihood.mean(logits), mean, atol=1e-9)
    drawn = likelihood.sample(logits.expand(4000, *logits.shape))
    assert drawn.shape == (4000, *SHAPE)
    assert torch.allclose(drawn.mean(0), mean, atol=0.02)


@pytest.mark.parametrize("options", KINDS, ids=name_options)
@pytest.mark.parametrize(
    "network",
    [{"kind": "mlp"}, {"kind": "mlp", "linear_path": True}, {"kind": "conv", "channels": (3,)}],
    ids=["mlp", "path", "conv"],
)
def test_every_kind_trains_with_every_network(options, network, digits_model):
    built, sample = digits_model(
        input_shape=SHAPE,
        network=network,
        bottleneck={"kind": "gaussian"},
        likelihood=options.model_dump(),
    )
    loss = built.train().loss(sample)
    loss.total.backward()
    assert all(part.isfinite() for part in loss)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in built.parameters())
    assert built.eval().reconstruct(sample).shape == sample.shape
    weights = sum(p.numel() for p in built.parameters())
    assert built.config.count_weights() > 0.7 * weights, "a bound for configs from elsewhere"


def test_a_mixture_on_a_linear_path_starts_as_pca_too(digits_model):
    options = {"input_shape": SHAPE, "network": {"kind": "mlp", "linear_path": True}}
    plain, sample = digits_model(**options)
    mixture, _ = digits_model(**options, likelihood={"kind": "logistic_mixture"})
    logits = mixture.decoder(mixture.encode(sample))
    means = mixture.likelihood.split(logits).means.mean(1)
    assert torch.allclose(means, plain.reconstruct(sample), atol=1e-4)
    assert mixture.reconstruct(sample).min() >= 0 and mixture.reconstruct(sample).max() <= 1


def test_likelihoods_of_pixels_are_not_for_tables_nor_for_tied_networks():
    for kind in ("logistic_mixture", "ms_ssim"):
        with pytest.raises(ConfigError, match=f"{kind} likelihood is for pictures"):
            model(likelihood={"kind": kind})
    with pytest.raises(ConfigError, match="not tied"):
        model(
            input_shape=(1, 8, 8),
            network={"kind": "mlp", "tied": True},
            likelihood={"kind": "logistic_mixture"},
        )


def test_logits_count_in_the_budget():
    options = {"input_shape": (3, 128, 128), "network": {"kind": "mlp", "hidden": (300,)}}
    model(**options)
    with pytest.raises(ConfigError, match="the limit is"):
        model(**options, likelihood={"kind": "logistic_mixture", "components": 20})


def test_the_perceptual_distance_is_zero_for_equal_pictures_and_skips_unknown_cells(x):
    likelihood = MsSsim().build(FEATURES, 3)
    assert torch.allclose(likelihood.loss(x[None], x), x.new_zeros(1, 5), atol=1e-9)
    observed = torch.rand(5, *SHAPE) < 0.5
    other = x.where(observed, 1 - x)
    assert torch.allclose(likelihood.loss(other, x, observed), x.new_zeros(5), atol=1e-9)
    assert (likelihood.loss(other, x) > 1).all()
    plain = MsSsim(structure=0).build(FEATURES, 3)
    assert torch.allclose(plain.loss(other, x), (other - x).abs().flatten(1).sum(1))


def test_calibrated_noise_shrinks_with_the_error_and_is_stored_with_the_weights(tmp_path):
    config = tiny(likelihood={"kind": "calibrated"}, training={"epochs": 6, "lr": 1e-2})
    run = trained(config, tmp_path / "run")
    spread = Autoencoder.load(run.path).likelihood.spread.item()
    assert 0.01 < spread < 0.12, "the digits' pixels vary by 0.14"
    metrics = run.test_metrics()
    assert spread == pytest.approx(metrics["se"] / 64, rel=0.3)


@pytest.mark.parametrize("kind", ["calibrated", "logistic_mixture", "ms_ssim"])
def test_layers_are_pretrained_by_every_likelihood(kind, tmp_path):
    config = tiny(
        network={"kind": "mlp", "hidden": (9, 5)},
        likelihood={"kind": kind},
        training={"epochs": 1, "pretrain_epochs": 1},
    )
    assert trained(config, tmp_path / "run").test_metrics()["se"] < 64


# -- which one pictures get


def test_pictures_of_many_tones_get_calibrated_noise_where_a_variant_is_probabilistic():
    greys = RowTraits(has_midtones=True)
    for variant in ("vae", "beta-vae", "conv-vae", "iwae"):
        assert configure(variant, (1, 28, 28)).model.likelihood.kind == "bernoulli"
        assert configure(variant, (1, 28, 28), traits=greys).model.likelihood == Calibrated()
        assert configure(variant, (3, 32, 32)).model.likelihood == Calibrated()
        published = configure(variant, (3, 32, 32), as_published=True)
        assert published.model.likelihood.kind == "bernoulli"
        drawn = configure(variant, (3, 32, 32), data=DataConfig(binarise="static"))
        assert drawn.model.likelihood.kind == "bernoulli"
    assert configure("vanilla", (3, 32, 32)).model.likelihood.kind == "gaussian"


def test_tones_are_those_of_writing_or_of_photographs_whatever_the_ground():
    torch.manual_seed(0)
    writing = (torch.rand(20, 1, 8, 8) < 0.2).float()
    assert not has_many_midtones(writing) and not has_many_midtones(1 - writing)
    assert has_many_midtones(as_float(torch.randint(60, 200, (20, 1, 8, 8), dtype=torch.uint8)))
