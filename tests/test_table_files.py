"""Tables of text as people have them: from a file to raw cells."""

from __future__ import annotations

import gzip

import pandas as pd
import pyarrow as pa
import pytest
from table_samples import PLAIN, get_refusal, list_cells, list_rows, open_text_table, write_file

from aecore.data.tables import text as table_text

NO_NAMES = "no line of names"


# -- encodings

CITIES = "Straße;Größe;Ort\nHauptstraße;3;München\nÄußere Gasse;4;Köln\nWaldweg;5;Ulm\n"

RUSSIAN = (
    "\u0433\u043e\u0440\u043e\u0434;\u0447\u0438\u0441\u043b\u043e\n"
    "\u041c\u043e\u0441\u043a\u0432\u0430;1\n"
)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("note;n\nwet\u2014dry;1\neven;2\n", "cp1252"),
        (CITIES, "cp1252"),
        (CITIES, "cp850"),
        (CITIES, "mac_roman"),
        ("marée;débit\n0.1;0.2\n", "cp850"),
        ("año;país\n1;España\n", "cp437"),
        ("temp °C;µm\n12;3\n", "cp1252"),
        ("price;n\n12 €;3\n", "cp1252"),
        ("miasto;n\nŁódź;1\nKraków;2\nGdańsk;3\nŚwiętochłowice;4\n", "cp1250"),
        ("miasto;n\nŁódź;1\nKraków;2\nGdańsk;3\nŚwiętochłowice;4\n", "cp852"),
        ("şehir;n\nİstanbul;1\nDiyarbak\u0131r;2\nMuğla;3\n", "cp1254"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        ("名前;年齢\n田中;3\n東京都;4\nカタカナ;5\n", "cp932"),
        ("姓名;城市\n张三;上海\n李四;广州\n王五;北京市\n", "gb18030"),
        (CITIES, "utf-16"),
        (CITIES, "utf-16-be"),
        (CITIES, "utf-32"),
    ],
)
def test_text_of_any_encoding_is_read_with_a_note(tmp_path, text, encoding):
    table = open_text_table(tmp_path, text.encode(encoding))
    assert list_rows(table) == list_cells(text, ";")
    assert "encoding" in table.notes[0] and "UTF-8" in table.notes[0]


def test_utf8_needs_no_note_with_or_without_a_byte_order_mark(tmp_path):
    for encoding in ("utf-8", "utf-8-sig"):
        table = open_text_table(tmp_path, CITIES.encode(encoding))
        assert list_rows(table) == list_cells(CITIES, ";") and table.notes == ()


def test_the_encoding_is_found_by_the_whole_file(tmp_path):
    text = "a;b\n" + "1;plain\n" * 200_000 + "2;Köln\n"
    table = open_text_table(tmp_path, text.encode("cp1252"))
    assert table.frame["b"].iloc[-1] == "Köln" and "cp1252" in table.notes[0]


def test_a_few_broken_letters_of_utf8_are_marked_rather_than_all_misread(tmp_path):
    table = open_text_table(tmp_path, ("a,b\n" + "é,ü\n" * 50).encode() + b"\xff,x\n")
    assert table.frame["a"].iloc[0] == "é" and table.frame["a"].iloc[-1] == "\ufffd"
    assert "broken letters" in table.notes[0]


# -- separators and decimals


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
def test_cells_are_parted_by_what_parts_most_lines_alike(tmp_path, separator):
    table = open_text_table(tmp_path, PLAIN.replace(",", separator))
    assert list_rows(table) == list_cells(PLAIN) and table.decimal == "."
    assert all(dtype == pd.ArrowDtype(pa.string()) for dtype in table.frame.dtypes)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("sep=;\na;b\n1,5;2\n", [["a", "b"], ["1,5", "2"]]),
        ('"sep=|"\na|b\n1;5|2\n', [["a", "b"], ["1;5", "2"]]),
        ("name;note\nA;Paris, France\nB;Rome, Italy\n", [["name", "note"], ["A", "Paris, France"]]),
        ("id,tags\n1,x;y\n2,z;w\n3,u;v\n", [["id", "tags"], ["1", "x;y"]]),
        ("city\nNew York\nSan Diego\nLos Angeles\n", [["city"], ["New York"]]),
        ("when\n2024-01-01 10:00\n2024-01-02 10:00\n", [["when"], ["2024-01-01 10:00"]]),
        ("text\nHello, world\nfoo\nbar, baz, qux\n", [["text"], ["Hello, world"]]),
        ("x\n1,5\n2,5\n3,5\n", [["x"], ["1,5"]]),
        ("a b  c\n1  2   3\n 4 5 6\n", [["a", "b", "c"], ["1", "2", "3"]]),
        ("a,b,c\n" + "1,2,3\n4,5\n" * 9, [["a", "b", "c"], ["1", "2", "3"], ["4", "5", ""]]),
        ("# x y\n1.5 2\n3.5 4\n", [["x", "y"], ["1.5", "2"]]),
        ('a, b\n1, "x, y"\n2, "z"\n', [["a", "b"], ["1", "x, y"]]),
        ('"a\nm/s",b\n1,"2\n3"\n3,4\n', [["a m/s", "b"], ["1", "2\n3"]]),
        ('a,b\n"say \\"hi\\", ok",1\n"x",2\n', [["a", "b"], ['say "hi", ok', "1"]]),
        ("1.5\t2\t3\n4\t\t5\t6\n" + "7\t8\t9\n" * 9, [["column 1", "column 2", "column 3"]]),
        ('size,n\n5" pipe,3\n6" pipe,4\n', [["size", "n"], ['5" pipe', "3"]]),
        ("a,b\r1,2\r3,4\r", [["a", "b"], ["1", "2"]]),
        (" a , b,class \n 1 , 2,x \n", [["a", "b", "class"], ["1", "2", "x"]]),
    ],
)
def test_lines_are_parted_as_they_are_meant(tmp_path, text, rows):
    assert list_rows(open_text_table(tmp_path, text))[: len(rows)] == rows


@pytest.mark.parametrize(
    ("text", "decimal"),
    [
        ("a;b\n1.299,99;12,5\n1;2\n", ","),
        ("a;b\n1,234;3\n5,678;4\n", ","),
        ("a\tb\n1,234\t3\n5,678\t4\n", "."),
        ('a,b\n"1,234",3\n999,4\n', "."),
        ('a,b\n"1,5",3\n"2,25",4\n', ","),
        ("a;b\n1 234,50;x\n2 500,25;y\n", ","),
        ("a;b\n12,50 €;x\n0,75 €;y\n", ","),
        ("a;b\n1.5;2,5\n3.5;1\n4.5;1\n", "."),
        ("a;b\n" + "1.234;x\n" * 3000 + "0,5;x\n", ","),
        ("a;b\n0.125;x\n1.234;y\n", "."),
    ],
)
def test_the_decimal_mark_is_that_of_the_whole_file(tmp_path, text, decimal):
    table = open_text_table(tmp_path, text)
    assert table.decimal == decimal
    assert any("decimal comma" in note for note in table.notes) == (decimal == ",")


def test_thousands_that_may_be_decimals_are_said(tmp_path):
    table = open_text_table(tmp_path, "a;b\n1.234;x\n12.345;y\n")
    assert table.decimal == "." and "'1.234' may be thousands" in table.notes[0]


def test_a_cell_may_be_long(tmp_path):
    table = open_text_table(tmp_path, f'a,b\n"{"x," * 200_000}",1\ny,2\n')
    assert len(table.frame["a"].iloc[0]) == 400_000


# -- names


@pytest.mark.parametrize(
    ("text", "names", "count"),
    [
        ("Sales 2024\n\na,b,c\n1,2,3\n4,5,6\n", ["a", "b", "c"], 2),
        ("Umsatz;;\n;;\nTag;Menge;x\n1.2.24;3;4\n2.2.24;4;5\n", ["Tag", "Menge", "x"], 2),
        ("By X, on Monday\nUser: me\n\nx,y\n1.5,2\n3.5,4\n", ["x", "y"], 2),
        ("# by tool, v1\n# units: m\nx,y\n1.5,2\n3.5,4\n", ["x", "y"], 2),
        ("Report\n\nname,city,job\nAnn,Rome,x\nBob,Oslo,y\n", ["name", "city", "job"], 2),
        ("#id\tname\n1\tann\n2\tbob\n", ["id", "name"], 2),
        ("a,b,a,a\n1,2,3,4\n5,6,7,8\n", ["a", "b", "a (2)", "a (3)"], 2),
        (",a\n0,1.5\n1,2.5\n", ["Unnamed: 0", "a"], 2),
        (",Unnamed: 0,a\n0,3,.5\n1,2,.6\n", ["Unnamed: 0.1", "Unnamed: 0", "a"], 2),
        ('"x" "g"\n"1" 1.5 "u v"\n"2" 2.5 "w"\n', ["Unnamed: 0", "x", "g"], 2),
        ("0,1\n5.5,2\n3,4\n", ["0", "1"], 2),
        (",0,1,2\n0,.5,.6,.7\n1,.4,.3,.2\n", ["Unnamed: 0", "0", "1", "2"], 2),
        ("label,400,402.5\nx,.1,.2\ny,.3,.1\n", ["label", "400", "402.5"], 2),
        ("name,city\nAnn,Rome\nBob,Oslo\nCat,Rome\n", ["name", "city"], 3),
        ("a\x00b,\u202ec\n1,2\n3,4\n", ["a\ufffdb", "c"], 2),
    ],
)
def test_names_are_found_where_they_stand(tmp_path, text, names, count):
    table = open_text_table(tmp_path, text)
    assert list(table.frame.columns) == names and len(table.frame) == count
    assert not any(NO_NAMES in note for note in table.notes)


def test_what_is_left_out_above_the_names_is_said(tmp_path):
    assert "1 line above" in open_text_table(tmp_path, "Sales 2024\n\na,b\n1,2\n").notes[0]
    assert "'a (2)'" in open_text_table(tmp_path, "a,a\n1,2\n").notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "5.1,3.5,Iris-a\n4.9,3.0,Iris-a\n7.0,3.2,Iris-b\n6.4,3.2,Iris-b\n",
        "39, Private, m\n50, ?, f\n38, Private, m\n53, Public, f\n",
        "?,a,5\n3,b,6\n4,a,7\n5,b,8\n",
        "4,7,1,9,2\n1,7,3,3,5\n9,0,4,4,1\n2,3,1,1,7\n",
        "1,2\n1,3\n2,3\n3,4\n",
        "p,x,s\ne,x,s\ne,b,s\np,x,y\n",
        "2024-01-01,5\n2024-01-02,6\n2024-01-03,7\n",
        "1.5\n2.5\n3.5\n",
        '18.0   8   ?  12.0\t"a b"\n15.0   8   350.0  11.5\t"c"\n14.5 6 30. 11.\t"d"\n',
    ],
)
def test_a_file_without_names_keeps_its_first_line(tmp_path, text):
    table = open_text_table(tmp_path, text)
    assert len(table.frame) == len(text.splitlines()) and NO_NAMES in table.notes[0]
    assert table.frame.columns[0] == "column 1"


# -- rows


def test_trailing_separators_never_shift_columns(tmp_path):
    for text in ("id,a,b,\n5,1.5,2,\n6,3.5,4,\n", "id,a,b\n5,1.5,2,\n6,3.5,4,\n"):
        table = open_text_table(tmp_path, text)
        assert list_rows(table) == [["id", "a", "b"], ["5", "1.5", "2"], ["6", "3.5", "4"]]
        assert "without a name and without a value" in table.notes[0]


@pytest.mark.parametrize(
    ("end", "last", "words"),
    [
        ("4,5\n", ["4", "5", ""], "1 row of table.csv holds fewer values"),
        ("4,5,6,,\n", ["4", "5", "6"], "1 row with separators after the last"),
        ("4,5,6,7\n", ["1", "2", "3"], "1 row of table.csv holds more values"),
        ("\nSource: the office\n", ["1", "2", "3"], "1 line below the table"),
        ("# done, at last\n", ["1", "2", "3"], "1 line of comment"),
        (",,\n,,\n", ["1", "2", "3"], "2 empty rows"),
        ("\n\n4,5,6\n", ["4", "5", "6"], ""),
    ],
)
def test_uneven_rows_are_counted_and_their_cells_stay_in_place(tmp_path, end, last, words):
    table = open_text_table(tmp_path, "a,b,c\n" + "1,2,3\n" * 30 + end)
    assert list_rows(table)[-1] == last
    assert words in " ".join(table.notes) and len(table.notes) == bool(words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("a,b\n1,2\n3,4,5\n", "more values than it has columns, the first in line 3"),
        ("a,b\n1,2,3\n3,4,5\n", "hold 3 values, but its line of names has 2"),
        ("a,b\n1,5,2,5\n3,5,4,5\n", "decimal commas"),
        ('a,b\n1,"2\n3,4\n', "quotation mark in line 2 of table.csv is never closed"),
        (b"\x00\x01\x02\x03\n\x00", "no text"),
        ("<html><table><tr><td>1</td></tr></table></html>", "web page"),
        ('[{"a": 1}]', "JSON"),
        ("% iris\n@RELATION iris\n\n@ATTRIBUTE a NUMERIC\n@DATA\n5.1\n", "ARFF"),
        (b"%PDF-1.4", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), ".xlsx"),
        (b"\x93NUMPY\x01\x00", ".npy"),
        (gzip.compress(PLAIN.encode(), mtime=0)[:-9], "cannot be read"),
        (b"PK\x03\x04" + bytes(100), "cannot be read"),
        (b"PAR1" + bytes(200) + b"PAR1", "not a readable .parquet"),
    ],
)
def test_what_is_no_table_is_refused_with_a_cure(tmp_path, content, words):
    assert words in get_refusal(write_file(tmp_path, content))


def test_rows_are_read_alike_on_both_ways(tmp_path, monkeypatch):
    text = 'a,b\n1, x \n"2\n3","y ""z"""\n,é\n5,\n'
    quick = open_text_table(tmp_path, text)
    monkeypatch.setattr(table_text, "_read_regular_rows", lambda *_: None)
    assert list_rows(open_text_table(tmp_path, text)) == list_rows(quick)
    assert list_rows(quick)[1:] == [["1", "x"], ["2\n3", 'y "z"'], ["", "é"], ["5", ""]]
