"""Pages that train: the script of the browser's worker, and the config of every variant.

The JavaScript is in web/train (the engine) and web/panel (what a visitor sees).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from math import prod
from typing import Any

from aecore.errors import ConfigError
from aecore.explorer.bundle import WEB_FOLDER, bundle_modules
from aecore.model.config import RunConfig
from aecore.model.variants import VARIANTS
from aecore.model.variants.fitting import configure

LATENT_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256)
MAP_SIZE = 2  # of a code that is its own map
DIGIT_SHAPE = (1, 28, 28)  # of drawings where the page's own model takes none
MAX_SIDE = 64  # pixels of a picture that a browser trains on
MAX_VALUES = 4096  # of such a picture: the start as PCA takes the square of that many floats
EXAMPLE_COUNT = 500  # about as many as ten drawings become
# where the Hub answers, and where it lets clients without Xet store weights
HUB: dict[str, Any] = {
    "address": "https://huggingface.co",
    "storage": ["https://hf-hub-lfs-us-east-1.s3-accelerate.amazonaws.com"],
}
ROW_SHAPE = (8,)  # the browser puts the width of the visitor's table in its place


def bundle_trainer() -> str:
    """Return a script that defines TRAINER_SCRIPT: the text of the worker that trains."""
    worker = bundle_modules(WEB_FOLDER / "train" / "worker.js")
    return f"const TRAINER_SCRIPT = {json.dumps(worker)};\n"


def describe_training(input_shape: Sequence[int] = DIGIT_SHAPE) -> dict[str, Any]:
    """Return what can be trained on a page, for JSON; its own model takes inputs of this shape.

    `shape` is that of pictures. Under `image` and `table` there is for each variant that applies
    its label, its summary, the size of its code `latent_dim`, a config of that size, and for each
    of its `sizes` the parts of the model that differ from it.
    """
    shape = choose_picture_shape(input_shape)
    return {
        "shape": list(shape),
        "image": describe_variants(shape, "image"),
        "table": describe_variants(ROW_SHAPE, "table"),
    }


def choose_picture_shape(input_shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of drawings: that of the model where it takes small pictures."""
    is_small = (
        len(input_shape) == 3
        and max(input_shape[1:]) <= MAX_SIDE
        and prod(input_shape) <= MAX_VALUES
    )
    return tuple(input_shape) if is_small and input_shape[0] in (1, 3) else DIGIT_SHAPE


def describe_variants(shape: tuple[int, ...], kind: str) -> dict[str, Any]:
    """Return the entry of each variant that applies to examples of this shape and kind."""
    entries = {}
    for name in VARIANTS:
        with suppress(ConfigError):
            entries[name] = describe_sizes(name, shape, kind)
    return entries


def describe_sizes(name: str, shape: tuple[int, ...], kind: str) -> dict[str, Any]:
    """Return the entry of a variant; ConfigError where it does not apply."""
    size = choose_page_size(configure(name, shape, kind=kind))
    configs = {
        latent_dim: dump_page_config(name, shape, kind, latent_dim)
        for latent_dim in sorted({*LATENT_SIZES, size})
    }
    usual = configs[size]["model"]
    return {
        "label": VARIANTS[name].label,
        "summary": VARIANTS[name].summary,
        "latent_dim": size,
        "config": configs[size],
        "sizes": {
            latent_dim: {part: v for part, v in config["model"].items() if v != usual[part]}
            for latent_dim, config in configs.items()
        },
    }


def choose_page_size(config: RunConfig) -> int:
    """Return the size of a code to begin with: two for a dense one, which is its own map."""
    is_dense = config.model.bottleneck.kind in ("deterministic", "gaussian")
    is_narrow = config.model.latent_dim < min(64, config.model.features)
    return MAP_SIZE if is_dense and is_narrow else config.model.latent_dim


def dump_page_config(
    name: str, shape: tuple[int, ...], kind: str, latent_dim: int
) -> dict[str, Any]:
    """Return the config of a variant for a few examples, as JSON holds it."""
    config = configure(name, shape, kind=kind, examples=EXAMPLE_COUNT, latent_dim=latent_dim)
    return config.model_dump(mode="json")
