"""Runs as ONNX and as torch.export programs, by the command line."""

from __future__ import annotations

import sys

import pytest
from helpers import model

from aecore.cli.parser import main
from aecore.errors import ConfigError
from aecore.model import export
from aecore.model.autoencoder import Autoencoder
from aecore.model.export import (
    EXPORT_SUFFIX,
    ExportedDecoder,
    check_against_torch,
    export_model,
    silence_exporters,
    write_onnx,
)
from aecore.runs.listing import SHIPPED_FOLDER

SOME = [
    "mnist-vae",
    "mnist-conv",
    "mnist-stacked",
    "mnist-k-sparse",
    "mnist-vq-vae",
    "breast-cancer-imputer",
]


@pytest.mark.parametrize("kind", ["onnx", "torch-export"])
@pytest.mark.parametrize("name", SOME)
def test_encoder_and_decoder_agree_with_pytorch_at_any_batch(name, kind, tmp_path, capsys):
    assert main(["export", name, "--to", kind, str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    for part in ("encoder", "decoder"):
        path = tmp_path / "out" / f"{part}{EXPORT_SUFFIX[kind]}"
        assert path.stat().st_size > 1000 and f"{path}: agrees with PyTorch to" in said


def test_means_of_mixtures_are_exported(tmp_path):
    made = model(
        input_shape=(3, 4, 6),
        network={"kind": "conv", "channels": (3,)},
        likelihood={"kind": "logistic_mixture"},
    )
    assert max(export_model(made.eval(), "onnx", tmp_path).values()) < 1e-4


def test_an_onnx_file_says_what_it_takes_and_gives(tmp_path):
    import onnxruntime

    decoder, path = (
        ExportedDecoder(Autoencoder.load(SHIPPED_FOLDER / "mnist-vae")),
        tmp_path / "decoder.onnx",
    )
    with silence_exporters():
        write_onnx(decoder, export.torch.rand(7, 20), path, ("z", "reconstruction"))
    session = onnxruntime.InferenceSession(path.read_bytes())
    given, got = session.get_inputs()[0], session.get_outputs()[0]
    assert (given.name, given.shape) == ("z", ["batch", 20])
    assert (got.name, got.shape) == ("reconstruction", ["batch", 1, 28, 28])


def test_a_program_that_differs_from_pytorch_is_refused(tmp_path):
    linear = Autoencoder.load(SHIPPED_FOLDER / "mnist-linear")
    given = export.torch.rand(7, 30)
    with pytest.raises(ConfigError, match="differs from PyTorch by"):
        check_against_torch(
            tmp_path, ExportedDecoder(linear), lambda z: linear.decode(z) + 1e-2, given
        )
    with pytest.raises(ConfigError, match="gives shape"):
        check_against_torch(
            tmp_path, ExportedDecoder(linear), lambda z: linear.decode(z)[:1], given
        )


def test_without_its_libraries_onnx_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match="pip install onnx onnxscript onnxruntime"):
        export_model(Autoencoder.load(SHIPPED_FOLDER / "mnist-linear"), "onnx", tmp_path)


def test_a_file_in_the_way_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file cannot be written: .*Choose another folder"):
        export_model(
            Autoencoder.load(SHIPPED_FOLDER / "mnist-linear"), "torch-export", tmp_path / "file"
        )
