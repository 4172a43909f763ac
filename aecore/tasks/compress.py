"""Compression: codes in steps, each written in as many bits as it is surprising, and a file that opens again.

A unit z_i is rounded to a multiple of its step, which is chosen so that rounding moves every reconstruction alike:

    step_i = step / rms |d x^ / d z_i|,      added squared error  ~  sum_i step^2 / 12

both in the network's units: pixels as they are, columns of a table scaled, so that none counts more for its unit.

Levels are coded by ranges (Martin, 1979) under a normal distribution for each unit, whose mean and deviation the file
holds; codes that are countable to begin with (a codebook's, rounded ones) in log2(levels) bits a part.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from aecore.analysis.metrics import decode_in_chunks, encode_in_chunks
from aecore.analysis.pictures import to_rgb_bytes
from aecore.data.memory import check_data_bytes
from aecore.data.splits import as_float
from aecore.errors import ConfigError, DataError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.model.variants import SMALL
from aecore.runs.plan import count_training_rows, plan_run

MAGIC = b"AEZ1"
FRAME = struct.Struct("<4s8sI")  # magic, whose model, CRC-32 of what follows
HEAD = struct.Struct("<IHI")  # examples, units, bytes of the codes
LIMIT = 1 << 14  # levels on either side of zero
PROBED = 256  # examples by which the units' effects are measured


COMPRESSOR_VARIANT = "stacked"
COMPRESSOR_UNITS = 30


def plan_compressor(name: str, settings: Mapping[str, Any] | None = None) -> RunConfig:
    """The run that packs the data `name` best, and whose codes search best: that of bench/fidelity/e03_deep.py.

    `settings` replace these, as in aecore.runs.plan.
    """
    chosen = {
        "network.hidden": (1000, 500, 250),
        "network.norm": "batch",
        "network.activation": "gelu",
        "training.lr": 3e-3,
        "training.schedule": "cosine",
        "training.warmup_steps": 300,
    }
    if (
        count_training_rows(name, settings) >= SMALL
    ):  # smaller sets get their epochs and batches by their size
        chosen |= {"training.epochs": 100, "training.batch_size": 250}
    made = plan_run(COMPRESSOR_VARIANT, name, settings={**chosen, **(settings or {})})
    if "latent_dim" in (settings or {}) or made.model.latent_dim < COMPRESSOR_UNITS:
        return made
    return plan_run(
        COMPRESSOR_VARIANT,
        name,
        latent_dim=COMPRESSOR_UNITS,
        settings={**chosen, **(settings or {})},
    )


class RatePoint(NamedTuple):
    """One setting of a coder on a set of examples."""

    setting: float  # step, or quality
    bits: float  # a pixel, or a cell of a table; everything that the file holds is counted
    se: float  # squared error in the network's units, summed over features, mean over examples


def compress_examples(model: Autoencoder, x: Tensor, step: float = 0.5) -> bytes:
    """Examples x (N, *input_shape) as one file that `expand` opens; `step` in the network's units."""
    if not 0 < step < float("inf"):
        raise ConfigError(f"The step must be above 0, got {step}.")
    if not len(x):
        raise DataError("There are no examples to compress. Give at least one.")
    z = encode_in_chunks(model, x)
    if not z.isfinite().all():
        raise DataError(
            "Some examples hold NaN or infinite values, which have no code. Remove or fill them."
        )
    body = (
        pack_codes(z, step / measure_unit_effects(model, z))
        if model.bottleneck.levels is None
        else pack_countable_codes(model, z)
    )
    return FRAME.pack(MAGIC, fingerprint_weights(model), zlib.crc32(body)) + body


def expand_file(model: Autoencoder, data: bytes) -> Tensor:
    """What `compress` wrote -> (N, *input_shape). DataError where it is torn, or of another model."""
    if len(data) < FRAME.size + HEAD.size or not data.startswith(MAGIC):
        raise DataError(
            "This is no compressed file of Autoencoder Lab. Choose one that Compress wrote."
        )
    _, owner, crc = FRAME.unpack_from(data)
    body = data[FRAME.size :]
    if zlib.crc32(body) != crc:
        raise DataError("This compressed file is damaged or cut short. Fetch it again.")
    if owner != fingerprint_weights(model):
        raise DataError(
            "This file was compressed with another model. Open it with the run that wrote it."
        )
    count, units, length = HEAD.unpack_from(body)
    check_data_bytes(count * (4 * model.config.features + 24 * units), "What this file holds")
    countable = model.bottleneck.levels is not None
    table = 0 if countable else 6 * units
    fits = units == (count_code_parts(model) if countable else model.config.latent_dim)
    if not (count and fits and length % 4 == 0 and HEAD.size + table + length == len(body)):
        raise DataError("This compressed file does not fit the model's code. Fetch it again.")
    try:
        z = unpack_countable_codes(model, body) if countable else unpack_codes(body)
    except (
        AssertionError,
        ValueError,
    ) as error:  # the decoder's words for bits that no encoder wrote
        raise DataError(
            f"This compressed file cannot be decoded ({error}). Fetch it again."
        ) from error
    return decode_in_chunks(model, z)


def fingerprint_weights(model: Autoencoder) -> bytes:
    """Eight bytes that tell one set of weights from another."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.digest()[:8]


@torch.no_grad()
def measure_unit_effects(model: Autoencoder, z: Tensor) -> Tensor:
    """rms |d x^ / d z_i| over some codes z (N, d), in the network's units: (d,), by central differences."""
    some = z[torch.linspace(0, len(z) - 1, min(len(z), PROBED)).long()]
    found = []
    for i in range(z.shape[1]):
        shift = torch.zeros_like(some)
        shift[:, i] = 0.05 * max(z[:, i].std(correction=0).item(), 1e-3)
        moved = (
            decode_in_chunks(model, some + shift) - decode_in_chunks(model, some - shift)
        ) / model.scale.cpu()
        found.append(moved.flatten(1).square().sum(1).mean().sqrt() / (2 * shift[0, i]))
    largest = torch.stack(found).max().clamp(min=1e-12)
    return torch.stack(found).clamp(
        min=1e-3 * largest
    )  # a unit that says nothing is rounded coarsely, not to nothing


# -- codes to bytes


def pack_codes(z: Tensor, steps: Tensor) -> bytes:
    """Codes z (N, d), rounded to multiples of steps (d,): their head and levels, to be read by `unpack`."""
    from constriction import stream

    with np.errstate(over="ignore"):
        grid = steps.numpy().astype(np.float16)
    if not np.isfinite(grid).all() or (grid <= 0).any():
        raise ConfigError(
            "The step is too small or too large for these codes. Choose one nearer to their errors."
        )
    levels = np.rint(z.numpy() / grid.astype(np.float32))
    if np.abs(levels).max(initial=0) > LIMIT:
        raise ConfigError(
            f"The step is too small: codes lie more than {LIMIT:,} steps from zero. Choose a larger one."
        )
    levels = levels.astype(np.int32)
    mean, spread = (
        levels.mean(0).astype(np.float16),
        levels.std(0).clip(0.05, 6e4).astype(np.float16),
    )
    coder = stream.queue.RangeEncoder()
    coder.encode(levels.ravel(), open_normal_coder(), *level_parameters(mean, spread, len(z)))
    words = coder.get_compressed().astype("<u4").tobytes()
    head = HEAD.pack(len(z), z.shape[1], len(words))
    return head + b"".join(a.astype("<f2").tobytes() for a in (grid, mean, spread)) + words


def unpack_codes(data: bytes) -> Tensor:
    """What `pack` wrote -> codes (N, d)."""
    from constriction import stream

    count, units, length = HEAD.unpack_from(data)
    grid, mean, spread = np.frombuffer(data, "<f2", 3 * units, HEAD.size).reshape(3, units)
    if not np.isfinite([grid, mean, spread]).all() or (grid <= 0).any() or (spread <= 0).any():
        raise ValueError("its steps or deviations are no numbers above zero")
    words = np.frombuffer(data, "<u4", length // 4, HEAD.size + 6 * units).astype(np.uint32)
    levels = stream.queue.RangeDecoder(words).decode(
        open_normal_coder(), *level_parameters(mean, spread, count)
    )
    return torch.from_numpy(
        levels.reshape(count, units).astype(np.float32) * grid.astype(np.float32)
    )


def open_normal_coder() -> Any:
    from constriction import stream

    return stream.model.QuantizedGaussian(-LIMIT, LIMIT)


def level_parameters(
    mean: np.ndarray, spread: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The parameters of every level, in the order in which levels are written."""
    return tuple(np.tile(a.astype(np.float64), count) for a in (mean, spread))


def pack_countable_codes(model: Autoencoder, z: Tensor) -> bytes:
    from constriction import stream

    indices = model.bottleneck.indices(z.to(model.shift.device)).cpu().numpy().astype(np.int32)
    coder = stream.queue.RangeEncoder()
    coder.encode(indices.ravel(), stream.model.Uniform(model.bottleneck.levels))
    words = coder.get_compressed().astype("<u4").tobytes()
    return HEAD.pack(len(z), indices.shape[1], len(words)) + words


def unpack_countable_codes(model: Autoencoder, data: bytes) -> Tensor:
    from constriction import stream

    count, units, length = HEAD.unpack_from(data)
    words = np.frombuffer(data, "<u4", length // 4, HEAD.size).astype(np.uint32)
    indices = stream.queue.RangeDecoder(words).decode(
        stream.model.Uniform(model.bottleneck.levels), count * units
    )
    found = torch.from_numpy(indices.astype(np.int64)).reshape(count, units)
    return model.bottleneck.values(found.to(model.shift.device)).cpu()


def count_code_parts(model: Autoencoder) -> int:
    """How many indices a countable code has."""
    return model.bottleneck.indices(
        torch.zeros(1, model.config.latent_dim, device=model.shift.device)
    ).shape[1]


# -- rate and distortion, against what else there is


def measure_rate_curve(model: Autoencoder, x: Tensor, steps: Sequence[float]) -> list[RatePoint]:
    """The model's files of x (N, *input_shape) at these steps; a countable code has one point."""
    chosen = steps if model.bottleneck.levels is None else steps[:1]
    files = [(step, compress_examples(model, x, step)) for step in chosen]
    truth = to_scaled_inputs(model, x)
    return [
        measure_rate_point(step, data, truth, to_scaled_inputs(model, expand_file(model, data)))
        for step, data in files
    ]


def to_scaled_inputs(model: Autoencoder, x: Tensor) -> Tensor:
    """x (N, *input_shape) in the network's units, on the CPU."""
    return ((as_float(x) - model.shift.cpu()) / model.scale.cpu()).float()


def measure_pca_curve(
    model: Autoencoder, train: Tensor, x: Tensor, steps: Sequence[float]
) -> list[RatePoint]:
    """Principal components of `train`, as many as the model has units, through the very same coder."""
    from sklearn.decomposition import PCA

    train, x = to_scaled_inputs(model, train).flatten(1), to_scaled_inputs(model, x)
    flat = x.flatten(1)
    pca = PCA(min(model.config.latent_dim, *train.shape), random_state=0).fit(train.numpy())
    z = torch.from_numpy(pca.transform(flat.numpy())).float()
    points = []
    for step in steps:
        data = pack_codes(z, torch.full((z.shape[1],), step))
        back = torch.from_numpy(pca.inverse_transform(unpack_codes(data).numpy())).view_as(x)
        points.append(measure_rate_point(step, data, x, back))
    return points


def measure_image_codec_curve(x: Tensor, kind: str, qualities: Sequence[int]) -> list[RatePoint]:
    """Images x (N, C, H, W), each a JPEG or WEBP file of its own, at these qualities (1 to 100)."""
    x, points = as_float(x), []
    for quality in qualities:
        files = [encode_image_file(image, kind, quality) for image in to_rgb_bytes(x)]
        back = torch.stack([decode_image_file(file, x.shape[1]) for file in files])
        points.append(measure_rate_point(quality, b"".join(files), x, back))
    return points


def encode_image_file(image: np.ndarray, kind: str, quality: int) -> bytes:
    buffer = io.BytesIO()
    grey = bool((image == image[..., :1]).all())
    Image.fromarray(image).convert("L" if grey else "RGB").save(buffer, kind, quality=quality)
    return buffer.getvalue()


def decode_image_file(file: bytes, channels: int) -> Tensor:
    image = Image.open(io.BytesIO(file)).convert("L" if channels == 1 else "RGB")
    return (
        torch.from_numpy(np.array(image)).reshape(*image.size[::-1], channels).permute(2, 0, 1)
        / 255
    )


def measure_rate_point(setting: float, data: bytes, x: Tensor, back: Tensor) -> RatePoint:
    cells = len(x) * (x[0, 0].numel() if x.dim() == 4 else x[0].numel())
    return RatePoint(
        setting, 8 * len(data) / cells, (x - back).flatten(1).square().sum(1).mean().item()
    )
