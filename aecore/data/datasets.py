"""Data sets: a name from the catalog, or a path to your own, becomes tensors with a train and a test split."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from aecore.data.arrays import RawData, read_npz
from aecore.data.catalog import CATALOG, CatalogEntry, data_folder
from aecore.data.download import Progress, fetch_file, ignore_progress
from aecore.data.memory import may_read_from_disk
from aecore.data.on_disk import DiskArray, make_disk_dataset, read_npy
from aecore.data.splits import Dataset, make_dataset
from aecore.errors import DataError

if TYPE_CHECKING:
    from aecore.model.config import DataConfig


"""Seconds that a server may stay silent."""


def load_dataset(config: DataConfig, progress: Progress | None = None) -> Dataset:
    """Reads the data set `config.name`: a catalog name, or a folder, .zip, .npz, .npy, .csv or .parquet.

    Images and a .npy that are larger than memory stay on the disk, as `Dataset.stored`. `progress` is told what is
    being done and how far it is, from 0 to 1. `config.label` concerns tables read from a file only; every other set
    brings its own classes.

    Raises DataError, in a sentence fit to show, for whatever is wrong with the data.
    """
    name = config.name if config.name in CATALOG else Path(config.name).name
    found = _find(config, progress or ignore_progress, may_read_from_disk())
    return (
        make_disk_dataset(name, found, config)
        if isinstance(found, DiskArray)
        else make_dataset(name, found, config)
    )


def read_dataset(config: DataConfig, progress: Progress | None = None) -> RawData:
    """All examples of `config.name` in memory, in their own order, undivided; as `load` otherwise."""
    found = _find(config, progress or ignore_progress, large=False)
    assert not isinstance(found, DiskArray)
    return found


def _find(config: DataConfig, report: Progress, large: bool) -> RawData | DiskArray:
    entry = CATALOG.get(config.name)
    if entry is not None:
        return _read_entry(entry, report)
    path = Path(os.path.expanduser(config.name))
    if not config.name or not os.path.exists(path):
        raise DataError(
            f"There is no data set or path {config.name!r}. Known sets: {', '.join(CATALOG)}. "
            "Your own: a folder or .zip of images, a .npz, .npy, .csv or .parquet file."
        )
    return _read_path(path, config, report, large)


def _read_path(
    path: Path, config: DataConfig, report: Progress, large: bool
) -> RawData | DiskArray:
    from aecore.data.image_sources import holds_encoded_images
    from aecore.data.images import read_images
    from aecore.data.tables import read_table

    suffix, leave_out = path.suffix.lower(), config.unusable == "leave_out"
    if path.is_dir() or suffix == ".zip" or (suffix == ".parquet" and holds_encoded_images(path)):
        return read_images(path, report, config, large)
    if suffix == ".npz":
        return read_npz(path, config.missing == "keep")
    if suffix == ".npy":
        return read_npy(path, report, config, large)
    if suffix in (".csv", ".parquet"):
        return read_table(path, config.label, config.missing == "keep", leave_out)
    raise DataError(
        f"{path.name} cannot be read as data: give a folder, or a .zip, .npz, .npy, .csv or .parquet file."
    )


def _read_entry(entry: CatalogEntry, report: Progress) -> RawData:
    """Downloads what is missing, then reads the set."""
    root = data_folder()
    for file in entry.files:
        if not file.present(root):
            fetch_file(file, entry.name, root, report)
    try:
        return entry.reader(root)
    except Exception as error:  # readers of damaged files raise whatever they like
        raise DataError(
            f"The files of {entry.name} in {root} cannot be read ({error}). Delete them to fetch them again."
        ) from error
