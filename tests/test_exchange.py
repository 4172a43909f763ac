"""Runs as ONNX and as torch.export programs, by the command line."""

import sys

import pytest

from aecore import exchange, runs
from aecore.__main__ import main
from aecore.errors import ConfigError

SOME = ["mnist-vae", "mnist-conv", "mnist-stacked", "mnist-k-sparse", "mnist-vq-vae", "breast-cancer-imputer"]


@pytest.mark.parametrize("kind", ["onnx", "torch-export"])
@pytest.mark.parametrize("name", SOME)
def test_encoder_and_decoder_agree_with_pytorch_at_any_batch(name, kind, tmp_path, capsys):
    assert main(["export", name, "--to", kind, str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    for part in ("encoder", "decoder"):
        path = tmp_path / "out" / f"{part}{exchange.SUFFIX[kind]}"
        assert path.stat().st_size > 1000 and f"{path}: agrees with PyTorch to" in said


def test_an_onnx_file_says_what_it_takes_and_gives(tmp_path):
    import onnxruntime

    exchange.export(runs.find("mnist-vae"), "onnx", tmp_path)
    session = onnxruntime.InferenceSession((tmp_path / "decoder.onnx").read_bytes())
    given, got = session.get_inputs()[0], session.get_outputs()[0]
    assert (given.name, given.shape) == ("z", ["batch", 20])
    assert (got.name, got.shape) == ("reconstruction", ["batch", 1, 28, 28])


def test_a_program_that_differs_from_pytorch_is_refused(tmp_path):
    model = exchange.Autoencoder.load(runs.SHIPPED / "mnist-linear")
    given = exchange.torch.rand(7, 30)
    with pytest.raises(ConfigError, match="differs from PyTorch by"):
        exchange.compare(tmp_path, exchange.Decoder(model), lambda z: model.decode(z) + 1e-2, given)
    with pytest.raises(ConfigError, match="gives shape"):
        exchange.compare(tmp_path, exchange.Decoder(model), lambda z: model.decode(z)[:1], given)


def test_without_its_libraries_onnx_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match="pip install onnx onnxscript onnxruntime"):
        exchange.export(runs.find("mnist-linear"), "onnx", tmp_path)


def test_a_file_in_the_way_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file cannot be written: .*Choose another folder"):
        exchange.export(runs.find("mnist-linear"), "torch-export", tmp_path / "file")
