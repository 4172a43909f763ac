"""Published autoencoders: what their weights compute here, and read-only runs of them."""

from __future__ import annotations

import json
import math

import pytest
import torch
from safetensors.torch import load_file

from aecore.analysis.bounds import is_variational
from aecore.analysis.doctor import examine
from aecore.analysis.latent import fit_density, sample_codes
from aecore.analysis.metrics import evaluate_model
from aecore.cli.parser import main
from aecore.data.stand_in import PHOTOGRAPHS_REMARK, load_data_or_stand_in
from aecore.errors import CheckpointError, ConfigError
from aecore.hub.pretrained import (
    ShownPictures,
    WeightOrigin,
    adopt_published,
    choose_pictures,
    plan_published_model,
    read_published_network,
)
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import MAX_PARAMETERS, ModelConfig, RunConfig, TrainConfig, parse_options
from aecore.model.export import export_model
from aecore.model.parts.networks import pretrained
from aecore.runs.run import Run
from aecore.tasks.compress import compress_examples, expand_file, measure_unit_effects
from bench.pretrained import CASES, PUBLISHED_FILES, TOLERANCE, compare_case, load_adopted
from bench.published import (
    BARE_KL,
    KL_F8,
    SMALL_KL,
    SMALL_TINY,
    TAESD,
    draw_pictures,
    draw_weights,
    name_as_before,
    write_published,
)
from tests.large_sets import write_pictures

ORIGIN = WeightOrigin("user/name", "0123abcd", "mit")
# values of code and picture that diffusers 0.42.1 gives for the second of two random pictures
GIVEN_BY_DIFFUSERS = {
    "tiny": (SMALL_TINY, (0.0019, -0.3990, -0.3592), (-0.0157, 0.1667, 0.4047, 0.0636)),
    "kl": (SMALL_KL, (0.8260, -0.0096, -0.1731), (0.4823, 0.2629, 0.5050, 0.3358)),
    "bare": (BARE_KL, (-0.7877, 0.8920, -0.4527, 0.0287), (0.4366, 0.2443, 0.3604, 0.5502)),
}


def adopt(tmp_path, config=SMALL_KL, pictures=None, weights=None, name="run"):
    """A run of a random checkpoint of this layout."""
    folder = write_published(tmp_path / "published", config, weights)
    shown = pictures or ShownPictures((3, 32, 32))
    return Run(adopt_published(folder, PUBLISHED_FILES, tmp_path / name, ORIGIN, shown))


def refuse(tmp_path, config, weights=None):
    """The sentence with which a checkpoint is refused; nothing is left of it."""
    with pytest.raises(CheckpointError) as caught:
        adopt(tmp_path, config, weights=draw_weights(SMALL_KL) if weights is None else weights)
    assert not (tmp_path / "run").exists() and str(tmp_path) not in str(caught.value)
    return str(caught.value)


# -- what they compute


@pytest.mark.parametrize("layout", GIVEN_BY_DIFFUSERS)
def test_codes_and_pictures_are_those_that_diffusers_gives(layout, tmp_path):
    config, code, picture = GIVEN_BY_DIFFUSERS[layout]
    model = load_adopted(write_published(tmp_path / "published", config), tmp_path / "run", 32)
    x = draw_pictures(2, 32)
    z = model.encode(x)
    assert z[1, ::97][:4].tolist() == pytest.approx(code, abs=TOLERANCE)
    assert model.decode(z)[1].flatten()[::997].tolist() == pytest.approx(picture, abs=TOLERANCE)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_diffusers_loads_the_same_checkpoint_and_computes_the_same(case, tmp_path):
    pytest.importorskip("diffusers")
    assert max(compare_case(case, tmp_path)) < TOLERANCE


def test_layers_of_attention_may_have_their_earlier_names(tmp_path):
    weights = draw_weights(SMALL_KL)
    new = adopt(tmp_path, weights=weights)
    earlier = adopt(tmp_path, weights=name_as_before(weights), name="earlier")
    files = [run.path / "model.safetensors" for run in (new, earlier)]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("config", "count", "stride"),
    [(TAESD, 2_445_063, 8), (KL_F8, 83_653_863, 8), (SMALL_TINY, None, 4), (BARE_KL, None, 4)],
)
def test_sizes_are_known_before_anything_is_built(config, count, stride, tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    network = read_published_network(folder, ORIGIN)
    side = 8 * stride
    model = plan_published_model(network, ShownPictures((3, side, 2 * side)))
    assert model.code_grid == (config["latent_channels"], 8, 16)
    assert model.latent_dim == math.prod(model.code_grid)
    expected = count or sum(weight.numel() for weight in draw_weights(config).values())
    assert model.count_weights() == expected < MAX_PARAMETERS


@pytest.mark.parametrize("config", [SMALL_TINY, BARE_KL, SMALL_KL], ids=["tiny", "bare", "kl"])
def test_products_are_those_of_the_layers(config, tmp_path):
    model = Autoencoder.load(adopt(tmp_path, config).path)
    products = []

    def note(layer, _, out):
        if getattr(layer, "weight", None) is not None and layer.weight.dim() > 1:
            products.append(layer.weight.numel() * out.numel() // layer.weight.shape[0])

    for module in model.modules():
        module.register_forward_hook(note)
    model.reconstruct(torch.rand(1, 3, 32, 32))
    assert model.config.network.count_products((3, 32, 32), 0) == sum(products)


# -- the run


@pytest.mark.parametrize("config", [SMALL_TINY, SMALL_KL], ids=["tiny", "kl"])
def test_a_checkpoint_becomes_a_run_that_names_its_origin(config, tmp_path):
    run = adopt(tmp_path, config)
    assert {path.name for path in run.path.iterdir()} == {
        "config.json",
        "model.safetensors",
        "README.md",
        "state.json",
    }
    network = run.config().model.network
    assert (network.source, network.revision, network.license) == ORIGIN
    assert network.scaling_factor == config["scaling_factor"]
    assert run.config().training is None and run.config().data is None
    assert run.state().state == "done" and not run.test_metrics()
    card = (run.path / "README.md").read_text()
    assert "license: mit" in card and "base_model: user/name" in card
    assert "[user/name](https://huggingface.co/user/name), commit 0123abcd; licence: mit" in card
    assert card.count("Read-only") == 1 and "train" not in card.partition("## Use")[2]


def test_half_precision_becomes_float32(tmp_path):
    weights = {name: tensor.half() for name, tensor in draw_weights(SMALL_TINY).items()}
    kept = load_file(adopt(tmp_path, SMALL_TINY, weights=weights).path / "model.safetensors")
    assert {tensor.dtype for tensor in kept.values()} == {torch.float32}
    assert torch.equal(kept["encoder.layers.0.weight"], weights["encoder.layers.0.weight"].float())


def test_it_cannot_be_trained_or_resumed_and_says_so(tmp_path, capsys):
    run = adopt(tmp_path)
    assert main(["resume", str(run.path)]) != 0
    text = capsys.readouterr().err
    assert "run is read-only: its weights are those of user/name" in text
    values = run.config().model_dump(mode="json")
    with pytest.raises(ConfigError, match="A network of kind autoencoder_kl is read-only"):
        parse_options(RunConfig, {**values, "training": TrainConfig().model_dump()})


def test_a_pretrained_code_has_no_prior(tmp_path):
    model = Autoencoder.load(adopt(tmp_path).path)
    assert not model.has_prior and not is_variational(model)
    with pytest.raises(ConfigError, match="AutoencoderKL has no prior to sample from"):
        model.sample(2)
    metrics = evaluate_model(model, torch.rand(3, 3, 32, 32))
    assert {"se", "psnr", "ssim", "parameters"} <= set(metrics)
    assert not {"kl", "nll_bound", "bits_per_dim"} & set(metrics)
    density = fit_density(model.encode(torch.rand(9, 3, 32, 32)))
    assert model.decode(sample_codes(model, 2, 0, density)).shape == (2, 3, 32, 32)


def test_the_doctor_tells_nothing_of_what_cannot_be_trained(tmp_path):
    run = adopt(tmp_path, SMALL_TINY)
    dataset, _ = load_data_or_stand_in(run.config())
    assert examine(Autoencoder.load(run.path), dataset, run) == []


@pytest.mark.parametrize("side", [32, 64, 256])
def test_without_data_it_is_shown_on_photographs_of_its_size(side, tmp_path):
    run = adopt(tmp_path, SMALL_TINY, ShownPictures((3, side, side)))
    dataset, remark = load_data_or_stand_in(run.config())
    assert remark == PHOTOGRAPHS_REMARK and dataset.input_shape == (3, side, side)
    assert min(len(dataset.train.x), len(dataset.test.x)) >= 4


def test_large_networks_are_shown_on_fewer_photographs(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "SHOWN_PRODUCTS", 1000)
    run = adopt(tmp_path, SMALL_TINY, ShownPictures((3, 64, 64)))
    dataset, remark = load_data_or_stand_in(run.config())
    counts = {len(dataset.train.x), len(dataset.test.x)}
    assert counts == {pretrained.LEAST_SHOWN} and remark == PHOTOGRAPHS_REMARK


def test_pictures_that_are_named_are_no_more_than_pass_in_a_minute(tmp_path, monkeypatch):
    write_pictures(tmp_path / "photos", 60, colour=True)
    pictures = choose_pictures(str(tmp_path / "photos"), 32)
    assert pictures.shape == (3, 32, 32) and pictures.examples == 48
    run = adopt(tmp_path, SMALL_TINY, pictures)
    assert run.config().data == pictures.data
    dataset, remark = load_data_or_stand_in(run.config())
    assert remark == "" and dataset.count == 48
    monkeypatch.setattr(pretrained, "SHOWN_PRODUCTS", 1000)
    limited = adopt(tmp_path, SMALL_TINY, pictures, name="limited")
    assert load_data_or_stand_in(limited.config())[0].count == pretrained.LEAST_SHOWN


def test_a_side_alone_is_that_of_the_sample_photographs():
    assert choose_pictures(None, None) is None
    assert choose_pictures(None, 128) == ShownPictures((3, 128, 128))


def test_a_file_of_codes_opens_to_what_they_decode_to(tmp_path):
    model, x = Autoencoder.load(adopt(tmp_path, SMALL_TINY).path), draw_pictures(6, 32)
    fine = expand_file(model, compress_examples(model, x, 1e-3))
    assert torch.allclose(fine, model.reconstruct(x), atol=0.02)
    sizes = [len(compress_examples(model, x, step)) for step in (0.01, 0.1, 1.0)]
    assert sizes == sorted(sizes, reverse=True)


def test_a_channel_of_a_grid_has_the_mean_effect_of_its_units(tmp_path):
    model, x = Autoencoder.load(adopt(tmp_path, SMALL_TINY).path), draw_pictures(40, 32)
    z = model.encode(x)
    together = measure_unit_effects(model, z).view(-1, 4)
    assert torch.equal(together, together[:1].expand_as(together))
    size = 0.05 * z.std().item()
    for channel in range(4):
        squares = []
        for unit in range(channel, z.shape[1], 4):
            shift = torch.zeros_like(z)
            shift[:, unit] = size
            change = (model.decode(z + shift) - model.decode(z - shift)) / (2 * size)
            squares.append(change.flatten(1).square().sum(1).mean())
        alone = torch.stack(squares).mean().sqrt()
        assert together[0, channel].item() == pytest.approx(alone.item(), rel=0.1)


@pytest.mark.parametrize("config", [SMALL_TINY, SMALL_KL], ids=["tiny", "kl"])
def test_it_is_exported(config, tmp_path):
    model = Autoencoder.load(adopt(tmp_path, config).path)
    assert max(export_model(model, "torch-export", tmp_path).values()) < 1e-4


# -- refusals


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"_class_name": "UNet2DConditionModel"}, "holds 'UNet2DConditionModel', which is no auto"),
        ({"_class_name": None}, "holds None, which is no autoencoder"),
        ({"act_fn": "mish"}, "act_fn is silu in autoencoders known here, got 'mish'"),
        ({"in_channels": 4}, "in_channels is 3 in autoencoders known here, got 4"),
        ({"down_block_types": ["AttnDownEncoderBlock2D"]}, "got 'AttnDownEncoderBlock2D'"),
        ({"block_out_channels": [8, 16, 18]}, "Channels are multiples of the 4 groups"),
        ({"block_out_channels": "8"}, "channels"),
        ({"layers_per_block": 10**9}, "blocks: input should be less than or equal to 16"),
        ({"scaling_factor": "nan"}, "scaling_factor"),
        ({"latents_channels": 4, "latent_channels": []}, "latent_channels"),
        ({"block_out_channels": [4, 16, 16]}, "expected floats of shape [4"),
        ({"latent_channels": 5}, "shape"),
        ({"layers_per_block": 2}, "do not belong together: one of them alone has"),
    ],
)
def test_an_unknown_layout_is_refused(changes, text, tmp_path):
    assert text in refuse(tmp_path, {**SMALL_KL, **changes})


def test_a_tiny_one_of_other_widths_is_refused(tmp_path):
    text = refuse(tmp_path, {**SMALL_TINY, "encoder_block_out_channels": [8, 8, 16]})
    assert "has one number for all levels here" in text
    text = refuse(tmp_path, {**SMALL_TINY, "num_encoder_blocks": [1, 2]})
    assert "Encoder and decoder have as many levels each" in text


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    weights = draw_weights(SMALL_KL)
    weights["quant_conv.bias"][0] = torch.nan
    assert "quant_conv.bias holds NaN" in refuse(tmp_path, SMALL_KL, weights)
    weights["quant_conv.bias"] = torch.zeros(8, dtype=torch.int64)
    assert "is I64 of shape [8]" in refuse(tmp_path, SMALL_KL, weights)


def test_a_model_beyond_the_budget_is_refused_before_it_is_built(tmp_path):
    with pytest.raises(ConfigError, match=r"would have [\d,]+ weights; the limit is 100,000,000"):
        adopt(tmp_path, {**KL_F8, "block_out_channels": [512, 1024, 2048, 2048]})


def test_layers_that_are_too_large_for_memory_are_refused_before_they_are_computed(tmp_path):
    with pytest.raises(ConfigError, match=r"layers of [\d,]+ values .* choose smaller pictures"):
        adopt(tmp_path, {**BARE_KL, "latent_channels": 1}, ShownPictures((3, 4096, 4096)))


@pytest.mark.parametrize("config", [SMALL_TINY, SMALL_KL], ids=["tiny", "kl"])
def test_pictures_too_large_to_be_measured_are_refused_in_a_sentence(config, tmp_path):
    with pytest.raises(ConfigError, match=r"at most 100,000,000 values .* choose smaller pictures"):
        adopt(tmp_path, config, ShownPictures((3, 1_000_000, 1_000_000)))


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 30, 32), (12,)])
def test_pictures_that_do_not_suit_it_are_refused(shape, tmp_path):
    with pytest.raises(
        ConfigError, match="takes pictures in colour whose sides are multiples of 4"
    ):
        adopt(tmp_path, pictures=ShownPictures(shape))


def test_attention_of_large_pictures_is_bounded(tmp_path):
    with pytest.raises(ConfigError, match=r"at most 4,096 places of a code, got .* 512 x 256"):
        adopt(tmp_path, pictures=ShownPictures((3, 512, 256)))
    config = adopt(tmp_path, {**BARE_KL, "latent_channels": 1}, ShownPictures((3, 512, 256)))
    assert config.config().model.latent_dim == 128 * 64


@pytest.mark.parametrize(
    "changes",
    [{"bottleneck": {"kind": "deterministic"}}, {"bottleneck": {"kind": "top_k", "k": 2}}],
)
def test_other_parts_do_not_go_with_its_code(changes, tmp_path):
    values = adopt(tmp_path).config().model.model_dump(mode="json")
    with pytest.raises((ConfigError, ValueError), match="goes with another bottleneck"):
        Autoencoder(parse_options(ModelConfig, {**values, **changes}))
