"""Packs of the explorer, in the safetensors format: a model with its codes, and a map of them.

The browser reads them without a copy of what it does not need (docs/explorer.md describes the
layout). The model's pack is sent once; a map's, with other positions or colours of the same inputs,
is small beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import numpy as safetensors
from torch import Tensor

from aecore.analysis.bounds import is_variational
from aecore.analysis.chunks import CHUNK_ROWS
from aecore.analysis.latent import Plane
from aecore.data.splits import Dataset, Split, as_float
from aecore.data.tables.cells import list_drawn_cells
from aecore.errors import ConfigError
from aecore.explorer.portable import export_steps
from aecore.explorer.quantise import (
    QUANTISATION_STEPS,
    fits_half,
    narrow_weights,
    quantise_codes,
    quantise_to_bytes,
    to_half_if_exact,
)
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run

MAX_PACKED_WEIGHTS = 25_000_000  # of a network that a browser gets
CODE_BYTES = 32_000_000  # at most so much of the codes is sent
INPUT_BYTES = 12_000_000  # and of the inputs
MAX_PACKED_CLASSES = 255  # a class is a byte
THUMBNAIL_SIDE = 48  # pixels, at most
GROUND_POINTS = 2000  # points of a manifold that are drawn behind a decoded one
USUAL_RANGE = (0.01, 0.99)  # quantiles between which the bars of a column reach

PackArrays = dict[str, np.ndarray]


def encode_pack(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> bytes:
    """Return one pack: arrays, and `meta` as JSON."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return safetensors.save(contiguous, {"explorer": json.dumps(meta)})


class MapInputs(NamedTuple):
    """The inputs of a map: row i is input i of the split."""

    dataset: Dataset
    split: str
    z: np.ndarray  # (N, latent_dim)
    errors: np.ndarray  # (N,)

    @property
    def examples(self) -> Split:
        """All examples of the split."""
        return getattr(self.dataset, self.split)

    @property
    def x(self) -> Tensor:
        """The inputs (N, *input_shape)."""
        return self.examples.x[: len(self.z)]

    @property
    def labels(self) -> np.ndarray | None:
        """The class of each input, uint8 (N,); None without classes, or with more than 255."""
        y = self.examples.y
        if y is None or len(self.dataset.classes) > MAX_PACKED_CLASSES:
            return None
        return y[: len(self.z)].numpy().astype(np.uint8)


# -- the model and its codes


def encode_model_pack(
    model: Autoencoder,
    map_inputs: MapInputs,
    *,
    token: str = "",
    input_bytes: int = INPUT_BYTES,
    compact: bool = False,
) -> bytes:
    """Return the pack of a network, and of a map's inputs with their codes, as far as they fit.

    Maps of the same inputs name the `token`. Inputs take at most `input_bytes`. Weights are float32
    and codes float16; where `compact` and no picture changes by it, one or two bytes a value.
    ConfigError where the network is too large for a browser.
    """
    network, weights = export_steps(model)
    check_weight_count(sum(array.numel() for array in weights.values()))
    plain = {name: array.numpy() for name, array in weights.items()}
    narrow = narrow_weights(model, plain, map_inputs.z) if compact else plain
    arrays = {f"model.{name}": array for name, array in narrow.items()}
    if 2 * map_inputs.z.size <= CODE_BYTES:
        arrays |= pack_posterior(model, map_inputs, compact)
    if input_bytes:
        arrays |= pack_inputs(map_inputs.x, input_bytes)
    dataset = map_inputs.dataset
    kind = drawing_kind(dataset)
    if kind == "cloud":
        arrays["ground"] = dataset.train.x[:GROUND_POINTS].numpy().astype(np.float32)
    elif kind == "table":
        arrays |= pack_column_limits(dataset.train.x)
    meta = {
        "token": token,
        "network": network,
        "kind": kind,
        "columns": list(dataset.columns),
        "cells": list_drawn_cells(dataset.schema),
    }
    return encode_pack(arrays, meta)


def check_weight_count(count: int) -> None:
    """Raise ConfigError where a network is too large for a browser."""
    if count > MAX_PACKED_WEIGHTS:
        raise ConfigError(
            f"The network has {count:,} weights, too many for a browser; "
            f"the limit is {MAX_PACKED_WEIGHTS:,}."
        )


def drawing_kind(dataset: Dataset) -> str:
    """Return how examples are drawn: image, cloud (points in 2 or 3 dimensions) or table."""
    if len(dataset.input_shape) == 3:
        return "image"
    return "cloud" if dataset.kind == "manifold" and dataset.input_shape[0] in (2, 3) else "table"


def pack_posterior(model: Autoencoder, map_inputs: MapInputs, compact: bool) -> PackArrays:
    """Return z of each input, and ln sigma^2 where the codes are variational."""
    z = map_inputs.z
    arrays = quantise_codes(model, "codes", z) if compact else {"codes": to_half_if_exact(z)}
    if not is_variational(model):
        return arrays
    log_variance = compute_log_variances(model, map_inputs.x)
    if compact:
        return arrays | quantise_to_bytes("log_variance", log_variance, QUANTISATION_STEPS[0])
    return arrays | {"log_variance": to_half_if_exact(log_variance)}


@torch.no_grad()
def compute_log_variances(model: Autoencoder, x: Tensor) -> np.ndarray:
    """Return ln sigma^2 of q(z|x), (N, latent_dim)."""
    latent_dim, parts = model.config.latent_dim, []
    for part in x.split(CHUNK_ROWS):
        scaled = model.to_scaled(as_float(part).to(model.shift.device))
        parts.append(model.encoder(scaled).out[:, latent_dim:].float().cpu())
    return torch.cat(parts).numpy()


def pack_inputs(x: Tensor, room: int) -> PackArrays:
    """Return as many inputs as fit into `room` bytes: small pictures as bytes, rows as float32."""
    if x.dim() == 4:
        return {"inputs": shrink_images(x, room).numpy()}
    return {"inputs": x[: max(1, room // (4 * x.shape[1]))].numpy().astype(np.float32)}


def shrink_images(x: Tensor, room: int) -> Tensor:
    """Return as many images (N, C, H, W) as fit, as bytes of at most 48 x 48 pixels."""
    scale = min(1, THUMBNAIL_SIDE / max(x.shape[2:]))
    height, width = (max(1, round(side * scale)) for side in x.shape[2:])
    x = x[: max(1, room // (x.shape[1] * height * width))]
    if (height, width) != tuple(x.shape[2:]):
        x = F.interpolate(as_float(x), size=(height, width), mode="area")
    return x if x.dtype == torch.uint8 else (as_float(x).clamp(0, 1) * 255).round().byte()


def pack_column_limits(x: Tensor) -> PackArrays:
    """Return the usual range of each column of a table (N, d): its 1 % and 99 % quantiles."""
    limits = (np.nanquantile(x.numpy(), share, axis=0) for share in USUAL_RANGE)
    low, high = (np.nan_to_num(values).astype(np.float32) for values in limits)
    return {"columns.low": low, "columns.high": high}


# -- a map


def encode_map_pack(
    run: Run,
    map_inputs: MapInputs,
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
    """Return the pack of a map: where the points lie, and the values of all that can colour them.

    `colour` is `class`, `error` or `neighbours`. `plane` gives the code of a position; without it
    codes are blended between those of neighbours. `epochs` comes from `pack_saved_epochs`. Numbers
    are float32, where `compact` float16.
    """
    number = np.float16 if compact and fits_half(positions) else np.float32
    arrays: PackArrays = {
        "positions": positions.astype(number),
        "errors": to_half_if_exact(map_inputs.errors),
    }
    labels = map_inputs.labels
    if labels is not None:
        arrays["labels"] = labels
    if preserved is not None:
        arrays["preserved"] = to_half_if_exact(preserved)
    if plane is not None:
        arrays |= {"plane.origin": plane.origin, "plane.axes": plane.axes}
    meta = {
        "token": token,
        "run": run.id,
        "data": map_inputs.dataset.name,
        "split": map_inputs.split,
        "classes": [] if labels is None else list(map_inputs.dataset.classes),
        "name": name,
        "axes": list(axes),
        "colour": colour,
        "total": total,
        "marked": marked,
    }
    return encode_pack(arrays | (epochs or {}), meta)
