"""The files of the catalog: where they lie in the data folder and where they are downloaded from.

The layout is torchvision's, and where its classes carry addresses and checksums, these are theirs.
torchvision takes a second to import, so that is done when a file is fetched and never to read one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from aecore.data.catalog_readers import BINARIZED_PATHS, CIFAR_UNPACKED, EMNIST_UNPACKED


class DownloadSource(NamedTuple):
    """Addresses of one file, tried in order, and the checksum that it must have."""

    urls: tuple[str, ...]
    checksum: str  # MD5 or, by its length, SHA-256


@dataclass(frozen=True)
class CatalogFile:
    """A file to download, in torchvision's layout under the data folder."""

    path: str
    unpacked: tuple[str, ...]  # files that do as well, all together
    find_source: Callable[[], DownloadSource] = field(repr=False)  # may import torchvision

    @property
    def urls(self) -> tuple[str, ...]:
        """Addresses of the file, tried in order."""
        return self.find_source().urls

    @property
    def checksum(self) -> str:
        """MD5 or, by its length, SHA-256."""
        return self.find_source().checksum

    def is_present(self, root: Path) -> bool:
        """Return True if the file, or what it unpacks to, is in the folder `root`."""
        return (root / self.path).is_file() or all(
            (root / name).is_file() for name in self.unpacked
        )


def list_mnist_files(class_name: str) -> tuple[CatalogFile, ...]:
    """Return the four files of an MNIST-like set; torchvision's class and folder have its name."""
    names = [
        f"{part}-{content}-ubyte"
        for part in ("train", "t10k")
        for content in ("images-idx3", "labels-idx1")
    ]
    return tuple(
        CatalogFile(
            path=f"{class_name}/raw/{name}.gz",
            unpacked=(f"{class_name}/raw/{name}",),
            find_source=partial(_find_mnist_source, class_name, f"{name}.gz"),
        )
        for name in names
    )


def _find_mnist_source(class_name: str, file_name: str) -> DownloadSource:
    from torchvision import datasets

    dataset_class = getattr(datasets, class_name)
    urls = tuple(f"{mirror}{file_name}" for mirror in dataset_class.mirrors)
    return DownloadSource(urls, dict(dataset_class.resources)[file_name])


def _find_emnist_source() -> DownloadSource:
    from torchvision.datasets import EMNIST

    return DownloadSource((EMNIST.url,), EMNIST.md5)


def _find_svhn_source(split: str) -> DownloadSource:
    from torchvision.datasets import SVHN

    url, _, md5 = SVHN.split_list[split]
    return DownloadSource((url,), md5)


EMNIST_FILES = (CatalogFile("EMNIST/raw/gzip.zip", EMNIST_UNPACKED, _find_emnist_source),)

SVHN_FILES = tuple(
    CatalogFile(name, (name,), partial(_find_svhn_source, split))
    for split, name in (("train", "train_32x32.mat"), ("test", "test_32x32.mat"))
)

# The binary version of CIFAR-10: torchvision carries only the Python one, which is a pickle.
CIFAR_FILES = (
    CatalogFile(
        "cifar-10-binary.tar.gz",
        CIFAR_UNPACKED,
        partial(
            DownloadSource,
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
            "c32a1d4ab5d03f1284b67883e8d87530",
        ),
    ),
)

BINARIZED_SHA256 = (
    "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
    "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
    "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
)
BINARIZED_FILES = tuple(
    CatalogFile(
        path,
        (path,),
        partial(
            DownloadSource, (f"http://www.cs.toronto.edu/~larocheh/public/datasets/{path}",), sha256
        ),
    )
    for path, sha256 in zip(BINARIZED_PATHS, BINARIZED_SHA256, strict=True)
)
