"""Exports a model for other programs: encoder and decoder as ONNX or torch.export files.

Each file is read back and compared with PyTorch.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.progress import report_share

Program = Callable[[Tensor], Tensor]
ExportKind = Literal["onnx", "torch-export"]
EXPORT_SUFFIX = {"onnx": ".onnx", "torch-export": ".pt2"}
TOLERANCE = 1e-4  # between the exported program and PyTorch
BATCHES = (1, 5)  # sizes at which programs are checked; they are traced at another


class ExportedEncoder(nn.Module):
    """x (N, *input_shape) in the data's units -> z (N, latent_dim)."""

    def __init__(self, model: Autoencoder):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model.encode(x)


class ExportedDecoder(nn.Module):
    """z (N, latent_dim) -> x^ (N, *input_shape) in the data's units."""

    def __init__(self, model: Autoencoder):
        super().__init__()
        self.model = model

    def forward(self, z: Tensor) -> Tensor:
        return self.model.decode(z)


def export_model(model: Autoencoder, kind: ExportKind, out: Path) -> dict[Path, float]:
    """Write encoder and decoder into the folder `out`, which is created if missing.

    Returns for each file its largest difference to PyTorch on random inputs, as a share of the
    largest value or of 1. Raises ConfigError where a library is missing, nothing can be written, or
    a program does not agree with PyTorch.
    """
    torch.manual_seed(0)
    x = torch.rand(max(BATCHES) + 2, *model.config.input_shape)
    with torch.no_grad():
        z = model.encode(x)
    encoder, decoder = ExportedEncoder(model).eval(), ExportedDecoder(model).eval()
    paths = [out / f"{name}{EXPORT_SUFFIX[kind]}" for name in ("encoder", "decoder")]
    write_program = EXPORT_WRITERS[kind]
    try:
        out.mkdir(parents=True, exist_ok=True)
        with silence_exporters():
            encode = write_program(encoder, x, paths[0], ("x", "z"))
            report_share(0.4)
            encoder_error = check_against_torch(paths[0], encoder, encode, x)
            report_share(0.5)
            decode = write_program(decoder, z, paths[1], ("z", "reconstruction"))
            report_share(0.9)
            decoder_error = check_against_torch(paths[1], decoder, decode, z)
            report_share(1.0)
    except OSError as error:
        raise ConfigError(
            f"{out} cannot be written: {error.strerror or error}. Choose another folder."
        ) from error
    return dict(zip(paths, (encoder_error, decoder_error), strict=True))


def write_onnx(module: nn.Module, inputs: Tensor, path: Path, names: tuple[str, str]) -> Program:
    """Write an ONNX file for batches of any size; return a function that runs it in onnxruntime.

    `names` are those of the program's input and output. ConfigError if a library is missing.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  (the exporter needs it, and its own message is long)
    except ImportError as error:
        raise ConfigError(
            "ONNX needs its libraries: pip install onnx onnxscript onnxruntime."
        ) from error
    program = torch.onnx.export(
        module,
        (inputs,),
        dynamo=True,
        input_names=names[:1],
        output_names=names[1:],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        verbose=False,
    )
    assert program is not None
    program.save(str(path), external_data=False)
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda batch: torch.from_numpy(session.run(None, {names[0]: batch.numpy()})[0])


def write_torch_program(
    module: nn.Module, inputs: Tensor, path: Path, names: tuple[str, str]
) -> Program:
    """Write a .pt2 file for batches of any size; return the program as it is read back."""
    program = torch.export.export(
        module, (inputs,), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    torch.export.save(program, str(path))
    return torch.export.load(str(path)).module()


EXPORT_WRITERS: dict[str, Callable[[nn.Module, Tensor, Path, tuple[str, str]], Program]] = {
    "onnx": write_onnx,
    "torch-export": write_torch_program,
}


@torch.no_grad()
def check_against_torch(path: Path, module: nn.Module, program: Program, inputs: Tensor) -> float:
    """Return the largest difference of a program to the module it was made of.

    It is a share of the module's largest value or of 1. ConfigError if it is above TOLERANCE, or a
    shape differs.
    """
    worst = 0.0
    for size in BATCHES:
        expected, output = module(inputs[:size]), program(inputs[:size])
        if expected.shape != output.shape:
            raise ConfigError(
                f"{path} gives shape {tuple(output.shape)} for a batch of {size}. "
                "Please report this run."
            )
        difference = float((expected - output).abs().max())
        worst = max(worst, difference / max(1.0, float(expected.abs().max())))
    if not worst <= TOLERANCE:
        raise ConfigError(f"{path} differs from PyTorch by {worst:.1e}. Please report this run.")
    return worst


@contextmanager
def silence_exporters() -> Iterator[None]:
    """Suppress the exporters' warnings, which are about their internals."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
