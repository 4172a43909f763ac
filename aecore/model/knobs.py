"""Knobs: the numbers of a config that may be moved while a run trains.

A field is one where it is marked `json_schema_extra=LIVE`: weights of the loss, noise, k and the
learning rate. It is named by its path, as `--set` takes it: `bottleneck.beta`, `corruption.sigma`,
`penalties.l1.weight`, `training.lr`. config.json keeps the values that a run began with; the
weights hold the knobs of the model that were moved since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

from aecore.errors import ConfigError
from aecore.model.config import ModelConfig, RunConfig, parse_options
from aecore.model.parts.base import LIVE, Options

PART_FIELDS = ("corruption", "network", "bottleneck", "likelihood")


class Knob(NamedTuple):
    """A number that may be moved."""

    value: float  # an int where the field is one
    field: FieldInfo  # with its bounds and description
    highest: float | None = None  # a bound that the model adds to the field's own


def list_parts(config: RunConfig) -> Iterator[tuple[str, Options]]:
    """Yields the options in which there can be knobs, by their paths; of two of a kind the first.

    Penalties are named by their kinds.
    """
    for name in PART_FIELDS:
        part = getattr(config.model, name)
        if part is not None:
            yield name, part
    penalties = {f"penalties.{part.kind}": part for part in reversed(config.model.penalties)}
    yield from penalties.items()
    if config.training is not None:
        yield "training", config.training


def list_knobs(config: RunConfig) -> dict[str, Knob]:
    """Returns the knobs of a run by their paths."""
    return {
        f"{path}.{name}": Knob(getattr(part, name), field, _find_bound(config, path, field))
        for path, part in list_parts(config)
        for name, field in type(part).model_fields.items()
        if is_knob(field)
    }


def is_knob(field: FieldInfo) -> bool:
    """Returns True for a field that is marked as one."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and LIVE.items() <= extra.items()


def drop_knobs(options: Any) -> Any:
    """Returns options as plain values, {field: value}, without the knobs in any of their parts."""
    if isinstance(options, tuple):
        return tuple(drop_knobs(part) for part in options)
    if not isinstance(options, Options):
        return options
    fields = type(options).model_fields.items()
    return {name: drop_knobs(getattr(options, name)) for name, f in fields if not is_knob(f)}


def _find_bound(config: RunConfig, path: str, field: FieldInfo) -> float | None:
    """Returns how many units a bottleneck can count; None for other numbers."""
    is_count = path == "bottleneck" and field.annotation is int
    return config.model.latent_dim if is_count else None


def turn_knobs(config: RunConfig, values: Mapping[str, float]) -> RunConfig:
    """Returns a config with knobs moved, {path: value}.

    ConfigError for a name that is no knob of the run, or a value out of bounds.
    """
    for path, value in values.items():
        config = _turn_knob(config, path, value)
    return config


def _turn_knob(config: RunConfig, path: str, value: float) -> RunConfig:
    knobs = list_knobs(config)
    if path not in knobs:
        raise ConfigError(f"{path[:80]} is no knob of this run. It has {', '.join(knobs)}.")
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ConfigError(f"{path} must be a number, got {str(value)[:80]!r}.")
    highest = knobs[path].highest
    if highest is not None and value > highest:
        raise ConfigError(f"{path} must be at most {highest}, got {value}.")
    part_path, _, name = path.rpartition(".")
    part = dict(list_parts(config))[part_path]
    turned = parse_options(type(part), {**dict(part), name: value})
    return _replace_part(config, part_path, part, turned)


def _replace_part(config: RunConfig, path: str, old: Options, new: Options) -> RunConfig:
    """Returns a config with another part; knobs are no matter of the config's other checks."""
    if path == "training":
        return config.model_copy(update={"training": new})
    changes: dict[str, object] = {path: new}
    if path.startswith("penalties."):
        changes = {"penalties": tuple(new if p is old else p for p in config.model.penalties)}
    return config.model_copy(update={"model": config.model.model_copy(update=changes)})


def compare_knobs(before: ModelConfig, after: ModelConfig) -> dict[str, float]:
    """Returns the knobs of a model that were moved, {path: value after}."""
    if before is after:
        return {}
    old, new = (list_knobs(RunConfig(model=config)) for config in (before, after))
    return {
        path: knob.value
        for path, knob in new.items()
        if path in old and old[path].value != knob.value
    }
