"""Readers of the catalog's downloaded files, which lie in torchvision's layout in the data folder.

None of them imports torchvision, which takes a second. A damaged file is any exception;
`aecore.data.datasets` makes a DataError of it.
"""

from __future__ import annotations

import gzip
import math
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from aecore.data.raw import Array, RawData

DIGIT_CLASSES = tuple("0123456789")
FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
KANA_CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
EMNIST_CLASSES = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt")
CIFAR_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)

EMNIST_UNPACKED = tuple(
    f"EMNIST/raw/emnist-balanced-{part}-ubyte"
    for part in ("train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1")
)
CIFAR_UNPACKED = tuple(
    f"cifar-10-batches-bin/{part}.bin"
    for part in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
)
BINARIZED_PATHS = tuple(
    f"binarized_mnist/binarized_mnist_{part}.amat" for part in ("train", "valid", "test")
)


def read_mnist(root: Path) -> RawData:
    """Read MNIST: (70000, 1, 28, 28) bytes."""
    return _read_idx_folder(root / "MNIST" / "raw", DIGIT_CLASSES)


def read_fashion_mnist(root: Path) -> RawData:
    """Read Fashion-MNIST: (70000, 1, 28, 28) bytes."""
    return _read_idx_folder(root / "FashionMNIST" / "raw", FASHION_CLASSES)


def read_kmnist(root: Path) -> RawData:
    """Read Kuzushiji-MNIST: (70000, 1, 28, 28) bytes."""
    return _read_idx_folder(root / "KMNIST" / "raw", KANA_CLASSES)


def read_emnist(root: Path) -> RawData:
    """Read the balanced split of EMNIST, (131600, 1, 28, 28) bytes, and turn it upright."""
    raw_folder = root / "EMNIST" / "raw"
    parts = ("emnist-balanced-train", "emnist-balanced-test")
    if all((root / name).is_file() for name in EMNIST_UNPACKED):
        raw = _read_idx_set(lambda name: (raw_folder / name).read_bytes(), parts, EMNIST_CLASSES)
    else:
        with zipfile.ZipFile(raw_folder / "gzip.zip") as archive:
            raw = _read_idx_set(
                lambda name: gzip.decompress(archive.read(f"gzip/{name}.gz")), parts, EMNIST_CLASSES
            )
    return raw._replace(x=raw.x.swapaxes(2, 3))  # the files hold every image transposed


def read_binarized_mnist(root: Path) -> RawData:
    """Read MNIST as binarised by Larochelle: (70000, 1, 28, 28) bytes of 0 or 255, no labels."""
    parts = [_read_amat(root / name) for name in BINARIZED_PATHS]
    if any(part.ndim != 2 or part.shape[1] != 784 or part.max() > 1 for part in parts):
        raise ValueError("they do not hold rows of 784 zeros and ones")
    x = np.concatenate(parts).reshape(-1, 1, 28, 28) * np.uint8(255)
    return RawData("image", x, train_count=len(x) - len(parts[-1]))


def read_cifar10(root: Path) -> RawData:
    """Read the binary version of CIFAR-10, (60000, 3, 32, 32) bytes: the Python one is a pickle."""
    if all((root / name).is_file() for name in CIFAR_UNPACKED):
        files = {name: (root / name).read_bytes() for name in CIFAR_UNPACKED}
    else:
        files = _read_tar(root / "cifar-10-binary.tar.gz", CIFAR_UNPACKED)
    batches = [_parse_cifar_records(files[name]) for name in CIFAR_UNPACKED]
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return RawData("image", x, y, CIFAR_CLASSES, (), len(x) - len(batches[-1][0]))


def read_svhn(root: Path) -> RawData:
    """Read SVHN's cropped digits: (99289, 3, 32, 32) bytes."""
    from scipy.io import loadmat

    files = [loadmat(root / f"{part}_32x32.mat") for part in ("train", "test")]
    x = np.concatenate([file["X"].transpose(3, 2, 0, 1) for file in files])  # stored H, W, C, N
    labels = np.concatenate([file["y"].reshape(-1) for file in files]).astype(np.int64)
    train_count = files[0]["X"].shape[3]
    return RawData(
        "image", x, labels % 10, DIGIT_CLASSES, (), train_count
    )  # the files write 0 as 10


def _read_idx_folder(folder: Path, classes: tuple[str, ...]) -> RawData:
    return _read_idx_set(lambda name: _read_file_or_gz(folder / name), ("train", "t10k"), classes)


def _read_file_or_gz(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else gzip.decompress(Path(f"{path}.gz").read_bytes())


def _read_idx_set(
    read_file: Callable[[str], bytes], parts: tuple[str, str], classes: tuple[str, ...]
) -> RawData:
    """Read training then test images (N, 1, H, W) and their labels."""
    images = [_parse_idx(read_file(f"{part}-images-idx3-ubyte"))[:, None] for part in parts]
    labels = [_parse_idx(read_file(f"{part}-labels-idx1-ubyte")) for part in parts]
    same_lengths = [len(part) for part in images] == [len(part) for part in labels]
    if not same_lengths or max(part.max() for part in labels) >= len(classes):
        raise ValueError("its labels do not fit its images")
    y = np.concatenate(labels).astype(np.int64)
    return RawData("image", np.concatenate(images), y, classes, (), len(images[0]))


def _parse_idx(data: bytes) -> Array:
    """Parse MNIST's IDX format: bytes of any shape, its sizes checked against the length."""
    dims = data[3] if len(data) >= 4 and data[:3] == b"\x00\x00\x08" else 0
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(dims))
    if not dims or len(data) != 4 + 4 * dims + math.prod(shape):
        raise ValueError("an IDX file is torn or of another format")
    return np.frombuffer(bytearray(data), np.uint8, offset=4 + 4 * dims).reshape(shape)


def _parse_cifar_records(data: bytes) -> tuple[Array, Array]:
    """Parse records of a label byte and 3 x 32 x 32 bytes: images (N, 3, 32, 32), labels (N,)."""
    rows = np.frombuffer(bytearray(data), np.uint8).reshape(-1, 3073)
    if len(rows) == 0 or rows[:, 0].max() >= len(CIFAR_CLASSES):
        raise ValueError("a batch is empty or a label is out of range")
    return rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0].astype(np.int64)


def _read_tar(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Read the named members of a .tar.gz in one pass, without unpacking it to disk."""
    contents: dict[str, bytes] = {}
    with tarfile.open(path, "r|gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name in names else None
            if file is not None:
                contents[member.name] = file.read()
    return contents


def _read_amat(path: Path) -> Array:
    """Read lines of 784 zeros and ones, or a MATLAB file of the same name: (N, 784) uint8."""
    data = path.read_bytes()
    if data.startswith(b"MATLAB"):
        from scipy.io import loadmat

        return loadmat(path, appendmat=False)["X"].astype(np.uint8)
    digits = np.frombuffer(data, np.uint8)
    return (digits[(digits == ord("0")) | (digits == ord("1"))] - ord("0")).reshape(-1, 784)
