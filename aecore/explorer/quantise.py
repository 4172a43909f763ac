"""Narrow numbers for packs: half precision and bytes, as far as the decoded pictures stay the same.

Codes are cut into as few steps as leave them so, since few steps compress well.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch

from aecore.analysis.chunks import decode_in_chunks
from aecore.model.autoencoder import Autoencoder

HALF_LIMIT = 60_000  # half precision ends at 65,504
QUANTISATION_STEPS = (15, 19, 23, 31, 47, 63, 95, 127, 191, 255)  # of a column of codes
COMPARED_CODES = 500  # by which two decoders, or two sets of codes, are compared
PIXEL_STEP = 1 / 255


def to_half_if_exact(values: np.ndarray) -> np.ndarray:
    """Return values in half precision, or in float32 where they are beyond its range."""
    return values.astype(np.float16 if fits_half(values) else np.float32)


def fits_half(values: np.ndarray) -> bool:
    """Return whether all values are within the range of half precision."""
    return bool(np.abs(values).max(initial=0) < HALF_LIMIT)


def quantise_codes(model: Autoencoder, name: str, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Return codes (N, d) in the fewest steps that decode alike; else in half precision."""
    for steps in QUANTISATION_STEPS:
        arrays = quantise_to_bytes(name, codes, steps)
        if decode_alike(model, codes, restore_quantised(name, arrays)):
            return arrays
    return {name: to_half_if_exact(codes)}


def quantise_to_bytes(name: str, values: np.ndarray, steps: int = 255) -> dict[str, np.ndarray]:
    """Return values (N, d) as bytes: steps, at most 255, above the lowest value of the column."""
    low = values.min(0).astype(np.float32)
    step = ((values.max(0) - low) / steps).astype(np.float32)
    counted = np.round((values - low) / np.where(step > 0, step, 1)).clip(0, steps).astype(np.uint8)
    return {name: counted, f"{name}.low": low, f"{name}.step": step}


def restore_quantised(name: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return the values that `quantise_to_bytes` narrowed."""
    return arrays[f"{name}.low"] + arrays[name] * arrays[f"{name}.step"]


def decode_alike(model: Autoencoder, codes: np.ndarray, other: np.ndarray) -> bool:
    """Return whether codes decode alike: root mean square error below 1/255, that is 48 dB."""
    difference = decoding_difference(decode_sample(model, codes), decode_sample(model, other))
    return bool(np.sqrt((difference**2).mean()) < PIXEL_STEP)


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
    z = torch.from_numpy(codes[:COMPARED_CODES].astype(np.float32))
    return decode_in_chunks(model, model.bottleneck.snap(z)).numpy()


def decoding_difference(decoded: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return |difference| of decoded examples (N, ...), of columns as shares of their range."""
    is_image = decoded.ndim == 4
    span = 1.0 if is_image else np.maximum(np.ptp(decoded, axis=0), 1e-12)
    return np.abs(decoded - other) / span
