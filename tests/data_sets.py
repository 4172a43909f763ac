"""Read data sets in tests, and write small files such as those of MNIST."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from aecore.data.datasets import load_dataset
from aecore.data.splits import Dataset
from aecore.errors import DataError
from aecore.model.config import DataConfig


def read_set(name: object, **options: object) -> Dataset:
    """Load a data set by its name or path, with options of DataConfig."""
    return load_dataset(DataConfig.model_validate({"name": str(name), **options}))


def get_refusal(name: object, **options: object) -> str:
    """Return the sentence with which a data set is refused where all of it must be usable."""
    with pytest.raises(DataError) as caught:
        read_set(name, **{"missing": "refuse", "unusable": "refuse", **options})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def pack_zip(members: Mapping[str, str | bytes | None]) -> bytes:
    """Return a compressed .zip of these members; None makes an empty folder."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name + "/" * (content is None), content or b"")
    return stream.getvalue()


def encode_idx(array: np.ndarray) -> bytes:
    """Return an array of bytes in the IDX format of MNIST."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def make_pictures(count: int) -> np.ndarray:
    """Return random pictures, bytes (count, 28, 28); the same for the same count."""
    return np.random.default_rng(count).integers(0, 256, (count, 28, 28), np.uint8)


def write_mnist(data_folder: Path, folder: str = "MNIST", pack: bool = False) -> None:
    """Write six training and three test pictures as the four files of MNIST."""
    raw = data_folder / folder / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 6), ("t10k", 3)):
        for content_type, array in (
            ("images-idx3", make_pictures(count)),
            ("labels-idx1", np.arange(count, dtype=np.uint8)),
        ):
            name, content = f"{part}-{content_type}-ubyte", encode_idx(array)
            (raw / (name + ".gz" * pack)).write_bytes(
                gzip.compress(content, mtime=0) if pack else content
            )
