"""Networks: first weights, tied weights, shapes that come back, and PCA as the linear limit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from helpers import model
from scipy.linalg import subspace_angles
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA


@pytest.mark.parametrize(
    ("activation", "variance"),
    [("relu", 2 / 400), ("gelu", 2 / 400), ("sigmoid", 2 / 700), ("tanh", 2 / 700)],
)
def test_weights_begin_as_he_or_glorot_prescribe(activation, variance):
    made = model(
        input_shape=(400,),
        latent_dim=8,
        network={"kind": "mlp", "hidden": (300,), "activation": activation},
    )
    weight = made.encoder.layers[0].weight
    assert weight.var().item() == pytest.approx(variance, rel=4 * math.sqrt(2 / weight.numel()))
    assert weight.mean().abs() < 4 * math.sqrt(variance / weight.numel())
    assert made.encoder.layers[1].weight.var().item() == pytest.approx(
        2 / 308, rel=0.1
    )  # a linear code: Glorot
    assert all((layer.bias == 0).all() for layer in [*made.encoder.layers, *made.decoder.layers])


def test_the_signal_of_a_deep_network_neither_dies_nor_explodes():
    made = model(input_shape=(200,), latent_dim=100, network={"kind": "mlp", "hidden": (200,) * 6})
    for hidden in made.encoder(torch.randn(500, 200)).hidden:
        assert 0.3 < hidden.square().mean().item() < 3


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 2, 9), (3, 7, 13), (2, 8, 8), (3, 32, 32), (1, 28, 28)]
)
@pytest.mark.parametrize("levels", [1, 2, 4])
def test_convolutions_give_back_the_shape_they_were_given(shape, levels):
    made = model(
        input_shape=shape, latent_dim=5, network={"kind": "conv", "channels": (4, 6, 8, 8)[:levels]}
    )
    x = torch.rand(2, *shape)
    assert made.encode(x).shape == (2, 5)
    assert made.reconstruct(x).shape == x.shape
    assert made.encoder(x).hidden[0].shape[1] == 4 * math.prod(
        math.ceil(side / 2) for side in shape[1:]
    )


@pytest.mark.parametrize("shape", [(6,), (3, 4, 5)])
@pytest.mark.parametrize("hidden", [(), (9,), (9, 7)])
@pytest.mark.parametrize("tied", [False, True])
def test_fully_connected_networks_take_rows_and_images(shape, hidden, tied):
    made = model(input_shape=shape, network={"kind": "mlp", "hidden": hidden, "tied": tied})
    x = torch.rand(2, *shape)
    assert made.reconstruct(x).shape == x.shape
    assert [h.shape[1] for h in made.encoder(x).hidden] == list(hidden)


# -- tied weights


def make_tied(**options):
    network = {"kind": "mlp", "hidden": (5,), "activation": "tanh", "tied": True}
    return model(network=network, **options).double()


def test_a_tied_weight_is_one_parameter_counted_once():
    made = make_tied()
    shapes = sorted(tuple(p.shape) for p in made.parameters())
    assert shapes == sorted([(5, 6), (5,), (3, 5), (3,), (5,), (6,)])
    assert set(made.state_dict()) == {
        "shift",
        "scale",
        "encoder.layers.0.weight",
        "encoder.layers.0.bias",
        "encoder.layers.1.weight",
        "encoder.layers.1.bias",
        "decoder.biases.0",
        "decoder.biases.1",
    }


def test_the_decoder_uses_the_transposed_weights_of_the_encoder_also_after_they_change():
    made, z = make_tied(), torch.randn(4, 3, dtype=torch.float64)
    for _ in range(2):
        first, second = (layer.weight for layer in made.encoder.layers)
        expected = torch.tanh(z @ second + made.decoder.biases[0]) @ first + made.decoder.biases[1]
        assert torch.allclose(made.decode(z), expected)
        with torch.no_grad():
            first.mul_(2)


def test_the_gradient_of_a_tied_weight_is_the_encoders_plus_the_decoders_transposed():
    made, x = make_tied(), torch.randn(7, 6, dtype=torch.float64)
    loose = model(network={"kind": "mlp", "hidden": (5,), "activation": "tanh"}).double()
    loose.encoder.load_state_dict(made.encoder.state_dict())
    with torch.no_grad():
        for mirror, layer in zip(loose.decoder.layers, reversed(made.encoder.layers), strict=True):
            mirror.weight.copy_(layer.weight.T)
            mirror.bias.zero_()
    made.loss(x).total.backward()
    loose.loss(x).total.backward()
    assert made.loss(x).total.item() == pytest.approx(loose.loss(x).total.item())
    for i, layer in enumerate(made.encoder.layers):
        both = loose.encoder.layers[i].weight.grad + loose.decoder.layers[1 - i].weight.grad.T
        assert torch.allclose(layer.weight.grad, both)


def test_the_gradient_of_a_tied_weight_agrees_with_finite_differences():
    made, x = make_tied(), torch.randn(7, 6, dtype=torch.float64)
    weight = made.encoder.layers[0].weight
    made.loss(x).total.backward()
    for i, j in [(0, 0), (2, 3), (4, 5)]:
        losses = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                weight[i, j] += step
                losses.append(made.loss(x).total.item())
                weight[i, j] -= step
        assert weight.grad[i, j].item() == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-6)


def test_a_tied_variational_network_decodes_with_the_weights_of_its_means():
    made = model(
        network={"kind": "mlp", "hidden": (), "tied": True}, bottleneck={"kind": "gaussian"}
    )
    z = torch.randn(4, 3)
    assert torch.allclose(made.decode(z), z @ made.encoder.layers[0].weight[:3], atol=1e-6)
    made.train().loss(torch.randn(4, 6)).total.backward()
    assert made.encoder.layers[0].weight.grad.abs().sum(1).min() > 0


# -- the linear limit


@pytest.fixture(scope="module")
def rows():
    return load_digits().data / 16


def fit_linear(made, x, rounds=40):
    """Minimise the loss of the whole set by L-BFGS; the squared error it ends with."""
    optimizer = torch.optim.LBFGS(
        made.parameters(), max_iter=20, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = made.loss(x).total
        loss.backward()
        return loss

    for _ in range(rounds):
        optimizer.step(closure)
    return made.loss(x).total.item()


@pytest.mark.parametrize("is_tied", [False, True])
def test_a_linear_autoencoder_finds_the_error_and_the_subspace_of_pca(rows, is_tied):
    made = model(
        input_shape=(64,), latent_dim=8, network={"kind": "mlp", "hidden": (), "tied": is_tied}
    ).double()
    error = fit_linear(made, torch.from_numpy(rows))
    pca = PCA(8).fit(rows)
    best = ((rows - pca.inverse_transform(pca.transform(rows))) ** 2).sum(1).mean()
    assert best == pytest.approx(1.530448, abs=1e-6)
    assert best - 1e-9 <= error < best + 1.5e-3
    directions = (
        made.decode(torch.eye(8, dtype=torch.float64)) - made.decode(torch.zeros(8, 8).double())
    ).detach()
    assert np.degrees(subspace_angles(directions.numpy().T, pca.components_.T).max()) < 3


# -- normalisation


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_hidden_units_are_normalised_over_the_batch_or_over_the_layer(norm):
    made = model(
        input_shape=(20,),
        network={"kind": "mlp", "hidden": (50,), "norm": norm, "activation": "linear"},
    )
    (hidden,) = made.encoder(5 + 9 * torch.randn(400, 20)).hidden
    over = 0 if norm == "batch" else 1
    assert hidden.mean(over).abs().max() < 1e-4
    assert (hidden.std(over, correction=0) - 1).abs().max() < 1e-2


def test_outside_training_an_example_is_normalised_without_the_others():
    made = model(input_shape=(20,), network={"kind": "mlp", "hidden": (8,), "norm": "batch"})
    x = torch.randn(32, 20)
    made.train().loss(x)
    made.eval()
    torch.testing.assert_close(made.reconstruct(x)[:1], made.reconstruct(x[:1]))


def test_batch_normalisation_takes_a_last_batch_of_one_example():
    made = model(
        input_shape=(20,), network={"kind": "mlp", "hidden": (8,), "norm": "batch"}
    ).train()
    made.loss(torch.randn(32, 20))
    before = made.encoder.norms[0].running_mean.clone()
    assert made.loss(torch.randn(1, 20)).total.isfinite()
    assert torch.equal(made.encoder.norms[0].running_mean, before)


@pytest.mark.parametrize("shape", [(6,), (1, 8, 8)])
@pytest.mark.parametrize("tied", [False, True])
def test_before_training_a_model_can_be_made_to_reconstruct_the_mean(shape, tied):
    mean = torch.rand(shape)
    for likelihood in (
        {"kind": "gaussian"},
        {"kind": "gaussian", "output": "sigmoid"},
        {"kind": "bernoulli"},
    ):
        made = model(
            input_shape=shape,
            network={"kind": "mlp", "hidden": (5,), "tied": tied},
            likelihood=likelihood,
        )
        made.fit_output(mean)
        nothing = made.likelihood.mean(made.decoder.output_bias).detach()
        torch.testing.assert_close(
            nothing.view(shape),
            mean.clamp(1e-3, 1 - 1e-3)
            if "sigmoid" in likelihood.values() or likelihood["kind"] == "bernoulli"
            else mean,
        )


def test_a_convolutional_decoder_begins_with_the_mean_of_each_channel():
    made = model(input_shape=(2, 8, 8), network={"kind": "conv", "channels": (4,)})
    made.fit_output(torch.stack([torch.full((8, 8), 0.25), torch.full((8, 8), 0.75)]))
    assert made.decoder.output_bias.tolist() == [0.25, 0.75]
