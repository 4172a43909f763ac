"""The catalog: each known data set, its reader, and the files that it is read from.

To add a data set, write one entry here and its reader: in `embedded`, or in `catalog_readers` with
the files that it downloads in `catalog_files`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aecore.data import catalog_files, catalog_readers, embedded
from aecore.data.catalog_files import CatalogFile
from aecore.data.raw import DataKind, RawData

if TYPE_CHECKING:
    from aecore.model.config import DataConfig


def data_folder() -> Path:
    """Return the folder of downloaded sets: AECORE_DATA if set, else ~/.cache/aecore."""
    return Path(os.environ.get("AECORE_DATA") or Path.home() / ".cache" / "aecore").expanduser()


@dataclass(frozen=True)
class CatalogEntry:
    """A data set of the catalog."""

    name: str
    label: str
    kind: DataKind
    input_shape: tuple[int, ...]
    sizes: tuple[int, int]  # training and test examples, at the default `test_fraction`
    classes: int
    description: str
    reader: Callable[[Path], RawData] = field(repr=False)  # takes the data folder
    files: tuple[CatalogFile, ...] = field(default=(), repr=False)
    megabytes: int = 0  # to download
    credit: str = ""  # authors and licence, where its inputs come with the package

    def is_local(self) -> bool:
        """Return True if the set can be read without a download."""
        return all(file.is_present(data_folder()) for file in self.files)


_IMAGES = (
    CatalogEntry(
        name="digits",
        label="Digits",
        kind="image",
        input_shape=(1, 8, 8),
        sizes=(1438, 359),
        classes=10,
        description="Handwritten digits of 8 x 8 pixels, embedded: trains in seconds.",
        reader=embedded.read_digits,
    ),
    CatalogEntry(
        name="mnist",
        label="MNIST",
        kind="image",
        input_shape=(1, 28, 28),
        sizes=(60000, 10000),
        classes=10,
        description="Handwritten digits, the set that most papers report.",
        reader=catalog_readers.read_mnist,
        files=catalog_files.list_mnist_files("MNIST"),
        megabytes=12,
        credit="MNIST, by Y. LeCun, C. Cortes and C. Burges, CC BY-SA 3.0",
    ),
    CatalogEntry(
        name="binarized-mnist",
        label="MNIST, binarised",
        kind="image",
        input_shape=(1, 28, 28),
        sizes=(60000, 10000),
        classes=0,
        description="MNIST in pure black and white, as drawn once by Larochelle: "
        "what likelihoods are reported on.",
        reader=catalog_readers.read_binarized_mnist,
        files=catalog_files.BINARIZED_FILES,
        megabytes=110,
    ),
    CatalogEntry(
        name="fashion-mnist",
        label="Fashion-MNIST",
        kind="image",
        input_shape=(1, 28, 28),
        sizes=(60000, 10000),
        classes=10,
        description="Clothes in grey, as large as MNIST and harder.",
        reader=catalog_readers.read_fashion_mnist,
        files=catalog_files.list_mnist_files("FashionMNIST"),
        megabytes=31,
    ),
    CatalogEntry(
        name="kmnist",
        label="Kuzushiji-MNIST",
        kind="image",
        input_shape=(1, 28, 28),
        sizes=(60000, 10000),
        classes=10,
        description="Cursive Japanese characters from old books.",
        reader=catalog_readers.read_kmnist,
        files=catalog_files.list_mnist_files("KMNIST"),
        megabytes=21,
    ),
    CatalogEntry(
        name="emnist",
        label="EMNIST (balanced)",
        kind="image",
        input_shape=(1, 28, 28),
        sizes=(112800, 18800),
        classes=47,
        description="Handwritten digits and letters, equally many of each.",
        reader=catalog_readers.read_emnist,
        files=catalog_files.EMNIST_FILES,
        megabytes=562,
    ),
    CatalogEntry(
        name="cifar10",
        label="CIFAR-10",
        kind="image",
        input_shape=(3, 32, 32),
        sizes=(50000, 10000),
        classes=10,
        description="Small colour photographs of animals and vehicles.",
        reader=catalog_readers.read_cifar10,
        files=catalog_files.CIFAR_FILES,
        megabytes=170,
    ),
    CatalogEntry(
        name="svhn",
        label="SVHN",
        kind="image",
        input_shape=(3, 32, 32),
        sizes=(73257, 26032),
        classes=10,
        description="House numbers photographed from the street, in colour.",
        reader=catalog_readers.read_svhn,
        files=catalog_files.SVHN_FILES,
        megabytes=246,
    ),
)
_TABLES = (
    CatalogEntry(
        name="breast-cancer",
        label="Breast cancer",
        kind="table",
        input_shape=(30,),
        sizes=(455, 114),
        classes=2,
        description="Thirty measurements of cell nuclei, malignant or benign.",
        reader=embedded.read_breast_cancer,
    ),
    CatalogEntry(
        name="iris",
        label="Iris",
        kind="table",
        input_shape=(4,),
        sizes=(120, 30),
        classes=3,
        description="Four lengths of the flowers of three irises.",
        reader=embedded.read_iris,
    ),
    CatalogEntry(
        name="wine",
        label="Wine",
        kind="table",
        input_shape=(13,),
        sizes=(142, 36),
        classes=3,
        description="Thirteen chemical values of wines from three growers.",
        reader=embedded.read_wine,
    ),
)
_MANIFOLDS = (
    CatalogEntry(
        name="swiss-roll",
        label="Swiss roll",
        kind="manifold",
        input_shape=(3,),
        sizes=(1600, 400),
        classes=8,
        description="A sheet rolled up in space: two dimensions hidden in three.",
        reader=embedded.read_swiss_roll,
    ),
    CatalogEntry(
        name="s-curve",
        label="S-curve",
        kind="manifold",
        input_shape=(3,),
        sizes=(1600, 400),
        classes=8,
        description="A sheet bent to an S: two dimensions hidden in three.",
        reader=embedded.read_s_curve,
    ),
    CatalogEntry(
        name="moons",
        label="Moons",
        kind="manifold",
        input_shape=(2,),
        sizes=(1600, 400),
        classes=2,
        description="Two half circles that reach into each other.",
        reader=embedded.read_moons,
    ),
    CatalogEntry(
        name="circles",
        label="Circles",
        kind="manifold",
        input_shape=(2,),
        sizes=(1600, 400),
        classes=2,
        description="A circle inside a circle.",
        reader=embedded.read_circles,
    ),
)


CATALOG: dict[str, CatalogEntry] = {
    entry.name: entry for entry in (*_IMAGES, *_TABLES, *_MANIFOLDS)
}

OWN_FILE_FIELDS = {
    "label",
    "columns",
    "inference",
    "pixels",
    "missing",
    "unusable",
    "side",
    "greys",
    "split_by",
}  # of DataConfig: they say how a file of one's own is read


def have_same_examples(first: DataConfig | None, second: DataConfig | None) -> bool:
    """Return True where two runs have the same examples, divided alike; False without data."""
    if first is None or second is None or first.name != second.name:
        return False
    ignored = OWN_FILE_FIELDS if first.name in CATALOG else set()
    return first.model_dump(exclude=ignored) == second.model_dump(exclude=ignored)
