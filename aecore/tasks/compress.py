"""Compression: codes in steps, coded by ranges, in a file that opens again.

A unit z_i is rounded to a multiple of its step, chosen so that rounding moves every reconstruction
alike:

    step_i = step / rms |d x^ / d z_i|,      added squared error  ~  sum_i step^2 / 12

both in the network's units: pixels as they are, columns of a table scaled, so that none counts more
for its unit. Codes that are countable to begin with, a codebook's or rounded ones, are stored as
indices: under the probabilities of the model's prior where it has one, else in equally many bits.
Models that learned what their bits cost have files of their own: `rate_files`.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import NamedTuple

import torch
from torch import Tensor

from aecore.analysis.chunks import decode_in_chunks, encode_in_chunks, index_in_chunks
from aecore.data.memory import check_data_bytes
from aecore.errors import ConfigError, DataError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.tasks.prior_coder import pack_by_prior, unpack_by_prior
from aecore.tasks.range_coder import (
    HEAD,
    TABLE_BYTES,
    pack_codes,
    pack_indices,
    read_head,
    unpack_codes,
    unpack_indices,
)
from aecore.tasks.rate_files import codes_bits, pack_rate_body, unpack_rate_body
from aecore.tasks.recipes import PictureRecipe, Settings, TaskRecipe, is_for_picture_network

MAGIC, RATE_MAGIC = b"AEZ1", b"AEZ2"  # the latter of models with a `rate` bottleneck
FRAME = struct.Struct("<4s8sI")  # magic, fingerprint of the model, CRC-32 of what follows
PROBED_CODES = 256  # by which the units' effects are measured
FEWEST_PROBED = 4
COMPRESSOR_UNITS = 30
COMPRESSOR_RECIPE = TaskRecipe(
    "stacked",
    {
        "network.hidden": (1000, 500, 250),
        "network.norm": "batch",
        "network.activation": "gelu",
        "training.lr": 3e-3,
        "training.schedule": "cosine",
        "training.warmup_steps": 300,
    },
    large={"training.epochs": 100, "training.batch_size": 250},
    pictures=PictureRecipe(),
)


def plan_compressor(name: str, settings: Settings | None = None) -> RunConfig:
    """Return the run that compresses and searches the data `name` best: bench/fidelity/e03_deep.py.

    `settings` replace the recipe's.
    """
    config = COMPRESSOR_RECIPE.plan(name, settings)
    is_small = config.model.latent_dim < COMPRESSOR_UNITS
    if "latent_dim" in (settings or {}) or is_small or config.model.code_grid:
        return config
    return COMPRESSOR_RECIPE.plan(name, settings, latent_dim=COMPRESSOR_UNITS)


def plan_codec(name: str, settings: Settings | None = None) -> RunConfig:
    """Return the run that makes the smallest files of the data `name`.

    Of pictures beyond digits it codes those of any size; of other data it is the compressor's.
    `settings` replace the recipe's.
    """
    if is_for_picture_network(name, settings):
        return PictureRecipe(variant="codec").plan(name, settings)
    return plan_compressor(name, settings)


class MeasuredCodes(NamedTuple):
    """Codes of examples, and how far each unit moves what they decode to."""

    z: Tensor  # (N, latent_dim)
    effects: Tensor | None  # (latent_dim,); None where codes are countable


def compress_examples(
    model: Autoencoder, x: Tensor, step: float | None = None, codes: MeasuredCodes | None = None
) -> bytes:
    """Return examples x (N, *input_shape) as one file, which `expand_file` opens.

    `step` is in the network's units, 0.5 by default; of a `rate` bottleneck it is a multiple of the
    model's own steps, 1 by default, and pictures may have any size where its code lies on a grid.
    `codes` are those of x by `measure_codes`, where they are known; a `rate` bottleneck needs none.
    ConfigError for a step that does not fit the codes, DataError for no examples, or for such as
    have no code.
    """
    if not len(x):
        raise DataError("There are no examples to compress. Give at least one.")
    if codes_bits(model):
        return frame_body(
            model, RATE_MAGIC, pack_rate_body(model, x, 1.0 if step is None else step)
        )
    return frame_body(model, MAGIC, pack_body(model, x, 0.5 if step is None else step, codes))


def pack_body(
    model: Autoencoder, x: Tensor, step: float, codes: MeasuredCodes | None = None
) -> bytes:
    """Return the codes of examples x (N, *input_shape) as bytes."""
    if not 0 < step < float("inf"):
        raise ConfigError(f"The step must be above 0, got {step}.")
    codes, levels = codes or measure_codes(model, x), model.bottleneck.levels
    if levels is None:
        assert codes.effects is not None
        return pack_codes(codes.z, step / codes.effects)
    if model.prior is not None and model.prior.is_trained:
        return pack_by_prior(index_in_chunks(model, x), model.prior)
    return pack_indices(index_in_chunks(model, x), levels)


def measure_codes(model: Autoencoder, x: Tensor) -> MeasuredCodes:
    """Return the codes of examples x (N, *input_shape), and the effects of their units.

    DataError for examples that have no code.
    """
    z = encode_in_chunks(model, x)
    if not z.isfinite().all():
        raise DataError(
            "Some examples hold NaN or infinite values, which have no code. Remove or fill them."
        )
    is_countable = model.bottleneck.levels is not None
    return MeasuredCodes(z, None if is_countable else measure_unit_effects(model, z))


def frame_body(model: Autoencoder, magic: bytes, body: bytes) -> bytes:
    """Return a file: what names its kind and its model, then its body."""
    return FRAME.pack(magic, fingerprint_weights(model), zlib.crc32(body)) + body


def expand_file(model: Autoencoder, data: bytes) -> Tensor:
    """Return the examples (N, *input_shape) of a file that `compress_examples` wrote.

    DataError where it is torn, or of another model.
    """
    body = check_frame(model, data)
    try:
        if codes_bits(model):
            return unpack_rate_body(model, body)
        check_head(model, body)
        z = read_codes(model, body)
    except (AssertionError, ValueError) as error:  # of the decoder, for bits that no encoder wrote
        raise DataError(
            f"This compressed file cannot be decoded ({error}). Fetch it again."
        ) from error
    return decode_in_chunks(model, z)


def read_fingerprint(data: bytes) -> bytes:
    """Return the fingerprint of the model that wrote a file. DataError where it is none of ours."""
    if len(data) < FRAME.size or not data.startswith((MAGIC, RATE_MAGIC)):
        raise DataError(
            "This is no compressed file of Autoencoder Lab. Choose one that Compress wrote."
        )
    _, fingerprint, _ = FRAME.unpack_from(data)
    return bytes(fingerprint)


def check_frame(model: Autoencoder, data: bytes) -> bytes:
    """Return the body of a file. DataError where it is torn, or of another model."""
    fingerprint = read_fingerprint(data)
    body = data[FRAME.size :]
    if zlib.crc32(body) != FRAME.unpack_from(data)[2] or len(body) < HEAD.size:
        raise DataError("This compressed file is damaged or cut short. Fetch it again.")
    is_same_kind = data.startswith(RATE_MAGIC if codes_bits(model) else MAGIC)
    if fingerprint != fingerprint_weights(model) or not is_same_kind:
        raise DataError(
            "This file was compressed with another model. Open it with the run that wrote it."
        )
    return body


def check_head(model: Autoencoder, body: bytes) -> None:
    """Raise DataError where the sizes in a file are too large, or not those of the model's code."""
    head = read_head(body)
    check_data_bytes(
        head.examples * (4 * model.config.features + 24 * head.units), "What this file holds"
    )
    is_countable = model.bottleneck.levels is not None
    latent_dim, options = model.config.latent_dim, model.config.bottleneck
    units = options.index_shape(latent_dim).length if is_countable else latent_dim
    table = 0 if is_countable else TABLE_BYTES * head.units
    fits = head.units == units and HEAD.size + table + head.length == len(body)
    if not (head.examples and fits and head.length % 4 == 0):
        raise DataError("This compressed file does not fit the model's code. Fetch it again.")


def read_codes(model: Autoencoder, body: bytes) -> Tensor:
    """Return the codes (N, latent_dim) of a file. ValueError where no encoder wrote them."""
    if model.bottleneck.levels is None:
        return unpack_codes(body)
    if model.prior is not None and model.prior.is_trained:
        indices = unpack_by_prior(body, model.prior)
    else:
        indices = unpack_indices(body, model.bottleneck.levels)
    return model.bottleneck.values(indices.to(model.shift.device)).cpu()


def fingerprint_weights(model: Autoencoder) -> bytes:
    """Return eight bytes that tell one set of weights from another."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.digest()[:8]


@torch.no_grad()
def measure_unit_effects(model: Autoencoder, z: Tensor) -> Tensor:
    """Return rms |d x^ / d z_i| over some codes z (N, d), in the network's units: (d,).

    By central differences. Where a channel does the same at every place, all its units are moved
    together, up or down by chance: what pairs of them do together cancels in the mean.
    """
    grid = model.config.code_grid if model.config.network.shares_places else None
    groups, effects = grid[0] if grid else z.shape[1], []
    places, generator = z.shape[1] // groups, torch.Generator().manual_seed(0)
    count = max(FEWEST_PROBED, PROBED_CODES // places)  # one tells of all its places
    probes = z[torch.linspace(0, len(z) - 1, min(len(z), count)).long()]
    for i in range(groups):
        size = 0.05 * max(z[:, i::groups].std(correction=0).item(), 1e-3)
        shift = torch.zeros_like(probes)
        shift[:, i::groups] = size * draw_signs(len(probes), places, generator)
        higher, lower = (
            decode_in_chunks(model, codes) for codes in (probes + shift, probes - shift)
        )
        difference = (higher - lower) / model.scale.cpu()
        squares = difference.flatten(1).square().sum(1).mean() / places
        effects.append(squares.sqrt() / (2 * size))
    largest = torch.stack(effects).max().clamp(min=1e-12)
    # a unit without effect is rounded coarsely, not to nothing
    return torch.stack(effects).clamp(min=1e-3 * largest).repeat(places)


def draw_signs(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Draw 1 or -1 for each cell, (rows, columns)."""
    return 2.0 * torch.randint(2, (rows, columns), generator=generator) - 1.0
