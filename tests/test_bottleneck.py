"""Bottlenecks: the KL and its Monte Carlo twin, exactly k units, nearest vectors, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from helpers import model

from aecore.errors import ConfigError
from aecore.model.parts.bottlenecks.batch_top_k import MOMENTUM, BatchTopK
from aecore.model.parts.bottlenecks.finite_scalar import FiniteScalar
from aecore.model.parts.bottlenecks.gaussian import GaussianCode, kl_to_standard_normal
from aecore.model.parts.bottlenecks.jump_relu import JumpReLU
from aecore.model.parts.bottlenecks.top_k import TopK
from aecore.model.parts.bottlenecks.vector_quantized import VectorQuantized
from aecore.training.validation import freeze_statistics


def make_column(*values):
    return torch.tensor([values], dtype=torch.float64)


def test_kl_has_its_known_values():
    assert kl_to_standard_normal(make_column(0), make_column(0)).item() == 0
    assert kl_to_standard_normal(make_column(1), make_column(0)).item() == 0.5
    assert kl_to_standard_normal(make_column(0), make_column(math.log(4))).item() == pytest.approx(
        0.806853, abs=1e-6
    )
    assert kl_to_standard_normal(
        make_column(1, 0), make_column(0, math.log(4))
    ).item() == pytest.approx(1.306853, abs=1e-6)


def test_kl_is_the_mean_of_the_sampled_log_ratio():
    torch.manual_seed(0)
    mean, log_variance = (
        torch.randn(4, 3, dtype=torch.float64),
        torch.randn(4, 3, dtype=torch.float64),
    )
    _, ratio = GaussianCode().build(3).draw(mean, log_variance, 200_000)
    error = ratio.std(0) / math.sqrt(len(ratio))
    assert ((ratio.mean(0) - kl_to_standard_normal(mean, log_variance)).abs() < 4 * error).all()


def test_free_bits_and_capacity_price_the_kl_as_in_their_papers():
    kl = torch.tensor([[0.0, 3.0], [0.2, 1.0]])  # units have 0.1 and 2 nats, examples 3 and 1.2
    plain = GaussianCode().build(2)
    assert plain.price(kl).tolist() == pytest.approx([3.0, 1.2])
    free = GaussianCode(free_bits=0.5).build(2)
    assert free.price(kl).mean().item() == pytest.approx(0.5 + 2.0)  # max(.5, .1) + max(.5, 2)
    for capacity, distance in ((5.0, 2.9), (1.1, 1.0)):
        held = GaussianCode(capacity=capacity).build(2)
        assert held.price(kl).mean().item() == pytest.approx(distance)


def test_units_below_their_free_bits_get_no_gradient_of_the_kl():
    h = torch.tensor([[0.1, 2.0, 0.0, 0.0]], requires_grad=True)  # means, then log variances
    GaussianCode(free_bits=0.5).build(2)(h, 1).cost.sum().backward()
    assert h.grad.tolist() == [[0.0, 2.0, 0.0, 0.0]]


def test_the_rate_is_the_kl_whatever_it_costs():
    torch.manual_seed(0)
    h = torch.randn(5, 4)
    rates = [
        GaussianCode(**options).build(2)(h, 3).rate
        for options in ({}, {"free_bits": 9.0}, {"capacity": 4.0})
    ]
    assert torch.equal(rates[0], rates[1]) and torch.equal(rates[0], rates[2])
    mean, log_variance = h.chunk(2, dim=1)
    assert torch.equal(rates[0][0], kl_to_standard_normal(mean, log_variance))


def test_the_capacity_rises_to_its_value_in_the_first_half_of_the_training():
    bottleneck = GaussianCode(capacity=8.0).build(2)
    assert bottleneck.capacity == 8  # of a model that is loaded
    assert [bottleneck.anneal(share) for share in (0, 0.25, 0.5, 1)] == [True, True, False, False]
    bottleneck.anneal(0.25)
    assert bottleneck.capacity == 4
    assert not GaussianCode().build(2).anneal(0.0)


@pytest.mark.parametrize(
    "options", [{"free_bits": 1, "capacity": 2}, {"bound": "iwae", "capacity": 2}]
)
def test_a_kl_that_makes_no_sense_is_refused(options):
    with pytest.raises(ValueError, match=r"free_bits|both"):
        GaussianCode(**options)


def test_codes_are_drawn_with_the_stated_mean_and_deviation_and_fresh_each_time():
    torch.manual_seed(0)
    mean, log_variance = (
        torch.tensor([[2.0, -1.0]]),
        torch.tensor([[math.log(0.25), math.log(9.0)]]),
    )
    z, _ = GaussianCode().build(2).draw(mean, log_variance, 200_000)
    assert z.mean(0)[0].tolist() == pytest.approx([2, -1], abs=4 * 3 / math.sqrt(200_000))
    assert z.std(0)[0].tolist() == pytest.approx([0.5, 3], rel=0.01)
    assert z.unique(dim=0).shape[0] > 190_000


def test_samples_of_one_example_do_not_share_their_noise_with_another():
    z, _ = GaussianCode().build(2).draw(torch.zeros(3, 2), torch.zeros(3, 2), 5)
    assert z.flatten().unique().numel() == 30


@pytest.mark.parametrize("by", ["magnitude", "value"])
def test_exactly_k_units_survive_in_each_row(by):
    torch.manual_seed(0)
    a = torch.randn(100, 20)
    rank = a.abs() if by == "magnitude" else a
    z = TopK(k=6, by=by).build(20).snap(a)
    assert ((z != 0).sum(1) == 6).all()
    kept = z != 0
    assert torch.equal(z[kept], a[kept])
    assert (
        rank.masked_fill(~kept, math.inf).amin(1) >= rank.masked_fill(kept, -math.inf).amax(1)
    ).all()


@pytest.mark.parametrize("by", ["magnitude", "value"])
def test_exactly_k_survive_among_ties_and_outside_training(by):
    bottleneck = TopK(k=4, by=by).build(10).eval()
    assert ((bottleneck(torch.ones(7, 10), 1).z[0] != 0).sum(1) == 4).all()


def test_by_value_and_by_magnitude_differ_where_large_values_are_negative():
    a = torch.tensor([[-5.0, 1.0, 2.0, 0.5]])
    assert TopK(k=2, by="magnitude").build(4).snap(a).tolist() == [[-5, 0, 2, 0]]
    assert TopK(k=2, by="value").build(4).snap(a).tolist() == [[0, 1, 2, 0]]


def test_gradient_flows_through_the_kept_units_alone():
    a = torch.tensor([[3.0, -4.0, 1.0, 2.0]], requires_grad=True)
    (TopK(k=2).build(4).snap(a) * torch.tensor([[10.0, 20.0, 30.0, 40.0]])).sum().backward()
    assert a.grad.tolist() == [[10, 20, 0, 0]]


def test_a_k_wider_than_the_code_keeps_everything():
    a = torch.randn(3, 4)
    assert torch.equal(TopK(k=99).build(4).snap(a), a)


@pytest.fixture
def quantizer():
    torch.manual_seed(0)
    return VectorQuantized(codes=12, dim=2, commitment=0.25).build(6).double()


def test_each_part_goes_to_its_nearest_vector(quantizer):
    h = torch.randn(40, 6, dtype=torch.float64)
    brute = torch.cdist(h.reshape(-1, 2), quantizer.codebook.detach()).argmin(1).reshape(40, 3)
    assert torch.equal(quantizer.indices(h), brute)
    z = quantizer(h, 1).z[0]
    assert torch.allclose(z, quantizer.codebook[brute].reshape(40, 6))


def test_a_quantised_code_is_its_own_nearest(quantizer):
    z = quantizer.snap(torch.randn(40, 6, dtype=torch.float64))
    assert torch.equal(quantizer.snap(z), z)


def test_the_decoders_gradient_goes_straight_through_and_not_to_the_codebook(quantizer):
    h = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    pull = torch.randn(5, 6, dtype=torch.float64)
    (quantizer(h, 1).z[0] * pull).sum().backward()
    assert torch.equal(h.grad, pull)
    assert quantizer.codebook.grad is None


def test_beta_weighs_the_commitment_of_the_encoder_and_not_the_codebooks_term(quantizer):
    h = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    code = quantizer(h, 1)
    code.cost.sum().backward()
    far = (h - code.mean).detach()
    assert code.cost[0].tolist() == pytest.approx((1.25 * far.square().sum(1)).tolist())
    assert torch.allclose(h.grad, 2 * 0.25 * far)
    expected = torch.zeros_like(quantizer.codebook)
    expected.index_add_(0, quantizer.indices(h).flatten(), (-2 * far).reshape(-1, 2))
    assert torch.allclose(quantizer.codebook.grad, expected)


def test_with_the_encoder_at_rest_the_codebook_learns_the_means_of_its_cells():
    torch.manual_seed(0)
    points = torch.cat(
        [torch.randn(50, 2) * 0.1 + torch.tensor(c) for c in ([3.0, 0.0], [-3.0, 0.0])]
    )
    quantizer = VectorQuantized(codes=2, dim=2).build(2)
    with torch.no_grad():
        quantizer.codebook.copy_(torch.tensor([[1.0, 1.0], [-1.0, 1.0]]))
    optimizer = torch.optim.SGD(quantizer.parameters(), lr=0.2)
    for _ in range(50):
        optimizer.zero_grad()
        quantizer(points, 1).cost.mean().backward()
        optimizer.step()
    assert torch.allclose(
        quantizer.codebook, torch.stack([points[:50].mean(0), points[50:].mean(0)]), atol=1e-4
    )


# -- annealed k, and rounded codes


def test_k_falls_evenly_to_its_end_in_the_first_half_of_the_training():
    code = TopK(k=20, start=100).build(200)
    assert code.k == 20  # a model that is loaded is at its end
    seen = [(code.anneal(done), code.k) for done in (0.0, 0.25, 0.499, 0.5, 1.0)]
    assert seen == [(True, 100), (True, 60), (False, 20), (False, 20), (False, 20)]


def test_rounded_codes_are_on_the_grid_and_stay_there():
    code = FiniteScalar(levels=5).build(3)
    z = code.snap(torch.tensor([[-3.0, -0.2, 0.3], [0.26, 0.9, 2.0]]))
    assert z.tolist() == [[-1.0, 0.0, 0.5], [0.5, 1.0, 1.0]]
    assert torch.equal(code.snap(z), z)


def test_the_gradient_passes_a_rounded_code_unchanged():
    h = torch.tensor([[0.1, -0.7]], requires_grad=True)
    made = FiniteScalar(levels=4).build(2)(h, 1)
    (made.z[0] * torch.tensor([2.0, -3.0])).sum().backward()
    assert h.grad.tolist() == [[2.0, -3.0]]
    assert made.cost.tolist() == [[0.0]]
    assert torch.equal(made.z[0].detach(), made.mean)


# -- BatchTopK


def test_a_batch_keeps_its_largest_values_wherever_they_are():
    a = torch.tensor([[5.0, 4.0, 3.0, -9.0], [1.0, 0.5, -1.0, -2.0]], requires_grad=True)
    z = BatchTopK(k=2).build(4).train()(a, 1).z[0]
    assert z.tolist() == [[5, 4, 3, 0], [1, 0, 0, 0]]
    z.sum().backward()
    assert a.grad.tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]


def test_the_threshold_is_the_running_mean_of_the_smallest_value_kept():
    bottleneck = BatchTopK(k=1).build(2).train()
    bottleneck(torch.tensor([[4.0, 1.0], [2.0, 3.0]]), 1)
    assert bottleneck.threshold.item() == 3  # the first one
    bottleneck(torch.tensor([[9.0, 0.0], [5.0, 0.0]]), 1)
    assert bottleneck.threshold.item() == pytest.approx(3 * MOMENTUM + 5 * (1 - MOMENTUM))
    bottleneck(torch.tensor([[-1.0, -1.0]]), 1)  # keeps nothing, and says nothing
    assert bottleneck.threshold.item() == pytest.approx(3 * MOMENTUM + 5 * (1 - MOMENTUM))


def test_outside_training_an_example_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    bottleneck, a = BatchTopK(k=3).build(20), torch.randn(50, 20)
    bottleneck.train()(a, 1)
    bottleneck.eval()
    together = bottleneck(a, 1).z[0]
    alone = torch.cat([bottleneck(row[None], 1).z[0] for row in a])
    assert torch.equal(together, alone) and torch.equal(together, bottleneck.snap(a))
    assert (together != 0).sum().item() == 3 * 50 - 1  # the smallest one is the threshold itself


# -- JumpReLU


@pytest.mark.parametrize("target", [None, 2])
def test_thresholds_get_the_straight_through_gradients_of_the_paper(target):
    torch.manual_seed(0)
    options = JumpReLU(target=target, weight=0.7, price=0.7, bandwidth=0.8)
    bottleneck = options.build(3).double().train()
    h = torch.randn(40, 3, dtype=torch.float64, requires_grad=True)
    pull = torch.randn(40, 3, dtype=torch.float64)
    theta, b = bottleneck.threshold.detach(), 0.8
    code = bottleneck(h, 1)
    ((code.z[0] * pull).sum(1) + code.cost[0]).mean().backward()
    is_on = (h > theta).detach().double()
    near = ((h.detach() - theta).abs() < b / 2).double()  # K((h - theta) / b)
    if target is None:
        by_active = 0.7
    else:
        excess = is_on.sum(1).mean() / target - 1
        assert excess < 1
        by_active = 0.7 * 2 * excess / target
    wanted = ((-theta / b * near) * pull + by_active * (-near / b)).mean(0)
    by_log = wanted * theta * (theta.log() / bottleneck.log_threshold.detach())
    assert torch.allclose(bottleneck.log_threshold.grad, by_log)
    assert torch.equal(code.z[0].detach(), (h * is_on).detach())
    assert torch.allclose(h.grad, is_on * pull / 40)


def test_the_price_of_activity_is_per_unit_or_by_the_distance_to_the_target():
    on = torch.tensor([[1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]])  # 2 of 4, on average
    prices = {None: [3.0, 1.0], 2: [0.0, 0.0], 4: [0.25, 0.25], 1: [1.0, 1.0]}
    for target, expected in prices.items():
        options = JumpReLU(target=target, weight=1, price=1)
        assert options.build(4).charge(on).tolist() == expected
    assert JumpReLU(target=1, weight=1).build(4).charge(torch.ones(1, 4)).tolist() == [5.0]


# -- dead units

DEAD = {"kind": "top_k", "k": 1, "auxiliary": 0.5, "dead_after": 2}


def make_dead_model(**options):
    """A linear model of 6 inputs and 4 units, of which only the first is ever active."""
    made = model(
        latent_dim=4, network={"kind": "mlp", "hidden": ()}, bottleneck=DEAD, **options
    ).double()
    with torch.no_grad():
        made.encoder.head.bias[0] = 100.0
    return made.train()


def test_a_unit_is_dead_after_so_many_steps_and_alive_again_at_once():
    made, x = make_dead_model(), torch.randn(5, 6, dtype=torch.float64)
    idle = made.bottleneck.dead_units.idle_steps
    for _ in range(3):
        made.loss(x)
    assert idle.tolist() == [0, 3, 3, 3]
    made.bottleneck.dead_units.count_step(torch.tensor([[0.0, 0.0, -1.0, 0.0]]))
    assert idle.tolist() == [1, 4, 0, 4]


def test_dead_units_reconstruct_what_the_others_leave():
    torch.manual_seed(1)
    made, x = make_dead_model(), torch.randn(5, 6, dtype=torch.float64)
    assert made.loss(x).penalty.item() == 0
    loss = made.loss(x)  # of the second step on they are dead
    h = made.encode_scaled(x)
    dead = h * torch.tensor([0.0, 1.0, 1.0, 1.0])
    weight = made.decoder.layers[0].weight
    residual = x - made.reconstruct(x)
    wanted = (residual - dead @ weight.T).square().sum(1).mean()
    assert loss.penalty.item() == pytest.approx(0.5 * wanted.item())
    loss.penalty.backward()
    assert made.encoder.head.weight.grad[0].abs().max() == 0, "the living ones are left alone"
    assert (made.encoder.head.weight.grad[1:].abs().amax(1) > 0).all()
    assert made.decoder.layers[0].bias.grad.abs().max() < 1e-12


def test_a_validation_neither_counts_steps_nor_moves_thresholds():
    for bottleneck in (DEAD, {"kind": "batch_top_k", "k": 1}):
        made = model(latent_dim=4, bottleneck=bottleneck).train()
        made.loss(torch.randn(8, 6))
        before = {name: value.clone() for name, value in made.bottleneck.state_dict().items()}
        freeze_statistics(made)
        made.loss(torch.randn(8, 6))
        after = made.bottleneck.state_dict()
        assert before and all(torch.equal(value, after[name]) for name, value in before.items())


def test_without_an_auxiliary_loss_nothing_is_saved_and_old_models_load():
    assert not TopK(k=2).build(4).state_dict()
    with pytest.raises(ConfigError, match=r"set bottleneck\.auxiliary to 0"):
        model(bottleneck=DEAD, network={"kind": "mlp", "norm": "batch"})
