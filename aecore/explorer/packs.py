"""What the latent explorer gets, as bytes in the safetensors format: a model with its codes, and a map of them.

The browser reads them without a copy of what it does not need (docs/explorer.md describes the layout). The model's
pack is sent once; a map's, with other positions or colours of the same inputs, is small beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import numpy as safetensors
from torch import Tensor

from aecore.analysis.bounds import is_variational
from aecore.analysis.chunks import CHUNK_ROWS, decode_in_chunks
from aecore.analysis.latent import Plane
from aecore.data.splits import Dataset, as_float
from aecore.errors import CheckpointError, ConfigError
from aecore.explorer.portable import export_steps
from aecore.model.autoencoder import Autoencoder
from aecore.runs.previews import read_preview
from aecore.runs.run import Run

MAX_PACKED_WEIGHTS = 25_000_000  # of a network that a browser gets
CODE_BYTES, INPUT_BYTES, EPOCH_BYTES = (
    32_000_000,
    12_000_000,
    8_000_000,
)  # at most so much is sent of each
QUANTISATION_STEPS = (
    15,
    19,
    23,
    31,
    47,
    63,
    95,
    127,
    191,
    255,
)  # into which a column of codes may be cut
THUMBNAIL_PIXELS = 48  # pixels of a side, at most
TEMPORARY_GROUND = 2000  # points of a manifold that are drawn behind a decoded one
HALF_LIMIT = 60_000  # half precision ends at 65,504


PackArrays = dict[str, np.ndarray]


def encode_pack(tensors: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> bytes:
    """One pack: arrays, and what JSON can say of them."""
    whole = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    return safetensors.save(whole, {"explorer": json.dumps(about)})


# -- the model and its codes


class MapInputs(NamedTuple):
    """The inputs of a map, row i being input i of the split."""

    found: Dataset
    split: str
    z: np.ndarray  # (N, latent_dim)
    errors: np.ndarray  # (N,)

    @property
    def x(self) -> Tensor:
        return getattr(self.found, self.split).x[: len(self.z)]

    @property
    def labels(self) -> np.ndarray | None:
        y = getattr(self.found, self.split).y
        return (
            None
            if y is None or len(self.found.classes) > 255
            else y[: len(self.z)].numpy().astype(np.uint8)
        )


def encode_model_pack(
    model: Autoencoder,
    shown: MapInputs,
    *,
    token: str = "",
    inputs: bool = True,
    compact: bool = False,
) -> bytes:
    """The network, the codes of the shown inputs, and the inputs themselves as far as they fit.

    Maps of the same inputs name the `token`. Weights are float32 and codes float16; where `compact` and no picture
    changes by it, float16 and one byte a value. ConfigError where the network is too large for a browser.
    """
    network, arrays = export_steps(model)
    if (size := sum(array.numel() for array in arrays.values())) > MAX_PACKED_WEIGHTS:
        raise ConfigError(
            f"The network has {size:,} weights, too many for a browser; the limit is {MAX_PACKED_WEIGHTS:,}."
        )
    tensors = {f"model.{name}": array.numpy() for name, array in arrays.items()}
    about: dict[str, Any] = {
        "token": token,
        "network": network,
        "kind": drawing_kind(shown.found),
        "columns": list(shown.found.columns),
    }
    narrow = compact and half_weights_suffice(model, shown)
    if narrow:
        tensors = {name: array.astype(np.float16) for name, array in tensors.items()}
    if 2 * shown.z.size <= CODE_BYTES:
        tensors |= pack_codes_of(model, shown, compact)
    if inputs:
        tensors |= pack_inputs(shown)
    if about["kind"] == "cloud":
        tensors["ground"] = shown.found.train.x[:TEMPORARY_GROUND].numpy().astype(np.float32)
    elif about["kind"] == "table":
        tensors |= dict(zip(("columns.low", "columns.high"), column_limits(shown), strict=True))
    return encode_pack(tensors, about)


def drawing_kind(found: Dataset) -> str:
    """How its examples are drawn: image, cloud (points in 2 or 3 dimensions) or table."""
    if len(found.input_shape) == 3:
        return "image"
    return "cloud" if found.kind == "manifold" and found.input_shape[0] in (2, 3) else "table"


def pack_codes_of(model: Autoencoder, shown: MapInputs, compact: bool) -> PackArrays:
    """z, and for variational codes ln sigma^2, of each input."""
    named = {"codes": shown.z}
    if is_variational(model):
        named["log_variance"] = compute_log_variances(model, shown.x)
    result: PackArrays = {}
    for name, values in named.items():
        result |= (
            quantise_codes(model, name, values) if compact else {name: to_half_if_exact(values)}
        )
    return result


def to_half_if_exact(values: np.ndarray) -> np.ndarray:
    """In half precision, unless that ends before these do."""
    return values.astype(np.float16 if np.abs(values).max(initial=0) < HALF_LIMIT else np.float32)


def quantise_codes(model: Autoencoder, name: str, values: np.ndarray) -> PackArrays:
    """Values in as few steps as leave the pictures as they are: few steps compress well. Else halved."""
    for steps in QUANTISATION_STEPS if name == "codes" else QUANTISATION_STEPS[:1]:
        arrays = quantise_to_bytes(name, values, steps)
        if name != "codes" or decode_alike(model, values, restore_quantised(name, arrays)):
            return arrays
    return {name: to_half_if_exact(values)}


@torch.no_grad()
def compute_log_variances(model: Autoencoder, x: Tensor) -> np.ndarray:
    """ln sigma^2 of q(z|x), (N, latent_dim)."""
    d, parts = model.config.latent_dim, []
    for part in x.split(CHUNK_ROWS):
        scaled = model.to_scaled(as_float(part).to(model.shift.device))
        parts.append(model.encoder(scaled).out[:, d:].float().cpu())
    return torch.cat(parts).numpy()


def quantise_to_bytes(name: str, values: np.ndarray, steps: int = 255) -> PackArrays:
    """A byte a value: how many of at most 255 `steps` it is above its column's lowest."""
    low = values.min(0).astype(np.float32)
    step = ((values.max(0) - low) / steps).astype(np.float32)
    counted = np.round((values - low) / np.where(step > 0, step, 1)).clip(0, steps).astype(np.uint8)
    return {name: counted, f"{name}.low": low, f"{name}.step": step}


def restore_quantised(name: str, arrays: PackArrays) -> np.ndarray:
    return arrays[f"{name}.low"] + arrays[name] * arrays[f"{name}.step"]


@torch.no_grad()
def decode_alike(model: Autoencoder, z: np.ndarray, other: np.ndarray) -> bool:
    """Whether both codes decode to what looks the same: within 1/255 in root mean square, that is 48 dB."""
    pair = [
        decode_in_chunks(
            model, model.bottleneck.snap(torch.from_numpy(part[:500].astype(np.float32)))
        ).numpy()
        for part in (z, other)
    ]
    span = 1.0 if len(model.config.input_shape) == 3 else np.maximum(np.ptp(pair[0], axis=0), 1e-12)
    return bool(np.sqrt((((pair[0] - pair[1]) / span) ** 2).mean()) < 1 / 255)


@torch.no_grad()
def half_weights_suffice(model: Autoencoder, shown: MapInputs) -> bool:
    """Whether the decoder's pictures stay the same, within half of 1/255, with weights in half precision."""
    other = deepcopy(model)
    for tensor in (*other.parameters(), *other.buffers()):
        if tensor.is_floating_point():
            tensor.copy_(tensor.half().float())
    z = torch.from_numpy(shown.z[:500].astype(np.float32))
    pair = [decode_in_chunks(net, net.bottleneck.snap(z)).numpy() for net in (model, other)]
    span = 1.0 if len(model.config.input_shape) == 3 else np.maximum(np.ptp(pair[0], axis=0), 1e-12)
    difference = np.abs(pair[0] - pair[1]) / span
    return bool(np.isfinite(difference).all() and np.quantile(difference, 0.999) < 0.5 / 255)


def pack_inputs(shown: MapInputs) -> PackArrays:
    """As many inputs as fit, from the first on: pictures as bytes of at most THUMB pixels, rows as float32."""
    x = shown.x
    if x.dim() == 4:
        side = max(x.shape[2:])
        size = tuple(max(1, round(n * min(1, THUMBNAIL_PIXELS / side))) for n in x.shape[2:])
        x = x[: max(1, INPUT_BYTES // (x.shape[1] * size[0] * size[1]))]
        if size != tuple(x.shape[2:]):
            x = F.interpolate(as_float(x), size=size, mode="area")
        return {
            "inputs": (
                x if x.dtype == torch.uint8 else (as_float(x).clamp(0, 1) * 255).round().byte()
            ).numpy()
        }
    return {"inputs": x[: max(1, INPUT_BYTES // (4 * x.shape[1]))].numpy().astype(np.float32)}


def column_limits(shown: MapInputs) -> tuple[np.ndarray, np.ndarray]:
    """Between which values the columns of a table lie, but for the outermost hundredth."""
    x = shown.found.train.x.numpy()
    low, high = (
        np.nan_to_num(np.nanquantile(x, q, axis=0)).astype(np.float32) for q in (0.01, 0.99)
    )
    return low, high


# -- a map


def encode_map_pack(
    run: Run,
    shown: MapInputs,
    positions: np.ndarray,
    *,
    name: str,
    axes: Sequence[str],
    plane: Plane | None,
    colour: str,
    total: int,
    token: str = "",
    preserved: np.ndarray | None = None,
    marked: int | None = None,
    epochs: PackArrays | None = None,
    compact: bool = False,
) -> bytes:
    """Where the points lie and what colours them: `class`, `error` or `neighbours`, whose values all are sent.

    `plane` says how a position is a code; without it codes are blended between those of neighbours. `epochs` is
    what `epochs_of` gives. Numbers are float32, where `compact` float16.
    """
    number = np.float16 if compact and np.abs(positions).max(initial=0) < HALF_LIMIT else np.float32
    tensors: PackArrays = {
        "positions": positions.astype(number),
        "errors": to_half_if_exact(shown.errors),
    }
    if (labels := shown.labels) is not None:
        tensors["labels"] = labels
    if preserved is not None:
        tensors["preserved"] = to_half_if_exact(preserved)
    if plane is not None:
        tensors |= {"plane.origin": plane.origin, "plane.axes": plane.axes}
    tensors |= epochs or {}
    about = {
        "token": token,
        "run": run.id,
        "data": shown.found.name,
        "split": shown.split,
        "classes": list(shown.found.classes) if shown.labels is not None else [],
        "name": name,
        "axes": list(axes),
        "colour": colour,
        "total": total,
        "marked": marked,
    }
    return encode_pack(tensors, about)


def thin_previews(previews: list[tuple[int, Path]]) -> list[tuple[int, Path]]:
    """As many of the previews as may be sent, the first and the last among them; none where two are too many."""
    try:
        count = min(len(previews), EPOCH_BYTES // max(path.stat().st_size for _, path in previews))
    except (OSError, ValueError):
        return []
    if count < 2:
        return []
    return [previews[i] for i in np.linspace(0, len(previews) - 1, count).round().astype(int)]


def pack_saved_epochs(run: Run, dim: int, shape: tuple[int, ...]) -> PackArrays:
    """Saved epochs: epochs (E,), their codes (E, n, latent_dim), inputs and their reconstructions; empty without."""
    epochs, previews, codes = [], [], []
    for epoch, path in thin_previews(run.previews()):
        try:
            preview = read_preview(path, shape)
        except CheckpointError:
            continue
        if preview.z is None or preview.z.shape[1] != dim:  # of a version that kept no codes
            continue
        epochs.append(epoch)
        previews.append(preview)
        codes.append(preview.z.half())
    if (
        len(epochs) < 2
        or len({z.shape for z in codes}) > 1
        or len({preview.x.shape for preview in previews}) > 1
    ):
        return {}
    pictures = {
        "epochs.x": previews[0].x,
        "epochs.rebuilt": torch.stack([preview.reconstruction for preview in previews]),
    }
    return {
        "epochs": np.array(epochs, dtype=np.int32),
        "epochs.z": torch.stack(codes).numpy(),
        **{
            name: (t if t.dtype == torch.uint8 else t.float()).numpy()
            for name, t in pictures.items()
        },
    }
