"""Arrays as notebooks save them: told and given back by `aecore data`."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from picture_files import encode_image
from reading import check_refusal, join_all_notes, read_and_write, read_file, run_data_command

from aecore.data.datasets import load_dataset
from aecore.data.describe import describe_data
from aecore.errors import DataError
from aecore.model.config import DataConfig

DRAW = np.random.default_rng(6)
X = DRAW.integers(0, 256, (48, 8, 8)).astype(np.uint8)
Y = np.arange(48) % 4
WORDS = np.array(["ant", "bee", "cat", "dog"])[Y]
ROWS = DRAW.normal(size=(48, 5)).astype(np.float32)


def save_arrays(path, **arrays):
    np.savez(path, **arrays)
    return path


ARCHIVES = {
    "X and y": {"X": X, "y": Y},
    "images and labels": {"images": X, "labels": Y},
    "a column of labels": {"data": X, "target": Y[:, None]},
    "one-hot": {"x": X, "y": np.eye(4)[Y]},
    "labels as floats": {"x": X, "y": Y.astype(float)},
    "halves": {"x_train": X[:40], "y_train": Y[:40], "x_test": X[40:], "y_test": Y[40:]},
    "thirds": {
        f"{part}_{name}": array[rows]
        for part, rows in (("test", slice(40, 48)), ("train", slice(30)), ("val", slice(30, 40)))
        for name, array in (("images", X[..., None]), ("labels", Y[:, None]))
    },
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_pictures_and_classes_of_an_archive_come_back_in_their_order(tmp_path, name):
    report, written = read_and_write(save_arrays(tmp_path / "set.npz", **ARCHIVES[name]))
    assert report.kind == "images" and report.shape == (1, 8, 8)
    assert np.array_equal(written["x"][:, 0], X) and written["x"].dtype == np.uint8
    assert written["y"].tolist() == [str(label) for label in Y]


def test_arrays_without_names_are_examples_and_labels(tmp_path, capsys):
    np.savez(tmp_path / "set.npz", X, Y)
    status, told, _ = run_data_command(capsys, tmp_path / "set.npz")
    assert status == 0 and told["examples"] == 48 and told["classes"] == ["0", "1", "2", "3"]
    assert "`arr_0`" in " ".join(told["notes"])


LAYOUTS = {
    "channels last": (DRAW.integers(0, 256, (48, 12, 12, 3)), (0, 3, 1, 2)),
    "five channels": (DRAW.integers(0, 256, (48, 5, 12, 12)), (0, 1, 2, 3)),
    "pictures last": (DRAW.integers(0, 256, (14, 14, 300)), (2, 0, 1)),
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("kind", ["uint8", "int64", "float32"])
def test_pictures_are_bytes_whatever_their_layout_and_type(tmp_path, name, kind):
    x, axes = LAYOUTS[name]
    np.save(tmp_path / "x.npy", x.astype(kind))
    report, written = read_and_write(tmp_path / "x.npy")
    found = written["x"] * (1 if written["x"].dtype == np.uint8 else 255)
    wanted = x.transpose(axes)
    assert report.kind == "images" and np.abs(found - wanted.reshape(found.shape)).max() < 0.01


RANGES = {
    "-1 to 1": (X / 127.5 - 1, X / 255),
    "0 to 4095": (X * 16.0, X * 16.0 / 4095),
    "yes and no": (X > 127, X > 127),
    "half floats": ((X / 255).astype(np.float16), X / 255),
}


@pytest.mark.parametrize("name", RANGES)
def test_pixels_of_another_range_are_scaled_with_a_note(tmp_path, name):
    x, wanted = RANGES[name]
    report, written = read_and_write(save_arrays(tmp_path / "x.npz", x=x))
    found = written["x"] / (255 if written["x"].dtype == np.uint8 else 1)
    assert np.abs(found[:, 0] - wanted).max() < 2e-3
    assert bool(report.notes) == (name != "half floats")


@pytest.mark.parametrize("kind", [">f4", ">f8", "float16", "bool", "int16"])
def test_rows_keep_their_units_and_their_order(tmp_path, kind):
    x = (ROWS > 0 if kind == "bool" else ROWS * 4).astype(kind)
    np.save(tmp_path / "x.npy", np.asfortranarray(x))
    report, written = read_and_write(tmp_path / "x.npy")
    assert report.kind == "rows" and report.shape == (5,)
    assert np.array_equal(written["x"], x.astype(np.float32))


def test_columns_that_need_care_are_named(tmp_path):
    x = ROWS.astype(float)
    x[:, 1], x[:, 2], x[3, 4] = 7, x[:, 2] * 1e29, 1e30
    report, written = read_and_write(save_arrays(tmp_path / "x.npz", x=x))
    assert np.allclose(written["x"], x) and report.notes


class Trap:
    """What writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_python_objects_are_never_loaded_and_said(tmp_path):
    sprung = tmp_path / "sprung"
    traps = np.array([Trap(sprung)] * 48, dtype=object)
    report, written = read_and_write(save_arrays(tmp_path / "x.npz", x=ROWS, y=traps))
    assert np.array_equal(written["x"], ROWS) and "y" not in written and not sprung.exists()
    assert "Python objects" in join_all_notes(report)


@pytest.mark.parametrize("label", ["numbers", "words"])
def test_pictures_in_parquet_have_the_names_of_their_classes(tmp_path, label):
    images = [{"bytes": encode_image(x), "path": f"{i}.png"} for i, x in enumerate(X)]
    names = ["ant", "bee", "cat", "dog"]
    feature = {"_type": "ClassLabel", "names": names} if label == "numbers" else {"_type": "Value"}
    about = {"info": {"features": {"image": {"_type": "Image"}, "label": feature}}}
    table = pa.table({"image": images, "label": Y if label == "numbers" else WORDS})
    table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
    pq.write_table(table, tmp_path / "set.parquet")
    report, written = read_and_write(tmp_path / "set.parquet")
    assert report.kind == "images" and np.array_equal(written["x"][:, 0], X)
    assert written["y"].tolist() == WORDS.tolist()


def test_rows_of_pixels_say_that_they_may_be_pictures(tmp_path):
    np.save(tmp_path / "flat.npy", DRAW.integers(0, 256, (40, 784)).astype(np.uint8))
    report = read_file(tmp_path / "flat.npy")
    assert report.kind == "rows" and "28 x 28" in join_all_notes(report)


REFUSED = {
    "two sets of examples": ({"left": X, "right": X}, "`left`, `right`"),
    "labels of another number": ({"x": X, "y": Y[:9]}, "9"),
    "parts of other shapes": ({"x_train": ROWS, "x_test": ROWS[:, :3]}, "x_test"),
    "complex numbers": ({"x": ROWS + 1j}, "complex"),
    "words": ({"x": np.array(["a", "b", "c"])}, "`x`"),
    "a number": ({"x": np.array(3.0)}, "`x`"),
    "volumes": ({"x": np.zeros((4, 2, 6, 6, 6))}, r"\(4, 2, 6, 6, 6\)"),
    "no example": ({"x": np.zeros((0, 5))}, "set.npz"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_names_the_array_and_the_cure(name, tmp_path, capsys):
    arrays, words = REFUSED[name]
    check_refusal(capsys, words, save_arrays(tmp_path / "set.npz", **arrays))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("torn.npz", b"PK\3\4" + bytes(60)),
        ("torn.npy", b"\x93NUMPY\1\0v\0{'descr'"),
        ("other.npy", b"not an array"),
    ],
)
def test_a_torn_file_is_refused_by_its_name(file, content, tmp_path, capsys):
    (tmp_path / file).write_bytes(content)
    check_refusal(capsys, f"{file} is not a readable", tmp_path / file)


def test_one_picture_is_no_set(tmp_path, capsys):
    np.save(tmp_path / "photo.npy", np.zeros((64, 64, 3), np.uint8))
    check_refusal(capsys, "one picture of 64 x 64", tmp_path / "photo.npy")


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_gaps_and_constant_columns_of_rows_have_a_note(tmp_path, ending):
    x, path = ROWS.copy(), tmp_path / f"part.{ending}"
    x[3, 1], x[:, 4] = np.nan, 7
    np.save(path, x) if ending == "npy" else save_arrays(path, x=x)
    notes = describe_data(DataConfig(name=str(path), missing="keep")).notes
    assert "1 missing value, in x1." in notes and "One value only in every row: x4." in notes


@pytest.mark.parametrize(("value", "words"), [(np.nan, "all of them are NaN"), (7, "one value")])
def test_rows_that_are_all_missing_or_all_alike_are_refused(tmp_path, value, words):
    path = tmp_path / "part.npy"
    np.save(path, np.full((60, 5), value, np.float32))
    for read in (describe_data, load_dataset):
        with pytest.raises(DataError, match=words):
            read(DataConfig(name=str(path), missing="keep"))
