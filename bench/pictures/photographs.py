"""The pictures of the benchmark: crops of photographs, and a part of CIFAR-10, by a fixed seed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from aecore.model.config import DataConfig
from aecore.runs.listing import runs_folder
from bench.fidelity.data_files import find_data_file

Pixels = np.ndarray[Any, Any]
BSDS, CIFAR = "photos/bsds500.zip", "photos/cifar10-jpeg.zip"
CROP_SIDE = 64
CROPS = {"train": 8000, "val": 1000}
CODEC_SIDE, CODEC_CROPS = 96, {"train": 5000, "val": 500}
CIFAR_OF_CLASS = {"train": 1000, "test": 100}  # a fifth of the training pictures: time is short
CIFAR_WHOLE = {"train": 5000, "test": 1000}


class PictureSet(NamedTuple):
    """A set of pictures, and how it is called."""

    label: str
    make: Callable[[], tuple[Pixels, Pixels]]  # for training and for the test, (N, 3, H, W) bytes
    units: int  # of the codes that are compared

    def place(self, name: str) -> str:
        """Return the path of the set as .npz, which is written where it is missing."""
        path = runs_folder() / "pictures" / f"{name}.npz"
        if not path.exists():
            train, test = self.make()
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, x_train=train, x_test=test)
        return str(path.resolve())


def make_crops(side: int = CROP_SIDE, counts: Mapping[str, int] = CROPS) -> tuple[Pixels, Pixels]:
    """Return crops of the photographs at random places, as many of each."""
    rng = np.random.default_rng(0)
    train, val = (np.stack(list(iterate_crops(part, n, side, rng))) for part, n in counts.items())
    return train, val


def make_codec_crops() -> tuple[Pixels, Pixels]:
    """Return the larger crops that the codec is trained on."""
    return make_crops(CODEC_SIDE, CODEC_CROPS)


def iterate_crops(part: str, count: int, side: int, rng: np.random.Generator) -> Iterator[Pixels]:
    """Yield about `count` crops (3, side, side) of the photographs of one folder."""
    with zipfile.ZipFile(find_data_file(BSDS)) as archive:
        names = list_jpegs(archive, f"{part}/")
        for name in names:
            photo = read_picture(archive, name)
            for _ in range(count // len(names)):
                top, left = (int(rng.integers(0, n - side + 1)) for n in photo.shape[1:])
                yield photo[:, top : top + side, left : left + side]


def make_small_pictures(counts: Mapping[str, int] = CIFAR_OF_CLASS) -> tuple[Pixels, Pixels]:
    """Return the first pictures of each class of CIFAR-10, as many of each."""
    train, test = (np.stack(list(iterate_classes(part, n))) for part, n in counts.items())
    return train, test


def make_all_small_pictures() -> tuple[Pixels, Pixels]:
    """Return CIFAR-10."""
    return make_small_pictures(CIFAR_WHOLE)


def iterate_classes(part: str, count: int) -> Iterator[Pixels]:
    """Yield the first `count` pictures (3, 32, 32) of each class of one folder."""
    with zipfile.ZipFile(find_data_file(CIFAR)) as archive:
        names = list_jpegs(archive, f"{part}/")
        for folder in sorted({name.rpartition("/")[0] for name in names}):
            of_class = [name for name in names if name.startswith(f"{folder}/")]
            for name in of_class[:count]:
                yield read_picture(archive, name)


def list_jpegs(archive: zipfile.ZipFile, folder: str) -> list[str]:
    """Return the sorted names of the pictures under a folder of an archive."""
    return sorted(
        name for name in archive.namelist() if name.startswith(folder) and name.endswith(".jpg")
    )


def read_picture(archive: zipfile.ZipFile, name: str) -> Pixels:
    """Return a picture (3, H, W) of an archive, as bytes."""
    picture = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
    return np.asarray(picture).transpose(2, 0, 1)


def load_pictures(path: str) -> tuple[Tensor, Tensor]:
    """Return training and test pictures of a .npz, (N, 3, H, W) in [0, 1]."""
    dataset = load_dataset(DataConfig(name=path))
    return as_float(dataset.train.x), as_float(dataset.test.x)


def measure_mean_psnr(pictures: Tensor, rebuilt: Tensor) -> float:
    """Return the PSNR of each picture (N, ...), averaged, in dB; values are clipped to [0, 1]."""
    errors = (pictures - rebuilt.clamp(0, 1)).square().flatten(1).mean(1)
    return float((-10 * torch.log10(errors.clamp(min=1e-10))).mean())


PICTURE_SETS = {
    "bsds": PictureSet("Crops of 64 pixels, 256 numbers a picture", make_crops, 256),
    "cifar": PictureSet(
        "A fifth of CIFAR-10, 32 pixels, 64 numbers a picture", make_small_pictures, 64
    ),
}
WHOLE_CIFAR = PictureSet("CIFAR-10, 32 pixels, 64 numbers a picture", make_all_small_pictures, 64)
CODEC_SET = PictureSet("Crops of 96 pixels, for the codec", make_codec_crops, 0)
