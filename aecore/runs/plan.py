"""Plans a run: what a user asks for becomes a RunConfig, fitted to the shape of the data."""

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

DATA_PREFIX = "data."
COLUMNS_PREFIX = "data.columns."  # before the name of a column, whatever is in it


def plan_run(
    variant: str,
    name: str,
    *,
    latent_dim: int | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: ReportProgress | None = None,
) -> RunConfig:
    """Returns the config of `variant` on the data set or path `name`; settings by dotted path.

    Reads the data once, to know its shape. Raises DataError or ConfigError.
    """
    data_config = make_data_config(name, settings)
    dataset = load_dataset(data_config, progress)
    config = configure(
        variant,
        dataset.input_shape,
        kind=dataset.kind,
        examples=dataset.count,
        data=data_config,
        latent_dim=latent_dim,
    )
    settings = settings or {}
    others = {key: value for key, value in settings.items() if not key.startswith(DATA_PREFIX)}
    return override_config(config, others)


def make_data_config(name: str, settings: Mapping[str, Any] | None = None) -> DataConfig:
    """Returns how to read the data set or path `name`, by the settings that begin with `data.`."""
    options = {
        key.removeprefix(DATA_PREFIX): value
        for key, value in (settings or {}).items()
        if key.startswith(DATA_PREFIX)
    }
    columns = dict(options.pop("columns", None) or {})
    prefix = COLUMNS_PREFIX.removeprefix(DATA_PREFIX)
    for key in [key for key in options if key.startswith(prefix)]:
        columns[key.removeprefix(prefix)] = options.pop(key)
    return parse_options(
        DataConfig, {"name": resolve_data_path(name), "columns": columns, **options}
    )


def count_training_rows(name: str, settings: Mapping[str, Any] | None = None) -> int:
    """Returns how many examples of the data set or path `name` there are to train with."""
    return load_dataset(make_data_config(name, settings)).count


def resolve_data_path(name: str) -> str:
    """Makes a path absolute, so that a run can be resumed from anywhere; a catalog's name stays."""
    return name if name in CATALOG or not Path(name).exists() else str(Path(name).resolve())


def load_matching_data(config: RunConfig, other: str | None = None) -> Dataset:
    """Loads the data that a run was made for, or `other` data divided in the same way."""
    data_config = config.data or DataConfig()
    if other:
        data_config = data_config.model_copy(update={"name": resolve_data_path(other)})
    return load_dataset(data_config)
