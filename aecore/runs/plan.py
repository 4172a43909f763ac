"""Plans a run: what a user asks for becomes a RunConfig, fitted to the shape of the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aecore.data.catalog import CATALOG
from aecore.data.datasets import load_dataset
from aecore.data.raw import ReportProgress
from aecore.data.splits import Dataset, make_dataset
from aecore.data.tables.files import is_table_file
from aecore.data.tables.reading import read_further_table
from aecore.errors import ConfigError, DataError
from aecore.model.columns import ColumnOptions
from aecore.model.config import DataConfig, RunConfig, parse_options
from aecore.model.variants.fitting import configure
from aecore.model.variants.overrides import override_config

DATA_PREFIX = "data."
COLUMNS_PREFIX = "data.columns."


def plan_run(
    variant: str,
    name: str,
    *,
    latent_dim: int | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: ReportProgress | None = None,
    as_published: bool = False,
) -> RunConfig:
    """Returns the config of `variant` on the data set or path `name`; settings by dotted path.

    With `as_published` the variant is as its paper has it, without our linear path.

    Reads the data once, to know its shape; what was chosen while reading is kept in the config.
    Raises DataError or ConfigError.
    """
    data_config = make_data_config(name, settings)
    dataset = load_dataset(data_config, progress)
    traits = dataset.traits
    if expects_missing(settings, dataset):
        traits = traits._replace(has_missing=True)
    config = configure(
        variant,
        dataset.input_shape,
        kind=dataset.kind,
        examples=dataset.count,
        data=complete_data_config(data_config, dataset),
        latent_dim=latent_dim,
        traits=traits,
        as_published=as_published,
    )
    settings = settings or {}
    others = {key: value for key, value in settings.items() if not key.startswith(DATA_PREFIX)}
    return override_config(config, others)


def complete_data_config(config: DataConfig, dataset: Dataset) -> DataConfig:
    """Returns how a data set was read: what was chosen meanwhile, and the kinds of all columns."""
    config = config.model_copy(update=dict(dataset.reading))
    if not dataset.schema:
        return config
    label = next((n for n, o in dataset.schema.items() if o.kind == "target"), config.label)
    return config.model_copy(update={"columns": dict(dataset.schema), "label": label})


def expects_missing(settings: Mapping[str, Any] | None, dataset: Dataset) -> bool:
    """Returns True where one asked for a model of missing cells, though a table may be whole."""
    return (settings or {}).get("data.missing") == "keep" and dataset.kind != "image"


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
    if config.data is None and not other and config.model.network.is_pretrained:
        raise DataError(
            "This pretrained run names no pictures. Pull it again with --data, or name some here."
        )
    data_config = config.data or DataConfig()
    if other:
        data_config = data_config.model_copy(update={"name": resolve_data_path(other)})
        path = Path(data_config.name)
        if data_config.columns and path.is_file() and is_table_file(path):
            raw = read_further_table(path, data_config)
            return check_whole(make_dataset(path.name, raw, data_config), config)
    return check_whole(load_dataset(data_config), config)


def check_whole(dataset: Dataset, config: RunConfig) -> Dataset:
    """Returns a data set that a run's model can take. DataError where cells are missing."""
    if not config.model.missing and dataset.traits.has_missing:
        raise DataError(
            f"{dataset.name} has missing cells, and the model was trained without any. "
            "Fill them first, or train a model on data with missing cells."
        )
    return dataset
