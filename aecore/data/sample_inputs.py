"""Sample inputs that come with the package, for models whose own data is not at hand.

A sample of a set of the catalog is its first images: row i of the sample is row i of the set, and
`python -m bench.samples` writes the file. The sample photographs are those of scikit-image. Sources
and licences: README.md beside the files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aecore.data.raw import Array, RawData

SAMPLES_FOLDER = Path(__file__).parent / "samples"
SAMPLE_COUNT = 1000  # training images, and as many test images
PHOTOGRAPHS = ("astronaut", "cat", "coffee", "rocket")  # names in `skimage.data`
PHOTOGRAPHS_SHAPE = (3, 96, 96)  # of each crop, unless others are asked for
LARGEST_CROP = 256  # pixels of a side: the smallest photograph has 300
PHOTOGRAPHS_CREDIT = (
    "scikit-image. Astronaut: NASA, public domain. Cat: S. van der Walt, CC0. "
    "Coffee: R. Michetti, CC0. Rocket: SpaceX, public domain"
)


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


def is_shape_of_crops(shape: tuple[int, ...]) -> bool:
    """Return True for the shape of pictures that can be cut from the sample photographs."""
    return len(shape) == 3 and shape[0] == 3 and max(shape[1:]) <= LARGEST_CROP


def read_photographs(shape: tuple[int, ...] = PHOTOGRAPHS_SHAPE) -> RawData:
    """Read crops (N, *shape) of the sample photographs, which are their classes.

    The crops lie side by side in the photographs and are shuffled; the first half is for training.
    """
    from skimage import data

    crops = [cut_crops(getattr(data, name)(), shape) for name in PHOTOGRAPHS]
    y = np.repeat(np.arange(len(crops)), [len(part) for part in crops])
    order = np.random.default_rng(0).permutation(len(y))
    return RawData(
        "image", np.concatenate(crops)[order], y[order], PHOTOGRAPHS, train_count=len(y) // 2
    )


def cut_crops(photograph: Array, shape: tuple[int, ...] = PHOTOGRAPHS_SHAPE) -> Array:
    """Return the crops (N, *shape) of a photograph (H, W, 3), from its top left on."""
    channels, height, width = shape
    rows, columns = photograph.shape[0] // height, photograph.shape[1] // width
    whole = photograph[: rows * height, : columns * width]
    grid = whole.reshape(rows, height, columns, width, channels)
    return grid.transpose(0, 2, 4, 1, 3).reshape(-1, *shape)
