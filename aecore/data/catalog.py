"""The catalog: each known data set, where its files lie, where they come from and how they are read."""

from __future__ import annotations

import gzip
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from aecore.data.arrays import Array, DataKind, RawData, read_cifar_records, read_idx, read_tar


def data_folder() -> Path:
    """Where downloaded sets are kept: AECORE_DATA if set, else ~/.cache/aecore."""
    return Path(os.environ.get("AECORE_DATA") or Path.home() / ".cache" / "aecore").expanduser()


@dataclass(frozen=True)
class CatalogFile:
    """A file to download, in torchvision's layout under the data folder."""

    path: str
    checksum: str  # MD5, or SHA-256
    urls: tuple[str, ...]  # mirrors, tried in order
    unpacked: tuple[str, ...]  # what does as well, all together

    def present(self, root: Path) -> bool:
        return (root / self.path).is_file() or all(
            (root / name).is_file() for name in self.unpacked
        )


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
    reader: Callable[[Path], RawData] = field(repr=False)
    files: tuple[CatalogFile, ...] = field(default=(), repr=False)

    def local(self) -> bool:
        """Whether the set can be read without a download."""
        return all(file.present(data_folder()) for file in self.files)


def _plain(path: Path) -> bytes:
    """The file, or the .gz beside it unpacked."""
    return path.read_bytes() if path.is_file() else gzip.decompress(Path(f"{path}.gz").read_bytes())


def _idx_set(
    read: Callable[[str], bytes], parts: tuple[str, str], classes: tuple[str, ...]
) -> RawData:
    """Training then test images (N, 1, 28, 28) and their labels."""
    x = [read_idx(read(f"{part}-images-idx3-ubyte"))[:, None] for part in parts]
    y = [read_idx(read(f"{part}-labels-idx1-ubyte")) for part in parts]
    if [len(part) for part in x] != [len(part) for part in y] or max(
        part.max() for part in y
    ) >= len(classes):
        raise ValueError("its labels do not fit its images")
    return RawData(
        "image", np.concatenate(x), np.concatenate(y).astype(np.int64), classes, (), len(x[0])
    )


def _mnist(root: Path, folder: str, classes: tuple[str, ...]) -> RawData:
    return _idx_set(lambda name: _plain(root / folder / "raw" / name), ("train", "t10k"), classes)


def _emnist(root: Path) -> RawData:
    raw_folder = root / "EMNIST" / "raw"
    parts = ("emnist-balanced-train", "emnist-balanced-test")
    if all((root / name).is_file() for name in EMNIST_UNPACKED):
        raw = _idx_set(lambda name: (raw_folder / name).read_bytes(), parts, EMNIST_CLASSES)
    else:
        with zipfile.ZipFile(raw_folder / "gzip.zip") as archive:
            raw = _idx_set(
                lambda name: gzip.decompress(archive.read(f"gzip/{name}.gz")), parts, EMNIST_CLASSES
            )
    return raw._replace(x=raw.x.swapaxes(2, 3))  # the files hold every image transposed


def _binarized_mnist(root: Path) -> RawData:
    """Lines of 784 zeros and ones, or the MATLAB files that also go by these names. No labels came with it."""
    parts = [read_amat(root / name) for name in BINARIZED]
    if any(part.ndim != 2 or part.shape[1] != 784 or part.max() > 1 for part in parts):
        raise ValueError("they do not hold rows of 784 zeros and ones")
    x = np.concatenate(parts).reshape(-1, 1, 28, 28) * np.uint8(255)
    return RawData("image", x, train=len(x) - len(parts[-1]))


def read_amat(path: Path) -> Array:
    """(N, 784) uint8."""
    data = path.read_bytes()
    if data.startswith(b"MATLAB"):
        from scipy.io import loadmat

        return loadmat(path, appendmat=False)["X"].astype(np.uint8)
    digits = np.frombuffer(data, np.uint8)
    return (digits[(digits == ord("0")) | (digits == ord("1"))] - ord("0")).reshape(-1, 784)


def _cifar10(root: Path) -> RawData:
    """The binary version: records of a label byte and 3 x 32 x 32 bytes. (The Python one is a pickle.)"""
    if all((root / name).is_file() for name in CIFAR_UNPACKED):
        files = {name: (root / name).read_bytes() for name in CIFAR_UNPACKED}
    else:
        files = read_tar(root / "cifar-10-binary.tar.gz", CIFAR_UNPACKED)
    batches = [read_cifar_records(files[name], len(CIFAR_CLASSES)) for name in CIFAR_UNPACKED]
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return RawData("image", x, y, CIFAR_CLASSES, (), len(x) - len(batches[-1][0]))


def _svhn(root: Path) -> RawData:
    from scipy.io import loadmat

    files = [loadmat(root / f"{part}_32x32.mat") for part in ("train", "test")]
    x = np.concatenate([file["X"].transpose(3, 2, 0, 1) for file in files])  # stored H, W, C, N
    y = (
        np.concatenate([file["y"].reshape(-1) for file in files]).astype(np.int64) % 10
    )  # they write 0 as 10
    return RawData("image", x, y, DIGITS, (), files[0]["X"].shape[3])


def _digits(_root: Path) -> RawData:
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    x = np.rint(bunch.images * (255 / 16)).astype(np.uint8)  # 0..16 -> 0..255
    return RawData("image", x[:, None], bunch.target.astype(np.int64), DIGITS)


def _made_by(function: str, name: str, _root: Path) -> RawData:
    from aecore.data import tables

    return getattr(tables, function)(name)


DIGITS = tuple("0123456789")
EMNIST_CLASSES = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt")
EMNIST_UNPACKED = tuple(
    f"EMNIST/raw/emnist-balanced-{part}-ubyte"
    for part in ("train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1")
)
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
KANA_CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
CIFAR_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
CIFAR_UNPACKED = tuple(
    f"cifar-10-batches-bin/{part}.bin"
    for part in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
)


def _idx_files(folder: str, mirrors: tuple[str, ...], *md5s: str) -> tuple[CatalogFile, ...]:
    """The four files of an MNIST-like set, in the order of torchvision's `resources`."""
    names = [
        f"{part}-{what}-ubyte"
        for part in ("train", "t10k")
        for what in ("images-idx3", "labels-idx1")
    ]
    return tuple(
        CatalogFile(
            f"{folder}/raw/{name}.gz",
            md5,
            tuple(f"{mirror}{name}.gz" for mirror in mirrors),
            (f"{folder}/raw/{name}",),
        )
        for name, md5 in zip(names, md5s, strict=True)
    )


MNIST_FILES = _idx_files(
    "MNIST",
    ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "d53e105ee54ea40749a09fcbcd1e9432",
    "9fb629c4189551a2d022fa330f9573f3",
    "ec29112dd5afa0611ce80d1b7f02629c",
)
FASHION_FILES = _idx_files(
    "FashionMNIST",
    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "25c81989df183df01b3e8a0aad5dffbe",
    "bef4ecab320f06d8554ea6380940ec79",
    "bb300cfdad3c16e7a12a480ee83cd310",
)
KANA_FILES = _idx_files(
    "KMNIST",
    ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    "bdb82020997e1d708af4cf47b453dcf7",
    "e144d726b3acfaa3e44228e80efcd344",
    "5c965bf0a639b31b8f53240b1b52f4d7",
    "7320c461ea6c1c855c0b718fb2a4b134",
)
EMNIST_URL = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
EMNIST_FILES = (
    CatalogFile(
        "EMNIST/raw/gzip.zip", "58c8d27c78d21e728a6bc7b3cc06412e", (EMNIST_URL,), EMNIST_UNPACKED
    ),
)
CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR_FILES = (
    CatalogFile(
        "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", (CIFAR_URL,), CIFAR_UNPACKED
    ),
)
BINARIZED = tuple(
    f"binarized_mnist/binarized_mnist_{part}.amat" for part in ("train", "valid", "test")
)
BINARIZED_FILES = tuple(
    CatalogFile(
        name, checksum, (f"http://www.cs.toronto.edu/~larocheh/public/datasets/{name}",), (name,)
    )
    for name, checksum in zip(
        BINARIZED,
        (
            "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
            "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
            "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
        ),
        strict=True,
    )
)
SVHN_FILES = tuple(
    CatalogFile(name, md5, (f"http://ufldl.stanford.edu/housenumbers/{name}",), (name,))
    for name, md5 in (
        ("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
        ("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
    )
)


_IMAGES = (
    CatalogEntry(
        "digits",
        "Digits",
        "image",
        (1, 8, 8),
        (1438, 359),
        10,
        "Handwritten digits of 8 x 8 pixels, embedded: trains in seconds.",
        _digits,
    ),
    CatalogEntry(
        "mnist",
        "MNIST",
        "image",
        (1, 28, 28),
        (60000, 10000),
        10,
        "Handwritten digits, the set that most papers report.",
        partial(_mnist, folder="MNIST", classes=DIGITS),
        MNIST_FILES,
    ),
    CatalogEntry(
        "binarized-mnist",
        "MNIST, binarised",
        "image",
        (1, 28, 28),
        (60000, 10000),
        0,
        "MNIST in pure black and white, as drawn once by Larochelle: what likelihoods are reported on.",
        _binarized_mnist,
        BINARIZED_FILES,
    ),
    CatalogEntry(
        "fashion-mnist",
        "Fashion-MNIST",
        "image",
        (1, 28, 28),
        (60000, 10000),
        10,
        "Clothes in grey, as large as MNIST and harder.",
        partial(_mnist, folder="FashionMNIST", classes=FASHION_CLASSES),
        FASHION_FILES,
    ),
    CatalogEntry(
        "kmnist",
        "Kuzushiji-MNIST",
        "image",
        (1, 28, 28),
        (60000, 10000),
        10,
        "Cursive Japanese characters from old books.",
        partial(_mnist, folder="KMNIST", classes=KANA_CLASSES),
        KANA_FILES,
    ),
    CatalogEntry(
        "emnist",
        "EMNIST (balanced)",
        "image",
        (1, 28, 28),
        (112800, 18800),
        47,
        "Handwritten digits and letters, equally many of each.",
        _emnist,
        EMNIST_FILES,
    ),
    CatalogEntry(
        "cifar10",
        "CIFAR-10",
        "image",
        (3, 32, 32),
        (50000, 10000),
        10,
        "Small colour photographs of animals and vehicles.",
        _cifar10,
        CIFAR_FILES,
    ),
    CatalogEntry(
        "svhn",
        "SVHN",
        "image",
        (3, 32, 32),
        (73257, 26032),
        10,
        "House numbers photographed from the street, in colour.",
        _svhn,
        SVHN_FILES,
    ),
)
_TABLES = (
    CatalogEntry(
        "breast-cancer",
        "Breast cancer",
        "table",
        (30,),
        (455, 114),
        2,
        "Thirty measurements of cell nuclei, malignant or benign.",
        partial(_made_by, "load_scikit_table", "breast_cancer"),
    ),
    CatalogEntry(
        "iris",
        "Iris",
        "table",
        (4,),
        (120, 30),
        3,
        "Four lengths of the flowers of three irises.",
        partial(_made_by, "load_scikit_table", "iris"),
    ),
    CatalogEntry(
        "wine",
        "Wine",
        "table",
        (13,),
        (142, 36),
        3,
        "Thirteen chemical values of wines from three growers.",
        partial(_made_by, "load_scikit_table", "wine"),
    ),
)
_MANIFOLDS = (
    CatalogEntry(
        "swiss-roll",
        "Swiss roll",
        "manifold",
        (3,),
        (1600, 400),
        8,
        "A sheet rolled up in space: two dimensions hidden in three.",
        partial(_made_by, "make_manifold", "swiss_roll"),
    ),
    CatalogEntry(
        "s-curve",
        "S-curve",
        "manifold",
        (3,),
        (1600, 400),
        8,
        "A sheet bent to an S: two dimensions hidden in three.",
        partial(_made_by, "make_manifold", "s_curve"),
    ),
    CatalogEntry(
        "moons",
        "Moons",
        "manifold",
        (2,),
        (1600, 400),
        2,
        "Two half circles that reach into each other.",
        partial(_made_by, "make_manifold", "moons"),
    ),
    CatalogEntry(
        "circles",
        "Circles",
        "manifold",
        (2,),
        (1600, 400),
        2,
        "A circle inside a circle.",
        partial(_made_by, "make_manifold", "circles"),
    ),
)


CATALOG: dict[str, CatalogEntry] = {
    entry.name: entry for entry in (*_IMAGES, *_TABLES, *_MANIFOLDS)
}
