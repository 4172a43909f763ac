"""MNIST and its relatives, CIFAR-10 and SVHN are read from their files in the data folder."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from data_sets import encode_idx, get_refusal, make_pictures, read_set, write_mnist
from scipy.io import savemat

from aecore.data.catalog import CATALOG
from aecore.data.catalog_readers import CIFAR_UNPACKED
from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from aecore.errors import DataError
from aecore.model.config import DataConfig


@pytest.mark.parametrize("pack", [False, True])
def test_mnist_is_read_from_the_data_folder(data_folder: Path, pack: bool) -> None:
    write_mnist(data_folder, pack=pack)
    assert CATALOG["mnist"].is_local()
    found = read_set("mnist")
    assert found.train.x.shape == (6, 1, 28, 28) and found.test.x.shape == (3, 1, 28, 28)
    assert found.train.x.dtype == torch.uint8
    assert np.array_equal(found.train.x[:, 0].numpy(), make_pictures(6))
    assert found.train.y.tolist() == list(range(6))


def test_reading_mnist_does_not_import_torchvision(data_folder: Path) -> None:
    write_mnist(data_folder)
    code = (
        "import sys, aecore.data.datasets as d; from aecore.model.config import DataConfig as C; "
        "d.load_dataset(C(name='mnist'));"
        "print('torchvision' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"


def test_a_torn_mnist_file_is_named_by_its_set(data_folder: Path) -> None:
    write_mnist(data_folder, "FashionMNIST")
    (data_folder / "FashionMNIST/raw/train-images-idx3-ubyte").write_bytes(
        encode_idx(make_pictures(6))[:-1]
    )
    assert "The files of fashion-mnist" in get_refusal("fashion-mnist")
    (data_folder / "FashionMNIST/raw/train-images-idx3-ubyte").write_bytes(
        encode_idx(make_pictures(5))
    )
    assert "its labels do not fit its images" in get_refusal("fashion-mnist")


@pytest.mark.skipif("AECORE_DATA" not in os.environ, reason="needs the real MNIST in AECORE_DATA")
def test_the_real_mnist_has_its_known_mean_and_labels() -> None:
    found = read_set("mnist")
    assert (len(found.train.x), len(found.test.x)) == CATALOG["mnist"].sizes
    assert as_float(found.train.x).mean().item() == pytest.approx(0.1307, abs=1e-4)
    assert found.test.y[:5].tolist() == [7, 2, 1, 0, 4]


@pytest.mark.parametrize("pack", [False, True])
def test_emnist_is_turned_upright(data_folder: Path, pack: bool) -> None:
    raw = data_folder / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    files = {
        f"emnist-balanced-{part}-{what}-ubyte": encode_idx(array)
        for part, count in (("train", 4), ("test", 2))
        for what, array in (
            ("images-idx3", make_pictures(count)),
            ("labels-idx1", np.full(count, 46, np.uint8)),
        )
    }
    with zipfile.ZipFile(raw / "gzip.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(f"gzip/{name}.gz", gzip.compress(content, mtime=0))
    if not pack:
        (raw / "gzip.zip").unlink()
        for name, content in files.items():
            (raw / name).write_bytes(content)
    found = read_set("emnist")
    assert np.array_equal(found.train.x[0, 0].numpy(), make_pictures(4)[0].T)
    assert found.classes[found.test.y[0]] == "t"


@pytest.mark.parametrize("pack", [False, True])
def test_cifar10_is_read_from_its_binary_records(data_folder: Path, pack: bool) -> None:
    rows = np.random.default_rng(0).integers(0, 10, (12, 3073), np.uint8)
    batches = {name: rows[2 * i : 2 * i + 2].tobytes() for i, name in enumerate(CIFAR_UNPACKED)}
    (data_folder / "cifar-10-batches-bin").mkdir(parents=True)
    if pack:
        with tarfile.open(data_folder / "cifar-10-binary.tar.gz", "w:gz") as archive:
            for name, content in batches.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    else:
        for name, content in batches.items():
            (data_folder / name).write_bytes(content)
    found = read_set("cifar10")
    assert found.train.x.shape == (10, 3, 32, 32) and found.test.x.shape == (2, 3, 32, 32)
    assert np.array_equal(found.train.x.numpy().reshape(10, -1), rows[:10, 1:])
    assert found.train.y.tolist() == rows[:10, 0].tolist()


def test_svhn_writes_zero_as_ten_and_channels_before_the_count(data_folder: Path) -> None:
    data_folder.mkdir()
    x = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 4), np.uint8)
    for part in ("train", "test"):
        savemat(
            data_folder / f"{part}_32x32.mat",
            {"X": x, "y": np.array([[10], [1], [2], [9]], np.uint8)},
        )
    found = read_set("svhn")
    assert found.train.y.tolist() == [0, 1, 2, 9]
    assert np.array_equal(found.train.x[1, 2].numpy(), x[:, :, 2, 1])
    (data_folder / "test_32x32.mat").write_bytes(b"MATLAB 5.0 and then nothing")
    assert "The files of svhn" in get_refusal("svhn")


def write_amat(folder, name, rows, matlab):
    from scipy.io import savemat

    path = folder / "binarized_mnist" / f"binarized_mnist_{name}.amat"
    path.parent.mkdir(exist_ok=True)
    if matlab:
        savemat(path, {"X": rows}, appendmat=False)
    else:
        path.write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))


@pytest.mark.parametrize("matlab", [False, True])
def test_binarised_mnist_is_read_from_text_and_from_matlab_files(matlab, tmp_path, monkeypatch):
    monkeypatch.setenv("AECORE_DATA", str(tmp_path))
    rows = np.random.default_rng(0).integers(0, 2, (9, 784), dtype=np.uint8)
    for name, part in (("train", rows[:4]), ("valid", rows[4:6]), ("test", rows[6:])):
        write_amat(tmp_path, name, part, matlab)
    found = load_dataset(DataConfig(name="binarized-mnist"))
    assert np.array_equal(found.train.x.flatten(1).numpy(), rows[:6] * 255)
    assert np.array_equal(found.test.x.flatten(1).numpy(), rows[6:] * 255)
    assert found.train.y is None


def test_a_torn_binarised_mnist_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("AECORE_DATA", str(tmp_path))
    for name in ("train", "valid", "test"):
        write_amat(tmp_path, name, np.ones((2, 783), np.uint8), matlab=False)
    with pytest.raises(DataError, match=r"binarized-mnist .* cannot be read"):
        load_dataset(DataConfig(name="binarized-mnist"))
