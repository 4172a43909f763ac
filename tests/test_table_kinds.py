"""What columns of a table are taken for, and what a model gets of them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import trained

from aecore.cli.commands import parse_setting
from aecore.data.datasets import load_dataset, read_dataset
from aecore.data.describe import describe_data
from aecore.data.tables import reading
from aecore.data.tables.column_reading import ReadColumn
from aecore.data.tables.columns import (
    describe_new_columns,
    list_schema_features,
    make_schema,
    match_columns,
)
from aecore.data.tables.files import RawTable
from aecore.data.tables.filling import fill_table
from aecore.data.tables.reading import Table, read_columns, read_further_columns, understand_table
from aecore.errors import DataError
from aecore.estimator import AutoencoderImputer
from aecore.model.autoencoder import Autoencoder
from aecore.model.columns import ColumnOptions
from aecore.model.config import DataConfig
from aecore.runs.plan import load_matching_data, make_data_config, plan_run

N = 60
ROWS = range(N)


def understand(
    columns: dict[str, Sequence[object]], decimal: str = ".", /, **options: object
) -> Table:
    """The columns of a text file with these cells."""
    cells = {
        name: pd.array(["" if cell is None else str(cell) for cell in column], "string[pyarrow]")
        for name, column in columns.items()
    }
    frame = pd.DataFrame(cells).astype(pd.ArrowDtype(pa.string()))
    config = DataConfig.model_validate({"name": "t.csv", **options})
    return understand_table(RawTable(frame, decimal, ()), config, "t.csv")


def understand_one(cells: Sequence[object], name: str = "c", decimal: str = ".") -> ReadColumn:
    """A column of that name, beside one of numbers."""
    return understand(
        {name: cells, "other": [i * 0.5 for i in range(len(cells))]}, decimal
    ).columns[0]


def save_arrays(path: Path, **columns: pa.Array) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("cells", "decimal", "first", "words"),
    [
        (
            [f"{v:,}" if v > 999 else v for v in range(990, 990 + 7 * N, 7)],
            ".",
            990,
            "between thousands",
        ),
        ([f"1.{200 + i},99 €" for i in ROWS], ",", 1200.99, "€"),
        ([f"1 {200 + 2 * i}" for i in ROWS], ".", 1200, ""),
        ([f"1'{200 + i}.5" for i in ROWS], ".", 1200.5, ""),
        ([f"{i},5" for i in ROWS], ".", 0.5, "','"),
        ([f"0.{i:02d}" for i in ROWS], ",", 0.0, "'.'"),
        ([f"({i + 1}.5)" for i in ROWS], ".", -1.5, ""),
        ([f"\N{MINUS SIGN}{i + 1}" for i in ROWS], ".", -1, ""),
        ([f"-$1,{200 + i}.50" for i in ROWS], ".", -1200.5, "$"),
        ([f"{i % 7} %" for i in ROWS], ".", 0, "%"),
        ([f"{i + 50}.5 kg" for i in ROWS], ".", 50.5, "kg"),
        ([f"{i % 24:02d}:30" for i in ROWS], ".", 1800, "seconds"),
        ([f"{i} days 00:00:01" for i in ROWS], ".", 1, "seconds"),
        ([f"{i}e3" for i in ROWS], ".", 0, ""),
        ([1e300 * (i + 1) for i in ROWS], ".", 1e300, "3e38"),
    ],
)
def test_numbers_are_read_as_people_write_them(cells, decimal, first, words):
    column = understand_one(cells, decimal=decimal)
    assert column.options.kind == "number" and column.missing == 0
    assert column.values[0].as_py() == first and words in column.note


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("id", range(1, N + 1), "id"),
        ("Unnamed: 0", np.random.default_rng(0).permutation(N), "id"),
        ("Unnamed: 0.1", range(5, 5 + 2 * N, 2), "id"),
        ("row", [f"row {i}" for i in ROWS], "id"),
        ("serial", np.random.default_rng(0).permutation(N) + 7, "id"),
        ("PassengerId", [3 * i + 1 for i in ROWS], "id"),
        ("card", [10**18 + 10**19 + 3 * i for i in ROWS], "id"),
        ("x", [i * i for i in ROWS], "number"),
        ("year", [1960 + i for i in ROWS], "number"),
        ("x", [i * 0.25 for i in ROWS], "number"),
        ("x", np.random.default_rng(0).integers(0, 64, N), "number"),
        ("code", [f"{37 * i % 40:05d}" for i in ROWS], "text"),
        ("hex", [f"0x{i % 5:02x}" for i in ROWS], "category"),
        ("note", [f"a rather long story about the day {i} of a week" for i in ROWS], "text"),
        ("constant", [7] * N, "ignored"),
        ("empty", [None] * N, "ignored"),
        ("size", [["S", "M", "L"][i % 3] for i in ROWS], "category"),
        ("yes", [["yes", "no"][i % 2] for i in ROWS], "category"),
        ("flag", [["True", "False", ""][i % 3] for i in ROWS], "boolean"),
        ("flag", [["WAHR", "FALSCH"][i % 2] for i in ROWS], "boolean"),
        ("sign", ["#%-"[i % 3] for i in ROWS], "category"),
        ("mixed", [f"{i} {['kg', 'g'][i % 2]}" for i in ROWS], "id"),
        ("stamp", [1_700_000_000 + i for i in ROWS], "date"),
        ("when", [20240101 + i % 28 for i in ROWS], "date"),
    ],
)
def test_a_column_is_taken_for_what_it_is(name, cells, kind):
    column = understand_one(list(cells), name)
    assert column.options.kind == kind
    assert column.note or kind not in ("id", "text", "ignored")


@pytest.mark.parametrize(
    ("cells", "decimal", "first", "note"),
    [
        ([f"2024-03-{i % 28 + 1:02d}" for i in ROWS], ".", (2024, 3, 1), ""),
        ([f"{i % 12 + 1}/{i % 28 + 1}/2024" for i in ROWS], ".", (2024, 1, 1), ""),
        ([f"{i % 28 + 1:02d}.03.2024" for i in ROWS], ",", (2024, 3, 1), ""),
        ([f"{i % 11 + 2:02d}/01/2024" for i in ROWS], ".", (2024, 2, 1), "month before day"),
        ([f"{i % 11 + 2:02d}/01/2024" for i in ROWS], ",", (2024, 1, 2), "day before month"),
        ([f"2024-03-01T{i % 24:02d}:00:00+02:00" for i in ROWS], ".", (2024, 3, 1), "+02:00"),
        ([f"{i % 28 + 1}-Mar-2024" for i in ROWS], ".", (2024, 3, 1), ""),
        ([f"3/{i % 28 + 1}/2024 1:30 PM" for i in ROWS], ".", (2024, 3, 1, 13, 30), ""),
    ],
)
def test_dates_are_read_as_people_write_them(cells, decimal, first, note):
    column = understand_one(cells, decimal=decimal)
    assert column.options.kind == "date" and note in column.note and bool(note) == bool(column.note)
    assert column.values[0].as_py() == datetime.datetime(*first)


def test_a_date_becomes_the_time_and_what_varies():
    hours = understand_one([f"2024-03-01 {i % 24:02d}:00" for i in ROWS])
    assert hours.options.parts == ("time", "hour")
    days = understand_one([str(np.datetime64("2024-01-01") + 5 * i) for i in ROWS])
    assert days.options.parts == ("time", "season", "weekday")
    seconds = understand_one([1_700_000_000 + i for i in ROWS], "stamp")
    table = Table((seconds,), ())
    x = match_columns(table, {"stamp": seconds.options})
    assert len(np.unique(x[:, 0])) == N  # float32 tells the seconds apart


def test_marks_for_missing_cells_are_counted():
    marks = ["?", "-", "n/a", "#DIV/0!", "inf", "missing", ""]
    column = understand_one([marks[i] if i < len(marks) else i * 1.5 for i in ROWS])
    assert column.options.kind == "number" and column.missing == len(marks)
    assert "5 cells such as" in column.note and "1 infinite cell (inf)" in column.note


def test_na_is_a_word_among_words_unless_numbers_of_the_file_have_it_for_missing():
    country = [["NA", "KE", "TZ"][i % 3] for i in ROWS]
    numbers = [i * 0.5 for i in ROWS]
    column = understand({"country": country, "x": numbers}).columns[0]
    assert column.options.categories == ("KE", "NA", "TZ") and "'NA'" in column.note
    holed = ["NA" if i % 9 == 0 else v for i, v in enumerate(numbers)]
    column = understand({"country": country, "x": holed}).columns[0]
    assert column.options.categories == ("KE", "TZ") and column.missing == 20


def test_whole_numbers_stay_whole_beside_missing_ones():
    column = understand_one([None if i % 9 == 0 else i % 7 for i in ROWS])
    assert column.values.type == "int64" and column.missing == 7


@pytest.mark.parametrize(
    ("columns", "target", "classes"),
    [
        ({"x": [i * 0.5 for i in ROWS], "y": [i * 0.7 for i in ROWS]}, None, 0),
        ({"x": [1, 2] * 30, "y": [3, 4] * 30, "label": ["a", "b"] * 30}, "label", 2),
        ({"a": [i * 0.5 for i in ROWS], "y": [i * 0.7 for i in ROWS]}, "y", 0),
        ({"a": [i * 0.5 for i in ROWS], "y": [i % 3 for i in ROWS]}, "y", 3),
        ({"a": [i * 0.5 for i in ROWS], "target": list(ROWS)}, "target", 0),
        ({"a": [i * 0.5 for i in ROWS], "Class": [1.0, 2.0] * 30}, "Class", 2),
        ({"a": [i * 0.5 for i in ROWS], "species": [f"s{i % 30}" for i in ROWS]}, "species", 30),
    ],
)
def test_the_label_is_found_by_its_name_and_its_cells(columns, target, classes):
    table = understand(columns)
    assert table.target == target
    found = next((c for c in table.columns if c.name == target), None)
    assert len(found.options.categories if found else ()) == classes


@pytest.mark.parametrize(
    ("name", "cells", "is_said"),
    [
        ("is_fraud", [0, 1] * 30, True),
        ("Outlier", ["yes", "no"] * 30, True),
        ("attack_label", [0.0, 1.0, None] * 20, True),
        ("member", [0, 1] * 30, False),
        ("is_fraud", [0, 1, 2] * 20, False),
        ("label", [0, 1] * 30, False),  # it is taken for the label
    ],
)
def test_a_column_of_two_values_that_is_named_like_a_label_is_said(name, cells, is_said, tmp_path):
    frame = pd.DataFrame({"a": [i * 0.5 for i in ROWS], name: cells})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    notes = describe_data(DataConfig(name=str(tmp_path / "rows.csv"))).notes
    assert any(f"{name!r} looks like a label" in note for note in notes) == is_said


def test_how_a_column_is_read_can_be_chosen(tmp_path):
    columns = {"a": [1, 2, 3] * 20, "label": ["u", "v"] * 30, "k": [f"w{i}" for i in ROWS]}
    chosen = {"a": "category", "label": "category", "k": "target"}
    table = understand(columns, columns=chosen)
    assert [c.options.kind for c in table.columns] == ["category", "category", "target"]
    assert table.columns[0].options.categories == ("1", "2", "3")
    assert understand(columns, label="").target is None
    with pytest.raises(DataError, match=r"t\.csv: Column 'label' holds no numbers"):
        understand(columns, columns={"label": "number"})
    with pytest.raises(DataError, match=r"'b' is no column of t\.csv; it has a, label, k"):
        understand(columns, columns={"b": "number"})


def test_columns_are_chosen_on_the_command_line_by_their_names():
    words = ["data.columns.age=category", 'data.columns."a.b=c".unit=kg', "data.columns.a.b=date"]
    words.append('data.columns."a.b=c".kind=number')
    config = make_data_config("t.csv", dict(map(parse_setting, words)))
    assert config.columns["age"].kind == "category" and config.columns["a.b"].kind == "date"
    assert config.columns["a.b=c"] == ColumnOptions(kind="number", unit="kg")


def test_types_of_parquet_are_understood(tmp_path):
    half = list(range(N))
    columns = {
        "took": pa.array([None, *range(1, N)], pa.duration("s")),
        "lists": pa.array([[float(i), 2.0 * i] for i in half]),
        "bytes": pa.array([bytes([i, 200]) for i in half]),
        "uneven": pa.array([[1.0] * (i % 3) for i in half]),
        "order": pa.array(["low", "high"] * 30).dictionary_encode(),
        "zoned": pa.array(pd.date_range("2024-01-01", periods=N, tz="Europe/Berlin")),
        "huge": pa.array([np.inf if i == 3 else i * 0.5 for i in half]),
    }
    path = save_arrays(tmp_path / "types.parquet", **columns)
    found = {c.name: c for c in read_columns(path, DataConfig(name=str(path))).columns}
    kinds = {name: column.options.kind for name, column in found.items()}
    assert kinds == {
        **{"took": "number", "lists[0]": "number", "lists[1]": "number", "bytes": "ignored"},
        **{"uneven": "ignored", "order": "category", "zoned": "date", "huge": "number"},
    }
    assert found["took"].missing == 1 and "seconds" in found["took"].note
    assert found["zoned"].values[0].as_py() == datetime.datetime(2024, 1, 1)
    assert found["huge"].missing == 1 and "inf" in found["huge"].note
    assert found["bytes"].note and found["uneven"].note


def test_ordered_words_become_their_rank_in_the_order_of_the_file(tmp_path):
    words = pd.Categorical(["low", "high", "mid"] * 20, ["low", "mid", "high"], ordered=True)
    pd.DataFrame({"w": words, "x": np.arange(N) / 2}).to_parquet(tmp_path / "o.parquet")
    raw = read_dataset(DataConfig(name=str(tmp_path / "o.parquet")))
    assert raw.schema["w"].kind == "ordered" and raw.columns == ("w", "x")
    assert raw.x[:3, 0].tolist() == [0, 2, 1]


def test_a_table_of_pixels_says_so_and_can_be_read_as_pictures(tmp_path):
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (20, 64)) * (np.arange(64) > 7)  # the first row is never on
    frame = pd.DataFrame(pixels, columns=[f"pixel{i}" for i in range(64)])
    frame.insert(0, "label", [0, 1] * 10)
    frame.to_csv(tmp_path / "p.csv", index=False)
    raw = read_dataset(DataConfig(name=str(tmp_path / "p.csv")))
    assert raw.x.shape == (20, 64) and raw.classes == ("0", "1") and len(raw.notes) < 5
    assert "pictures of 8 x 8" in " ".join(raw.notes)
    pictures = read_dataset(DataConfig(name=str(tmp_path / "p.csv"), pixels="pictures"))
    assert pictures.kind == "image" and (pictures.x[:, 0].reshape(20, 64) == pixels).all()


# -- further tables


def make_people(order: Sequence[str] | None = None) -> dict[str, Sequence[object]]:
    columns: dict[str, Sequence[object]] = {
        "city": [["Oslo", "Rome", "Bern"][i % 3] for i in ROWS],
        "age": [i % 40 + 18 for i in ROWS],
        "member": [["True", "False"][i % 2] for i in ROWS],
        "code": [f"{i:05d}" for i in ROWS],
        "when": [str(np.datetime64("2024-01-01") + i) for i in ROWS],
        "share": [f"{i / 2}%" for i in ROWS],
    }
    return {name: columns[name] for name in order or columns}


def test_a_further_table_is_matched_by_name_in_any_order():
    table = understand(make_people())
    schema = table.schema
    x = match_columns(table, schema)
    features = list_schema_features(schema)
    assert features[:5] == ("city=Bern", "city=Oslo", "city=Rome", "age", "member")
    turned = understand(make_people(("share", "when", "member", "age", "city")))
    assert np.array_equal(match_columns(turned, schema), x)
    with pytest.raises(DataError, match=r"lacks 1 column that the model knows: 'age'"):
        match_columns(understand(make_people(("city", "member", "when", "share"))), schema)
    more = understand({**make_people(), "new": [i / 3 for i in ROWS]})
    assert describe_new_columns(more, schema) == ("'new' is new to the model and not used.",)


def test_a_filled_table_gives_back_what_it_was_in_the_kinds_that_it_had():
    whole = make_people()
    holed = {
        name: [None if i == 4 and name != "code" else cell for i, cell in enumerate(cells)]
        for name, cells in whole.items()
    }
    table = understand(holed)
    x = match_columns(table, table.schema)
    x[4] = match_columns(understand(whole), table.schema)[4] + 0.01
    filled = fill_table(table, table.schema, x)
    assert list(filled.columns) == list(whole) and not filled.isna().any().any()
    assert filled["city"].tolist() == whole["city"]
    assert filled["age"].tolist() == whole["age"] and filled["age"].dtype.kind == "i"
    assert filled["member"].tolist() == [i % 2 == 0 for i in ROWS]
    assert filled["code"].tolist() == whole["code"]
    assert filled["when"].tolist() == whole["when"]
    assert filled["share"][4] == pytest.approx(2.0, abs=0.02) and filled["share"][5] == 2.5
    assert repr(float(filled["share"][4])) == str(x[4, -1])  # 2.01, and no digits of a double


def test_a_table_of_which_only_the_features_are_known_is_matched_by_their_names():
    table = understand({"age": [1, 2] * 30, "city": ["Oslo", "Paris"] * 30})
    x = match_columns(table, make_schema(("city=Oslo", "city=Rome", "age")))
    assert x[:2].tolist() == [[1, 0, 1], [0, 0, 2]]


def test_a_run_keeps_how_its_columns_were_read_and_reads_further_files_alike(tmp_path):
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    pd.DataFrame(make_people()).to_csv(first, index=False)
    pd.DataFrame(make_people(("age", "share", "when", "member", "city")))[:9].to_csv(
        second, index=False
    )
    config = plan_run("vanilla", str(first))
    assert config.data is not None and list(config.data.columns) == list(make_people())
    again = DataConfig.model_validate_json(config.data.model_dump_json())
    assert again == config.data and load_dataset(again).columns == load_dataset(config.data).columns
    other = load_matching_data(config, str(second))
    assert other.input_shape == config.model.input_shape
    further = read_further_columns(second, config.data)
    assert further.columns[0].options == config.data.columns["age"]


# -- strictness, and what was saved before


def test_what_would_be_left_out_or_is_missing_can_be_refused():
    columns = {"id": list(ROWS), "x": [None if i == 3 else i * 0.5 for i in ROWS]}
    path = "t.csv"
    from aecore.data.tables.reading import make_table_data

    strict = DataConfig(name=path, unusable="refuse")
    with pytest.raises(DataError, match=r"1 column that would be left out: 'id' \(A different"):
        make_table_data(understand(columns), strict, path)
    with pytest.raises(DataError, match=r"missing values in 'x' \(1\).*data\.missing to keep"):
        make_table_data(understand(columns), DataConfig(name=path, missing="refuse"), path)
    raw = make_table_data(understand(columns), DataConfig(name=path), path)
    assert raw.columns == ("x",) and np.isnan(raw.x[3, 0])


@pytest.mark.parametrize(
    ("unusable", "columns"),
    [
        ("leave_out", ("when=2024-01-01", "when=2024-01-02", "id", "class", "kg")),
        ("refuse", None),
    ],
)
def test_a_table_of_an_earlier_run_is_read_as_it_was_then(tmp_path, unusable, columns):
    path = tmp_path / "old.csv"
    days = [f"2024-01-0{i % 2 + 1}" for i in ROWS]
    pd.DataFrame(
        {"when": days, "id": ROWS, "class": [i % 2 for i in ROWS], "kg": np.arange(N) / 4}
    ).to_csv(path, index=False)
    saved = DataConfig(name=str(path), missing="refuse", unusable=unusable).model_dump(mode="json")
    for field in ("columns", "inference", "pixels"):
        del saved[field]
    config = DataConfig.model_validate(saved)
    assert config.inference == "earlier"
    if columns is None:
        with pytest.raises(DataError, match="'when' holds no numbers"):
            load_dataset(config)
    else:
        assert load_dataset(config).columns == columns


# -- what is trained on them


def test_huge_values_train_and_their_model_is_loaded_again(tmp_path):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"a": draw.normal(size=40) * 1e29, "b": draw.normal(size=40) * 1e30})
    frame["c"] = draw.normal(size=40)
    frame.to_csv(tmp_path / "huge.csv", index=False)
    config = plan_run("vanilla", str(tmp_path / "huge.csv"), settings={"training.epochs": 1})
    run = trained(config, tmp_path / "run")
    made = Autoencoder.load(run.path)
    assert made.scale.isfinite().all() and made.scale[1] == pytest.approx(1e30, rel=0.5)


def test_an_estimator_names_the_columns_of_words_and_the_cure():
    frame = pd.DataFrame({"a": [1.0, 2.0, None], "kind": ["red", None, "blue"]})
    for words in (frame, frame.astype({"kind": "category"})):
        with pytest.raises(ValueError, match=r"'kind': words.*OneHotEncoder"):
            AutoencoderImputer(epochs=1).fit(words)
    flags = frame.assign(kind=pd.array([True, None, False], "boolean"))
    with pytest.raises(ValueError, match="flags with gaps"):
        AutoencoderImputer(epochs=1).fit(flags)


@pytest.mark.parametrize(
    ("others", "mark", "is_said"),
    [
        (range(40, 60), -999, True),
        ([i / 8 for i in range(40, 60)], 9999, True),
        (range(0, 2000, 100), 999, False),
        (range(0, 95, 5), 99, False),
    ],
)
def test_a_number_that_may_mark_missing_cells_is_said(others, mark, is_said):
    cells = [str(number) for number in [*others, mark, mark]]
    column = understand_one(cells)
    assert (f"{mark} stands in 2 cells" in column.note) == is_said and column.missing == 0
    options = ColumnOptions(kind="number", missing=(str(mark),))
    assert understand({"c": cells}, columns={"c": options}).columns[0].missing == 2


def test_texts_of_more_than_arrow_holds_in_one_piece_stay_in_several(monkeypatch):
    texts = pa.chunked_array([["a" * 10], ["b" * 10]])
    column = ReadColumn("notes", ColumnOptions(kind="category"), texts, 0, "")
    assert reading.gather_cells(column).values.num_chunks == 1
    monkeypatch.setattr(reading, "MAX_PIECE_BYTES", 15)
    assert reading.gather_cells(column).values is texts
