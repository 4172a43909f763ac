"""Data sets: a name of the catalog, or a path, becomes tensors with a train and a test split."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from aecore.data.arrays.reading import read_npz
from aecore.data.catalog import CATALOG, CatalogEntry, data_folder
from aecore.data.download import fetch_catalog_file
from aecore.data.groups import add_groups
from aecore.data.memory import may_read_from_disk
from aecore.data.on_disk import DiskArray, make_disk_dataset, read_npy
from aecore.data.raw import RawData, ReportProgress, pass_progress_on
from aecore.data.splits import Dataset, make_dataset
from aecore.errors import DataError

if TYPE_CHECKING:
    from aecore.model.config import DataConfig


def load_dataset(config: DataConfig, report: ReportProgress | None = None) -> Dataset:
    """Read the data set `config.name` and split it into training and test examples.

    The name is one of the catalog, or a path: a folder, .zip, .npz, .npy, .csv or .parquet. Images
    and a .npy that are larger than memory stay on the disk, as `Dataset.stored`. `report` receives
    what is being done and the share that is done. `config.label` and `config.columns` concern
    tables read from a file only; every other set brings its own classes.

    Raises DataError, in a sentence fit to show, for whatever is wrong with the data.
    """
    name = config.name if config.name in CATALOG else Path(config.name).name
    examples = open_dataset(config, report)
    if isinstance(examples, DiskArray):
        return make_disk_dataset(name, examples, config)
    return make_dataset(name, add_groups(examples, Path(config.name), config), config)


def open_dataset(config: DataConfig, report: ReportProgress | None = None) -> RawData | DiskArray:
    """Read all examples of `config.name` as `load_dataset` does, in their own order and not split.

    Those that are larger than memory stay on the disk.
    """
    return _read_examples(config, report or pass_progress_on, may_read_from_disk())


def read_dataset(config: DataConfig, report: ReportProgress | None = None) -> RawData:
    """Read all examples of `config.name` into memory, in their own order and not split.

    Otherwise as `load_dataset`.
    """
    examples = _read_examples(config, report or pass_progress_on, may_stay_on_disk=False)
    assert not isinstance(examples, DiskArray)
    return examples


def _read_examples(
    config: DataConfig, report: ReportProgress, may_stay_on_disk: bool
) -> RawData | DiskArray:
    entry = CATALOG.get(config.name)
    if entry is not None:
        return _read_catalog_entry(entry, report)
    path = find_data_path(config)
    if path is None and os.path.isabs(config.name):
        raise DataError(f"The data {config.name!r} are not here. Were they deleted or moved?")
    if path is None:
        raise DataError(
            f"There is no data set or path {config.name!r}. Known sets: {', '.join(CATALOG)}. "
            "Your own: a folder or .zip of images, a .npz, .npy, .csv or .parquet file."
        )
    return _read_path(path, config, report, may_stay_on_disk)


def find_data_path(config: DataConfig) -> Path | None:
    """Return the file or folder that `config.name` names; None for a known set or nothing."""
    path = Path(os.path.expanduser(config.name))
    return path if config.name not in CATALOG and os.path.exists(path) else None


def _read_path(
    path: Path, config: DataConfig, report: ReportProgress, may_stay_on_disk: bool
) -> RawData | DiskArray:
    from aecore.data.images.formats import IMAGE_SUFFIXES
    from aecore.data.images.listing import ARCHIVE_SUFFIXES
    from aecore.data.images.parquet import holds_encoded_images
    from aecore.data.images.reading import read_images
    from aecore.data.tables.files import is_table_file
    from aecore.data.tables.reading import read_table

    suffix = path.suffix.lower()
    allow_missing = config.missing == "keep"
    is_image = path.name.lower().endswith(IMAGE_SUFFIXES)
    if path.is_dir() or is_image or (suffix == ".parquet" and holds_encoded_images(path)):
        return read_images(path, report, config, may_stay_on_disk)
    if suffix == ".npz":
        return read_npz(path, allow_missing)
    if suffix == ".npy":
        return read_npy(path, report, config, may_stay_on_disk)
    if suffix == ".zip" and not is_table_file(path):
        return read_images(path, report, config, may_stay_on_disk)
    if suffix != ".zip" and path.name.lower().endswith(ARCHIVE_SUFFIXES):
        raise DataError(
            f"{path.name} is an archive of a kind that is not opened. "
            "Unpack it, and give the folder or a .zip of it."
        )
    if is_table_file(path):
        return read_table(path, config)
    raise DataError(
        f"{path.name} cannot be read as data: give a folder, "
        "a .zip, .npz or .npy, or a table such as a .csv, .xlsx or .parquet."
    )


def fetch_catalog_set(entry: CatalogEntry, report: ReportProgress | None = None) -> None:
    """Download the files of a known set that are missing. Raises DataError."""
    root = data_folder()
    for file in entry.files:
        if not file.is_present(root):
            fetch_catalog_file(file, entry.name, root, report or pass_progress_on)


def _read_catalog_entry(entry: CatalogEntry, report: ReportProgress) -> RawData:
    """Download the files that are missing, then read the set."""
    fetch_catalog_set(entry, report)
    root = data_folder()
    try:
        return entry.reader(root)
    except Exception as error:  # readers of damaged files raise whatever they like
        raise DataError(
            f"The files of {entry.name} in {root} cannot be read ({error}). "
            "Delete them to fetch them again."
        ) from error
