"""The body of files of models with a `rate` bottleneck: pictures of any size, or other examples.

    head     examples, height and width (0 where they are no pictures), factor of the steps,
             CRC-32 of the levels
    words    what the range coder wrote, as uint32

Where the code lies on a grid, pictures have any size: their last row and column are repeated up to
a multiple of the network's stride, and cut off again. Pictures open as bytes, exactly those that
were shown. Large ones are coded in squares of places, one after another.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from aecore.data.memory import check_data_bytes
from aecore.data.splits import as_float
from aecore.errors import ConfigError, DataError
from aecore.limits import is_public
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.bottlenecks.rate import RateBottleneck
from aecore.model.parts.networks.residual import Residual
from aecore.model.parts.networks.residual_pyramid import ResidualDecoder, ResidualEncoder
from aecore.progress import track_progress
from aecore.tasks.rate_coder import LevelReader, LevelWriter, find_level_steps

RATE_HEAD = struct.Struct("<IHHfI")
SQUARE_PLACES = 64  # along a side of what is coded at a time
MIN_FACTOR, MAX_FACTOR = 1 / 64, 64.0
MAX_CODED_PIXELS, MAX_PUBLIC_PIXELS = 2**24, 2**21  # of one file
PIXELS_AT_ONCE = 2**20
GREY_WEIGHTS = torch.tensor([0.299, 0.587, 0.114])  # of red, green and blue in a grey: ITU-R 601
WORKING_BYTES = 400  # of memory for each pixel while it is coded, about


class RateHead(NamedTuple):
    """The first bytes of a body."""

    examples: int
    height: int
    width: int
    factor: float  # of the steps
    checksum: int  # of the levels


def codes_bits(model: Autoencoder) -> bool:
    """Return True where the model learned what its bits cost."""
    return isinstance(model.bottleneck, RateBottleneck)


def codes_any_size(model: Autoencoder) -> bool:
    """Return True where the model codes pictures of any size by their bits."""
    return codes_bits(model) and model.config.code_grid is not None


def read_pixel_limit() -> int:
    """Return how many pixels one file may hold: fewer among strangers."""
    return MAX_PUBLIC_PIXELS if is_public() else MAX_CODED_PIXELS


def check_any_size(model: Autoencoder, run_id: str) -> None:
    """Raise ConfigError where the model does not code pictures of any size."""
    if not codes_any_size(model):
        raise ConfigError(
            f"{run_id} does not code pictures of any size: its code is no grid of bits. Choose "
            "photos-codec, or train the variant codec on photographs."
        )


def fit_channels(model: Autoencoder, picture: Tensor) -> Tensor:
    """Return a picture (C, H, W) with the model's channels: grey made colour, or colour grey.

    DataError where it can be neither.
    """
    channels = model.config.input_shape[0]
    if channels == len(picture):
        return picture
    if channels == 3 and len(picture) == 1:
        return picture.expand(3, -1, -1)
    if channels == 1 and len(picture) == 3:
        return (as_float(picture) * GREY_WEIGHTS[:, None, None]).sum(0, keepdim=True)
    raise DataError(f"This model codes pictures of {channels} channels, got {len(picture)}.")


@torch.no_grad()
def pack_rate_body(model: Autoencoder, x: Tensor, factor: float) -> bytes:
    """Return examples x (N, *input_shape), or pictures (N, C, H, W) of any size, as a body."""
    if not MIN_FACTOR <= factor <= MAX_FACTOR:
        raise ConfigError(
            f"The step must be between {MIN_FACTOR:.2g} and {MAX_FACTOR:.2g} times the model's, "
            f"got {factor}."
        )
    factor = float(np.float32(factor))  # as the file holds it
    height, width = x.shape[2:] if x.dim() == 4 else (0, 0)
    check_coded_size(model, len(x), height, width)
    parts = track_progress(x.split(count_at_once(height, width)))
    codes = torch.cat([encode_to_grid(model, as_float(part)) for part in parts])
    if not codes.isfinite().all():
        raise DataError("Some examples hold NaN or infinite values. Remove or fill them.")
    writer = LevelWriter(get_rate_bottleneck(model), factor)
    levels = torch.zeros(codes.shape, dtype=torch.int32)
    for square in iterate_squares(codes.shape):
        levels[square] = writer.write(codes[square])
    head = RATE_HEAD.pack(len(x), height, width, factor, compute_checksum(levels))
    return head + writer.finish()


@torch.no_grad()
def unpack_rate_body(model: Autoencoder, body: bytes) -> Tensor:
    """Return the examples (N, *input_shape), or pictures (N, C, H, W), of a body.

    DataError where it is not of this model, or cannot be read on this machine.
    """
    head = read_rate_head(body)
    height, width = head.height, head.width
    check_coded_size(model, head.examples, height, width)
    shape = torch.Size((head.examples, *find_grid(model, height, width)))
    words = np.frombuffer(body, "<u4", offset=RATE_HEAD.size).astype(np.uint32)
    reader = LevelReader(get_rate_bottleneck(model), head.factor, words)
    levels = torch.zeros(shape, dtype=torch.int32)
    for square in iterate_squares(shape):
        levels[square] = reader.read(levels[square].shape)
    if compute_checksum(levels) != head.checksum:
        raise DataError(
            "This file was written on another kind of machine, which computed other probabilities. "
            "Open it there, or compress the original again."
        )
    parts = track_progress(levels.split(count_at_once(height, width)))
    return torch.cat([decode_from_grid(model, part, head) for part in parts])


def count_at_once(height: int, width: int) -> int:
    """Return how many pictures of a size pass through the networks together."""
    return max(1, PIXELS_AT_ONCE // max(1, height * width))


def read_rate_head(body: bytes) -> RateHead:
    """Return the head of a body. DataError where its numbers make no sense."""
    is_whole = len(body) >= RATE_HEAD.size and (len(body) - RATE_HEAD.size) % 4 == 0
    head = RateHead(*RATE_HEAD.unpack_from(body)) if is_whole else None
    if head is None or not head.examples or not MIN_FACTOR <= head.factor <= MAX_FACTOR:
        raise DataError("This compressed file is damaged. Fetch it again.")
    return head


def check_coded_size(model: Autoencoder, examples: int, height: int, width: int) -> None:
    """Raise DataError where pictures do not fit the model, or are too large together."""
    shape = model.config.input_shape
    size = (height, width) if len(shape) == 3 else (0, 0)
    if len(shape) == 3 and not codes_any_size(model):
        is_right = (height, width) == shape[1:]
    else:
        is_right = (height, width) == size and (len(shape) == 1 or min(size) > 0)
    if not is_right:
        raise DataError(
            f"This model takes examples of shape {shape}, got a height and width of {height} x "
            f"{width}. Use a model whose code lies on a grid for pictures of any size."
        )
    cells, limit = examples * (height * width or math.prod(shape)), read_pixel_limit()
    if cells > limit:
        raise DataError(
            f"One file holds at most {limit:,} {'pixels' if height else 'cells'}, got {cells:,}. "
            "Use fewer or smaller examples."
        )
    check_data_bytes(cells * WORKING_BYTES, "Coding these examples")


def get_rate_bottleneck(model: Autoencoder) -> RateBottleneck:
    """Return the model's bottleneck, which must be one of bits."""
    assert isinstance(model.bottleneck, RateBottleneck)
    return model.bottleneck


def find_grid(model: Autoencoder, height: int, width: int) -> tuple[int, int, int]:
    """Return channels, height and width of the code of a picture of this size."""
    channels, rows, columns = get_rate_bottleneck(model).grid
    if not codes_any_size(model):
        return channels, rows, columns
    stride = find_picture_stride(model)
    return channels, -(-height // stride), -(-width // stride)


def find_picture_stride(model: Autoencoder) -> int:
    """Return the pixels along a side of a place of the code."""
    assert isinstance(model.config.network, Residual)
    return model.config.network.stride


def encode_to_grid(model: Autoencoder, x: Tensor) -> Tensor:
    """Return the codes (N, C, h, w) of examples, before they are rounded."""
    scaled = model.to_scaled(x.to(model.shift.device))
    if not codes_any_size(model):
        return get_rate_bottleneck(model).to_grid(model.encode_scaled(scaled)).cpu()
    stride = find_picture_stride(model)
    missing = (0, -x.shape[3] % stride, 0, -x.shape[2] % stride)
    assert isinstance(model.encoder, ResidualEncoder)
    codes = model.encoder.encode_grid(F.pad(scaled, missing, mode="replicate"))
    return model.activate(codes).cpu()


def decode_from_grid(model: Autoencoder, levels: Tensor, head: RateHead) -> Tensor:
    """Return what levels (N, C, h, w) stand for, pictures rounded to bytes."""
    bottleneck = get_rate_bottleneck(model)
    codes = (levels * find_level_steps(bottleneck, head.factor)).float().to(model.shift.device)
    if not codes_any_size(model):
        x = model.decode(bottleneck.from_grid(codes)).cpu()
    else:
        assert isinstance(model.decoder, ResidualDecoder)
        logits = model.decoder.decode_grid(codes)[..., : head.height, : head.width]
        x = model.from_scaled(model.likelihood.mean(logits)).cpu()
    return (x.clamp(0, 1) * 255).round() / 255 if x.dim() == 4 else x


def iterate_squares(shape: torch.Size) -> Iterator[tuple[slice, slice, slice, slice]]:
    """Yield the places (N, C, h, w) of levels that are coded at a time."""
    everything = slice(None)
    for row in range(0, shape[2], SQUARE_PLACES):
        for column in range(0, shape[3], SQUARE_PLACES):
            rows = slice(row, row + SQUARE_PLACES)
            yield everything, everything, rows, slice(column, column + SQUARE_PLACES)


def compute_checksum(levels: Tensor) -> int:
    """Return the CRC-32 of levels."""
    return zlib.crc32(levels.contiguous().numpy().astype("<i4").tobytes())
