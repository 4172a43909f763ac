"""The recipe of a run: the command that plans an equal one."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from aecore.data.catalog import CATALOG
from aecore.errors import ConfigError
from aecore.model.config import DataConfig, RunConfig, TrainConfig
from aecore.model.parts.base import Options
from aecore.model.variants import configure

RECIPE_PARTS = ("corruption", "network", "bottleneck", "likelihood")
FLAGS = (
    "epochs",
    "batch_size",
    "lr",
    "seed",
    "device",
)  # training options with a flag of their own
ALWAYS = ("epochs", "batch_size", "seed")  # the first two depend on how many examples there are


def format_train_command(config: RunConfig, kind: str) -> str:
    """The shell command that plans an equal RunConfig from the same data, of kind image, table or manifold.

    Raises ConfigError where the config does not say how it was trained, or names no known variant.
    """
    if config.data is None or config.training is None:
        raise ConfigError(
            "This model has no data and training settings, so no command trains it again."
        )
    model = config.model
    base = configure(model.variant, model.input_shape, kind=kind)
    words = [
        "python",
        "-m",
        "aecore",
        "train",
        model.variant,
        *format_flag("--data", config.data.name),
    ]
    if model.latent_dim != base.model.latent_dim:
        base = configure(model.variant, model.input_shape, kind=kind, latent_dim=model.latent_dim)
        words += format_flag("--latent-dim", model.latent_dim)
    standard = base.training or TrainConfig()
    for name in FLAGS:
        if name in ALWAYS or getattr(config.training, name) != getattr(standard, name):
            words += format_flag(f"--{name.replace('_', '-')}", getattr(config.training, name))
    for path, value in list_settings(config, base):
        words += format_flag("--set", f"{path}={format_setting_value(value)}")
    return shlex.join(words)


def format_flag(flag: str, value: object) -> list[str]:
    """A flag and its value, in one word where the value would be taken for a flag."""
    return [f"{flag}={value}"] if str(value).startswith("-") else [flag, str(value)]


def list_settings(config: RunConfig, base: RunConfig) -> Iterator[tuple[str, Any]]:
    """What `override` must set to make `config` out of `base`, beyond sizes and flags."""
    model, plain = config.model, base.model
    if model.scaling != plain.scaling:
        yield "scaling", model.scaling
    if model.missing != plain.missing:
        yield "missing", model.missing
    for name in RECIPE_PARTS:
        yield from list_part_settings(name, getattr(model, name), getattr(plain, name))
    yield from list_penalty_settings(model.penalties, plain.penalties)
    for name, value in list_differences(config.training, base.training or TrainConfig()):
        if name not in FLAGS:
            yield f"training.{name}", value
    for name, value in list_differences(config.data, DataConfig()):
        if name != "name":
            yield f"data.{name}", value


def list_part_settings(name: str, part: Any, plain: Any) -> Iterator[tuple[str, Any]]:
    """The kind if it is another, then the fields that differ from what that begins with."""
    if part is None:
        if plain is not None:
            yield name, None
        return
    if plain is None or part.kind != plain.kind:
        yield f"{name}.kind", part.kind
        plain = type(part)()
    yield from ((f"{name}.{field}", value) for field, value in list_differences(part, plain))


def list_penalty_settings(
    penalties: Sequence[Any], plain: Sequence[Any]
) -> Iterator[tuple[str, Any]]:
    """Single fields where the kinds are the same, else the whole list."""
    kinds = [penalty.kind for penalty in penalties]
    if kinds == [penalty.kind for penalty in plain] and len(set(kinds)) == len(kinds):
        for new, old in zip(penalties, plain, strict=True):
            yield from (
                (f"penalties.{new.kind}.{field}", value)
                for field, value in list_differences(new, old)
            )
    else:
        yield (
            "penalties",
            [
                {"kind": p.kind, **p.model_dump(mode="json", exclude_defaults=True)}
                for p in penalties
            ],
        )


def list_differences(new: Options | None, old: Options) -> Iterator[tuple[str, Any]]:
    """(field, JSON value) wherever `new` is not as `old`."""
    if new is not None:
        before = old.model_dump(mode="json")
        yield from (
            (name, value)
            for name, value in new.model_dump(mode="json").items()
            if value != before[name]
        )


def format_setting_value(value: Any) -> str:
    """A value as `--set` reads it: text stays bare unless it would be read as JSON."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except (ValueError, RecursionError):
            return value
    return json.dumps(value, separators=(",", ":"))


def infer_data_kind(config: RunConfig) -> str:
    """image, table or manifold: what `configure` was told of the data."""
    if len(config.model.input_shape) == 3:
        return "image"
    entry = CATALOG.get(config.data.name) if config.data else None
    return "manifold" if entry is not None and entry.kind == "manifold" else "table"
