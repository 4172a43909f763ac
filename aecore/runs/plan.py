"""From what a user asks for to a RunConfig: the data's shape decides what the variant becomes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aecore.data.catalog import CATALOG
from aecore.data.datasets import load_dataset
from aecore.data.raw import ReportProgress
from aecore.data.splits import Dataset
from aecore.model.config import DataConfig, RunConfig, parse_options
from aecore.model.variants import configure, override_config


def plan_run(
    variant: str,
    name: str,
    *,
    latent_dim: int | None = None,
    settings: Mapping[str, Any] | None = None,
    tell: ReportProgress | None = None,
) -> RunConfig:
    """The run that `variant` makes of the data set or path `name`, with `settings` by dotted path.

    Reads the data once, to know its shape. Raises DataError or ConfigError.
    """
    wanted = make_data_config(name, settings)
    settings = {
        key: value for key, value in (settings or {}).items() if not key.startswith("data.")
    }
    dataset = load_dataset(wanted, tell)
    config = configure(
        variant,
        dataset.input_shape,
        kind=dataset.kind,
        examples=dataset.count,
        data=wanted,
        latent_dim=latent_dim,
    )
    return override_config(config, settings)


def make_data_config(name: str, settings: Mapping[str, Any] | None = None) -> DataConfig:
    """The data set or path `name`, read as the settings `data.*` say."""
    options = {
        key.removeprefix("data."): v
        for key, v in (settings or {}).items()
        if key.startswith("data.")
    }
    return parse_options(DataConfig, {"name": resolve_data_path(name), **options})


def count_training_rows(name: str, settings: Mapping[str, Any] | None = None) -> int:
    """How many examples there are to train with."""
    return load_dataset(make_data_config(name, settings)).count


def resolve_data_path(name: str) -> str:
    """Paths become absolute, so that the run can be resumed from anywhere."""
    return name if name in CATALOG or not Path(name).exists() else str(Path(name).resolve())


def load_matching_data(config: RunConfig, other: str | None = None) -> Dataset:
    """The data that a run was made for, or `other` data divided in the same way."""
    own = config.data or DataConfig()
    return load_dataset(own.model_copy(update={"name": resolve_data_path(other)}) if other else own)
