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
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aecore.data import stored
from aecore.data.arrays import MAX_BYTES, Kind, Raw, plural, read_npy, read_npz
from aecore.data.catalog import CATALOG, Entry, File, data_folder
from aecore.data.stored import Stored
from aecore.errors import DataError

if TYPE_CHECKING:  # torch is imported where it is used, so that listing the catalog stays quick
    from torch import Tensor

    from aecore.config import DataConfig

__all__ = ["CATALOG", "MAX_BYTES", "Dataset", "Entry", "Split", "as_float", "data_folder", "download", "load", "read"]

Progress = Callable[[str, float], None]

TIMEOUT = 10.0
"""Seconds that a server may stay silent."""


class Split(NamedTuple):
    """One part of a data set."""

    x: Tensor  # (N, *input_shape): uint8 for images stored as bytes, else float32
    y: Tensor | None  # (N,) int64 class indices


@dataclass(frozen=True)
class Dataset:
    """A data set in memory, already split for training and testing."""

    name: str
    kind: Kind
    train: Split
    test: Split
    classes: tuple[str, ...] = ()  # index = label
    columns: tuple[str, ...] = ()  # of tables and manifolds
    notes: tuple[str, ...] = ()  # what the reader left out, and why
    stored: Stored | None = None  # all training examples, where they are too many for memory; train.x is a sample then

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, H, W) of an image, (features,) of a row."""
        return tuple(self.train.x.shape[1:])


def as_float(x: Tensor) -> Tensor:
    """Bytes become float32 in [0, 1]; floats are returned as they are."""
    import torch

    return x.to(torch.float32).div_(255) if x.dtype == torch.uint8 else x


def load(config: DataConfig, progress: Progress | None = None) -> Dataset:
    """Reads the data set `config.name`: a catalog name, or a folder, .zip, .npz, .csv or .parquet.

    `progress` is told what is being done and how far it is, from 0 to 1. `config.label` concerns tables read
    from a file only; every other set brings its own classes.

    Raises DataError, in a sentence fit to show, for whatever is wrong with the data.
    """
    name = config.name if config.name in CATALOG else Path(config.name).name
    return _make_dataset(name, read(config, progress), config)


def read(config: DataConfig, progress: Progress | None = None) -> Raw:
    """All examples of `config.name` in their own order, undivided; as `load` otherwise."""
    report = progress or _silent
    entry = CATALOG.get(config.name)
    if entry is not None:
        return _read_entry(entry, report)
    path = Path(os.path.expanduser(config.name))
    if not config.name or not os.path.exists(path):
        raise DataError(
            f"There is no data set or path {config.name!r}. Known sets: {', '.join(CATALOG)}. "
            "Your own: a folder or .zip of images, a .npz, .npy, .csv or .parquet file."
        )
    return _read_path(path, config, report)


def _silent(message: str, fraction: float) -> None:
    """The progress of who does not ask."""


def _read_path(path: Path, config: DataConfig, report: Progress) -> Raw:
    from aecore.data import images, tables

    suffix, leave_out = path.suffix.lower(), config.unusable == "leave_out"
    if path.is_dir() or suffix == ".zip" or (suffix == ".parquet" and images.in_parquet(path)):
        return images.read_images(path, report, config.side, leave_out)
    if suffix == ".npz":
        return read_npz(path, config.missing == "keep")
    if suffix == ".npy":
        return read_npy(path, config.missing == "keep", report)
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


def _make_dataset(name: str, raw: Raw, config: DataConfig) -> Dataset:
    """Splits (by a seeded permutation, unless the set brings its own split) and applies `config.limit`."""
    if isinstance(raw.x, np.memmap) or isinstance(raw.x.base, np.memmap):
        return _make_large(name, raw, config)
    train, test = _own_split(name, raw) if raw.train is not None else _random_split(name, raw, config)
    if config.train_class is not None:
        train = _one_class(name, raw, train, config.train_class)
    train, test = _limited(train, config), _limited(test, config)
    if config.binarise != "none":
        train, test = _binarised(name, raw, train, test, config)
    return Dataset(name, raw.kind, train, test, raw.classes, raw.columns, raw.notes)


def _make_large(name: str, raw: Raw, config: DataConfig) -> Dataset:
    """A set that stays on the disk: all training rows as they are, and in memory a sample of them and test rows."""
    if config.binarise != "none" or config.train_class is not None:
        raise DataError(
            f"{name} is larger than memory, where pixels cannot be drawn as 0 or 1 and classes not be chosen. "
            "Use a part of it: set data.limit."
        )
    each = stored.SAMPLE_BYTES // (4 * int(np.prod(raw.x.shape[1:])))
    order = _permutation(len(raw.x), config.split_seed).numpy()
    if raw.train is not None:
        train, test = order[order < raw.train], order[order >= raw.train]
    else:
        count = max(1, min(round(len(order) * config.test_fraction), each))
        train, test = order[count:], order[:count]
    train, test = train[: config.limit], np.sort(test[: config.limit][:each])
    sample = np.sort(train[:each])
    whole = Stored(raw.x, np.sort(train)) if len(train) > each else None
    note = (
        f"Larger than memory: training reads all {len(train):,} examples from the disk; pages show a sample of "
        f"{len(sample):,}."
    )
    splits = [Split(stored.in_memory(raw.x, rows), _classes_of(raw.y, rows)) for rows in (sample, test)]
    notes = (*raw.notes, note) if whole is not None else raw.notes
    return Dataset(name, raw.kind, *splits, raw.classes, raw.columns, notes, whole)


def _classes_of(y: np.ndarray[Any, Any] | None, rows: np.ndarray[Any, Any]) -> Tensor | None:
    import torch

    return None if y is None else torch.from_numpy(np.ascontiguousarray(y[rows], dtype=np.int64))


def _tensors(raw: Raw) -> Split:
    import torch

    y = None if raw.y is None else torch.from_numpy(np.ascontiguousarray(raw.y, dtype=np.int64))
    return Split(torch.from_numpy(np.ascontiguousarray(raw.x)), y)


def _take(split: Split, rows: Tensor | slice) -> Split:
    return Split(split.x[rows], None if split.y is None else split.y[rows])


def _own_split(name: str, raw: Raw) -> tuple[Split, Split]:
    whole, count = _tensors(raw), raw.train
    assert count is not None
    if not 0 < count < len(raw.x):
        part = "training" if count == 0 else "test"
        raise DataError(f"{name} has no {part} examples. Both splits need at least one.")
    return _take(whole, slice(count)), _take(whole, slice(count, None))


def _random_split(name: str, raw: Raw, config: DataConfig) -> tuple[Split, Split]:
    count = len(raw.x)
    if count < 2:
        raise DataError(
            f"{name} has {plural(count, 'example')}, but a data set needs at least 2: "
            "one to train with, one to test with."
        )
    order = _permutation(count, config.split_seed)
    held_out = min(max(round(count * config.test_fraction), 1), count - 1)
    whole = _tensors(raw)
    return _take(whole, order[held_out:]), _take(whole, order[:held_out])


def _binarised(name: str, raw: Raw, train: Split, test: Split, config: DataConfig) -> tuple[Split, Split]:
    """Pixels drawn as 0 or 1; training ones only where they are drawn once, else the trainer draws them each time."""
    import torch

    if raw.kind != "image":
        raise DataError(f"{name} has no pixels to draw as 0 or 1. Set data.binarise to none.")
    generator = torch.Generator().manual_seed(config.split_seed)

    def drawn(split: Split) -> Split:
        parts = [torch.bernoulli(as_float(x), generator=generator).mul_(255).byte() for x in split.x.split(4096)]
        return split._replace(x=torch.cat(parts))

    test = drawn(test)
    return (drawn(train) if config.binarise == "static" else train), test


def _one_class(name: str, raw: Raw, split: Split, wanted: str) -> Split:
    if wanted not in raw.classes or split.y is None:
        known = ", ".join(raw.classes[:20]) or "none"
        raise DataError(f"{name} has no class {wanted!r} to train with; its classes: {known}.")
    rows = split.y == raw.classes.index(wanted)
    if int(rows.sum()) < 2:
        raise DataError(
            f"{name} has {plural(int(rows.sum()), 'training example')} of the class {wanted!r}; 2 are needed."
        )
    return Split(split.x[rows], split.y[rows])


def _limited(split: Split, config: DataConfig) -> Split:
    if config.limit is None or len(split.x) <= config.limit:
        return split
    return _take(split, _permutation(len(split.x), config.split_seed)[: config.limit])


def _permutation(count: int, seed: int) -> Tensor:
    import torch

    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))
