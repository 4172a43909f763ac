"""Residual networks: shapes, codes on a grid, the start as PCA of blocks, and every other part."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import digits, model
from sklearn.decomposition import PCA

from aecore.errors import ConfigError
from aecore.model.config import ModelConfig, parse_options
from aecore.model.export import export_model
from aecore.model.parts.bottlenecks import BottleneckOptions
from aecore.model.parts.networks.residual import Residual
from aecore.model.parts.networks.residual_blocks import cut_blocks
from aecore.model.parts.penalties import Penalty
from aecore.model.variants.fitting import AUGMENTATION, configure
from aecore.model.variants.overrides import override_config
from aecore.tasks.anomaly import plan_detector
from aecore.tasks.compress import plan_compressor
from aecore.tasks.denoise import plan_denoiser
from aecore.training.devices import is_half_precise
from aecore.training.pca_start import start_as_pca
from aecore.training.preparation import build_initial_model

CPU = torch.device("cpu")
SMALL = {"kind": "residual", "channels": (4, 6)}
OTHER_LAYERS = {
    "attention": True,
    "downsampling": "strided",
    "upsampling": "nearest",
    "size": "medium",
    "blocks": (2, 1),
}
GAUSSIAN = {"bottleneck": {"kind": "gaussian"}}
PENALTY_CODES = {"kl_sparsity": "sigmoid"}  # non-linearities of codes that penalties need


def build(shape=(3, 8, 8), units=2, code="spatial", **options):
    """A residual model with so many units at each place, or at all of a dense code's."""
    network = Residual.model_validate({**SMALL, "code": code, **options.pop("network", {})})
    places = math.prod(network.count_places(shape))
    return model(input_shape=shape, latent_dim=units * places, network=network, **options)


def begin(x, **options):
    """A residual model at the start of its training on x."""
    config = build(tuple(x.shape[1:]), **options).config
    made = build_initial_model(config, x, CPU, seed=0)
    start_as_pca(made, x)
    return made.eval()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 7, 13), (2, 8, 8)])
@pytest.mark.parametrize("code", ["spatial", "dense"])
@pytest.mark.parametrize("layers", [{}, OTHER_LAYERS], ids=["default", "other"])
def test_pictures_of_any_size_come_back_and_layers_are_as_counted(shape, code, layers):
    made = build(shape, code=code, network=layers)
    x, network = torch.rand(2, *shape), made.config.network
    weights, products = count_layers(made, x)
    assert network.count_weights(shape, made.config.latent_dim) == weights
    assert network.count_products(shape, made.config.latent_dim) == products
    hidden = [math.prod(sizes) for sizes in network.list_hidden_shapes(shape)]
    assert [h.shape[1] for h in made.encoder(x).hidden] == hidden
    assert len(hidden) + 1 == len(network.layer_activations)


def count_layers(made, x):
    """Weights of all layers, and products of one example, as they are computed."""
    counts = {}

    def note(module, _, out):
        for name, weight in module.named_parameters(recurse=False):
            if name == "weight" and weight.dim() > 1:
                places = math.prod(out.shape[2:]) if out.dim() == 4 else 1
                stride = getattr(module, "stride", 1)
                places //= stride**2 if "Synthesis" in type(module).__name__ else 1
                counts[module] = (weight.numel(), weight.numel() * places)

    for module in made.modules():
        module.register_forward_hook(note)
    assert made.reconstruct(x).shape == x.shape
    return tuple(sum(values) for values in zip(*counts.values(), strict=True))


@pytest.mark.parametrize("options", [{}, GAUSSIAN], ids=["plain", "variational"])
def test_a_code_lists_the_channels_of_one_place_after_those_of_another(options):
    made = begin(torch.rand(9, 3, 8, 12), **options)
    x = torch.rand(2, 3, 8, 12)
    grid = made.encoder.encode_grid(x)
    assert made.config.code_grid == (2, 2, 3) and grid.shape[2:] == (2, 3)
    codes = made.encode(x)
    assert torch.allclose(codes.reshape(2, 2, 3, 2).permute(0, 3, 1, 2), grid[:, :2], atol=1e-6)
    if options:
        log_variances = made.encoder(x).out[:, made.config.latent_dim :]
        assert torch.allclose(log_variances.reshape(2, 2, 3, 2).permute(0, 3, 1, 2), grid[:, 2:])
    assert torch.allclose(made.decoder.decode_grid(grid[:, :2]), made.decode(codes), atol=1e-6)


def test_a_spatial_model_maps_pictures_of_other_sizes():
    made = build()
    grid = made.encoder.encode_grid(torch.rand(1, 3, 16, 4))
    assert grid.shape == (1, 2, 4, 1)
    assert made.decoder.decode_grid(grid).shape == (1, 3, 16, 4)


def test_paths_are_strided_convolutions_of_overlapping_blocks():
    made, x = build(network={"channels": (4, 4, 4)}, shape=(3, 16, 24)), torch.rand(2, 3, 16, 24)
    for path in (made.encoder.path, made.decoder.path):
        torch.nn.init.normal_(path.weight)
    code = F.conv2d(x, made.encoder.path.kernel, stride=8, padding=4)
    assert torch.allclose(made.encoder.path(x), code, atol=1e-3)
    rebuilt = F.conv_transpose2d(code, made.decoder.path.kernel, stride=8, padding=4)
    assert torch.allclose(made.decoder.path(code), rebuilt, atol=1e-2)


@pytest.mark.parametrize("options", [{}, GAUSSIAN], ids=["plain", "variational"])
@pytest.mark.parametrize("side", [8, 7])
def test_a_spatial_model_starts_as_pca_of_blocks(options, side):
    x = digits(300)[..., :side, :side]
    made = begin(x, units=5, **options)
    padded = F.pad(x, (0, 8 - side, 0, 8 - side), mode="replicate")
    rows = cut_blocks(padded, 4)
    pca = PCA(5).fit(rows.numpy())
    rebuilt = torch.from_numpy(pca.transform(rows.numpy()) @ pca.components_) + x.mean()
    blocks = F.pixel_shuffle(rebuilt.view(300, 2, 2, 16).permute(0, 3, 1, 2), 4)
    assert torch.allclose(made.reconstruct(x), blocks[..., :side, :side], atol=1e-4)
    codes = made.encode(x).reshape(-1, 5)
    assert torch.allclose(codes.T.cov(), torch.eye(5), atol=1e-3)


def test_beside_the_path_a_model_starts_at_zero_and_learns():
    x = digits(64)
    made = begin(x, units=2).train()
    last = made.decoder.to_pixels.layer
    assert not made.encoder.head.weight.any() and not last.weight.any()
    first = made.loss(x).total
    first.backward()
    assert made.encoder.head.weight.grad.any() and last.weight.grad.any()
    with torch.no_grad():
        for weight in (made.encoder.head.weight, last.weight):
            weight -= 1e-4 * weight.grad
    assert made.loss(x).total < first


@pytest.mark.parametrize("union", [BottleneckOptions, Penalty], ids=["bottlenecks", "penalties"])
def test_every_bottleneck_and_penalty_takes_a_code_on_a_grid(union):
    for option_class in get_args(get_args(union)[0]):
        kind = option_class.model_fields["kind"].default
        part = (
            {"penalties": [{"kind": kind}]} if union is Penalty else {"bottleneck": {"kind": kind}}
        )
        network = {"code_activation": PENALTY_CODES.get(kind, "linear"), "attention": True}
        made = build((3, 8, 8), 8, network={**network, "linear_path": False}, **part)
        loss = made.train().loss(torch.rand(4, 3, 8, 8)).total
        loss.backward()
        assert loss.isfinite(), kind
        assert all(p.grad is None or p.grad.isfinite().all() for p in made.parameters()), kind


@pytest.mark.parametrize("method", ["exact", "probes"])
def test_the_jacobian_of_a_residual_encoder_is_that_of_finite_differences(method):
    penalty = {"kind": "contractive", "weight": 1.0, "method": method, "probes": 64}
    made = build((1, 5, 4), 1, penalties=[penalty], network={"linear_path": False}).double()
    x, step = torch.rand(1, 1, 5, 4, dtype=torch.float64), 1e-5
    steps = step * torch.eye(20, dtype=torch.float64).view(20, 1, 5, 4)
    rows = (made.encode(x + steps) - made.encode(x - steps)) / (2 * step)
    norm = rows.square().sum().item()
    estimate = made.loss(x).penalty.item()
    assert estimate == pytest.approx(norm, rel=1e-6 if method == "exact" else 0.6)


def test_a_size_that_no_grid_has_is_refused_with_those_that_it_has():
    with pytest.raises(ConfigError, match="multiple of 4, such as 4 or 8, got 6; or set network"):
        parse_options(ModelConfig, {"input_shape": (3, 8, 8), "latent_dim": 6, "network": SMALL})
    with pytest.raises(ConfigError, match="needs images"):
        parse_options(ModelConfig, {"input_shape": (6,), "latent_dim": 4, "network": SMALL})


@pytest.mark.parametrize(
    ("shape", "grid"),
    [((3, 64, 64), (16, 4, 4)), ((3, 32, 32), None), ((1, 50, 70), (16, 4, 5))],
)
@pytest.mark.parametrize("variant", ["conv", "conv-vae"])
def test_pictures_beyond_digits_get_a_residual_network_that_starts_as_pca(variant, shape, grid):
    made = configure(variant, shape, examples=500).model
    assert made.network.kind == "residual" and made.network.has_linear_path
    assert made.code_grid == grid and made.latent_dim == math.prod(grid or (64,))
    assert configure(variant, shape, as_published=True).model.network.kind == "conv"
    assert configure(variant, (1, 28, 28)).model.network.kind == "conv"
    assert configure(variant, shape, latent_dim=17).model.code_grid is None


def test_quantised_codes_of_photographs_lie_on_a_grid():
    for variant in ("vq-vae", "fsq", "codec"):
        model = configure(variant, (3, 32, 32), examples=500).model
        assert model.network.kind == "residual" and model.code_grid is not None


def test_few_photographs_are_augmented_many_and_digits_and_a_detectors_are_not():
    def read_augment(shape, examples):
        return configure("conv", shape, examples=examples).training.augment

    assert read_augment((3, 32, 32), 500) == read_augment((3, 64, 64), 19_999) == AUGMENTATION
    assert read_augment((3, 32, 32), 50_000) == read_augment((1, 28, 28), 500) == ()
    published = configure("conv", (3, 32, 32), examples=500, as_published=True)
    assert published.training.augment == ()


def test_a_part_that_forbids_the_path_switches_it_off():
    config = configure("conv", (3, 32, 32), examples=500)
    sparse = override_config(config, {"bottleneck.kind": "top_k", "bottleneck.k": 2})
    assert not sparse.model.network.has_linear_path


@pytest.mark.parametrize("plan", [plan_compressor, plan_denoiser, plan_detector])
def test_recipes_choose_a_residual_network_for_pictures(plan, tmp_path):
    path = str(tmp_path / "colours.npz")
    np.savez(path, x=np.random.default_rng(0).integers(0, 256, (40, 3, 12, 9), np.uint8))
    made = plan(path, {"training.epochs": 1})
    assert made.model.network.kind == "residual" and made.model.network.has_linear_path
    assert made.training.epochs == 1
    assert bool(made.training.augment) == (plan is not plan_detector)
    assert plan(path, {"network.kind": "mlp"}).model.network.kind == "mlp"
    assert plan("digits").model.network.kind == "mlp"


def test_the_automatic_precision_is_that_of_the_device():
    assert is_half_precise("bfloat16", CPU) and not is_half_precise("float32", CPU)
    of_device = torch.cpu._is_avx512_bf16_supported()
    assert is_half_precise("auto", CPU) == of_device
    assert not is_half_precise("auto", torch.device("meta"))


@pytest.mark.parametrize("kind", ["onnx", "torch-export"])
def test_a_residual_model_is_exported(kind, tmp_path):
    made = begin(torch.rand(20, 3, 7, 8), **GAUSSIAN, network={"attention": True})
    assert max(export_model(made, kind, tmp_path).values()) < 1e-4
