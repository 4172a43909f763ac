"""Codes whose bits are the cost: densities, noise and rounding, files that open to the picture."""

from __future__ import annotations

import math
import subprocess
import sys
import zlib

import numpy as np
import pytest
import torch
from helpers import model
from PIL import Image

from aecore.analysis.pictures import draw_picture, encode_png, to_rgb_bytes
from aecore.cli.parser import main
from aecore.errors import ConfigError, DataError
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.bottlenecks.code_density import (
    CodeDensity,
    Prediction,
    count_density_weights,
    count_level_bits,
)
from aecore.model.parts.bottlenecks.rate import Rate, RateBottleneck
from aecore.tasks.compress import FRAME, RATE_MAGIC, compress_examples, expand_file
from aecore.tasks.rate_coder import LevelReader, LevelWriter
from aecore.tasks.rate_files import RATE_HEAD, codes_any_size
from aecore.training.data_start import start_from_examples
from aecore.training.preparation import build_initial_model

GRID = (6, 5, 4)
SMALL_CODEC = {
    "input_shape": (3, 16, 16),
    "latent_dim": 4 * 24,
    "network": {
        "kind": "residual",
        "channels": [8, 8, 8],
        "blocks": [0, 0, 1],
        "linear_path": True,
    },
    "bottleneck": {"kind": "rate", "width": 8, "bit_weight": 0.003},
}


def stir(module: torch.nn.Module, amount: float = 0.2) -> None:
    """Moves all weights, so that no layer is at zero."""
    torch.manual_seed(1)
    for parameter in module.parameters():
        parameter.data += amount * torch.randn_like(parameter)


def bottleneck(**options) -> RateBottleneck:
    built = Rate(width=8, **options).build(120, GRID)
    assert isinstance(built, RateBottleneck)
    stir(built)
    return built.eval()


@pytest.fixture(scope="module")
def codec() -> Autoencoder:
    """A small codec that starts as the transform of Karhunen and Loève, of smooth pictures."""
    net = model(**SMALL_CODEC)
    torch.manual_seed(0)
    pictures = draw_waves(64, 16, 16)
    net = build_initial_model(net.config, pictures, torch.device("cpu"), 0)
    start_from_examples(net, pictures, seed=0)
    stir(net.bottleneck.density, 0.02)
    return net.eval()


def draw_waves(count: int, height: int, width: int) -> torch.Tensor:
    """Smooth pictures (N, 3, height, width) in [0, 1]."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    frequency, phase = torch.rand(count, 3, 2, 1, 1) / 4, 6 * torch.rand(count, 3, 1, 1)
    return (1 + (frequency[:, :, 0] * y + frequency[:, :, 1] * x + phase).sin()) / 2


@pytest.mark.parametrize("scale", [0.05, 0.3, 1.0, 20.0])
@pytest.mark.parametrize("mean", [0.0, 0.4, -7.3])
def test_the_masses_of_all_levels_sum_to_one(scale, mean):
    levels = torch.arange(-400.0, 401, dtype=torch.float64)
    where = Prediction(torch.tensor(mean).double(), torch.tensor(scale).double().log())
    mass = (-count_level_bits(levels, where)).exp2()
    assert mass.sum().item() == pytest.approx(1, abs=1e-3)
    assert mass.argmax().item() - 400 == round(mean)


def test_far_levels_have_finite_gradients():
    levels = torch.tensor([0.0, 0.5, 3.0, 900.0], requires_grad=True)
    log_scale = torch.tensor([-9.0, -3.0, 0.0, 9.0], requires_grad=True)
    count_level_bits(levels, Prediction(torch.zeros(4), log_scale)).sum().backward()
    assert levels.grad.isfinite().all() and log_scale.grad.isfinite().all()


@pytest.mark.parametrize(("channels", "width"), [(96, 12), (3, 5), (1, 2)])
def test_the_weights_of_a_density_are_counted_without_building_it(channels, width):
    density = CodeDensity(channels, width)
    assert sum(p.numel() for p in density.parameters()) == count_density_weights(channels, width)
    options = Rate(width=width)
    built = options.build(4 * channels, (channels, 2, 2))
    assert sum(p.numel() for p in built.parameters()) == options.count_weights(
        4 * channels, (channels, 2, 2)
    )


def test_a_level_is_predicted_from_levels_that_were_decoded_before_it():
    density = CodeDensity(GRID[0], 8)
    stir(density)
    levels = torch.randn(2, *GRID).mul(3).round().requires_grad_()
    factor = torch.ones(2)
    predicted = density.predict(levels, factor)
    order = rank_turns(density, levels.shape)
    for place in ((0, 0, 0), (0, 2, 1), (3, 2, 1), (5, 4, 3)):
        (seen,) = torch.autograd.grad(predicted.log_scale[(0, *place)], levels, retain_graph=True)
        assert not seen[1].any()
        assert (order[0][seen[0] != 0] < order[(0, *place)]).all()


def rank_turns(density, shape):
    """In which turn each level is coded, from 1 on; all turns are taken."""
    turns = []

    def fill(turn, prediction):
        turns.append(turn)
        return torch.full_like(prediction.mean, float(len(turns)))

    ranks = density.take_turns(shape, torch.ones(shape[0]), fill)
    assert (ranks > 0).all()
    return ranks


def test_training_counts_noisy_codes_and_the_decoder_gets_rounded_ones():
    rate = bottleneck(rates=1)
    h = torch.randn(3, 120, requires_grad=True)
    still = rate(h, 1)
    rate.train()
    torch.manual_seed(0)
    first, second = rate(h, 1), rate(h, 1)
    assert torch.equal(first.z, second.z) and torch.equal(first.z, still.z)
    assert not torch.equal(first.rate, second.rate)
    assert torch.allclose(first.rate.mean(), still.rate.mean(), rtol=0.2)
    assert torch.allclose(still.z[0], rate.snap(h))
    (gradient,) = torch.autograd.grad(first.cost.sum(), h)
    assert gradient.isfinite().all() and gradient.any()


def test_one_model_is_trained_for_several_sizes_of_steps():
    rate = bottleneck(rates=4).train()
    torch.manual_seed(0)
    factors = rate.draw_factors(torch.zeros(2000, 120))
    assert 0.25 <= factors.min() < 0.27 and 3.7 < factors.max() <= 4
    assert rate.eval().draw_factors(torch.zeros(2, 120)).tolist() == [1, 1]
    rate.train().draw_factors = lambda h: torch.tensor([0.5, 2.0])
    code = rate(torch.randn(2, 120), 1)
    assert torch.allclose(code.cost / code.rate, torch.tensor([[0.25, 4.0]]))


def test_steps_begin_where_rounding_costs_what_its_bits_do(codec):
    steps = codec.bottleneck.log_steps.exp()
    z = torch.zeros(1, codec.config.latent_dim)
    moved = codec.decode(z.index_fill(1, torch.tensor([30]), 1.0)) - codec.decode(z)
    effect = moved.square().sum().item()
    expected = math.sqrt(12 * 0.003 / (2 * math.log(2)) / effect)
    assert steps[30 % 24].item() == pytest.approx(expected, rel=0.3)


@pytest.mark.parametrize("worth", [0.0, 0.1])
@pytest.mark.parametrize("factor", [0.6, 1.0])
def test_levels_come_back_and_take_the_bits_that_were_counted(worth, factor):
    rate = bottleneck()
    torch.manual_seed(0)
    codes = 4 * torch.randn(40, *GRID) * torch.linspace(2, 0.1, 6)[:, None, None]
    writer = LevelWriter(rate, factor, worth)
    levels = writer.write(codes)
    data = writer.finish()
    words = np.frombuffer(data, "<u4")
    assert torch.equal(LevelReader(rate, factor, words).read(levels.shape), levels)
    factors = torch.full((40,), factor)
    counted = count_level_bits(levels.float(), rate.density.predict(levels.float(), factors))
    assert 8 * len(data) == pytest.approx(counted.sum().item(), rel=0.02)
    if not worth:
        nearest = (codes.double() / (factor * rate.log_steps.double().exp()[:, None, None])).round()
        assert torch.equal(levels, nearest)
    else:
        without = LevelWriter(rate, factor, 0.0)
        without.write(codes)
        assert len(data) < len(without.finish())


@pytest.mark.parametrize("size", [(16, 16), (17, 40), (1, 9), (520, 8)])
def test_a_picture_of_any_size_opens_to_one_and_the_same_picture(codec, size):
    torch.manual_seed(2)
    picture = draw_waves(1, *size)
    file = compress_examples(codec, picture, 1.0)
    opened = expand_file(codec, file)
    assert opened.shape == picture.shape
    assert torch.equal(opened, expand_file(codec, file))
    assert torch.equal((opened * 255).round() / 255, opened)
    assert (opened - picture).square().mean().sqrt() < 0.08
    fine = compress_examples(codec, picture, 0.25)
    assert len(fine) > len(file)
    assert (expand_file(codec, fine) - picture).square().mean() < (opened - picture).square().mean()


def test_examples_that_are_no_pictures_have_files_too():
    net = model(bottleneck={"kind": "rate", "width": 4}).eval()
    assert not codes_any_size(net)
    x = torch.randn(30, 6)
    file = compress_examples(net, x, 1 / 50)
    unrounded = net.decode(net.encode_scaled(x))
    assert torch.allclose(expand_file(net, file), unrounded, atol=0.2)
    assert len(compress_examples(net, x)) < len(file)


def reframe(file: bytes, body: bytes) -> bytes:
    """The file with another body, whose checksum is right."""
    magic, fingerprint, _ = FRAME.unpack_from(file)
    return FRAME.pack(magic, fingerprint, zlib.crc32(body)) + body


def spoil(file: bytes, **changes) -> bytes:
    """The file with other numbers in its head."""
    body = file[FRAME.size :]
    names = ("examples", "height", "width", "factor", "checksum")
    head = dict(zip(names, RATE_HEAD.unpack_from(body), strict=True)) | changes
    return reframe(file, RATE_HEAD.pack(*head.values()) + body[RATE_HEAD.size :])


def test_hostile_files_are_refused_with_a_sentence(codec):
    file = compress_examples(codec, draw_waves(1, 16, 24), 1.0)
    assert file.startswith(RATE_MAGIC)
    cases = {
        "checksum": spoil(file, checksum=0),
        "huge": spoil(file, height=65535, width=65535),
        "many": spoil(file, examples=2**32 - 1),
        "none": spoil(file, examples=0),
        "flat": spoil(file, height=0),
        "no factor": spoil(file, factor=math.nan),
        "large factor": spoil(file, factor=1e30),
        "other size": spoil(file, width=40),
        "cut": file[:-3],
        "short": reframe(file, file[FRAME.size : FRAME.size + 5]),
        "uneven": reframe(file, file[FRAME.size :] + b"x"),
        "no words": reframe(file, file[FRAME.size : FRAME.size + RATE_HEAD.size]),
        "other kind": b"AEZ1" + file[4:],
        "other model": file[:4] + bytes(8) + file[12:],
    }
    for name, case in cases.items():
        with pytest.raises(DataError) as caught:
            expand_file(codec, case)
        assert len(str(caught.value)) < 200, name


@pytest.mark.parametrize("step", [0.0, -1.0, math.nan, math.inf, 1e9])
def test_a_step_that_makes_no_sense_is_refused(codec, step):
    with pytest.raises(ConfigError, match="step"):
        compress_examples(codec, draw_waves(1, 16, 16), step)


def test_pictures_without_values_are_refused(codec):
    with pytest.raises(DataError, match="NaN"):
        compress_examples(codec, torch.full((1, 3, 16, 16), math.nan))


def test_another_process_opens_a_file_to_the_same_pixels(codec, tmp_path, capsys):
    codec.save(tmp_path / "run")
    picture = draw_waves(1, 21, 34)[0]
    (tmp_path / "walk.png").write_bytes(encode_png(draw_picture(picture)))
    run = ["--run", str(tmp_path / "run")]
    assert main(["compress", str(tmp_path / "walk.png"), "--step", "0.5", *run]) == 0
    size = (tmp_path / "walk.aez").stat().st_size
    assert f"{size:,} bytes, {8 * size / (21 * 34):.3f} bits per pixel" in capsys.readouterr().out
    target = tmp_path / "opened.png"
    command = ["decompress", str(tmp_path / "walk.aez"), "--to", str(target), *run]
    subprocess.run([sys.executable, "-m", "aecore", *command], check=True, capture_output=True)
    bytes_of_picture = torch.from_numpy(to_rgb_bytes(picture[None])[0]).permute(2, 0, 1)
    file = compress_examples(codec, bytes_of_picture[None], 0.5)
    opened = torch.from_numpy(np.asarray(Image.open(target)).copy()).permute(2, 0, 1)
    assert torch.equal(opened, (expand_file(codec, file)[0] * 255).round().byte())


def test_the_run_that_wrote_a_file_is_known_by_its_weights(codec, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AECORE_RUNS", str(tmp_path / "runs"))
    codec.save(tmp_path / "runs" / "mine")
    (tmp_path / "walk.png").write_bytes(encode_png(draw_picture(draw_waves(1, 9, 8)[0])))
    assert main(["compress", str(tmp_path / "walk.png")]) == 0
    assert "by mine" in capsys.readouterr().out
    assert main(["decompress", str(tmp_path / "walk.aez"), "--to", str(tmp_path / "a.png")]) == 0
    assert "8 x 9 pixels, by mine" in capsys.readouterr().out
    other = (tmp_path / "walk.aez").read_bytes()
    (tmp_path / "walk.aez").write_bytes(other[:4] + bytes(8) + other[12:])
    assert main(["decompress", str(tmp_path / "walk.aez")]) == 1
    assert "None of the runs here wrote this file" in capsys.readouterr().err
