"""Sample inputs: the first images of a catalog's set, which come with the package.

A model of that set can be shown at work where the set itself is not at hand. Row i of a sample is
row i of the set. `python -m bench.samples` writes the files; their README holds source and licence.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aecore.data.raw import RawData

SAMPLES_FOLDER = Path(__file__).parent / "samples"
SAMPLE_COUNT = 1000  # training images, and as many test images


def has_sample(name: str) -> bool:
    """Return True where a sample of the catalog's set `name` comes with the package."""
    return name.isidentifier() and (SAMPLES_FOLDER / f"{name}.npz").is_file()


def read_sample(name: str) -> RawData:
    """Read the sample of a set: (2 SAMPLE_COUNT, C, H, W) bytes, those for training first."""
    with np.load(SAMPLES_FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return RawData(
            "image",
            file["x"],
            file["y"].astype(np.int64),
            tuple(file["classes"].tolist()),
            train_count=SAMPLE_COUNT,
        )


def write_sample(raw: RawData, path: Path) -> None:
    """Write the first images of both splits of a labelled set, which has a split of its own."""
    assert raw.train_count is not None and raw.y is not None
    rows = np.r_[:SAMPLE_COUNT, raw.train_count : raw.train_count + SAMPLE_COUNT]
    labels = raw.y[rows].astype(np.uint8)
    np.savez_compressed(path, x=raw.x[rows], y=labels, classes=np.array(raw.classes))
