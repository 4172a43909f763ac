"""Whatever lies in a folder, loading gives a sound model or, at no cost, a CheckpointError."""

from __future__ import annotations

import json
import os
import resource
import struct

import pytest
import torch
from helpers import model
from safetensors.torch import save_file

from aecore.errors import CheckpointError
from aecore.files import replace_file, write_text_file
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig
from aecore.model.weights import write_tensors


@pytest.fixture
def folder(tmp_path):
    model(scaling="standard").save(tmp_path)
    return tmp_path


def rewrite(folder, **changes):
    """config.json with parts of the model replaced."""
    config = json.loads((folder / "config.json").read_text())
    config["model"].update(changes)
    (folder / "config.json").write_text(json.dumps(config))


def get_refusal(folder):
    """The sentence with which loading is refused: short, on one line, fit for any terminal."""
    with pytest.raises(CheckpointError) as caught:
        Autoencoder.load(folder)
    sentence = str(caught.value)
    assert "\n" not in sentence and len(sentence) < 1000
    sentence.encode("utf-8")
    return sentence


# -- config.json

HUGE = [
    {"input_shape": [10**6, 10**6, 10**6]},
    {"input_shape": [10**100]},
    {
        "input_shape": [3, 10**6, 10**6],
        "network": {"kind": "conv", "channels": [1] * 8},
        "latent_dim": 1,
    },
    {
        "input_shape": [1, 4000, 4000],
        "network": {"kind": "conv", "channels": [1] * 8},
        "latent_dim": 1,
    },
    {"latent_dim": 10**9},
    {"network": {"kind": "mlp", "hidden": [16384] * 16}},
    {"network": {"kind": "mlp", "hidden": [2] * 10_000}},
    {"network": {"kind": "conv", "channels": [1024] * 8}, "input_shape": [3, 32, 32]},
    {
        "latent_dim": 1024,
        "bottleneck": {"kind": "vector_quantized", "codes": 65536, "dim": 1024},
        "network": {"kind": "mlp", "hidden": [16384, 1024]},
    },
    {"bottleneck": {"kind": "vector_quantized", "codes": 2**62, "dim": 3}},
    {"penalties": [{"kind": "l1"}] * 1000},
]


@pytest.mark.parametrize("changes", HUGE, ids=range(len(HUGE)))
def test_giant_sizes_are_refused_and_cost_nothing(folder, changes):
    rewrite(folder, **changes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    get_refusal(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "3",
        '"config"',
        "{}",
        '{"model": null}',
        '{"model": {"input_shape": [NaN], "latent_dim": Infinity}}',
        '{"model": {"input_shape": [1e400]}}',
        '{"model": {"input_shape": [-1]}}',
        '{"model": {"input_shape": []}}',
        '{"model": {"input_shape": [2, 3]}}',
        '{"model": {"input_shape": "6"}}',
        '{"model": {"input_shape": [6], "variant": "' + "v" * 5000 + '"}}',
        '{"model": {"input_shape": [6]}, "' + "k" * 5000 + '": 1}',
        '{"model": {"input_shape": [6]}, "\\ud800": 1}',
        '{"model": {"input_shape": [6], "variant": "\\ud800"}}',
        '{"model": {"input_shape": [6]}, "__class__": "os.system"}',
        '{"model": {"input_shape": [6], "network": {"kind": "mlp", "hidden": [4], "extra": 1}}}',
        '{"model": {"input_shape": [6], "network": {"kind": "' + "r" * 5000 + '"}}}',
        '{"model": {"input_shape": [6]}, "training": {"lr": -1}}',
        '{"model": {"input_shape": [6]}, "data": {"name": ""}}',
        "[" * 50_000,
        '{"model": ' + "9" * 5000 + "}",
        " " * 200_000,
    ],
    ids=range(26),
)
def test_a_config_that_is_no_config_is_refused_in_a_sentence(folder, text):
    (folder / "config.json").write_text(text)
    assert "config.json" in get_refusal(folder)


def test_a_config_of_bytes_that_are_no_text_or_of_no_file_is_refused(folder):
    (folder / "config.json").write_bytes(b"\xff\xfe{}")
    get_refusal(folder)
    (folder / "config.json").unlink()
    assert "has no config.json" in get_refusal(folder)
    (folder / "config.json").mkdir()
    get_refusal(folder)
    assert "has no config.json" in get_refusal(folder / "nowhere")


# -- model.safetensors


def test_a_missing_model_is_named(folder):
    (folder / "model.safetensors").unlink()
    assert "has no model.safetensors" in get_refusal(folder)


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 60, 0.5, 0.999])
def test_a_torn_file_is_refused(folder, keep):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(
        whole[: int(keep * len(whole)) if isinstance(keep, float) else keep]
    )
    assert "torn" in get_refusal(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x95pickle",
        b"PK\x03\x04" + b"\0" * 100,
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 10**8) + b"{",
        struct.pack("<Q", 2) + b"{}" + b"\0" * 100,
        struct.pack("<Q", 64)
        + b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4]'.ljust(64),
    ],
    ids=range(6),
)
def test_a_foreign_or_lying_file_is_refused(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    get_refusal(folder)


def tensors(folder):
    return {name: t.clone() for name, t in Autoencoder.load(folder).state_dict().items()}


def test_missing_extra_and_renamed_tensors_are_refused(folder):
    whole = tensors(folder)
    first, *rest = whole
    save_file({name: whole[name] for name in rest}, folder / "model.safetensors")
    assert f"lacks {first}" in get_refusal(folder)
    save_file({**whole, "x" * 500: torch.zeros(1)}, folder / "model.safetensors")
    assert "unexpected" in get_refusal(folder)


def test_shapes_and_dtypes_must_be_those_of_the_config(folder):
    whole = tensors(folder)
    name = "encoder.layers.0.weight"
    for wrong in (
        whole[name][:1],
        whole[name].T,
        whole[name].double(),
        whole[name].half(),
        whole[name].int(),
    ):
        save_file({**whole, name: wrong.contiguous()}, folder / "model.safetensors")
        assert name in get_refusal(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused(folder, value):
    whole = tensors(folder)
    whole["decoder.layers.0.bias"][0] = value
    save_file(whole, folder / "model.safetensors")
    assert "decoder.layers.0.bias holds NaN or infinity" in get_refusal(folder)


def test_a_model_of_another_config_is_refused(folder):
    rewrite(folder, latent_dim=2)
    assert "the config implies" in get_refusal(folder)


# -- writing


def test_a_failed_write_leaves_the_old_file_and_no_draft(folder):
    path, old = folder / "model.safetensors", (folder / "model.safetensors").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # a file may grow no further
        with pytest.raises(OSError, match=r"large|space"):
            write_tensors(path, {"big": torch.zeros(10_000)})
        with pytest.raises(OSError):
            write_text_file(folder / "config.json", "x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == old
    assert sorted(os.listdir(folder)) == ["config.json", "model.safetensors"]
    Autoencoder.load(folder)


def test_a_write_that_is_interrupted_leaves_no_draft(folder):
    def interrupted(draft):
        draft.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file(folder / "config.json", interrupted)
    assert sorted(os.listdir(folder)) == ["config.json", "model.safetensors"]


def test_others_may_read_the_weights(folder):
    assert (folder / "model.safetensors").stat().st_mode & 0o444 == 0o444


def test_saving_the_same_model_twice_gives_the_same_bytes(folder, tmp_path):
    again = tmp_path / "again"
    Autoencoder.load(folder).save(again)
    for name in ("config.json", "model.safetensors"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_weights_that_are_cut_short_after_loading_leave_the_model_whole(tmp_path):
    model = Autoencoder(ModelConfig(input_shape=(1, 28, 28)))
    model.save(tmp_path)
    loaded, x = Autoencoder.load(tmp_path), torch.rand(2, 1, 28, 28)
    before = loaded.reconstruct(x)
    os.truncate(tmp_path / "model.safetensors", 100)
    assert torch.equal(loaded.reconstruct(x), before)
