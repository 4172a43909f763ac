"""Compression: bytes that open to the same picture, and what they cost."""

from __future__ import annotations

import contextlib
import math
import zlib

import pytest
import torch

from aecore.data.datasets import load_dataset
from aecore.errors import ConfigError, DataError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig
from aecore.tasks.compress import (
    FRAME,
    MAGIC,
    compress_examples,
    expand_file,
    fingerprint_weights,
)
from aecore.tasks.range_coder import (
    HEAD,
    pack_codes,
    unpack_codes,
)
from aecore.tasks.rate_distortion import (
    measure_image_codec_curve,
    measure_pca_curve,
    measure_rate_curve,
)
from tests.helpers import digits, model, tiny, trained

IMAGE = {"input_shape": (1, 8, 8), "network": {"kind": "mlp", "hidden": (16,)}}
CODES = {
    "plain": {},
    "variational": {"bottleneck": {"kind": "gaussian"}},
    "k-sparse": {"bottleneck": {"kind": "top_k", "k": 3}, "latent_dim": 12},
    "codebook": {
        "bottleneck": {"kind": "vector_quantized", "codes": 16, "dim": 2},
        "latent_dim": 8,
    },
    "rounded": {
        "bottleneck": {"kind": "finite_scalar", "levels": 5},
        "network": {**IMAGE["network"], "code_activation": "tanh"},
    },
}


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A model of the digits, trained for a moment."""
    run = trained(tiny(training={"epochs": 30}), tmp_path_factory.mktemp("runs") / "net")
    return Autoencoder.load(run.path)


@pytest.mark.parametrize("kind", CODES)
def test_a_file_opens_to_what_its_codes_decode_to_and_again_to_the_same(kind):
    net, x = model(**{**IMAGE, **CODES[kind]}).eval(), digits(50)
    file = compress_examples(net, x, 0.01)
    back = expand_file(net, file)
    assert torch.equal(back, expand_file(net, file))
    exact = kind in ("codebook", "rounded")
    assert torch.allclose(back, net.reconstruct(x).detach(), atol=1e-6 if exact else 0.01)


def test_countable_codes_take_the_bits_that_their_levels_need():
    net = model(**{**IMAGE, **CODES["codebook"]}).eval()
    few, many = (len(compress_examples(net, digits(n))) for n in (100, 500))
    assert 8 * (many - few) == pytest.approx(400 * 4 * math.log2(16), rel=0.01)


def test_a_finer_step_costs_a_bit_a_unit_and_halves_what_rounding_adds(net):
    x = digits(200)
    coarse, fine = measure_rate_curve(net, x, [0.2, 0.1])
    assert (fine.bits - coarse.bits) * 64 == pytest.approx(net.config.latent_dim, rel=0.1)
    finest = measure_rate_curve(net, x, [0.001])[0]
    assert coarse.se - finest.se == pytest.approx(4 * 0.2**2 / 12, rel=0.5)
    assert finest.se == pytest.approx(
        (net.reconstruct(x) - x).flatten(1).square().sum(1).mean().item(), rel=1e-3
    )


def test_the_coder_is_within_a_few_percent_of_the_entropy_of_normal_levels():
    torch.manual_seed(0)
    z = torch.randn(4000, 8) * torch.tensor([1.0, 2, 4, 8, 16, 1, 1, 1]) + 3
    file = pack_codes(z, torch.ones(8) / 4)
    entropy = sum(
        0.5 * math.log2(2 * math.pi * math.e * (4 * s) ** 2) for s in (1, 2, 4, 8, 16, 1, 1, 1)
    )
    assert 8 * len(file) / 4000 == pytest.approx(entropy, rel=0.02)
    assert (unpack_codes(file) - z).abs().max() <= 0.125 + 1e-5


def test_a_single_example_is_a_small_file(net):
    assert len(compress_examples(net, digits(1))) < 100


def test_principal_components_go_through_the_same_coder(net):
    sets = load_dataset(DataConfig(name="digits"))
    points = measure_pca_curve(net, sets.train.x, sets.test.x, [1.0, 0.25])
    assert points[0].bits < points[1].bits and points[0].se > points[1].se


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_picture_files_are_counted_whole(kind):
    low, high = measure_image_codec_curve(torch.rand(3, 3, 16, 16), kind, [10, 95])
    assert low.bits < high.bits and low.se > high.se


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda f: b"", "no compressed file"),
        (lambda f: b"PK\3\4" + f[4:], "no compressed file"),
        (lambda f: f[:-3], "damaged or cut short"),
        (lambda f: f[:40] + bytes([f[40] ^ 1]) + f[41:], "damaged or cut short"),
    ],
)
def test_a_harmed_file_is_refused_with_a_sentence(net, harm, words):
    with pytest.raises(DataError, match=words):
        expand_file(net, harm(compress_examples(net, digits(5))))


def forge_file(net, change):
    """A file whose checksum is right and whose body is not."""
    body = change(compress_examples(net, digits(5))[FRAME.size :])
    return FRAME.pack(MAGIC, fingerprint_weights(net), zlib.crc32(body)) + body


HEAD_SIZE, UNITS = HEAD.size, 4
FORGERIES = {
    "short": lambda b: b[:20],
    "no codes": lambda b: b[: HEAD_SIZE + 6 * UNITS],
    "odd": lambda b: b[:-3],
    "a longer length": lambda b: HEAD.pack(5, UNITS, 2**32 - 4) + b[HEAD_SIZE:],
    "steps of zero": lambda b: b[:HEAD_SIZE] + bytes(2 * UNITS) + b[HEAD_SIZE + 2 * UNITS :],
    "means of NaN": lambda b: (
        b[: HEAD_SIZE + 2 * UNITS] + b"\xff" * 2 * UNITS + b[HEAD_SIZE + 4 * UNITS :]
    ),
    "deviations of zero": lambda b: (
        b[: HEAD_SIZE + 4 * UNITS] + bytes(2 * UNITS) + b[HEAD_SIZE + 6 * UNITS :]
    ),
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_file_is_refused_with_a_sentence(net, change):
    with pytest.raises(DataError, match=r"fit the model's code|cannot be decoded"):
        expand_file(net, forge_file(net, change))


def test_codes_that_no_coder_wrote_decode_or_are_refused(net):
    for seed in range(20):
        noise = torch.Generator().manual_seed(seed)
        words = bytes(torch.randint(0, 256, (400,), dtype=torch.uint8, generator=noise).numpy())
        file = forge_file(
            net,
            lambda b, words=words: (
                HEAD.pack(500, UNITS, 400) + b[HEAD_SIZE : HEAD_SIZE + 24] + words
            ),
        )
        with contextlib.suppress(DataError):
            assert len(expand_file(net, file)) == 500


def test_a_step_too_small_for_the_coder_is_refused_rather_than_cut_off(net):
    with pytest.raises(ConfigError, match="too small"):
        compress_examples(net, digits(5), 1e-5)


def test_another_models_file_is_refused(net):
    other = model(seed=1, **IMAGE, latent_dim=4).eval()
    with pytest.raises(DataError, match="another model"):
        expand_file(other, compress_examples(net, digits(5)))


def test_a_file_that_promises_more_than_memory_holds_is_refused(net):
    body = HEAD.pack(2**32 - 1, 4, 0) + bytes(24)
    file = FRAME.pack(MAGIC, fingerprint_weights(net), zlib.crc32(body)) + body
    with pytest.raises(DataError, match="GB in memory"):
        expand_file(net, file)


@pytest.mark.parametrize(
    ("step", "error"), [(0, ConfigError), (-1, ConfigError), (math.nan, ConfigError)]
)
def test_a_step_that_is_none_is_refused(net, step, error):
    with pytest.raises(error, match="step must be above 0"):
        compress_examples(net, digits(5), step)


def test_nothing_to_compress_is_said(net):
    with pytest.raises(DataError, match="Give at least one"):
        compress_examples(net, digits(5)[:0])
    with pytest.raises(DataError, match="NaN"):
        compress_examples(net, digits(5) * math.nan)


def test_a_columns_unit_does_not_decide_how_finely_it_is_kept():
    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [1.0, 1000, 1e-3]
    )
    net = model(
        input_shape=(3,), latent_dim=3, scaling="standard", network={"kind": "mlp", "hidden": ()}
    ).eval()
    net.fit_scaling(x)
    error = (
        expand_file(net, compress_examples(net, x, 0.1)) - net.reconstruct(x)
    ).detach() / x.std(0)
    assert (
        error.square().mean(0).max() < 20 * error.square().mean(0).min() and error.abs().max() < 0.2
    )
