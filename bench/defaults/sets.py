"""The data sets of the table of defaults: of the catalog, of photographs, and generated arrays."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.fidelity.data_files import find_data_file

Rows = np.ndarray[Any, Any]
SIDE = 32  # of photographs, in pixels
PHOTOS = 2000
CROPS_OF_EACH = 8  # of a photograph of BSDS


@dataclass(frozen=True)
class DefaultsSet:
    """A data set: one of the catalog, or an array that `make` makes of a random generator."""

    catalog_name: str = ""
    make: Callable[[np.random.Generator], Rows] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def place(self, path: Path) -> str:
        """Return the name to load it by; what is generated is written to `path`, a .npz."""
        if self.make is None:
            return self.catalog_name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, x=self.make(np.random.default_rng(0)))
        return str(path)


def read_photos(file_name: str, rng: np.random.Generator, crops: int) -> Rows:
    """Return random crops (N, 3, SIDE, SIDE), as bytes, of the photographs of a .zip."""
    with zipfile.ZipFile(find_data_file(file_name)) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith((".jpg", ".png")))
        picked = rng.permutation(names)[: -(-PHOTOS // crops)]
        photos = [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in picked]
    return np.stack([crop_photo(photo, rng) for photo in photos for _ in range(crops)])


def crop_photo(photo: Image.Image, rng: np.random.Generator) -> Rows:
    """Return one square (3, SIDE, SIDE) at a random place of a photograph."""
    left, top = (int(rng.integers(0, side - SIDE + 1)) for side in photo.size)
    square = photo.crop((left, top, left + SIDE, top + SIDE))
    return np.asarray(square).transpose(2, 0, 1)


def make_long_tails(rng: np.random.Generator) -> Rows:
    """Return amounts over seven decades, which three hidden variables make."""
    hidden = rng.normal(size=(2000, 3)) @ rng.normal(size=(3, 12))
    return np.asarray(10 ** (1.2 * hidden + 0.2 * rng.normal(size=(2000, 12)) + 2), np.float32)


def make_bits(rng: np.random.Generator) -> Rows:
    """Return rows of 0 and 1, whose chances four hidden variables make."""
    logits = 2 * rng.normal(size=(2000, 4)) @ rng.normal(size=(4, 40)) + rng.normal(size=40)
    return (rng.random((2000, 40)) < 1 / (1 + np.exp(-logits))).astype(np.float32)


def make_counts(rng: np.random.Generator) -> Rows:
    """Return counts, whose rates three hidden variables make."""
    rates = np.exp(0.6 * rng.normal(size=(2000, 3)) @ rng.normal(size=(3, 24)) + 1)
    return rng.poisson(rates).astype(np.float32)


def make_embeddings(rng: np.random.Generator) -> Rows:
    """Return vectors of unit length in 128 dimensions: ten topics, bent, with noise."""
    topics = 2 * rng.normal(size=(10, 12))[rng.integers(0, 10, 2000)]
    bent = np.tanh((topics + rng.normal(size=(2000, 12))) @ rng.normal(size=(12, 128)) / 3)
    rows = bent + 0.3 * rng.normal(size=(2000, 128))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def make_spectra(rng: np.random.Generator) -> Rows:
    """Return smooth spectra of 400 values: five peaks whose heights and places vary a little."""
    places = np.linspace(0, 1, 400)
    centres = np.linspace(0.15, 0.85, 5) + 0.01 * rng.normal(size=(1500, 5))
    heights = rng.gamma(4, 0.25, size=(1500, 5))
    peaks = np.exp(-(((places - centres[:, :, None]) / 0.06) ** 2) / 2)
    spectra = (heights[:, :, None] * peaks).sum(1) + 0.002 * rng.normal(size=(1500, 400))
    return np.asarray(spectra, np.float32)


def make_nearly_constant(rng: np.random.Generator) -> Rows:
    """Return readings that vary by a ten-thousandth of their size, and hardly at all in four."""
    hidden = rng.normal(size=(1000, 3)) @ rng.normal(size=(3, 16))
    rows = 100 + 0.01 * (hidden + 0.1 * rng.normal(size=(1000, 16)))
    rows[:, :4] = 5 + (rng.random((1000, 4)) < 0.01)
    return np.asarray(rows, np.float32)


SETS: dict[str, DefaultsSet] = {
    "digits": DefaultsSet("digits"),
    "breast-cancer": DefaultsSet("breast-cancer"),
    "wine": DefaultsSet("wine"),
    "iris": DefaultsSet("iris"),
    "embeddings": DefaultsSet(make=make_embeddings),
    "spectra": DefaultsSet(make=make_spectra),
    "long-tails": DefaultsSet(make=make_long_tails),
    "bits": DefaultsSet(make=make_bits),
    "counts": DefaultsSet(make=make_counts),
    "nearly-constant": DefaultsSet(make=make_nearly_constant),
    "mnist": DefaultsSet("mnist", settings={"data.limit": 4000}),
    "swiss-roll": DefaultsSet("swiss-roll"),
    "s-curve": DefaultsSet("s-curve"),
    "moons": DefaultsSet("moons"),
    "circles": DefaultsSet("circles"),
    "cifar10": DefaultsSet(make=lambda rng: read_photos("photos/cifar10-jpeg.zip", rng, 1)),
    "bsds": DefaultsSet(make=lambda rng: read_photos("photos/bsds500.zip", rng, CROPS_OF_EACH)),
}
PHOTOGRAPHS = ("cifar10", "bsds")
