"""The recipe of a run: the shell command that plans an equal one."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from aecore.data.catalog import CATALOG
from aecore.data.tables.columns import list_heads
from aecore.errors import ConfigError
from aecore.model.config import DataConfig, RunConfig, TrainConfig
from aecore.model.parts.base import Options
from aecore.model.parts.likelihoods.mixed import Mixed
from aecore.model.scaling import RowTraits
from aecore.model.variants.fitting import configure

RECIPE_PARTS = ("corruption", "network", "bottleneck", "likelihood", "prior")
# training options with a flag of their own
TRAINING_FLAGS = ("epochs", "batch_size", "lr", "seed", "device")
# those that are always written: the first two depend on how many examples there are
ALWAYS_WRITTEN = ("epochs", "batch_size", "seed")
# of `data`: how a brought set is read, which its own record says
READING_FIELDS = (
    "columns",
    "greys",
    "inference",
    "label",
    "pixels",
    "side",
    "unusable",
)


def format_train_command(config: RunConfig, kind: str) -> str:
    """Returns the shell command that plans an equal config from the same data.

    `kind` of the data is image, table or manifold.
    Raises ConfigError where the config does not say how it was trained, or names no known variant.
    """
    if config.data is None or config.training is None:
        raise ConfigError(
            "This model has no data and training settings, so no command trains it again."
        )
    model = config.model
    plan_base = partial(
        configure, model.variant, model.input_shape, kind=kind, traits=list_column_traits(config)
    )
    base = plan_base()
    words = ["python", "-m", "aecore", "train", model.variant]
    words += format_flag("--data", config.data.name)
    if model.latent_dim != base.model.latent_dim:
        base = plan_base(latent_dim=model.latent_dim)
        words += format_flag("--latent-dim", model.latent_dim)
    words += format_training_flags(config.training, base.training or TrainConfig())
    for path, value in list_settings(config, base):
        words += format_flag("--set", f"{path}={format_setting_value(value)}")
    return shlex.join(words)


def list_column_traits(config: RunConfig) -> RowTraits:
    """Returns what planning knows of the columns from the table itself, so that no flag names it.

    Those of the likelihood, where it has any, else those of the columns' kinds. The tones of
    brought pictures are not known: they are such that the likelihood is written out.
    """
    likelihood, columns = config.model.likelihood, config.data.columns if config.data else {}
    if isinstance(likelihood, Mixed):
        return RowTraits(heads=likelihood.heads)
    if len(config.model.input_shape) == 3:
        is_known = config.data is not None and config.data.name in CATALOG
        return RowTraits(has_midtones=not is_known and likelihood.kind == "bernoulli")
    heads = list_heads(columns)
    covered = sum(head.features for head in heads) == config.model.features
    return RowTraits(heads=heads if covered else ())


def format_training_flags(training: TrainConfig, base: TrainConfig) -> list[str]:
    """Returns the flags of those training options that have one and are not as `base` has them."""
    words = []
    for name in TRAINING_FLAGS:
        value = getattr(training, name)
        if name in ALWAYS_WRITTEN or value != getattr(base, name):
            words += format_flag(f"--{name.replace('_', '-')}", value)
    return words


def format_flag(flag: str, value: object) -> list[str]:
    """Returns a flag and its value, in one word where the value would be taken for a flag."""
    return [f"{flag}={value}"] if str(value).startswith("-") else [flag, str(value)]


def list_settings(config: RunConfig, base: RunConfig) -> Iterator[tuple[str, Any]]:
    """Yields the (path, value) that make `config` out of `base`, beyond its sizes and flags."""
    model, base_model = config.model, base.model
    for name in ("scaling", "clip", "missing", "calibration", "anomaly_score"):
        if getattr(model, name) != getattr(base_model, name):
            yield name, getattr(model, name)
    for name in RECIPE_PARTS:
        yield from list_part_settings(name, getattr(model, name), getattr(base_model, name))
    yield from list_penalty_settings(model.penalties, base_model.penalties)
    for name, value in list_differences(config.training, base.training or TrainConfig()):
        if name not in TRAINING_FLAGS:
            yield f"training.{name}", value
    is_known = config.data is not None and config.data.name in CATALOG
    unspoken = {"name", "side", "greys"} if is_known else {"name"}  # of one's own images only
    for name, value in list_differences(config.data, DataConfig()):
        if name not in unspoken:
            yield f"data.{name}", value


def list_changes(config: RunConfig, base: RunConfig) -> Iterator[tuple[str, Any]]:
    """Yields all (path, value) that make `config` out of `base`, a run on the same data.

    How a brought set is read is left out; what depends on its size is always among them.
    """
    if config.model.latent_dim != base.model.latent_dim:
        yield "latent_dim", config.model.latent_dim
    training, default = config.training or TrainConfig(), base.training or TrainConfig()
    for name in TRAINING_FLAGS:
        value = getattr(training, name)
        if name in ALWAYS_WRITTEN or value != getattr(default, name):
            yield f"training.{name}", value
    yield from (
        (path, value)
        for path, value in list_settings(config, base)
        if path.removeprefix("data.") not in READING_FIELDS
    )


def format_settings(settings: Mapping[str, Any]) -> str:
    """Returns settings as flags of the command line: `--set PATH=VALUE ...`."""
    words = (f"{path}={format_setting_value(value)}" for path, value in settings.items())
    return shlex.join(word for text in words for word in ("--set", text))


def list_part_settings(name: str, part: Any, base: Any) -> Iterator[tuple[str, Any]]:
    """Yields the kind if it is another, then the fields that differ from what that begins with."""
    if part is None:
        if base is not None:
            yield name, None
        return
    if base is None or part.kind != base.kind:
        yield f"{name}.kind", part.kind
        base = type(part)()
    for field, value in list_differences(part, base):
        yield f"{name}.{field}", value


def list_penalty_settings(
    penalties: Sequence[Any], base: Sequence[Any]
) -> Iterator[tuple[str, Any]]:
    """Yields single fields where the kinds are the same, else the whole list."""
    kinds = [penalty.kind for penalty in penalties]
    if kinds == [penalty.kind for penalty in base] and len(set(kinds)) == len(kinds):
        for new, old in zip(penalties, base, strict=True):
            for field, value in list_differences(new, old):
                yield f"penalties.{new.kind}.{field}", value
    else:
        yield "penalties", [dump_penalty(penalty) for penalty in penalties]


def dump_penalty(penalty: Any) -> dict[str, Any]:
    """Returns a penalty as JSON values: its kind, and what is not the default."""
    return {"kind": penalty.kind, **penalty.model_dump(mode="json", exclude_defaults=True)}


def list_differences(new: Options | None, old: Options) -> Iterator[tuple[str, Any]]:
    """Yields (field, JSON value) where `new` is not as `old`; nothing where there is no `new`."""
    if new is None:
        return
    old_values = old.model_dump(mode="json")
    for name, value in new.model_dump(mode="json").items():
        if value != old_values[name]:
            yield name, value


def format_setting_value(value: Any) -> str:
    """Writes a value as `--set` reads it: text stays bare unless it would be read as JSON."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except (ValueError, RecursionError):
            return value
    return json.dumps(value, separators=(",", ":"))


def infer_data_kind(config: RunConfig) -> str:
    """Returns the kind of data that the config was made for: image, table or manifold."""
    if len(config.model.input_shape) == 3:
        return "image"
    entry = CATALOG.get(config.data.name) if config.data else None
    return "manifold" if entry is not None and entry.kind == "manifold" else "table"
