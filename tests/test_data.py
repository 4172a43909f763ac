"""The catalog, its files and downloads, .npz files, and how sets are split."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import socket
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torchvision.datasets import KMNIST

from aecore.data import download, memory
from aecore.data.catalog import CATALOG
from aecore.data.catalog_readers import CIFAR_UNPACKED
from aecore.data.datasets import load_dataset
from aecore.data.download import download_file
from aecore.data.splits import Dataset, as_float
from aecore.errors import DataError
from aecore.model.config import DataConfig

EMBEDDED = [name for name, entry in CATALOG.items() if not entry.files]
FETCHED = [name for name, entry in CATALOG.items() if entry.files]


def read(name: object, **options: object) -> Dataset:
    return load_dataset(DataConfig.model_validate({"name": str(name), **options}))


def refusal(name: object, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        read(name, **options)
    return str(caught.value)


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 28, 28), np.uint8)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder."""
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def write_mnist(root: Path, folder: str = "MNIST", pack: bool = False) -> None:
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 6), ("t10k", 3)):
        for what, array in (
            ("images-idx3", pictures(count)),
            ("labels-idx1", np.arange(count, dtype=np.uint8)),
        ):
            name, content = f"{part}-{what}-ubyte", idx(array)
            (raw / (name + ".gz" * pack)).write_bytes(gzip.compress(content) if pack else content)


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_set_is_what_its_entry_says(name: str) -> None:
    entry, found = CATALOG[name], read(name)
    assert entry.is_local()
    assert found.input_shape == entry.input_shape
    assert (len(found.train.x), len(found.test.x)) == entry.sizes
    assert len(found.classes) == entry.classes
    assert found.kind == entry.kind
    assert found.train.y is not None and found.train.y.dtype == torch.int64
    assert len(found.columns) == (0 if entry.kind == "image" else entry.input_shape[0])


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_set_is_the_same_every_time_and_split_without_overlap(name: str) -> None:
    one, two, other = read(name), read(name), read(name, split_seed=1)
    assert torch.equal(one.train.x, two.train.x)
    assert not torch.equal(one.train.x, other.train.x)
    sums = [torch.cat([found.train.x, found.test.x]).double().sum(0) for found in (one, other)]
    assert torch.allclose(*sums)


def test_the_sixteen_greys_of_digits_are_spread_over_a_byte() -> None:
    values = read("digits").train.x.unique().tolist()
    assert values == [int(v * 255 / 16 + 0.5) for v in range(17)]


def test_classes_along_a_roll_hold_equally_many_points() -> None:
    found = read("swiss-roll")
    assert torch.cat([found.train.y, found.test.y]).bincount().tolist() == [250] * 8


def test_the_description_of_every_set_is_a_sentence() -> None:
    assert all(
        entry.description.endswith(".") and entry.name == name for name, entry in CATALOG.items()
    )


def test_listing_the_catalog_imports_nothing_heavy() -> None:
    code = "import sys, aecore.data.datasets; print({'torch', 'sklearn', 'pandas', 'PIL'} & sys.modules.keys())"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "set()"


def test_bytes_become_floats_from_0_to_1_and_floats_stay() -> None:
    assert as_float(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [0.0, 1.0]
    assert as_float(torch.tensor([-3.5])).tolist() == [-3.5]


def test_a_limit_takes_the_first_of_a_seeded_shuffle() -> None:
    few, more = read("digits", limit=5), read("digits", limit=50)
    assert (len(few.train.x), len(few.test.x)) == (5, 5)
    assert torch.equal(few.train.x, more.train.x[:5])
    assert len(few.train.y) == 5
    assert len(read("iris", limit=50).test.x) == 30


def test_the_test_fraction_is_honoured_and_leaves_neither_split_empty() -> None:
    assert len(read("iris", test_fraction=0.5).test.x) == 75
    assert len(read("iris", test_fraction=0.0001).test.x) == 1
    assert len(read("iris", test_fraction=0.9999).train.x) == 1


@pytest.mark.parametrize("pack", [False, True])
def test_mnist_is_read_from_the_data_folder(root: Path, pack: bool) -> None:
    write_mnist(root, pack=pack)
    assert CATALOG["mnist"].is_local()
    found = read("mnist")
    assert found.train.x.shape == (6, 1, 28, 28) and found.test.x.shape == (3, 1, 28, 28)
    assert found.train.x.dtype == torch.uint8
    assert np.array_equal(found.train.x[:, 0].numpy(), pictures(6))
    assert found.train.y.tolist() == list(range(6))


def test_reading_mnist_does_not_import_torchvision(root: Path) -> None:
    write_mnist(root)
    code = (
        "import sys, aecore.data.datasets as d; from aecore.model.config import DataConfig as C; d.load_dataset(C(name='mnist'));"
        "print('torchvision' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"


def test_a_torn_mnist_file_is_named_by_its_set(root: Path) -> None:
    write_mnist(root, "FashionMNIST")
    (root / "FashionMNIST/raw/train-images-idx3-ubyte").write_bytes(idx(pictures(6))[:-1])
    assert "The files of fashion-mnist" in refusal("fashion-mnist")
    (root / "FashionMNIST/raw/train-images-idx3-ubyte").write_bytes(idx(pictures(5)))
    assert "its labels do not fit its images" in refusal("fashion-mnist")


@pytest.mark.skipif("AECORE_DATA" not in os.environ, reason="needs the real MNIST in AECORE_DATA")
def test_the_real_mnist_has_its_known_mean_and_labels() -> None:
    found = read("mnist")
    assert (len(found.train.x), len(found.test.x)) == CATALOG["mnist"].sizes
    assert as_float(found.train.x).mean().item() == pytest.approx(0.1307, abs=1e-4)
    assert found.test.y[:5].tolist() == [7, 2, 1, 0, 4]


@pytest.mark.parametrize("pack", [False, True])
def test_emnist_is_turned_upright(root: Path, pack: bool) -> None:
    raw = root / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    files = {
        f"emnist-balanced-{part}-{what}-ubyte": idx(array)
        for part, count in (("train", 4), ("test", 2))
        for what, array in (
            ("images-idx3", pictures(count)),
            ("labels-idx1", np.full(count, 46, np.uint8)),
        )
    }
    with zipfile.ZipFile(raw / "gzip.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(f"gzip/{name}.gz", gzip.compress(content))
    if not pack:
        (raw / "gzip.zip").unlink()
        for name, content in files.items():
            (raw / name).write_bytes(content)
    found = read("emnist")
    assert np.array_equal(found.train.x[0, 0].numpy(), pictures(4)[0].T)
    assert found.classes[found.test.y[0]] == "t"


@pytest.mark.parametrize("pack", [False, True])
def test_cifar10_is_read_from_its_binary_records(root: Path, pack: bool) -> None:
    rows = np.random.default_rng(0).integers(0, 10, (12, 3073), np.uint8)
    batches = {name: rows[2 * i : 2 * i + 2].tobytes() for i, name in enumerate(CIFAR_UNPACKED)}
    (root / "cifar-10-batches-bin").mkdir(parents=True)
    if pack:
        with tarfile.open(root / "cifar-10-binary.tar.gz", "w:gz") as archive:
            for name, content in batches.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    else:
        for name, content in batches.items():
            (root / name).write_bytes(content)
    found = read("cifar10")
    assert found.train.x.shape == (10, 3, 32, 32) and found.test.x.shape == (2, 3, 32, 32)
    assert np.array_equal(found.train.x.numpy().reshape(10, -1), rows[:10, 1:])
    assert found.train.y.tolist() == rows[:10, 0].tolist()


def test_svhn_writes_zero_as_ten_and_channels_before_the_count(root: Path) -> None:
    root.mkdir()
    x = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 4), np.uint8)
    for part in ("train", "test"):
        savemat(
            root / f"{part}_32x32.mat", {"X": x, "y": np.array([[10], [1], [2], [9]], np.uint8)}
        )
    found = read("svhn")
    assert found.train.y.tolist() == [0, 1, 2, 9]
    assert np.array_equal(found.train.x[1, 2].numpy(), x[:, :, 2, 1])
    (root / "test_32x32.mat").write_bytes(b"MATLAB 5.0 and then nothing")
    assert "The files of svhn" in refusal("svhn")


@pytest.mark.parametrize("name", FETCHED)
def test_a_set_that_is_neither_here_nor_reachable_is_refused_at_once(
    name: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    assert not CATALOG[name].is_local()
    assert refusal(name) == (
        f"{name} is not in {root} and could not be downloaded (no connection). "
        "Set AECORE_DATA to a folder that holds it, or use the embedded `digits`."
    )


def test_every_download_has_a_checksum_and_a_mirror() -> None:
    files = [file for entry in CATALOG.values() for file in entry.files]
    assert len(files) == 19
    assert all(len(file.checksum) in (32, 64) and file.urls and file.unpacked for file in files)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A web server on the loopback for tmp_path/web."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

    (tmp_path / "web").mkdir()
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "web"))
    ) as web:
        threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


def test_a_download_reports_its_progress_and_arrives_whole(server: str, tmp_path: Path) -> None:
    content = os.urandom(1_000_000)
    (tmp_path / "web" / "set.gz").write_bytes(content)
    seen: list[tuple[str, float]] = []
    target = tmp_path / "new" / "set.gz"
    download_file(
        f"{server}/set.gz",
        target,
        hashlib.md5(content).hexdigest(),
        lambda *step: seen.append(step),
    )
    assert target.read_bytes() == content
    fractions = [fraction for _, fraction in seen]
    assert (
        seen[0][0] == "Downloading set.gz"
        and fractions == sorted(fractions)
        and fractions[-1] == 1.0
    )


def test_a_download_with_a_wrong_checksum_leaves_nothing_behind(
    server: str, tmp_path: Path
) -> None:
    (tmp_path / "web" / "set.gz").write_bytes(b"not the set")
    with pytest.raises(DataError, match=r"sent a file whose checksum is \w{32}, not 0000"):
        download_file(f"{server}/set.gz", tmp_path / "new" / "set.gz", "0" * 32, print)
    assert list((tmp_path / "new").iterdir()) == []


def test_the_reason_of_a_failed_download_is_told(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="answered 404"):
        download_file(f"{server}/none", tmp_path / "none", "0" * 32, print)
    with pytest.raises(DataError, match="no connection"):
        download_file("http://127.0.0.1:9/none", tmp_path / "none", "0" * 32, print)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file"):
        download_file(f"{server}/none", tmp_path / "file" / "none", "0" * 32, print)


def test_a_silent_server_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "DOWNLOAD_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/set"
        with pytest.raises(DataError, match="no answer within"):
            download_file(url, tmp_path / "set", "0" * 32, print)


def test_a_missing_set_is_downloaded_from_the_second_mirror_and_read(
    server: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path / "web", "kana", pack=True)
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    web = tmp_path / "web" / "kana" / "raw"
    md5s = [hashlib.md5((web / f"{name}-ubyte.gz").read_bytes()).hexdigest() for name in names]
    resources = [(f"{name}-ubyte.gz", md5) for name, md5 in zip(names, md5s, strict=True)]
    monkeypatch.setattr(KMNIST, "mirrors", [f"{server}/gone/", f"{server}/kana/raw/"])
    monkeypatch.setattr(KMNIST, "resources", resources)
    assert len(read("kmnist").train.x) == 6
    assert CATALOG["kmnist"].is_local()


def test_an_unknown_name_lists_the_known_ones() -> None:
    message = refusal("mnits")
    assert (
        "no data set or path 'mnits'" in message and "mnist" in message and "swiss-roll" in message
    )
    assert "no data set" in refusal("x" * 4000)
    assert "no data set" in refusal("a\0b")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert refusal(tmp_path / "notes.txt").startswith("notes.txt cannot be read as data")


def npz(tmp_path: Path, **content: object) -> Path:
    np.savez(tmp_path / "set.npz", **content)
    return tmp_path / "set.npz"


@pytest.mark.parametrize("key", ["x", "X"])
def test_rows_of_an_npz_keep_their_units(tmp_path: Path, key: str) -> None:
    x = np.arange(20).reshape(10, 2) * 100
    found = read(npz(tmp_path, **{key: x}))
    assert (found.kind, found.input_shape, found.columns) == ("table", (2,), ("x0", "x1"))
    assert found.train.x.dtype == torch.float32 and found.train.y is None
    assert sorted(torch.cat([found.train.x, found.test.x])[:, 0].tolist()) == x[:, 0].tolist()


def test_labels_of_an_npz_become_indices_of_sorted_classes(tmp_path: Path) -> None:
    for y in (["b", "a", "b", "c"], [b"b", b"a", b"b", b"c"]):
        found = read(npz(tmp_path, x=np.eye(4), y=np.array(y)))
        assert found.classes == ("a", "b", "c")
        rows = torch.cat([found.train.x, found.test.x]).argmax(1).tolist()
        labels = torch.cat([found.train.y, found.test.y]).tolist()
        assert dict(zip(rows, labels, strict=True)) == {0: 1, 1: 0, 2: 1, 3: 2}
    assert read(npz(tmp_path, x=np.eye(3), y=np.array([10, 9, -1]))).classes == ("-1", "9", "10")


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((4, 5, 6), "uint8", (1, 5, 6)),
        ((4, 3, 5, 6), "uint8", (3, 5, 6)),
        ((4, 1, 5, 6), "float64", (1, 5, 6)),
    ],
)
def test_images_of_an_npz_get_a_channel_and_keep_bytes(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, expected: tuple[int, ...]
) -> None:
    found = read(npz(tmp_path, x=np.ones(shape, dtype)))
    assert (found.kind, found.input_shape) == ("image", expected)
    assert found.train.x.dtype == (torch.uint8 if dtype == "uint8" else torch.float32)


def test_an_npz_may_bring_its_own_test_split(tmp_path: Path) -> None:
    path = npz(tmp_path, x=np.zeros((3, 2)), y=[0, 1, 1], x_test=np.ones((2, 2)), y_test=[5, 0])
    found = read(path)
    assert found.train.x.sum() == 0 and found.test.x.sum() == 4
    assert found.classes == ("0", "1", "5") and found.test.y.tolist() == [2, 0]
    assert "test examples" in refusal(npz(tmp_path, x=np.zeros((3, 2)), x_test=np.zeros((0, 2))))


HOLED = np.array([[0, 1], [2, np.nan], [np.inf, 3]])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"images": np.zeros(3)}, "no array `x`; it holds images"),
        ({"x": np.array([None, 1])}, "holds Python objects"),
        ({"x": np.zeros(3)}, r"has shape (3,)"),
        ({"x": np.zeros((3, 0))}, r"has shape (3, 0)"),
        ({"x": np.array([["a"], ["b"]])}, "must hold real numbers"),
        ({"x": np.zeros((2, 2), complex)}, "must hold real numbers"),
        ({"x": HOLED}, "1 NaN and 1 infinite values, the first in row 1, column 1"),
        ({"x": np.full((2, 2), 1e300)}, "0 NaN and 4 infinite"),
        ({"x": np.full((2, 4, 4), np.nan)}, "the first in row 0, position (0, 0, 0)"),
        ({"x": np.full((2, 4, 4), 200.0)}, "pixels from 200 to 200; floats must lie in [0, 1]"),
        ({"x": np.zeros((2, 4, 4), int)}, "save them as uint8"),
        ({"x": np.zeros((2, 4, 4, 3))}, "4 channels; images need 1 or 3. Channels come second"),
        ({"x": np.zeros((1, 2))}, "1 example, but a data set needs at least 2"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(3)}, "must be 3 whole numbers or strings"),
        ({"x": np.zeros((3, 2)), "y": [1, 2]}, "of shape (2,)"),
        ({"x": np.zeros((3, 2)), "x_test": np.zeros((3, 3))}, "Save both alike"),
        (
            {"x": np.zeros((3, 2)), "x_test": np.zeros((3, 2)), "y": [1, 2, 3]},
            "has `y` but no `y_test`",
        ),
    ],
)
def test_an_npz_that_no_model_could_learn_from_is_refused(
    tmp_path: Path, content: dict[str, object], words: str
) -> None:
    assert words in refusal(npz(tmp_path, **content))


def test_a_torn_npz_is_refused(tmp_path: Path) -> None:
    path = npz(tmp_path, x=np.zeros((30, 20)))
    path.write_bytes(path.read_bytes()[:-100])
    assert "set.npz is not a readable .npz file" in refusal(path)


def hand_made_npz(tmp_path: Path, header: str, body: bytes) -> Path:
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        text = (header + "\n").encode()
        archive.writestr(
            "x.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body
        )
    return tmp_path / "set.npz"


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("(10**6, 10**6)", "not a readable"),
        ("(1000000, 1000000)", "8e+03 GB in memory"),
        ("(100, 2)", "is cut short"),
        ("(-1, -2)", "not a readable"),
        ("(2, 'a')", "not a readable"),
    ],
)
def test_a_header_that_promises_too_much_is_refused_before_reading(
    tmp_path: Path, shape: str, words: str
) -> None:
    path = hand_made_npz(
        tmp_path, f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}", b"\0" * 32
    )
    assert words in refusal(path)


def test_the_memory_limit_is_told_in_gigabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 100)
    assert "1.57e-06 GB in memory, more than the limit of 1e-07 GB" in refusal(
        npz(tmp_path, x=np.eye(14))
    )


# -- binarised MNIST


def amat(folder, name, rows, matlab):
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
        amat(tmp_path, name, part, matlab)
    found = load_dataset(DataConfig(name="binarized-mnist"))
    assert np.array_equal(found.train.x.flatten(1).numpy(), rows[:6] * 255)
    assert np.array_equal(found.test.x.flatten(1).numpy(), rows[6:] * 255)
    assert found.train.y is None


def test_a_torn_binarised_mnist_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("AECORE_DATA", str(tmp_path))
    for name in ("train", "valid", "test"):
        amat(tmp_path, name, np.ones((2, 783), np.uint8), matlab=False)
    with pytest.raises(DataError, match=r"binarized-mnist .* cannot be read"):
        load_dataset(DataConfig(name="binarized-mnist"))


def test_grey_pixels_are_drawn_with_their_value_as_the_chance_and_the_same_each_time():
    grey, drawn = (
        load_dataset(DataConfig(name="digits", binarise=how)) for how in ("none", "static")
    )
    assert set(drawn.train.x.unique().tolist()) == {0, 255}
    assert (as_float(drawn.train.x).mean(0) - as_float(grey.train.x).mean(0)).abs().max() < 0.06
    fresh = load_dataset(DataConfig(name="digits", binarise="dynamic"))
    assert (fresh.train.x == grey.train.x).all() and (
        fresh.test.x == drawn.test.x
    ).float().mean() > 0.5
    assert set(fresh.test.x.unique().tolist()) == {0, 255}
    assert (
        load_dataset(DataConfig(name="digits", binarise="dynamic")).test.x == fresh.test.x
    ).all()
