"""Jacobians and tangents, against differences and against surfaces whose tangents are known."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from helpers import model

from aecore.analysis.manifold import (
    captured_energy,
    compute_decoder_jacobians,
    compute_encoder_jacobians,
    compute_image_tangents,
    compute_jacobian_norms,
    compute_local_dimensions,
    compute_tangents,
    decompose_jacobian,
    draw_orthogonal_noise,
    estimate_local_dimension,
    reconstruction_shift,
)
from aecore.model.parts.penalties.base import Pass
from aecore.model.parts.penalties.contractive import Contractive


def sigmoid_layer(**options):
    network = {"kind": "mlp", "hidden": (), "code_activation": "sigmoid"}
    return model(network=network, **options).double().requires_grad_(False)


def test_jacobians_are_those_of_differences():
    made = model(
        input_shape=(1, 2, 3), network={"kind": "mlp", "hidden": (5,), "activation": "tanh"}
    ).double()
    made.requires_grad_(False)
    x, step = torch.rand(4, 1, 2, 3, dtype=torch.float64), 1e-6
    jacobian = compute_encoder_jacobians(made, x)
    assert jacobian.shape == (4, 3, 6)
    for i in range(6):
        move = (step * torch.eye(6, dtype=torch.float64)[i]).view(1, 1, 2, 3)
        torch.testing.assert_close(
            jacobian[:, :, i], (made.encode(x + move) - made.encode(x - move)) / (2 * step)
        )


def test_the_norm_is_the_one_that_the_penalty_contracts():
    made, x = sigmoid_layer(), torch.rand(30, 6, dtype=torch.float64)
    h = made.encode(x)
    batch = Pass(x, (h,), ("sigmoid",), h, made.encode_scaled, made.encoder.layers[0])
    torch.testing.assert_close(
        compute_jacobian_norms(made, x).square(), Contractive().squared_norm(batch)
    )


def test_tangents_are_orthonormal_and_lead_with_what_moves_the_code_most():
    made, x = sigmoid_layer(), torch.rand(3, 6, dtype=torch.float64)
    found, jacobian = compute_tangents(made, x, 3), compute_encoder_jacobians(made, x)
    torch.testing.assert_close(found @ found.mT, torch.eye(3, dtype=torch.float64).expand(3, 3, 3))
    stretch = (jacobian @ found.mT).norm(dim=1)
    torch.testing.assert_close(stretch, torch.linalg.svdvals(jacobian)[:, :3])


def test_the_tangents_of_a_linear_code_span_its_weights():
    made = model(network={"kind": "mlp", "hidden": ()}).double().requires_grad_(False)
    found = compute_tangents(made, torch.rand(2, 6, dtype=torch.float64), 3)
    rows = made.encoder.layers[0].weight.expand(2, 3, 6)
    torch.testing.assert_close(captured_energy(rows, found), torch.ones(2, dtype=torch.float64))
    assert (captured_energy(rows, found[:, :1]) < 0.99).all()


def test_a_shift_of_an_image_is_its_first_tangent():
    blob = torch.exp(-(torch.arange(12.0) - 5).square() / 6)
    x = (blob[:, None] * blob)[None, None]
    moved = (x.roll(1, 3) - x.roll(-1, 3)).flatten()
    first = compute_image_tangents(x)[0, 0]
    assert abs(torch.dot(first, moved / moved.norm())) > 0.99
    assert compute_image_tangents(x).shape == (1, 6, 144)


def test_the_share_captured_is_one_inside_the_span_none_outside_and_a_half_between():
    basis = torch.eye(4)[None, :2]
    for direction, share in (([1.0, 2, 0, 0], 1.0), ([0.0, 0, 3, 1], 0.0), ([1.0, 0, 1, 0], 0.5)):
        assert captured_energy(torch.tensor([[direction]]), basis).item() == pytest.approx(share)


@pytest.mark.parametrize(
    "network",
    [
        {"kind": "mlp", "hidden": (5,), "activation": "tanh"},
        {"kind": "residual", "channels": (4, 6), "code": "dense", "attention": True},
    ],
)
def test_the_decoders_jacobian_is_that_of_differences(network):
    made = model(input_shape=(1, 2, 3), network=network, likelihood={"kind": "bernoulli"}).double()
    made.requires_grad_(False)
    for parameter in made.parameters():  # some begin at zero
        torch.nn.init.normal_(parameter, std=0.3)
    z, step = torch.randn(4, 3, dtype=torch.float64), 1e-6
    jacobian = compute_decoder_jacobians(made, z)
    assert jacobian.shape == (4, 6, 3)
    for i in range(3):
        move = step * torch.eye(3, dtype=torch.float64)[i]
        moved = (made.decode(z + move) - made.decode(z - move)).flatten(1) / (2 * step)
        torch.testing.assert_close(jacobian[:, :, i], moved)


def test_a_linear_decoders_jacobian_is_its_matrix():
    made = model(network={"kind": "mlp", "hidden": ()}).double().requires_grad_(False)
    jacobian = compute_decoder_jacobians(made, torch.randn(2, 3, dtype=torch.float64))
    weight = next(
        parameter for name, parameter in made.decoder.named_parameters() if parameter.dim() == 2
    )
    torch.testing.assert_close(jacobian[0], weight)
    assert torch.equal(jacobian[0], jacobian[1])


def test_units_that_are_off_draw_nothing():
    made = model(bottleneck={"kind": "top_k", "k": 1}, network={"kind": "mlp", "hidden": ()}).eval()
    z = torch.tensor([[0.0, 2.0, 0.0]])
    jacobian = compute_decoder_jacobians(made, z)[0]
    assert jacobian[:, 1].norm() > 0 and jacobian[:, [0, 2]].abs().max() == 0
    assert len(decompose_jacobian(jacobian).strengths) == 1


def test_a_frame_is_orthonormal_and_puts_the_jacobian_together_again():
    jacobian = torch.randn(7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    frame = decompose_jacobian(jacobian)
    torch.testing.assert_close((frame.inputs * frame.strengths) @ frame.codes, jacobian)
    torch.testing.assert_close(frame.inputs.T @ frame.inputs, torch.eye(4, dtype=torch.float64))
    assert len(decompose_jacobian(torch.zeros(7, 4)).strengths) >= 1


@pytest.mark.parametrize(
    ("values", "dimension"), [([1, 1, 1], 3), ([5, 0, 0], 1), ([1, 1, 0, 0], 2), ([0, 0], 0)]
)
def test_the_local_dimension_counts_equal_directions(values, dimension):
    assert estimate_local_dimension(
        torch.tensor(values, dtype=torch.float64)
    ).item() == pytest.approx(dimension)


def test_the_local_dimension_of_jacobians_is_that_of_their_singular_values():
    jacobians = torch.randn(5, 7, 3, dtype=torch.float64)
    expected = estimate_local_dimension(torch.linalg.svdvals(jacobians))
    torch.testing.assert_close(compute_local_dimensions(jacobians), expected)


def test_noise_off_the_manifold_has_no_part_along_it_and_keeps_the_rest():
    basis = torch.linalg.qr(torch.randn(40, 5, dtype=torch.float64)).Q
    noise = draw_orthogonal_noise(torch.zeros(2000, 40, dtype=torch.float64), basis, 0.3)
    assert (noise @ basis).abs().max() < 1e-12
    assert noise.square().sum(1).mean().item() == pytest.approx(0.09 * 35, rel=0.05)


def test_the_pull_of_a_linear_autoencoder_ends_on_its_plane():
    made = (
        model(network={"kind": "mlp", "hidden": (), "tied": True})
        .double()
        .requires_grad_(False)
        .eval()
    )
    x = torch.randn(30, 6, dtype=torch.float64)
    torch.testing.assert_close(x + reconstruction_shift(made, x), made.reconstruct(x))


def test_visitors_may_ask_for_decoder_jacobians_at_once():
    made = model(network={"kind": "mlp", "hidden": (16,)}).requires_grad_(False)
    z, visitors = torch.rand(8, 3), 4
    alone = compute_decoder_jacobians(made, z)
    start = threading.Barrier(visitors)

    def ask(_: int) -> list[torch.Tensor]:
        start.wait()
        return [compute_decoder_jacobians(made, z) for _ in range(8)]

    with ThreadPoolExecutor(visitors) as pool:
        for answers in pool.map(ask, range(visitors)):
            assert all(torch.equal(answer, alone) for answer in answers)
