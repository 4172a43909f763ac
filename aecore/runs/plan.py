"""Plans a run: what a user asks for becomes a RunConfig, fitted to the shape of the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aecore.data.catalog import CATALOG
from aecore.data.datasets import load_dataset
from aecore.data.raw import ReportProgress
from aecore.data.splits import Dataset
from aecore.errors import ConfigError
from aecore.model.columns import ColumnOptions
from aecore.model.config import DataConfig, RunConfig, parse_options
from aecore.model.variants import configure, override_config

DATA_PREFIX = "data."
COLUMNS_PREFIX = "data.columns."


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
    """Returns how to read the data set or path `name`, by the settings that begin with `data.`.

    `data.columns.age` is the kind of the column `age`, or a mapping of its options;
    `data.columns.age.unit` one of these. A column's name that holds a point is in quotes, as JSON.
    """
    options: dict[str, Any] = {}
    columns: dict[str, Any] = {}
    for key, value in (settings or {}).items():
        if key.startswith(COLUMNS_PREFIX):
            set_column_option(columns, key.removeprefix(COLUMNS_PREFIX), value)
        elif key.startswith(DATA_PREFIX):
            options[key.removeprefix(DATA_PREFIX)] = value
    if columns:
        options["columns"] = {**options.get("columns", {}), **columns}
    return parse_options(DataConfig, {"name": resolve_data_path(name), **options})


def set_column_option(columns: dict[str, Any], path: str, value: Any) -> None:
    """Sets the kind of a column, or with `NAME.FIELD` one of its options. Raises ConfigError."""
    name, field = split_column_path(path)
    if not field:
        columns[name] = value
        return
    options = columns.get(name, {})
    options = {"kind": options} if isinstance(options, str) else options
    columns[name] = {**options, field: value}


def split_column_path(path: str) -> tuple[str, str]:
    """Returns the name of a column and the option, which may be empty, of a path `NAME.OPTION`.

    A name in quotes, as JSON, may hold points. Raises ConfigError.
    """
    if path.startswith('"'):
        try:
            name, end = json.JSONDecoder().raw_decode(path)
        except ValueError as error:
            raise ConfigError(f"{path} is no name in quotes, as JSON writes it.") from error
        rest = path[end:]
        if rest and not rest.startswith("."):
            raise ConfigError(f"After the name in {path} one of its options may follow, as .unit.")
        return name, rest.removeprefix(".")
    name, point, field = path.rpartition(".")
    if point and field in ColumnOptions.model_fields:
        return name, field
    return path, ""


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
