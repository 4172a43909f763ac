"""Data sets in .npz files: what becomes of their arrays, and what is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from data_sets import get_refusal, read_set

from aecore.data import memory


def save_npz(tmp_path: Path, **content: object) -> Path:
    np.savez(tmp_path / "set.npz", **content)
    return tmp_path / "set.npz"


@pytest.mark.parametrize("key", ["x", "X"])
def test_rows_of_an_npz_keep_their_units(tmp_path: Path, key: str) -> None:
    x = np.arange(20).reshape(10, 2) * 100
    found = read_set(save_npz(tmp_path, **{key: x}))
    assert (found.kind, found.input_shape, found.columns) == ("table", (2,), ("x0", "x1"))
    assert found.train.x.dtype == torch.float32 and found.train.y is None
    assert sorted(torch.cat([found.train.x, found.test.x])[:, 0].tolist()) == x[:, 0].tolist()


def test_labels_of_an_npz_become_indices_of_sorted_classes(tmp_path: Path) -> None:
    for y in (["b", "a", "b", "c"], [b"b", b"a", b"b", b"c"]):
        found = read_set(save_npz(tmp_path, x=np.eye(4), y=np.array(y)))
        assert found.classes == ("a", "b", "c")
        rows = torch.cat([found.train.x, found.test.x]).argmax(1).tolist()
        labels = torch.cat([found.train.y, found.test.y]).tolist()
        assert dict(zip(rows, labels, strict=True)) == {0: 1, 1: 0, 2: 1, 3: 2}
    assert read_set(save_npz(tmp_path, x=np.eye(3), y=np.array([10, 9, -1]))).classes == (
        "-1",
        "9",
        "10",
    )


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
    found = read_set(save_npz(tmp_path, x=np.ones(shape, dtype)))
    assert (found.kind, found.input_shape) == ("image", expected)
    assert found.train.x.dtype == (torch.uint8 if dtype == "uint8" else torch.float32)


def test_an_npz_may_bring_its_own_test_split(tmp_path: Path) -> None:
    path = save_npz(
        tmp_path, x=np.zeros((3, 2)), y=[0, 1, 1], x_test=np.ones((2, 2)), y_test=[5, 0]
    )
    found = read_set(path)
    assert found.train.x.sum() == 0 and found.test.x.sum() == 4
    assert found.classes == ("0", "1", "5") and found.test.y.tolist() == [2, 0]
    assert "`x_test` in set.npz has shape (0, 2): it holds no examples" in get_refusal(
        save_npz(tmp_path, x=np.zeros((3, 2)), x_test=np.zeros((0, 2)))
    )


ROWS = np.zeros((3, 2))
HOLED = np.array([[0, 1], [2, np.nan], [np.inf, 3]])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"images": np.zeros(3)}, "`images` in set.npz has shape (3,)"),
        ({"mean": np.zeros(3)}, "no array `x`; it holds `mean`"),
        ({"x": np.array([None, 1])}, "holds Python objects"),
        ({"x": np.zeros(3)}, r"has shape (3,)"),
        ({"x": np.zeros((3, 0))}, r"has shape (3, 0)"),
        ({"x": np.array([["a"], ["b"]])}, "must hold real numbers"),
        ({"x": np.zeros((2, 2), complex)}, "complex numbers; it must hold real numbers"),
        ({"x": HOLED}, "1 NaN and 1 infinite values, the first in row 1, column 1"),
        ({"x": np.full((2, 2), 1e300)}, "0 NaN and 4 infinite"),
        ({"x": np.full((2, 4, 4), np.nan)}, "the first in row 0, position (0, 0)"),
        ({"x": np.zeros((2, 20, 20, 20))}, "20 channels or more, or volumes"),
        ({"x": np.zeros((1, 2))}, "1 example, but a data set needs at least 2"),
        ({"x": np.zeros((3, 2)), "y": [1, 2]}, "of shape (2,)"),
        ({"x": np.zeros((3, 2)), "x_test": np.zeros((3, 3))}, "Save both alike"),
        (
            {"x": ROWS, "x_test": ROWS, "y": [1, 2, 3], "y_test": ["a", "b", "c"]},
            "must all be numbers or all be strings",
        ),
    ],
)
def test_an_npz_that_no_model_could_learn_from_is_refused(
    tmp_path: Path, content: dict[str, object], words: str
) -> None:
    assert words in get_refusal(save_npz(tmp_path, **content))


def test_a_torn_npz_is_refused(tmp_path: Path) -> None:
    path = save_npz(tmp_path, x=np.zeros((30, 20)))
    path.write_bytes(path.read_bytes()[:-100])
    assert "set.npz is not a readable .npz file" in get_refusal(path)


def write_npz_by_hand(tmp_path: Path, header: str, body: bytes) -> Path:
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
    path = write_npz_by_hand(
        tmp_path, f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}", b"\0" * 32
    )
    assert words in get_refusal(path)


def test_the_memory_limit_is_told_in_gigabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 100)
    assert "1.57e-06 GB in memory, more than the limit of 1e-07 GB" in get_refusal(
        save_npz(tmp_path, x=np.eye(14))
    )
