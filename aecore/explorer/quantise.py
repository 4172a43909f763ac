"""Narrow numbers for packs: half precision and bytes, as far as the decoded pictures stay the same.

Codes are cut into as few steps as leave them so, since few steps compress well; the weights of a
large decoder of pictures into 255 for each row.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from copy import deepcopy

import numpy as np
import torch

from aecore.analysis.chunks import decode_in_chunks
from aecore.model.autoencoder import Autoencoder

HALF_LIMIT = 60_000  # half precision ends at 65,504
QUANTISATION_STEPS = (15, 19, 23, 31, 47, 63, 95, 127, 191, 255)  # of a column of codes
COMPARED_CODES = 500  # by which two decoders, or two sets of codes, are compared, at most
COMPARED_VALUES = 2_000_000  # of what they decode to, at most
PIXEL_STEP = 1 / 255
LARGE_DECODER = 500_000  # weights from which on a decoder of pictures comes in bytes


def to_half_if_exact(values: np.ndarray) -> np.ndarray:
    """Return values in half precision, or in float32 where they are beyond its range."""
    return values.astype(np.float16 if fits_half(values) else np.float32)


def fits_half(values: np.ndarray) -> bool:
    """Return whether all values are within the range of half precision."""
    return bool(np.abs(values).max(initial=0) < HALF_LIMIT)


def quantise_codes(model: Autoencoder, name: str, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Return codes (N, d) in the fewest steps that decode alike; else in half precision."""
    decoded = decode_sample(model, codes)

    def decodes_alike(steps: int) -> bool:
        narrow = restore_quantised(name, quantise_to_bytes(name, codes, steps))
        return are_alike(decoded, decode_sample(model, narrow))

    number = bisect_left(QUANTISATION_STEPS, True, key=decodes_alike)
    if number == len(QUANTISATION_STEPS):
        return {name: to_half_if_exact(codes)}
    return quantise_to_bytes(name, codes, QUANTISATION_STEPS[number])


def quantise_to_bytes(name: str, values: np.ndarray, steps: int = 255) -> dict[str, np.ndarray]:
    """Return values (N, d) as bytes: steps, at most 255, above the lowest value of the column."""
    low = values.min(0).astype(np.float32)
    step = ((values.max(0) - low) / steps).astype(np.float32)
    counted = np.round((values - low) / np.where(step > 0, step, 1)).clip(0, steps).astype(np.uint8)
    return {name: counted, f"{name}.low": low, f"{name}.step": step}


def restore_quantised(name: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return the values that `quantise_to_bytes` narrowed."""
    return arrays[f"{name}.low"] + arrays[name] * arrays[f"{name}.step"]


def are_alike(decoded: np.ndarray, other: np.ndarray) -> bool:
    """Return whether the root mean square of the differences is below 1/255, that is 48 dB."""
    return bool(np.sqrt((decoding_difference(decoded, other) ** 2).mean()) < PIXEL_STEP)


# -- weights


def narrow_weights(
    model: Autoencoder, weights: Mapping[str, np.ndarray], codes: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the arrays of a network in as few bytes a value as leave decoded codes (N, d) alike.

    Matrices of a large decoder of pictures come in bytes, others in half precision, else float32.
    """
    number = np.float16 if half_weights_suffice(model, codes) else np.float32
    has_bytes = byte_weights_suffice(model, codes)
    arrays: dict[str, np.ndarray] = {}
    for name, weight in weights.items():
        if has_bytes and name.startswith("decoder.") and weight.ndim > 1:
            arrays |= quantise_rows(name, weight)
        else:
            arrays[name] = weight.astype(number)
    return arrays


def quantise_rows(name: str, weight: np.ndarray) -> dict[str, np.ndarray]:
    """Return a weight (rows, ...) as bytes: steps above the lowest value of the row."""
    arrays = quantise_to_bytes(name, weight.reshape(len(weight), -1).T)
    return arrays | {name: arrays[name].T.reshape(weight.shape)}


@torch.no_grad()
def byte_weights_suffice(model: Autoencoder, codes: np.ndarray) -> bool:
    """Return whether a large decoder of pictures does the same with its weights in bytes."""
    size = sum(weight.numel() for weight in model.decoder.parameters())
    if len(model.config.input_shape) != 3 or size < LARGE_DECODER:
        return False
    narrow = deepcopy(model)
    for weight in narrow.decoder.parameters():
        if weight.dim() > 1:
            arrays = quantise_to_bytes("", weight.flatten(1).t().numpy())
            weight.copy_(torch.from_numpy(restore_quantised("", arrays)).t().view_as(weight))
    return are_alike(decode_sample(model, codes), decode_sample(narrow, codes))


def half_weights_suffice(model: Autoencoder, codes: np.ndarray) -> bool:
    """Return whether 99.9 % of decoded values stay within 0.5/255 with weights halved."""
    halved = halve_weights(model)
    difference = decoding_difference(decode_sample(model, codes), decode_sample(halved, codes))
    return bool(np.isfinite(difference).all() and np.quantile(difference, 0.999) < 0.5 * PIXEL_STEP)


@torch.no_grad()
def halve_weights(model: Autoencoder) -> Autoencoder:
    """Return a copy whose weights are rounded to half precision."""
    halved = deepcopy(model)
    for tensor in (*halved.parameters(), *halved.buffers()):
        if tensor.is_floating_point():
            tensor.copy_(tensor.half().float())
    return halved


@torch.no_grad()
def decode_sample(model: Autoencoder, codes: np.ndarray) -> np.ndarray:
    """Return what the first of some codes (N, d) decode to."""
    count = min(COMPARED_CODES, max(1, COMPARED_VALUES // model.config.features))
    z = torch.from_numpy(codes[:count].astype(np.float32))
    return decode_in_chunks(model, model.bottleneck.snap(z)).numpy()


def decoding_difference(decoded: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return |difference| of decoded examples (N, ...), of columns as shares of their range."""
    is_image = decoded.ndim == 4
    span = 1.0 if is_image else np.maximum(np.ptp(decoded, axis=0), 1e-12)
    return np.abs(decoded - other) / span
