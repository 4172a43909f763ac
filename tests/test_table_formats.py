"""Tables in packed files, workbooks and Parquet: from a file to raw cells."""

from __future__ import annotations

import base64
import bz2
import datetime
import gzip
import io
import zipfile
import zlib
from decimal import Decimal

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from table_samples import (
    PLAIN,
    get_refusal,
    list_cells,
    list_rows,
    make_workbook,
    open_text_table,
    pack,
    write_file,
)

from aecore.data import memory
from aecore.data.tables import workbooks
from aecore.data.tables.files import is_table_file, open_table

# -- packed files


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("UPPER.CSV", PLAIN.encode()),
        ("table.tsv", PLAIN.encode()),
        ("table.txt", PLAIN.encode()),
        ("table.all-data", PLAIN.encode()),
        ("table", PLAIN.encode()),
        ("tabs.xls", PLAIN.replace(",", "\t").encode()),
        ("table.csv.gz", gzip.compress(PLAIN.encode(), mtime=0)),
        ("packed.csv", gzip.compress(PLAIN.encode(), mtime=0)),
        ("table.bz2", bz2.compress(PLAIN.encode())),
        ("table.zip", pack({"train.csv": PLAIN})),
        ("table.zip", pack({"in/train.csv": PLAIN, "__MACOSX/._train.csv": "", "README.txt": "x"})),
        ("table.zip", pack({"train.csv.gz": gzip.compress(PLAIN.encode(), mtime=0)})),
    ],
)
def test_a_table_is_known_by_what_it_holds(tmp_path, name, content):
    path = write_file(tmp_path, content, name)
    assert is_table_file(path) and list_rows(open_table(path)) == list_cells(PLAIN)


def test_an_archive_of_several_tables_or_of_more_is_no_table(tmp_path):
    two = write_file(tmp_path, pack({"train.csv": PLAIN, "test.csv": PLAIN}), "two.zip")
    assert is_table_file(two) and "train.csv, test.csv" in get_refusal(two)
    for member in ("a/1.png", "x.npy"):
        assert not is_table_file(
            write_file(tmp_path, pack({"l.csv": PLAIN, member: b"x"}), "p.zip")
        )
    assert not is_table_file(write_file(tmp_path, b"\x93NUMPY", "x.npy"))
    assert not is_table_file(
        write_file(tmp_path, gzip.compress(b"\0\0\x08\x03", mtime=0), "idx3-ubyte.gz")
    )
    assert not is_table_file(tmp_path) and not is_table_file(tmp_path / "none.csv")


def test_what_grows_when_it_is_unpacked_is_refused_before_it_fills_the_memory(
    tmp_path, monkeypatch
):
    text = "a,b\n" + "1,2\n" * 500_000
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 1_000_000)
    monkeypatch.setattr("aecore.data.tables.bounds.allowed_data_bytes", lambda: 1_000_000)
    sheet = make_workbook([["a"], *([i] for i in range(30_000))])
    for name, content in (
        ("bomb.csv.gz", gzip.compress(text.encode(), mtime=0)),
        ("bomb.zip", pack({"a.csv": text})),
        ("bomb.zip", pack({"a.csv.gz": gzip.compress(text.encode(), mtime=0)})),
        ("bomb.xlsx", sheet),
        ("bomb.gz", gzip.compress(sheet + bytes(2_000_000), mtime=0)),
    ):
        assert "more than the limit" in get_refusal(write_file(tmp_path, content, name))


# -- workbooks

DAY = datetime.datetime(2024, 1, 2)
STAFF = [
    ["name", "age", "share", "since", "paid", "code"],
    ["Ann ", 31, 0.125, DAY, True, 7],
    ["Bob", 47, 0.5, DAY, False, "x"],
    [None, None, None, None, None, None],
    ["Cat", None, 1, None, None, 2.5],
]


def test_cells_of_a_workbook_keep_their_types(tmp_path):
    frame = open_text_table(tmp_path, make_workbook(STAFF), "staff.xlsx").frame
    types = ["string", "int64", "double", "timestamp[us]", "bool", "string"]
    assert [str(dtype.pyarrow_dtype) for dtype in frame.dtypes] == types
    columns = pa.Table.from_pandas(frame).to_pydict()
    assert columns["name"] == ["Ann", "Bob", "Cat"] and columns["age"] == [31, 47, None]
    assert columns["since"] == [DAY, DAY, None] and columns["paid"] == [True, False, None]
    assert columns["share"] == [0.125, 0.5, 1] and columns["code"] == ["7", "x", "2.5"]


def test_the_first_sheet_with_a_table_is_read_and_the_others_are_named(tmp_path):
    sheets = make_workbook([], [["About this file"]], STAFF, [["a", "b"], [1, 2]])
    table = open_text_table(tmp_path, sheets, "staff.xlsx")
    assert list(table.frame.columns) == STAFF[0]
    assert table.notes == ("Of staff.xlsx the sheet 'Sheet2' is read; 'Sheet1', 'Sheet3' are not.",)


def test_titles_and_empty_columns_around_a_sheet_are_left_out(tmp_path):
    rows = [["", "Report 2024"], [], ["", "a", "b"], ["", 1, 2.5], ["", 3, 4.5]]
    table = open_text_table(tmp_path, make_workbook(rows), "book.xlsx")
    assert list_rows(table) == [["a", "b"], [1, 2.5], [3, 4.5]]
    assert "'Report 2024'" in table.notes[0] and "without a name" in table.notes[1]


def test_merged_cells_percents_and_numbers_written_as_text_are_understood(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (["site", "x", "share"], ["north", 1.5, 0.1], [None, "2,5", 0.2], ["south", 3, 0.3]):
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    for place in ("C2", "C3", "C4"):
        sheet[place].number_format = "0.0%"
    book.save(tmp_path / "book.xlsx")
    table = open_table(tmp_path / "book.xlsx")
    assert table.frame["site"].tolist() == ["north", "north", "south"]
    assert table.frame["x"].tolist() == ["1,5", "2,5", "3"] and table.decimal == ","
    assert table.frame["share"].tolist() == [0.1, 0.2, 0.3]
    assert any("'share' in percent" in note for note in table.notes)


def test_formulas_without_values_are_said(tmp_path):
    rows = [["a", "b"], [1, "=A2*2"], [2, "=A3*2"]]
    assert "formulas" in open_text_table(tmp_path, make_workbook(rows), "b.xlsx").notes[0]


def change_part(book: bytes, name: str, old: str, new: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        parts = {part: archive.read(part).decode() for part in archive.namelist()}
    assert old in parts[name]
    return pack({**parts, name: parts[name].replace(old, new, 1)})


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("part", "old", "new", "words"),
    [
        (SHEET, "<worksheet", '<!DOCTYPE x [<!ENTITY a "b">]><worksheet', "declares entities"),
        (SHEET, '<row r="1"', '<row r="99999999"', "beyond 5,000"),
        (SHEET, "<sheetData>", "<sheetData", "not a readable workbook"),
        (SHEET, 'r="A1"', 'r="ZZZZ1"', "not a readable workbook"),
        ("xl/workbook.xml", "<sheets>", "<sheets/><x>", "not a readable workbook"),
    ],
)
def test_a_hostile_or_torn_workbook_is_refused(tmp_path, monkeypatch, part, old, new, words):
    monkeypatch.setattr(workbooks, "MAX_ROWS", 5000)
    book = change_part(make_workbook([["a", "b"], [1, 2]]), part, old, new)
    assert words in get_refusal(write_file(tmp_path, book, "book.xlsx"))


@pytest.mark.parametrize(("limit", "words"), [("CELLS", "more cells"), ("COLUMNS", "columns")])
def test_a_workbook_has_no_more_cells_than_may_be(tmp_path, monkeypatch, limit, words):
    monkeypatch.setenv(f"AECORE_MAX_{limit}", "10")
    monkeypatch.setattr("aecore.data.tables.workbook_bounds.SPARE_TAGS", 500)
    book = make_workbook([[f"c{i}" for i in range(20)], *[list(range(20))] * 50])
    assert words in get_refusal(write_file(tmp_path, book, "book.xlsx"))


def test_an_empty_workbook_is_refused(tmp_path):
    assert "no cells" in get_refusal(write_file(tmp_path, make_workbook([]), "book.xlsx"))


# -- Parquet

TYPED = {
    "float16": pa.array([1.5, None], pa.float16()),
    "decimal": pa.array([Decimal("1.50"), None], pa.decimal128(8, 2)),
    "wide": pa.array([Decimal("1.50"), None], pa.decimal256(50, 2)),
    "date": pa.array([DAY.date(), None], pa.date32()),
    "time": pa.array([datetime.time(1, 2), None], pa.time64("us")),
    "zoned": pa.array([DAY, None], pa.timestamp("us", "UTC")),
    "duration": pa.array([datetime.timedelta(1), None], pa.duration("s")),
    "words": pa.array(["a", None]).dictionary_encode(),
    "large": pa.array(["a", None], pa.large_string()),
    "view": pa.array(["a", None], pa.string_view()),
    "binary": pa.array([b"\xff", None], pa.binary()),
    "fixed": pa.array([b"ab", None], pa.binary(2)),
    "list": pa.array([[1.0], None]),
    "fixed list": pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
    "struct": pa.array([{"a": 1}, None]),
    "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
    "null": pa.nulls(2),
    "bool": pa.array([True, None]),
    "uint64": pa.array([2**64 - 1, None], pa.uint64()),
}


def test_every_type_of_parquet_comes_into_the_frame(tmp_path):
    pq.write_table(pa.table(TYPED), tmp_path / "typed.parquet")
    frame = open_table(tmp_path / "typed.parquet").frame
    assert list(frame.columns) == list(TYPED) and len(frame) == 2
    assert all(isinstance(dtype, pd.ArrowDtype) for dtype in frame.dtypes)
    for name in ("words", "large", "view"):
        assert frame[name].dtype == pd.ArrowDtype(pa.string()) and frame[name].iloc[0] == "a"
    assert frame.isna().iloc[1].all() and frame.head().to_string()


def test_names_of_a_parquet_are_made_unique_by_whatever_name_the_file_goes(tmp_path):
    table = pa.table([[1, 2], [3, 4], [5, 6]], names=["a", " a ", ""])
    pq.write_table(table, tmp_path / "table.csv")
    found = open_table(tmp_path / "table.csv")
    assert list(found.frame.columns) == ["a", "a (2)", "Unnamed: 2"] and len(found.notes) == 1


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array([2**31 - 1], pa.int32()).cast(pa.date32()), "beyond the years 1 to 9999 in 'a'"),
        (pa.array([2**62]).cast(pa.timestamp("ms")), "beyond the years 1 to 9999 in 'a'"),
        (pa.array([b"\xff"]).cast(pa.string(), safe=False), "not a readable .parquet file"),
    ],
)
def test_cells_of_parquet_that_cannot_be_shown_are_refused(tmp_path, column, words):
    pq.write_table(pa.table({"a": column}), tmp_path / "table.parquet", store_schema=False)
    assert words in get_refusal(tmp_path / "table.parquet")


SPOILED_FOOTER = (  # of a column of lists: its chunk cannot be, and asking for it ends the process
    "c-l3O&kBM-5XQ%C*~0sX3w!XQRHS5}bO@qL5O`R61CfOS|D{&%)YJ6{jYR|B%)s|!_(mVjF#;}exk65hK%oGDkvL4KP"
    "sTRZdyiaZ3Amy!E~d(nLCRc<CW>rFK*C*KUi*Ozw0-7IO=&7q58!aAqzXWxEqwuUYvo_?4<Heac62a1DT)AeV7CZ3$R"
    "qnDA(IC)N5kA}^X_&xLs+zJn0H<C^d6?`uTAZ3(r6vUQjPInBu$@v0OwsLyZ"
)


def test_a_spoiled_footer_of_parquet_is_refused_and_does_not_end_the_process(tmp_path):
    content = zlib.decompress(base64.b85decode(SPOILED_FOOTER))
    message = get_refusal(write_file(tmp_path, content, "table.parquet"))
    assert "not a readable .parquet file" in message
