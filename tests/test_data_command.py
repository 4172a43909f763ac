"""`aecore data FILE`: tells what a file holds, writes it again, and refuses in one sentence."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from reading import read_file, run_data_command, write_read

from aecore.cli.parser import main
from aecore.cli.settings import parse_setting
from aecore.data.raw import RawData
from aecore.errors import ConfigError
from aecore.runs.plan import make_data_config

RNG = np.random.default_rng(0)


def make_pictures(folder, count=3):
    folder.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 255, (count, 9, 7), np.uint8)
    paths = [folder / f"p{i}.png" for i in range(count)]
    for path, picture in zip(paths, pixels, strict=True):
        Image.fromarray(picture).save(path)
    return paths, pixels[:, None]


@pytest.fixture
def table(tmp_path):
    frame = pd.DataFrame({"size": RNG.random(40) * 7.3, "kind": ["a", "b", "c", "b"] * 10})
    frame.to_csv(tmp_path / "things.csv", index=False)
    return tmp_path / "things.csv"


def test_without_files_the_known_sets_are_listed(capsys):
    assert main(["data"]) == 0
    assert "fashion-mnist" in capsys.readouterr().out
    assert main(["data", "--to", "x.npz"]) == 1
    assert "name the files" in capsys.readouterr().err


def test_a_table_is_told_column_by_column_and_written_with_them(table, tmp_path, capsys):
    out = tmp_path / "out.parquet"
    settings = ["--set", "data.columns.kind=target", "--set", "data.label=kind"]
    status, told, _ = run_data_command(capsys, table, "--to", out, *settings)
    assert status == 0 and told["kind"] == "table" and told["examples"] == 40
    assert told["target"] == "kind" and told["classes"] == ["a", "b", "c"]
    assert [(c["name"], c["kind"], c["missing"]) for c in told["columns"]] == [
        ("size", "number", 0),
        ("kind", "target", 0),
    ]
    assert all(set(column) == {"name", "kind", "missing", "note"} for column in told["columns"])
    assert set(told) == set(["kind", "examples", "shape", "columns", "target", "classes", "notes"])
    written = pq.read_table(out)
    assert written.schema.names == ["size", "kind"]
    assert [str(kind) for kind in written.schema.types] == ["double", "string"]
    assert written.to_pandas().equals(pd.read_csv(table))


def test_people_get_a_table_of_columns_with_examples(table, capsys):
    assert main(["data", str(table), "--set", "data.label=kind"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "things.csv: a table of 40 rows and 2 columns" in lines[0]
    assert lines[2].split()[:4] == ["column", "read", "as", "missing"]
    assert lines[4].split()[:3] == ["kind", "target", "a"]
    assert "Classes (3): a, b, c" in lines


def test_arrays_are_told_and_written_with_their_classes_in_order(tmp_path, capsys):
    x, x_test = RNG.random((6, 1, 4, 5)).astype(np.float32), RNG.random((2, 1, 4, 5))
    path, out = tmp_path / "x.npz", tmp_path / "out.npz"
    y = np.array(list("babacc"))
    np.savez(path, x=x, y=y, x_test=x_test.astype(np.float32), y_test=y[:2])
    status, told, _ = run_data_command(capsys, path, "--to", out)
    assert status == 0 and told["kind"] == "images" and told["shape"] == [1, 4, 5]
    assert told["examples"] == 8 and told["classes"] == ["a", "b", "c"] and told["target"] is None
    with np.load(out) as written:
        assert np.allclose(written["x"], np.concatenate([x, x_test])) and "names" not in written
        assert written["x"].dtype == np.float32 and written["y"].tolist() == list("babaccba")


def test_rows_larger_than_memory_are_told_and_written_from_the_disk(
    tmp_path, capsys, small_budget, monkeypatch
):
    monkeypatch.setattr("aecore.data.written_files.WRITTEN_BYTES", 10_000)
    x = RNG.random((6000, 5)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    status, told, _ = run_data_command(capsys, tmp_path / "x.npy", "--to", tmp_path / "o.npz")
    assert status == 0 and told["kind"] == "rows" and told["examples"] == 6000
    assert told["shape"] == [5]
    with np.load(tmp_path / "o.npz") as written:
        assert np.array_equal(written["x"], x)


def test_a_folder_of_pictures_is_written_with_their_names(tmp_path):
    _, pixels = make_pictures(tmp_path / "set" / "cat")
    _, more = make_pictures(tmp_path / "set" / "dog")
    written = write_read(tmp_path / "set")
    assert written["x"].dtype == np.uint8 and written["y"].tolist() == ["cat"] * 3 + ["dog"] * 3
    assert np.array_equal(written["x"], np.concatenate([pixels, more]))
    assert written["names"].tolist()[:2] == ["cat/p0.png", "cat/p1.png"]


def test_pictures_may_be_brought_one_by_one(tmp_path, capsys):
    (first, *rest), pixels = make_pictures(tmp_path / "here")
    other = tmp_path / "there.png"
    rest[-1].rename(other)
    out = tmp_path / "o.npz"
    status, told, _ = run_data_command(capsys, first, rest[0], other, "--to", out)
    assert status == 0 and told["kind"] == "images" and told["examples"] == 3
    with np.load(out) as written:
        assert written["names"].tolist() == ["p0.png", "p1.png", "there.png"]
        assert np.array_equal(written["x"], pixels)
    status, told, _ = run_data_command(capsys, first)
    assert status == 0 and told["examples"] == 1


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["nothing.png", "here/p0.png"], r"no file '.*nothing.png'"),
        (["here/p0.png", "here/p0.png"], r"Two pictures are called p0.png. Rename one"),
        (["here/p0.png", "x.npy"], r"x.npy is no picture.* one set of data at a time"),
        (["things.csv", "more.csv"], r"more.csv and things.csv are two tables"),
        (["here", "things.csv"], r"here is no picture"),
        (["nothing.csv"], r"There is no data set or path"),
        (["bad.csv"], r"bad.csv"),
        (["things.csv", "--to", "x.csv"], r"x.csv has the wrong ending for .* things.csv"),
        (
            ["things.csv", "--set", "data.label=kind", "--to", "x.npz"],
            r"x.npz has the wrong ending: things.csv holds a table",
        ),
        (["x.npy", "--to", "x.parquet"], r"wrong ending: x.npy holds rows, .* ends in .npz"),
        (["x.npy", "--to", "no/x.npz"], r"cannot be written .* a folder that exists"),
        (["x.npy", "--set", "training.lr=1"], r"training.lr is no setting of data"),
        (["x.npy", "--set", "data.nope=1"], r"no option nope"),
        (["things.csv", "--set", "data.columns.kind=flower"], r"columns.kind.*flower"),
    ],
)
def test_what_cannot_be_read_or_written_is_refused_in_one_line(
    files, words, table, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    make_pictures(tmp_path / "here")
    np.save(tmp_path / "x.npy", RNG.random((9, 2)))
    (tmp_path / "more.csv").write_bytes(table.read_bytes())
    (tmp_path / "bad.csv").write_bytes(b"")
    status, _, said = run_data_command(capsys, *files)
    assert status == 1 and len(said.splitlines()) == 1 and said.startswith("aecore: ")
    assert re.search(words, said), said
    assert not list(tmp_path.glob(".*.tmp"))


def test_an_error_that_nobody_foresaw_is_a_sentence_too(table, capsys, monkeypatch):
    def fail(*arguments):
        raise AttributeError("something\nodd")

    monkeypatch.setattr("aecore.cli.data_report.describe_data", fail)
    status, _, said = run_data_command(capsys, table)
    assert status == 1 and len(said.splitlines()) == 1
    assert "things.csv cannot be read (AttributeError: something odd)" in said


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("data.columns.age=number", {"age": "number"}),
        ("data.columns.a b=id", {"a b": "id"}),
        ('data.columns."a.b"=category', {"a.b": "category"}),
        ('data.columns."a=b"=number', {"a=b": "number"}),
        (r'data.columns."\"x\" \u00fc"=date', {'"x" ü': "date"}),
        ('data.columns.size={"kind": "number", "unit": "kg"}', {"size": "number"}),
    ],
)
def test_columns_that_are_set_reach_the_config_whatever_their_names(text, columns):
    config = make_data_config("x.csv", dict([parse_setting(text)]))
    assert {name: options.kind for name, options in config.columns.items()} == columns


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("bottleneck.beta=2", ("bottleneck.beta", 2)),
        ("network.hidden=[64,32]", ("network.hidden", [64, 32])),
        ("data.label=null", ("data.label", None)),
        ("data.label=a=b", ("data.label", "a=b")),
        ("data.label=" + "[" * 99_999, ("data.label", "[" * 99_999)),
    ],
)
def test_other_settings_are_read_as_json_where_they_can_be(text, setting):
    assert parse_setting(text) == setting


@pytest.mark.parametrize("text", ["x", "=1", 'data.columns."a=number', 'data.columns."a"number'])
def test_a_setting_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="--set takes"):
        parse_setting(text)


def test_a_known_set_is_told_like_a_file(tmp_path):
    report = read_file("digits")
    assert isinstance(report.content, RawData) and report.examples == 1797
    assert report.kind == "images" and len(report.classes) == 10


def test_cells_are_written_as_the_one_type_of_their_kind(tmp_path):
    from aecore.data.written_files import simplify_cells

    for values, kind in [
        (pa.array([1.5, None], pa.float32()), "double"),
        (pa.array([1, None], pa.int8()), "int64"),
        (pa.array(["a", None]).dictionary_encode(), "string"),
        (pa.array(["a"], pa.large_string()), "string"),
        (pa.array([True, None]), "bool"),
        (pa.array([[1.0]]), "list<item: double>"),
    ]:
        simple = simplify_cells(pa.chunked_array([values]))
        assert str(simple.type) == kind and simple.to_pylist() == values.to_pylist()
