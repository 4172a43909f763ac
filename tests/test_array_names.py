"""Arrays of an archive are found by their names and by what they are; labels of any layout."""

from __future__ import annotations

import numpy as np
import pytest

from aecore.data.datasets import read_dataset
from aecore.errors import DataError
from aecore.model.config import DataConfig

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (60, 8, 8)).astype(np.uint8)
Y = np.arange(60) % 3
CLASSES = [str(label) for label in Y]


def read(folder, *unnamed, **arrays):
    np.savez(folder / "set.npz", *unnamed, **arrays)
    return read_dataset(DataConfig(name=str(folder / "set.npz")))


def list_labels(raw):
    return [] if raw.y is None else [raw.classes[label] for label in raw.y]


def say(raw):
    return " ".join(raw.notes)


@pytest.mark.parametrize(
    ("examples", "labels"),
    [
        *(("X", "y"), ("x", "Y"), ("images", "labels"), ("data", "target"), ("arr_0", "arr_1")),
        *(("features", "label"), ("embeddings", "classes"), ("faces", "people"), ("x", "targets")),
        *(("image_data", "image_labels"), ("inputs", "category")),
    ],
)
def test_examples_and_labels_are_found_under_their_usual_names(tmp_path, examples, labels):
    raw = read(tmp_path, **{examples: X, labels: Y})
    assert raw.x.shape == (60, 1, 8, 8) and (raw.x[:, 0] == X).all()
    assert list_labels(raw) == CLASSES
    is_plain = {examples.lower(), labels.lower()} <= {"x", "y"}
    assert is_plain or (f"`{examples}`" in say(raw) and f"`{labels}`" in say(raw))


@pytest.mark.parametrize(
    "names",
    [
        *(("x_train", "y_train", "x_test", "y_test"), ("X_train", "Y_train", "X_test", "Y_test")),
        *(("train_images", "train_labels", "test_images", "test_labels"),),
        *(("trainX", "trainY", "testX", "testY"), ("xtr", "ytr", "xte", "yte")),
        *(("train_x", "train_y", "test_x", "test_y"), ("x", "y", "x_test", "y_test")),
        *(("train", "train_target", "test", "test_target"),),
    ],
)
def test_parts_are_joined_in_order_and_the_test_part_stays_apart(tmp_path, names):
    parts = X[:50], Y[:50], X[50:], Y[50:]
    raw = read(tmp_path, **dict(reversed(list(zip(names, parts, strict=True)))))
    assert (raw.x[:, 0] == X).all() and list_labels(raw) == CLASSES and raw.train_count == 50


@pytest.mark.parametrize("name", ["target_names", "class_names", "labelNames", "classes"])
def test_classes_are_called_by_the_list_of_their_names(tmp_path, name):
    raw = read(tmp_path, x=X, y=Y, **{name: np.array(["no", "yes", "perhaps"])})
    assert list_labels(raw) == [("no", "yes", "perhaps")[label] for label in Y]
    assert f"Classes are named by `{name}`" in say(raw) and "Left out" not in say(raw)


def test_labels_of_ones_and_zeros_are_said_to_be_one_hot(tmp_path):
    raw = read(tmp_path, x=X, y=np.eye(3)[Y])
    assert list_labels(raw) == CLASSES and "`y` in set.npz is one-hot" in say(raw)


def test_a_validation_part_belongs_to_the_training_examples(tmp_path):
    arrays = {
        f"{part}_{name}": array[begin:end]
        for part, begin, end in (("test", 50, 60), ("train", 0, 40), ("val", 40, 50))
        for name, array in (("images", X), ("labels", Y[:, None]))
    }
    raw = read(tmp_path, **arrays)
    assert (raw.x[:, 0] == X).all() and list_labels(raw) == CLASSES and raw.train_count == 50
    assert "10 examples of `val_images` are training examples" in say(raw)
    without_test = {name: x for name, x in arrays.items() if "test" not in name}
    raw = read(tmp_path, **without_test)
    assert raw.train_count == 40 and "`val_images` in set.npz is the test set" in say(raw)


def test_arrays_without_names_are_taken_in_their_order(tmp_path):
    assert list_labels(read(tmp_path, X, Y)) == CLASSES
    alone = read(tmp_path, X)
    assert alone.x.shape == (60, 1, 8, 8) and alone.y is None and alone.classes == ()
    assert read(tmp_path, anything=X).x.shape == (60, 1, 8, 8)


def test_what_is_left_out_is_named(tmp_path):
    names = np.array([f"{i}.png" for i in range(60)])
    raw = read(tmp_path, x=X, y=Y, file_names=names, class_names=np.array(["a", "b"]), mean=0.5)
    assert list_labels(raw) == CLASSES
    assert "Left out of set.npz: `file_names`, `mean`." in raw.notes
    assert "`class_names` in set.npz does not name each class: left out." in raw.notes
    raw = read(tmp_path, pictures=X, when=names)
    assert raw.y is None and "hardly classes" in say(raw)


def test_two_arrays_that_may_be_the_examples_are_a_question_for_the_user(tmp_path):
    with pytest.raises(DataError, match=r"`left`, `right`\. Save the one to use as `x`"):
        read(tmp_path, left=X, right=X)


@pytest.mark.parametrize(
    "labels",
    [
        *(np.eye(3, dtype=np.uint8)[Y], np.eye(3)[Y], np.eye(3, dtype=bool)[Y]),
        *(Y[:, None], Y[None], Y[:, None, None], Y.astype(float), Y.astype(">i2")),
        *(Y.astype(str), Y.astype("S1"), Y.astype(np.float16)[:, None]),
    ],
    ids=lambda labels: f"{labels.dtype}{labels.shape}",
)
def test_labels_of_any_layout_are_classes(tmp_path, labels):
    assert list_labels(read(tmp_path, x=X, y=labels)) == CLASSES


def test_true_and_false_are_classes(tmp_path):
    assert read(tmp_path, x=X, y=Y == 1).classes == ("False", "True")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.array(["a", "b"] * 30, dtype=object), "Python objects, which are never loaded"),
        (RNG.normal(size=60), "fractions"),
        (np.where(Y == 1, np.nan, Y), "missing"),
        (RNG.integers(0, 2, (60, 14)) | np.eye(60, 14, dtype=int), "several labels or none"),
        (np.zeros((60, 8, 8), np.uint8), "no class of each example"),
        (np.arange(60).astype("M8[D]"), "no classes"),
        (Y.astype(complex), "complex"),
    ],
)
def test_labels_that_are_no_classes_are_left_out_with_a_note(tmp_path, labels, words):
    try:
        raw = read(tmp_path, x=X, y=labels)
    except DataError as error:
        assert words == "complex" and words in str(error)
    else:
        assert raw.y is None and words in say(raw) and "left out" in say(raw)


def test_labels_of_one_part_alone_are_left_out_with_a_note(tmp_path):
    raw = read(tmp_path, x_train=X[:50], y_train=Y[:50], x_test=X[50:])
    assert raw.y is None and "labels of set.npz are left out: `x_test` has none" in say(raw)


def test_parts_of_other_kinds_of_numbers_are_refused(tmp_path):
    with pytest.raises(DataError, match="Save both alike"):
        read(tmp_path, x_train=X[:50], x_test=X[50:] / 255)
