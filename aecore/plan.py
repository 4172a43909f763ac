"""From what a user asks for to a RunConfig: the data's shape decides what the variant becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aecore import data
from aecore.config import DataConfig, RunConfig, parse
from aecore.variants import configure, override

Tell = Callable[[str, float], None]


def plan(
    variant: str,
    name: str,
    *,
    latent_dim: int | None = None,
    settings: Mapping[str, Any] | None = None,
    tell: Tell | None = None,
) -> RunConfig:
    """The run that `variant` makes of the data set or path `name`, with `settings` by dotted path.

    Reads the data once, to know its shape. Raises DataError or ConfigError.
    """
    wanted = data_config(name, settings)
    settings = {key: value for key, value in (settings or {}).items() if not key.startswith("data.")}
    dataset = data.load(wanted, tell)
    config = configure(
        variant,
        dataset.input_shape,
        kind=dataset.kind,
        examples=dataset.count,
        data=wanted,
        latent_dim=latent_dim,
    )
    return override(config, settings)


def data_config(name: str, settings: Mapping[str, Any] | None = None) -> DataConfig:
    """The data set or path `name`, read as the settings `data.*` say."""
    options = {key.removeprefix("data."): v for key, v in (settings or {}).items() if key.startswith("data.")}
    return parse(DataConfig, {"name": resolve(name), **options})


def training_rows(name: str, settings: Mapping[str, Any] | None = None) -> int:
    """How many examples there are to train with."""
    return data.load(data_config(name, settings)).count


def resolve(name: str) -> str:
    """Paths become absolute, so that the run can be resumed from anywhere."""
    return name if name in data.CATALOG or not Path(name).exists() else str(Path(name).resolve())


def load_for(config: RunConfig, other: str | None = None) -> data.Dataset:
    """The data that a run was made for, or `other` data divided in the same way."""
    own = config.data or DataConfig()
    return data.load(own.model_copy(update={"name": resolve(other)}) if other else own)
