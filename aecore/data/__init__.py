"""Data: a name from the catalog, or a path to your own, becomes tensors with a train and a test split."""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from aecore.data.arrays import MAX_BYTES, Raw, read_npz
from aecore.data.budget import may_store
from aecore.data.catalog import CATALOG, Entry, File, data_folder
from aecore.data.large import Large, make_large, read_npy
from aecore.data.splits import Dataset, Split, as_float, make_dataset
from aecore.data.stored import Stored
from aecore.errors import DataError

if TYPE_CHECKING:
    from aecore.config import DataConfig

__all__ = [
    "CATALOG",
    "MAX_BYTES",
    "Dataset",
    "Entry",
    "Split",
    "Stored",
    "as_float",
    "data_folder",
    "download",
    "load",
    "read",
]

Progress = Callable[[str, float], None]

TIMEOUT = 10.0
"""Seconds that a server may stay silent."""


def load(config: DataConfig, progress: Progress | None = None) -> Dataset:
    """Reads the data set `config.name`: a catalog name, or a folder, .zip, .npz, .npy, .csv or .parquet.

    Images and a .npy that are larger than memory stay on the disk, as `Dataset.stored`. `progress` is told what is
    being done and how far it is, from 0 to 1. `config.label` concerns tables read from a file only; every other set
    brings its own classes.

    Raises DataError, in a sentence fit to show, for whatever is wrong with the data.
    """
    name = config.name if config.name in CATALOG else Path(config.name).name
    found = _find(config, progress or _silent, may_store())
    return make_large(name, found, config) if isinstance(found, Large) else make_dataset(name, found, config)


def read(config: DataConfig, progress: Progress | None = None) -> Raw:
    """All examples of `config.name` in memory, in their own order, undivided; as `load` otherwise."""
    found = _find(config, progress or _silent, large=False)
    assert not isinstance(found, Large)
    return found


def _find(config: DataConfig, report: Progress, large: bool) -> Raw | Large:
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


def _silent(message: str, fraction: float) -> None:
    """The progress of who does not ask."""


def _read_path(path: Path, config: DataConfig, report: Progress, large: bool) -> Raw | Large:
    from aecore.data import images, tables

    suffix, leave_out = path.suffix.lower(), config.unusable == "leave_out"
    if path.is_dir() or suffix == ".zip" or (suffix == ".parquet" and images.in_parquet(path)):
        return images.read_images(path, report, config, large)
    if suffix == ".npz":
        return read_npz(path, config.missing == "keep")
    if suffix == ".npy":
        return read_npy(path, report, config, large)
    if suffix in (".csv", ".parquet"):
        return tables.read_table(path, config.label, config.missing == "keep", leave_out)
    raise DataError(f"{path.name} cannot be read as data: give a folder, or a .zip, .npz, .npy, .csv or .parquet file.")


def _read_entry(entry: Entry, report: Progress) -> Raw:
    """Downloads what is missing, then reads the set."""
    root = data_folder()
    for file in entry.files:
        if not file.present(root):
            _fetch(file, entry.name, root, report)
    try:
        return entry.reader(root)
    except Exception as error:  # readers of damaged files raise whatever they like
        raise DataError(
            f"The files of {entry.name} in {root} cannot be read ({error}). Delete them to fetch them again."
        ) from error


def _fetch(file: File, name: str, root: Path, report: Progress) -> None:
    reasons: list[str] = []
    for url in file.urls:
        try:
            return download(url, root / file.path, file.checksum, report)
        except DataError as error:
            reasons.append(str(error))
    reason = "; ".join(dict.fromkeys(reasons))
    raise DataError(
        f"{name} is not in {root} and could not be downloaded ({reason}). "
        "Set AECORE_DATA to a folder that holds it, or use the embedded `digits`."
    )


def download(url: str, target: Path, checksum: str, report: Progress) -> None:
    """Fetches `url` into `target`, which appears only when complete and right. Raises DataError.

    `checksum` is an MD5, or by its length a SHA-256, in hexadecimal.
    """
    part: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}-", delete=False) as out:
            part = Path(out.name)
            digest = hashlib.sha256() if len(checksum) == 64 else hashlib.md5(usedforsecurity=False)
            _stream(url, out, digest, partial(report, f"Downloading {target.name}"))
        if digest.hexdigest() != checksum:
            raise DataError(f"{url} sent a file whose checksum is {digest.hexdigest()}, not {checksum}")
        part.chmod(0o644)
        part.replace(target)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise DataError(_reason(error, url)) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _stream(url: str, out: IO[bytes], digest: hashlib._Hash, report: Callable[[float], None]) -> None:
    """Copies the body to `out` and into `digest`."""
    done = 0
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        total = int(answer.headers.get("Content-Length") or 0)
        while block := answer.read(1 << 18):
            out.write(block)
            digest.update(block)
            done += len(block)
            report(min(done / total, 1.0) if total else 0.0)


def _reason(error: Exception, url: str) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"{url} answered {error.code}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {TIMEOUT:.0f} s"
    if isinstance(cause, ssl.SSLError):
        return f"{url}: {cause.reason}"
    if error is not cause or isinstance(cause, ConnectionError | http.client.HTTPException):
        return "no connection"
    return str(error)
