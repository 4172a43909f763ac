"""Tables from .csv and .parquet files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from data_sets import get_refusal, read_set

from aecore.data import memory
from aecore.data.datasets import load_dataset, read_dataset
from aecore.data.splits import Dataset
from aecore.errors import DataError
from aecore.model.config import DataConfig

FLOWERS = pd.DataFrame(
    {
        "width": [1.5, 2.5, 3.5, 4.5],
        "petals": [3, 4, 5, 6],
        "kind": ["rose", "iris", "rose", "iris"],
    }
)


def save_frame(tmp_path: Path, frame: pd.DataFrame, suffix: str) -> Path:
    path = tmp_path / f"table{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    return path


def write_text_file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def list_sorted_rows(found: Dataset) -> list[list[float]]:
    return sorted(torch.cat([found.train.x, found.test.x]).tolist())


both = pytest.mark.parametrize("suffix", [".csv", ".parquet"])


@both
def test_the_label_is_the_class_and_never_an_input(tmp_path: Path, suffix: str) -> None:
    found = read_set(save_frame(tmp_path, FLOWERS, suffix), label="kind")
    assert (found.kind, found.columns, found.input_shape) == ("table", ("width", "petals"), (2,))
    assert found.classes == ("iris", "rose") and found.train.x.dtype == torch.float32
    assert list_sorted_rows(found) == [[1.5, 3], [2.5, 4], [3.5, 5], [4.5, 6]]
    widths = torch.cat([found.train.x, found.test.x])[:, 0].tolist()
    labels = torch.cat([found.train.y, found.test.y]).tolist()
    assert dict(zip(widths, labels, strict=True)) == {1.5: 1, 2.5: 0, 3.5: 1, 4.5: 0}


@both
def test_a_label_may_be_whole_numbers_flags_or_categories(tmp_path: Path, suffix: str) -> None:
    path = save_frame(tmp_path, FLOWERS.assign(kind=[10, 9, 10, 9]), suffix)
    assert read_set(path, label="kind").classes == ("9", "10")
    path = save_frame(tmp_path, FLOWERS.assign(kind=[True, False, True, True]), suffix)
    assert read_set(path, label="kind").classes == ("False", "True")
    path = save_frame(tmp_path, FLOWERS.assign(kind=FLOWERS.kind.astype("category")), suffix)
    assert read_set(path, label="kind").classes == ("iris", "rose")


@both
def test_a_label_with_one_example_of_a_class_is_fine(tmp_path: Path, suffix: str) -> None:
    path = save_frame(tmp_path, FLOWERS.assign(kind=["a", "b", "b", "b"]), suffix)
    assert read_set(path, label="kind").classes == ("a", "b")


@both
def test_flags_are_a_column_of_zeros_and_ones_and_constants_are_left_out(
    tmp_path: Path, suffix: str
) -> None:
    frame = pd.DataFrame({"a": [True, False], "b": [1, 1]})
    found = read_set(save_frame(tmp_path, frame, suffix))
    assert found.columns == ("a",) and found.train.y is None and found.classes == ()
    assert list_sorted_rows(found) == [[0], [1]] and "One value only" in " ".join(found.notes)


@both
@pytest.mark.parametrize(
    ("frame", "options", "words"),
    [
        (FLOWERS, {"label": "colour"}, "'colour' is no column of table"),
        (
            FLOWERS.assign(kind=["a", None, None, "b"]),
            {"label": "kind", "missing": "refuse"},
            "'kind' (2)",
        ),
        (FLOWERS.assign(width=[1, None, None, 2]), {"missing": "refuse"}, "in 'width' (2)"),
        (FLOWERS.assign(width=[1, np.inf, -np.inf, 2]), {"missing": "refuse"}, "in 'width' (2)"),
        (FLOWERS.assign(one=1), {"unusable": "refuse"}, "'one' (One value only"),
        (FLOWERS[:1], {}, "has 1 row; a data set needs at least 2 rows"),
        (FLOWERS[:0], {}, "has 0 rows; a data set needs at least 2 rows"),
        (FLOWERS[["kind"]], {"label": "kind"}, "no column of use"),
    ],
)
def test_a_table_that_no_model_could_learn_from_is_refused(
    tmp_path: Path, suffix: str, frame: pd.DataFrame, options: dict[str, str], words: str
) -> None:
    message = get_refusal(save_frame(tmp_path, frame, suffix), **options)
    assert words in message and f"table{suffix}" in message


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_csv_may_be_parted_by_commas_semicolons_or_tabs(tmp_path: Path, mark: str) -> None:
    text = "\ufeffa,b\n1,2\n3,4\n".replace(",", mark)
    found = read_set(write_text_file(tmp_path, text))
    assert found.columns == ("a", "b") and list_sorted_rows(found) == [[1, 2], [3, 4]]


def test_the_row_numbers_that_pandas_writes_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    FLOWERS.to_csv(path)
    assert read_set(path, label="kind").columns == ("width", "petals")


def test_whole_numbers_may_be_column_names(tmp_path: Path) -> None:
    assert read_set(write_text_file(tmp_path, "0,1\n5.5,2\n3,4\n")).columns == ("0", "1")


@pytest.mark.parametrize("text", ["", "a,b\n", b"\x00\x01\x02\x03\n\x00"])
def test_a_torn_csv_is_refused(tmp_path: Path, text: str | bytes) -> None:
    assert "table.csv" in get_refusal(write_text_file(tmp_path, text))


def test_a_torn_or_false_parquet_is_refused(tmp_path: Path) -> None:
    path = save_frame(tmp_path, FLOWERS, ".parquet")
    content = path.read_bytes()
    holed = content[:60] + bytes(90) + content[150:]
    for torn in (b"", b"no parquet", content[:-50], b"PAR1" + bytes(200) + b"PAR1", holed):
        path.write_bytes(torn)
        assert "table.parquet" in get_refusal(path, label="kind")


def test_lists_of_one_length_are_columns_of_numbers_and_no_label(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [[1, 3], [2, 3]]})
    assert read_set(save_frame(tmp_path, frame, ".parquet")).columns == ("a", "b[0]")
    assert "'b' holds list" in get_refusal(tmp_path / "table.parquet", label="b")


@both
def test_a_table_larger_than_the_limit_is_refused_before_reading(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_frame(tmp_path, pd.DataFrame({"a": range(1000)}), suffix)
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 1000)
    assert "more than the limit" in get_refusal(path)


MIXED = """city,age,income,note,one,empty
Rome,31,12.5,a long story,1,
Oslo,?,?,another,1,
,47,8,third,1,
Rome,25,9,fourth one,1,
"""


def test_words_become_columns_and_columns_without_use_are_left_out_with_a_note(tmp_path):
    (tmp_path / "people.csv").write_text(MIXED)
    raw = read_dataset(DataConfig(name=str(tmp_path / "people.csv")))
    assert raw.columns == ("city=Oslo", "city=Rome", "age", "income")
    assert (
        raw.x[:2, :2].tolist() == [[0, 1], [1, 0]]
        and np.isnan(raw.x[2, :2]).all()
        and np.isnan(raw.x[1, 2:]).all()
    )
    said = " ".join(raw.notes)
    for words in (
        "'age', 'income': 1 cell such as '?' is taken as missing",
        "'note': 4 different words",
        "'one': One value only",
        "'empty': Empty",
    ):
        assert words in said


def test_a_table_of_words_alone_is_refused_with_the_reason(tmp_path):
    pd.DataFrame({"a": [f"text {i}" for i in range(50)]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"no column of use as input. 'a': 50 different words"):
        read_dataset(DataConfig(name=str(tmp_path / "t.csv")))


def test_a_table_of_empty_columns_is_refused_without_an_option_that_could_not_help(tmp_path):
    frame = pd.DataFrame({"a": [np.nan] * 9, "b": [np.nan] * 9})
    frame.to_csv(tmp_path / "t.csv", index=False, na_rep="NaN")
    with pytest.raises(DataError, match=r"^t.csv has no values: all its columns are empty. Add"):
        read_dataset(DataConfig(name=str(tmp_path / "t.csv")))


def test_training_with_one_class_keeps_all_classes_in_the_test_set():
    found = load_dataset(DataConfig(name="breast-cancer", train_class="benign"))
    assert found.train.y.unique().tolist() == [1] and found.test.y.unique().tolist() == [0, 1]
    with pytest.raises(DataError, match=r"no class 'healthy'.*malignant, benign"):
        load_dataset(DataConfig(name="breast-cancer", train_class="healthy"))
