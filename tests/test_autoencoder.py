"""The autoencoder: how its parts compose, the bounds they give, and its units."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from helpers import digits, model
from sklearn.datasets import load_digits

from aecore.analysis.bounds import iwae_bound
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.bottlenecks.gaussian import GaussianCode

CORRUPTIONS = [None, {"kind": "gaussian"}, {"kind": "masking"}, {"kind": "salt_and_pepper"}]
BOTTLENECKS = [
    {"kind": "deterministic"},
    {"kind": "top_k", "k": 2},
    {"kind": "batch_top_k", "k": 2},
    {"kind": "jump_relu", "target": 2},
    {"kind": "gaussian"},
    {"kind": "gaussian", "bound": "iwae", "samples": 3},
    {"kind": "vector_quantized", "codes": 8, "dim": 2},
    {"kind": "vector_quantized", "codes": 8, "dim": 2, "update": "ema", "stages": 2},
]
PENALTIES = [
    None,
    {"kind": "kl_sparsity"},
    {"kind": "l1", "layers": (0, -1)},
    {"kind": "l2"},
    {"kind": "contractive", "method": "exact"},
    {"kind": "contractive", "method": "probes"},
    {"kind": "mmd"},
]
NETWORKS = [
    {"kind": "mlp", "hidden": (7,)},
    {"kind": "mlp", "hidden": ()},
    {"kind": "mlp", "hidden": (7,), "tied": True},
    {"kind": "conv", "channels": (3,)},
]
LIKELIHOODS = [
    {"kind": "gaussian"},
    {"kind": "gaussian", "output": "sigmoid", "learned": True},
    {"kind": "bernoulli"},
]


def name(part):
    return "none" if part is None else "-".join(str(value) for value in part.values())


# -- composition


@pytest.mark.parametrize("network", NETWORKS, ids=name)
@pytest.mark.parametrize("bottleneck", BOTTLENECKS, ids=name)
def test_every_combination_of_parts_trains_a_step(network, bottleneck):
    x = torch.rand(6, 1, 5, 7)
    for corruption, penalty, likelihood in itertools.product(CORRUPTIONS, PENALTIES, LIKELIHOODS):
        made = model(
            input_shape=(1, 5, 7),
            latent_dim=4,
            corruption=corruption,
            network={**network, "code_activation": "sigmoid"},
            bottleneck=bottleneck,
            penalties=() if penalty is None else (penalty,),
            likelihood=likelihood,
        ).train()
        loss = made.loss(x)
        loss.total.backward()
        where = (name(corruption), name(penalty), name(likelihood))
        assert all(part.dim() == 0 and part.isfinite() for part in loss), where
        gradients = [p.grad for p in made.parameters() if p.grad is not None]
        assert len(gradients) == len(list(made.parameters())), where
        assert all(g.isfinite().all() for g in gradients), where
        assert made.reconstruct(x).shape == x.shape


def test_several_penalties_add_up():
    alone = [{"kind": "l1", "weight": 0.3}, {"kind": "l2", "weight": 0.2}]
    x = torch.randn(5, 6)
    sums = [model(penalties=(penalty,)).loss(x).penalty.item() for penalty in alone]
    both = model(penalties=tuple(alone)).loss(x)
    assert both.penalty.item() == pytest.approx(sum(sums))
    assert both.total.item() == pytest.approx((both.reconstruction + both.penalty).item())


def test_the_loss_sums_over_features_and_averages_over_the_batch():
    made, x = model(), torch.randn(5, 6)
    expected = (made.reconstruct(x) - x).square().sum(1).mean()
    assert made.loss(x).total.item() == pytest.approx(expected.item(), rel=1e-6)
    assert made.loss(x.repeat(3, 1)).total.item() == pytest.approx(expected.item(), rel=1e-6)


# -- bounds


def test_beta_and_the_warm_up_multiply_the_kl_and_nothing_else():
    x = torch.randn(50, 6)
    for beta, fading in ((1, 1.0), (4, 1.0), (4, 0.25), (0, 1.0)):
        made = model(bottleneck={"kind": "gaussian", "beta": beta})
        torch.manual_seed(5)
        loss = made.loss(x, kl_weight=fading)
        assert loss.total.item() == pytest.approx(
            (loss.reconstruction + beta * fading * loss.rate).item(), rel=1e-5
        )
        assert loss.rate.item() > 0


def test_the_warm_up_of_the_kl_leaves_a_codebook_alone():
    made, x = (
        model(latent_dim=4, bottleneck={"kind": "vector_quantized", "dim": 2}),
        torch.randn(5, 6),
    )
    assert made.loss(x, kl_weight=0.1).total.item() == made.loss(x).total.item()


def test_importance_weighting_of_two_known_weights():
    losses = -torch.tensor([[0.0], [math.log(3)]], dtype=torch.float64)  # log w = 0 and ln 3
    assert -GaussianCode(bound="iwae").combine_losses(losses).item() == pytest.approx(
        0.693147, abs=1e-6
    )
    assert -GaussianCode(bound="elbo").combine_losses(losses).item() == pytest.approx(
        0.549306, abs=1e-6
    )


def test_importance_weighting_is_stable_far_from_zero():
    losses = torch.tensor([[1e4], [1e4 + 1]])
    assert GaussianCode(bound="iwae").combine_losses(losses).item() == pytest.approx(
        1e4 + math.log(2 / (1 + math.exp(-1)))
    )


def test_the_iwae_gradient_weighs_each_sample_by_its_importance():
    losses = torch.tensor([[0.3], [1.7], [-0.4]], dtype=torch.float64, requires_grad=True)
    GaussianCode(bound="iwae").combine_losses(losses).sum().backward()
    assert torch.allclose(losses.grad, torch.softmax(-losses.detach(), 0))


def linear_vae(q, rows):
    """Return the linear VAE at its optimum: probabilistic PCA (Tipping & Bishop, 1999)."""
    mu = rows.mean(0)
    values, vectors = np.linalg.eigh((rows - mu).T @ (rows - mu) / len(rows))
    values, vectors = values[::-1], vectors[:, ::-1]
    noise = values[q:].mean()
    loadings = vectors[:, :q] * np.sqrt(values[:q] - noise)
    backward = (
        loadings.T / values[:q, None]
    )  # (W'W + noise I)^-1 W', as W'W + noise I = diag(values)
    made = model(
        input_shape=(64,),
        latent_dim=q,
        network={"kind": "mlp", "hidden": ()},
        bottleneck={"kind": "gaussian"},
        likelihood={"kind": "gaussian", "variance": float(noise)},
    ).double()
    state = {
        "encoder.layers.0.weight": np.concatenate([backward, np.zeros((q, 64))]),
        "encoder.layers.0.bias": np.concatenate([-backward @ mu, np.log(noise / values[:q])]),
        "decoder.layers.0.weight": loadings,
        "decoder.layers.0.bias": mu,
    }
    made.load_state_dict(
        {n: torch.from_numpy(np.ascontiguousarray(v)) for n, v in state.items()}, strict=False
    )
    exact = -0.5 * (
        64 * math.log(2 * math.pi) + np.log(values[:q]).sum() + (64 - q) * math.log(noise) + 64
    )
    return made, float(exact), float(noise)


@pytest.mark.parametrize(
    ("q", "published", "noise"), [(2, 0.00571, 0.05412), (8, 14.20979, 0.02733)]
)
def test_the_bounds_of_a_linear_vae_with_its_exact_posterior_are_the_likelihood(
    q, published, noise
):
    rows = load_digits().data / 16
    made, exact, variance = linear_vae(q, rows)
    assert exact == pytest.approx(published, abs=1e-5)
    assert variance == pytest.approx(noise, abs=1e-5)
    x = torch.from_numpy(rows)
    for samples in (
        1,
        7,
    ):  # every weight is p(x), so each bound is exact and none depends on the samples
        assert -iwae_bound(made.eval(), x, samples) == pytest.approx(exact, abs=1e-8)
    torch.manual_seed(0)
    elbos = torch.tensor(
        [-(made.loss(x).total.item() + made.likelihood.constant(64)) for _ in range(20)]
    )
    assert elbos.mean().item() == pytest.approx(
        exact, abs=4 * elbos.std().item() / math.sqrt(20) + 1e-9
    )


def test_the_training_loss_of_iwae_is_exact_there_too():
    rows = load_digits().data / 16
    made, exact, _ = linear_vae(8, rows)
    iwae = Autoencoder(
        made.config.model_copy(update={"bottleneck": GaussianCode(bound="iwae", samples=3)})
    ).double()
    iwae.load_state_dict(made.state_dict())
    loss = iwae.loss(torch.from_numpy(rows)).total.item() + made.likelihood.constant(64)
    assert -loss == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize(
    "bottleneck", [{"kind": "gaussian"}, {"kind": "gaussian", "bound": "iwae", "samples": 3}]
)
def test_a_learned_noise_changes_what_is_learned_and_not_what_the_bounds_are(bottleneck):
    rows = torch.from_numpy(load_digits().data / 16)
    made, exact, noise = linear_vae(8, rows.numpy())
    likelihood = {"kind": "gaussian", "variance": noise, "learned": True}
    learned = model(
        input_shape=(64,),
        latent_dim=8,
        network={"kind": "mlp", "hidden": ()},
        bottleneck=bottleneck,
        likelihood=likelihood,
    ).double()
    learned.load_state_dict(
        made.state_dict() | {"likelihood.log_variance": torch.tensor(math.log(noise))}
    )
    assert -iwae_bound(learned, rows, 3) == pytest.approx(exact, abs=1e-8)
    loss = learned.loss(rows)  # with its constant, as that moves with the noise
    assert -loss.total.item() == pytest.approx(exact, abs=1e-8 if len(bottleneck) > 1 else 0.5)
    loss.total.backward()
    assert (
        learned.likelihood.log_variance.grad.abs().item() < 2
    )  # of 64 features: the noise is at its optimum


def test_a_worse_posterior_lowers_the_bound_and_more_samples_win_it_back():
    rows = load_digits().data / 16
    made, x = linear_vae(2, rows)[0], torch.from_numpy(rows[:500])
    truth = -iwae_bound(made, x, 1)
    with torch.no_grad():
        made.encoder.layers[0].bias[2:] += 1.0
    bounds = [-iwae_bound(made, x, k) for k in (1, 10, 200)]
    assert bounds[0] < bounds[1] < bounds[2] <= truth + 0.02
    assert truth - bounds[2] < 0.1 * (truth - bounds[0])


# -- units


def test_standard_scaling_works_in_unit_variance_and_answers_in_the_datas_units():
    made = model(scaling="standard", network={"kind": "mlp", "hidden": ()})
    x = torch.randn(200, 6) * torch.tensor([1, 10, 100, 1e-3, 5, 0]) + torch.tensor(
        [0, 3, -50, 1, 1e3, 7]
    )
    made.fit_scaling(x)
    scaled = made.to_scaled(x)
    assert scaled.mean(0).abs().max() < 1e-4
    assert torch.allclose(scaled.std(0, correction=0)[:5], torch.ones(5), atol=1e-3)
    assert (scaled[:, 5] == 0).all()  # a constant column stays, and divides by nothing
    assert torch.allclose(made.from_scaled(scaled), x, rtol=1e-4, atol=1e-4)
    assert made.reconstruct(x)[:, 5].mean().item() == pytest.approx(7, abs=3)


def test_minmax_scaling_keeps_new_data_between_0_and_1():
    made = model(scaling="minmax", likelihood={"kind": "bernoulli"})
    x = torch.randn(200, 6) * 7
    made.fit_scaling(x)
    assert made.to_scaled(x).min() == 0 and made.to_scaled(x).max() == 1
    assert made.to_scaled(x * 100).min() == 0 and made.to_scaled(x * 100).max() == 1
    assert made.loss(x * 100).total >= 0


def test_a_cross_entropy_on_standardised_columns_is_refused():
    with pytest.raises(ConfigError, match="minmax"):
        model(scaling="standard", likelihood={"kind": "bernoulli"})


# -- faces


def test_encode_and_reconstruct_add_no_noise_even_in_training_mode():
    for bottleneck in BOTTLENECKS:
        made = model(latent_dim=4, bottleneck=bottleneck, corruption={"kind": "gaussian"}).train()
        x = torch.randn(5, 6)
        assert torch.equal(made.encode(x), made.encode(x))
        assert torch.equal(made.reconstruct(x), made.decode(made.encode(x)))


def test_codes_are_already_what_the_bottleneck_allows():
    x = torch.randn(30, 6)
    sparse = model(latent_dim=4, bottleneck={"kind": "top_k", "k": 1})
    assert ((sparse.encode(x) != 0).sum(1) == 1).all()
    words = model(latent_dim=4, bottleneck={"kind": "vector_quantized", "codes": 3, "dim": 4})
    assert len(words.encode(x).unique(dim=0)) <= 3


def test_pixels_stay_between_0_and_1_where_the_likelihood_says_so():
    for likelihood in ({"kind": "bernoulli"}, {"kind": "gaussian", "output": "sigmoid"}):
        x = model(input_shape=(1, 8, 8), likelihood=likelihood).reconstruct(digits(20) * 100)
        assert x.min() >= 0 and x.max() <= 1


def test_samples_repeat_with_their_seed_and_differ_without():
    made = model(bottleneck={"kind": "gaussian"})
    assert torch.equal(made.sample(4, seed=1), made.sample(4, seed=1))
    assert not torch.equal(made.sample(4, seed=1), made.sample(4, seed=2))
    assert made.sample(4).shape == (4, 6)


def test_a_model_without_a_prior_says_what_to_do_instead():
    with pytest.raises(ConfigError, match="fit_density"):
        model().sample(3)


def test_numbers_of_another_precision_are_taken_and_what_are_none_is_refused():
    found = model()
    x = torch.rand(2, *found.config.input_shape, dtype=torch.float64)
    assert torch.equal(found.encode(x), found.encode(x.float()))
    for wrong, word in ((x.numpy(), "as_tensor"), ((x * 255).byte(), "x / 255"), ([1.0], "list")):
        with pytest.raises(ConfigError, match=word):
            found.encode(wrong)
        with pytest.raises(ConfigError, match=word):
            found.decode(wrong)
    with pytest.raises(ConfigError, match="got -1"):
        model(bottleneck={"kind": "gaussian"}).sample(-1)


def test_wrong_shapes_are_named_with_the_right_ones():
    with pytest.raises(ConfigError, match=r"\(N, 6\), got shape \(2, 5\)"):
        model().encode(torch.zeros(2, 5))
    with pytest.raises(ConfigError, match=r"\(N, 3\), got \(2, 4\)"):
        model().decode(torch.zeros(2, 4))
