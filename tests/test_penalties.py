"""Penalties against closed forms, finite differences, brute force and Monte Carlo, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from helpers import model
from pydantic import ValidationError
from torch import nn
from torch.func import jacrev, vmap

from aecore.errors import ConfigError
from aecore.model.parts.networks.base import ACTIVATIONS
from aecore.model.parts.penalties.base import Pass
from aecore.model.parts.penalties.contractive import (
    Contractive,
    closed_form_jacobian_norm,
    exact_jacobian_norm,
    probed_jacobian_norm,
)
from aecore.model.parts.penalties.mmd import Mmd, estimate_mmd
from aecore.model.parts.penalties.sparsity import L1, L2, KlSparsity


def one_layer(activation, x, weight, bias):
    """A batch through h = f(Wx + b)."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64)
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)

    def encode(v):
        return ACTIVATIONS[activation](layer(v))

    h = encode(x)
    return Pass(x=x, activations=(h,), kinds=(activation,), z=h, encode=encode, layer=layer)


@pytest.fixture(params=["sigmoid", "tanh", "relu", "linear"])
def batch(request):
    torch.manual_seed(0)
    weight, bias = torch.randn(5, 4, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    return one_layer(request.param, torch.randn(7, 4, dtype=torch.float64), weight, bias)


def finite_jacobian(f, x, step=1e-6):
    """|J|_F^2 of each row of x by central differences."""
    total = 0
    for i in range(x.shape[1]):
        shift = torch.zeros_like(x)
        shift[:, i] = step
        total = total + ((f(x + shift) - f(x - shift)) / (2 * step)).square().sum(1)
    return total


def make_activity(h, kind="sigmoid"):
    return Pass(x=h, activations=(h,), kinds=(kind,), z=h, encode=lambda v: v, layer=None)


# -- sparsity


def test_sparsity_divergence_has_its_known_value_and_slope():
    mean = torch.tensor([[0.2]], dtype=torch.float64, requires_grad=True)
    value = KlSparsity(weight=1, rho=0.05)(make_activity(mean))
    assert value.item() == pytest.approx(0.0939431, abs=1e-7)
    value.backward()
    assert mean.grad.item() == pytest.approx(0.9375, abs=1e-9)


def test_sparsity_looks_at_batch_means_and_sums_over_units_once():
    h = torch.tensor([[0.1, 0.3], [0.3, 0.1]], dtype=torch.float64)  # both means are 0.2
    assert KlSparsity(weight=3, rho=0.05)(make_activity(h)).item() == pytest.approx(
        3 * 2 * 0.0939431, abs=1e-6
    )
    assert KlSparsity(weight=3, rho=0.05)(make_activity(h.repeat(10, 1))).item() == pytest.approx(
        6 * 0.0939431, abs=1e-6
    )


def test_the_gradient_of_the_sparsity_is_the_one_of_the_lecture_notes():
    torch.manual_seed(0)
    a = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    h = a.sigmoid()
    KlSparsity(weight=0.7, rho=0.05)(make_activity(h)).backward()
    mean = h.mean(0)
    expected = 0.7 / 6 * (-0.05 / mean + 0.95 / (1 - mean)) * h * (1 - h)
    assert torch.allclose(a.grad, expected)


def test_tanh_units_are_moved_between_0_and_1():
    h = torch.tensor([[-0.6]], dtype=torch.float64)  # (h + 1) / 2 = 0.2
    assert KlSparsity(weight=1, rho=0.05)(make_activity(h, "tanh")).item() == pytest.approx(
        0.0939431, abs=1e-7
    )


def test_sparsity_is_finite_for_dead_and_for_saturated_units():
    assert KlSparsity()(make_activity(torch.tensor([[0.0, 1.0]]))).isfinite()


def test_sparsity_refuses_units_without_a_frequency():
    with pytest.raises(ConfigError, match="relu"):
        KlSparsity()(make_activity(torch.ones(2, 2), "relu"))


def test_l1_and_l2_sum_over_units_and_average_over_examples():
    h = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
    assert L1(weight=0.5)(make_activity(h)).item() == 0.5 * (3 + 3) / 2
    assert L2(weight=0.5)(make_activity(h)).item() == 0.5 * (5 + 9) / 2


def test_activity_penalties_reach_the_layers_that_they_name():
    first, code = torch.full((2, 4), 2.0), torch.full((2, 3), 1.0)
    batch = Pass(
        x=first,
        activations=(first, code),
        kinds=("relu", "relu"),
        z=code,
        encode=lambda v: v,
        layer=None,
    )
    assert L1(weight=1)(batch).item() == 3
    assert L1(weight=1, layers=(0,))(batch).item() == 8
    assert L1(weight=1, layers=(0, -1))(batch).item() == 11
    with pytest.raises(ConfigError, match="2 layers, got layer 2"):
        L1(layers=(2,))(batch)
    with pytest.raises(ValidationError):
        L1(layers=())  # a penalty on nothing would be no tensor


# -- contraction


def test_the_contractive_penalty_of_the_textbook_example():
    weight = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    batch = one_layer(
        "sigmoid",
        torch.zeros(1, 2, dtype=torch.float64),
        weight,
        torch.zeros(1, dtype=torch.float64),
    )
    for method in ("auto", "closed_form", "exact", "probes"):  # one unit: a random sign is exact
        assert Contractive(weight=1, method=method)(batch).item() == pytest.approx(
            0.3125, abs=1e-12
        )


def test_closed_form_reverse_mode_and_finite_differences_agree(batch):
    closed = closed_form_jacobian_norm(batch)
    assert torch.allclose(closed, finite_jacobian(batch.encode, batch.x), atol=1e-8)
    assert torch.allclose(closed, exact_jacobian_norm(batch.encode, batch.x), atol=1e-12)
    brute = torch.stack([jacrev(batch.encode)(row).square().sum() for row in batch.x])
    assert torch.allclose(closed, brute, atol=1e-12)


def test_the_exact_jacobian_of_a_deep_encoder_agrees_with_finite_differences():
    made = model(
        network={"kind": "mlp", "hidden": (7, 5), "activation": "gelu", "code_activation": "tanh"}
    ).double()
    x = torch.randn(9, 6, dtype=torch.float64)
    assert torch.allclose(
        exact_jacobian_norm(made.encode_scaled, x),
        finite_jacobian(made.encode_scaled, x),
        rtol=1e-6,
        atol=1e-9,
    )


def test_the_exact_jacobian_of_convolutions_agrees_with_finite_differences():
    made = model(
        input_shape=(1, 5, 6), network={"kind": "conv", "channels": (3, 4), "activation": "tanh"}
    ).double()
    x = torch.randn(2, 30, dtype=torch.float64)

    def encode(v):
        return made.encode_scaled(v.unflatten(1, (1, 5, 6)))

    exact = exact_jacobian_norm(made.encode_scaled, x.unflatten(1, (1, 5, 6)))
    assert torch.allclose(exact, finite_jacobian(encode, x), rtol=1e-6)


def test_random_probes_are_unbiased_and_as_variable_as_the_theory_says(batch):
    torch.manual_seed(1)
    draws = torch.stack([probed_jacobian_norm(batch.encode, batch.x, 1) for _ in range(4000)])
    jacobian = vmap(jacrev(batch.encode))(batch.x)
    a = jacobian @ jacobian.mT
    exact = a.diagonal(dim1=1, dim2=2).sum(1)
    variance = 2 * (a.square().sum((1, 2)) - a.diagonal(dim1=1, dim2=2).square().sum(1))
    assert ((draws.mean(0) - exact).abs() <= 4 * (variance / 4000).sqrt() + 1e-9).all()
    assert torch.allclose(draws.var(0), variance, rtol=0.2, atol=1e-9)


def test_many_probes_come_near_the_exact_value(batch):
    torch.manual_seed(1)
    exact = exact_jacobian_norm(batch.encode, batch.x)
    many = torch.stack([probed_jacobian_norm(batch.encode, batch.x, 64) for _ in range(30)]).mean(0)
    assert torch.allclose(many, exact, rtol=0.15)


def test_each_example_has_probes_of_its_own(batch):
    same = batch.x[:1].repeat(50, 1)
    if batch.kinds == ("relu",):
        same = same * 0 + 10 * batch.layer.weight.detach()[:2].sum(0)  # where two units are on
    assert probed_jacobian_norm(batch.encode, same, 1).unique().numel() > 1


@pytest.mark.parametrize("method", ["closed_form", "exact", "probes"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_the_gradient_of_the_contraction_agrees_with_finite_differences(method, activation):
    torch.manual_seed(0)
    x = torch.randn(6, 4, dtype=torch.float64)

    def penalty(weight, bias):
        torch.manual_seed(3)  # the same probes each time
        layer = nn.Linear(4, 3, dtype=torch.float64)
        del layer.weight, layer.bias
        layer.weight, layer.bias = weight, bias

        def encode(v):
            return ACTIVATIONS[activation](v @ weight.T + bias)

        h = encode(x)
        return Contractive(weight=0.3, method=method, probes=2)(
            Pass(x, (h,), (activation,), h, encode, layer)
        )

    weight = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(penalty, (weight, bias))


def test_the_gradient_of_the_sigmoid_contraction_is_the_one_written_out():
    torch.manual_seed(0)
    x = torch.randn(1, 4, dtype=torch.float64)
    batch = one_layer(
        "sigmoid", x, torch.randn(3, 4, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    )
    Contractive(weight=1)(batch).backward()
    h, w = batch.z[0].detach(), batch.layer.weight.detach()
    s, norm = h * (1 - h), w.square().sum(1)
    by_bias = 2 * s**2 * (1 - 2 * h) * norm
    assert torch.allclose(batch.layer.weight.grad, 2 * s[:, None] ** 2 * w + by_bias[:, None] * x)
    assert torch.allclose(batch.layer.bias.grad, by_bias)


def test_training_reaches_a_deep_encoder_through_every_method():
    for method in ("exact", "probes"):
        made = model(
            penalties=({"kind": "contractive", "method": method},),
            network={"kind": "mlp", "hidden": (7,)},
        )
        made.loss(torch.randn(5, 6)).penalty.backward()
        assert all(layer.weight.grad.abs().sum() > 0 for layer in made.encoder.layers), method


def test_auto_falls_back_where_a_layer_has_no_closed_form():
    gelu = {"kind": "mlp", "hidden": (), "code_activation": "gelu"}
    made = model(penalties=({"kind": "contractive", "weight": 1},), network=gelu).double()
    x = torch.randn(5, 6, dtype=torch.float64)
    assert made.loss(x).penalty.item() == pytest.approx(
        finite_jacobian(made.encode_scaled, x).mean().item(), rel=1e-6
    )


def test_of_a_variational_code_the_means_are_contracted():
    made = model(
        network={"kind": "mlp", "hidden": ()},
        bottleneck={"kind": "gaussian"},
        latent_dim=2,
        penalties=({"kind": "contractive", "weight": 1},),
    )
    assert made.loss(torch.randn(5, 6)).penalty.item() == pytest.approx(
        made.encoder.layers[0].weight[:2].square().sum().item(), rel=1e-6
    )


# -- MMD


def test_mmd_agrees_with_brute_force():
    torch.manual_seed(0)
    z, p = torch.randn(6, 3, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64) + 1

    def kernel(a, b):
        return sum(
            2 * 3 * s / (2 * 3 * s + sum((a - b) ** 2)) for s in (0.1, 0.2, 0.5, 1, 2, 5, 10)
        )

    pairs = [(i, j) for i in range(6) for j in range(6)]
    own = sum(kernel(z[i], z[j]) + kernel(p[i], p[j]) for i, j in pairs if i != j) / 30
    across = sum(kernel(z[i], p[j]) for i, j in pairs) / 36
    assert estimate_mmd(z, p).item() == pytest.approx((own - 2 * across).item(), abs=1e-12)


def test_mmd_is_unbiased_and_grows_with_the_distance():
    torch.manual_seed(0)
    same = torch.stack([estimate_mmd(torch.randn(20, 4), torch.randn(20, 4)) for _ in range(600)])
    assert abs(same.mean()) < 4 * same.std() / math.sqrt(600)
    assert same.min() < 0  # an unbiased estimate of zero must
    far = [
        estimate_mmd(torch.randn(500, 4) + shift, torch.randn(500, 4)).item()
        for shift in (0.3, 1.0, 3.0)
    ]
    assert 0 < far[0] < far[1] < far[2]


def test_mmd_pulls_codes_towards_the_prior_and_knows_no_distance_for_one_code():
    torch.manual_seed(0)
    z = (torch.randn(200, 2) + 2).requires_grad_()
    Mmd(weight=1)(make_activity(z)).backward()
    assert (z.grad.mean(0) > 0).all()  # downhill is towards the origin
    assert Mmd()(make_activity(torch.ones(1, 2))).item() == 0
