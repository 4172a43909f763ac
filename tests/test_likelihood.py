"""Likelihood: closed forms, constants, gradients, and how they behave far out."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli as Coin
from torch.distributions import Normal
from torch.distributions import StudentT as Heavy

from aecore.model.parts.cross_entropy import CrossEntropy
from aecore.model.parts.likelihoods.bernoulli import Bernoulli
from aecore.model.parts.likelihoods.gaussian import Gaussian
from aecore.model.parts.likelihoods.student_t import StudentT


@pytest.fixture
def logits():
    torch.manual_seed(0)
    return torch.randn(3, 5, 2, 4, 4, dtype=torch.float64) * 3  # (samples, N, C, H, W)


@pytest.fixture
def x():
    torch.manual_seed(1)
    return torch.rand(5, 2, 4, 4, dtype=torch.float64)


@pytest.mark.parametrize("variance", [0.5, 1.0, 0.07])
def test_gaussian_loss_and_constant_are_the_negative_log_density(logits, x, variance):
    likelihood = Gaussian(variance=variance).build(32)
    exact = -Normal(logits, math.sqrt(variance)).log_prob(x).flatten(2).sum(-1)
    assert torch.allclose(likelihood.loss(logits, x) + likelihood.constant(32), exact, atol=1e-10)


def test_the_gaussian_constant_of_an_mnist_image_at_unit_variance():
    assert Gaussian(variance=1.0).build(32).constant(784) == pytest.approx(720.448, abs=5e-4)


def test_at_the_default_variance_the_loss_is_the_squared_error(logits, x):
    assert torch.allclose(
        Gaussian().build(32).loss(logits, x), (logits - x).square().flatten(2).sum(-1)
    )
    squashed = Gaussian(output="sigmoid").build(32)
    assert torch.allclose(
        squashed.loss(logits, x), (logits.sigmoid() - x).square().flatten(2).sum(-1)
    )
    assert torch.equal(squashed.mean(logits), logits.sigmoid())


def test_cross_entropy_is_the_negative_log_probability_of_binary_pixels(logits):
    x = (torch.rand(5, 2, 4, 4) < 0.5).double()
    exact = -Coin(logits=logits).log_prob(x.expand_as(logits)).flatten(2).sum(-1)
    assert torch.allclose(Bernoulli().build(32).loss(logits, x), exact, atol=1e-10)
    assert Bernoulli().build(32).constant(784) == 0


def test_cross_entropy_has_the_gradient_that_finite_differences_give(logits, x):
    wide = torch.linspace(-30, 30, x[0].numel(), dtype=torch.float64)[None].requires_grad_()
    seen = (torch.rand(1, 32) < 0.5).double()
    for observed in (None, seen):
        assert torch.autograd.gradcheck(
            lambda v, o=observed: CrossEntropy.apply(v, x[:1].flatten(1), o), wide
        )
    assert torch.autograd.gradcheck(
        lambda v: Bernoulli().build(32).loss(v, x), logits.requires_grad_()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cross_entropy_is_finite_and_right_at_extreme_logits(dtype):
    logits = torch.tensor(
        [[-100.0], [100.0], [-100.0], [100.0], [1e4]], dtype=dtype, requires_grad=True
    )
    x = torch.tensor([[0.0], [1.0], [1.0], [0.0], [0.25]], dtype=dtype)
    loss = Bernoulli().build(32).loss(logits, x)
    assert loss.tolist() == pytest.approx([0, 0, 100, 100, 7500])
    loss.sum().backward()
    assert logits.grad.flatten().tolist() == pytest.approx([0, 0, -1, 1, 0.75])


def test_the_floor_of_the_cross_entropy_is_the_entropy_of_the_pixels(x):
    floor = -(x * x.log() + (1 - x) * (1 - x).log()).flatten(1).sum(1)
    best = Bernoulli().build(32).loss(torch.logit(x), x)
    assert torch.allclose(best, floor, atol=1e-9)
    assert (Bernoulli().build(32).loss(torch.logit(x) + 0.1, x) > floor).all()


def test_losses_sum_over_features_and_keep_one_value_an_example(logits, x):
    for likelihood in (
        Gaussian().build(32),
        Gaussian(learned=True).build(32),
        Bernoulli().build(32),
    ):
        assert likelihood.loss(logits, x).shape == (3, 5)
        assert likelihood.loss(logits[0], x).shape == (5,)
        assert likelihood.loss(logits[0].flatten(1), x.flatten(1)).shape == (5,)


def test_a_learned_variance_gives_the_whole_negative_log_density_from_the_variance_it_starts_at(
    logits, x
):
    likelihood = Gaussian(variance=0.07, learned=True).build(32).double()
    exact = -Normal(logits, math.sqrt(0.07)).log_prob(x).flatten(2).sum(-1)
    assert torch.allclose(likelihood.loss(logits, x) + likelihood.constant(32), exact, atol=1e-4)
    assert [name for name, _ in likelihood.named_parameters()] == ["log_variance"]


def test_the_best_learned_variance_is_the_mean_squared_error(logits, x):
    likelihood = Gaussian(learned=True).build(32).double()
    with torch.no_grad():
        likelihood.log_variance.copy_((logits - x).square().mean().log())
    likelihood.loss(logits, x).mean().backward()
    assert likelihood.log_variance.grad.abs().item() < 1e-10


@pytest.mark.parametrize("options", [Gaussian(), Gaussian(output="sigmoid"), Bernoulli()])
def test_a_likelihood_that_learns_nothing_adds_nothing_to_the_weights(options):
    assert not options.build(32).state_dict()


def test_the_student_t_loss_is_the_negative_log_density_and_begins_with_the_mean_it_is_given():
    torch.manual_seed(0)
    likelihood, x = StudentT().build(4).double(), torch.randn(5, 4, dtype=torch.float64) * 3
    logits = torch.randn(3, 5, 8, dtype=torch.float64)
    location, scale, df = likelihood.split_logits(logits)
    exact = -Heavy(df, location, scale).log_prob(x).sum(-1)
    assert torch.allclose(likelihood.loss(logits, x), exact, atol=1e-10) and (df > 3).all()
    assert torch.equal(likelihood.mean(logits), location)
    assert torch.equal(likelihood.mean(likelihood.logits(x)), x)


def test_draws_have_the_mean_and_variance_of_their_density():
    torch.manual_seed(0)
    logits = torch.tensor([0.5, -1.0], dtype=torch.float64).expand(200_000, 2)
    for options in (Gaussian(variance=0.3), Gaussian(variance=0.3, learned=True), Bernoulli()):
        likelihood = options.build(2).double()
        drawn, mean = likelihood.sample(logits), likelihood.mean(logits[0])
        expected = mean * (1 - mean) if options.kind == "bernoulli" else torch.full_like(mean, 0.3)
        assert torch.allclose(drawn.mean(0), mean, atol=0.01) and torch.allclose(
            drawn.var(0), expected, rtol=0.02
        )
    likelihood = StudentT().build(1).double()
    location, scale, df = likelihood.split_logits(logits[0])
    drawn = likelihood.sample(logits)
    assert drawn.mean().item() == pytest.approx(location.item(), abs=0.01)
    assert drawn.var().item() == pytest.approx((scale.square() * df / (df - 2)).item(), rel=0.05)
