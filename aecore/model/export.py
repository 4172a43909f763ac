"""A run for other programs: its encoder and decoder as ONNX or torch.export files, each checked against PyTorch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run

ExportKind = Literal["onnx", "torch-export"]
EXPORT_SUFFIX = {"onnx": ".onnx", "torch-export": ".pt2"}
TOLERANCE = 1e-4  # between the written program and PyTorch
BATCHES = (1, 5)  # the batch is free: programs are checked at sizes that they were not written with


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


def export_model(run: Run, kind: ExportKind, out: Path) -> dict[Path, float]:
    """Write encoder and decoder of a run into the folder `out`: {file: largest difference to PyTorch, as a share of the
    largest value or of 1}.

    Raises CheckpointError where the run is unsound, ConfigError where a library is missing, nothing can be written,
    or a program does not agree with PyTorch.
    """
    model = Autoencoder.load(run.path)
    torch.manual_seed(0)
    x = torch.rand(max(BATCHES) + 2, *model.config.input_shape)
    with torch.no_grad():
        z = model.encode(x)
    result = {}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, module, given in (
            ("encoder", ExportedEncoder(model), x),
            ("decoder", ExportedDecoder(model), z),
        ):
            path = out / f"{name}{EXPORT_SUFFIX[kind]}"
            with silence_exporters():
                call = EXPORT_WRITERS[kind](
                    module.eval(), given, path, "x" if name == "encoder" else "z"
                )
                result[path] = check_against_torch(path, module, call, given)
    except OSError as error:
        raise ConfigError(
            f"{out} cannot be written: {error.strerror or error}. Choose another folder."
        ) from error
    return result


def write_onnx(
    module: nn.Module, given: Tensor, path: Path, name: str
) -> Callable[[Tensor], Tensor]:
    """An ONNX file with a free batch; gives what onnxruntime makes of it."""
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  (the exporter needs it, and would say so at length)
    except ImportError as error:
        raise ConfigError(
            "ONNX needs its libraries: pip install onnx onnxscript onnxruntime."
        ) from error
    output = "z" if name == "x" else "reconstruction"
    program = torch.onnx.export(
        module,
        (given,),
        dynamo=True,
        input_names=[name],
        output_names=[output],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        verbose=False,
    )
    assert program is not None
    program.save(str(path), external_data=False)
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda part: torch.from_numpy(session.run(None, {name: part.numpy()})[0])


def write_torch_program(
    module: nn.Module, given: Tensor, path: Path, name: str
) -> Callable[[Tensor], Tensor]:
    """A .pt2 file with a free batch; gives the program as it is read back."""
    program = torch.export.export(
        module, (given,), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    torch.export.save(program, str(path))
    return torch.export.load(str(path)).module()


EXPORT_WRITERS: dict[str, Callable[..., Callable[[Tensor], Tensor]]] = {
    "onnx": write_onnx,
    "torch-export": write_torch_program,
}


@torch.no_grad()
def check_against_torch(
    path: Path, module: nn.Module, call: Callable[[Tensor], Tensor], given: Tensor
) -> float:
    """How far a program is from the module, as a share of its largest value or of 1; ConfigError where too far."""
    worst = 0.0
    for size in BATCHES:
        wanted, got = module(given[:size]), call(given[:size])
        if wanted.shape != got.shape:
            raise ConfigError(
                f"{path} gives shape {tuple(got.shape)} for a batch of {size}. Please report this run."
            )
        worst = max(worst, float((wanted - got).abs().max()) / max(1.0, float(wanted.abs().max())))
    if not worst <= TOLERANCE:
        raise ConfigError(f"{path} differs from PyTorch by {worst:.1e}. Please report this run.")
    return worst


@contextmanager
def silence_exporters() -> Any:
    """Without the exporters' own talk, which is about their insides."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
