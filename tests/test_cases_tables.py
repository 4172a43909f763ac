"""Tables as offices, shops and notebooks write them: told and given back by `aecore data`."""

from __future__ import annotations

import datetime
import gzip

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_sets import pack_zip
from reading import check_refusal, join_all_notes, read_and_write, read_file, run_data_command

N = 60
DRAW = np.random.default_rng(5)
A, B = DRAW.normal(size=(2, N)).round(3).tolist()
DAYS = [datetime.datetime(2024, 1, 1) + datetime.timedelta(days=3 * i) for i in range(N)]


def write_rows(path, names, *columns, mark=",", encoding="utf-8"):
    """Write columns as lines of text; without names there is no such line."""
    lines = [mark.join(map(str, row)) for row in zip(*columns, strict=True)]
    path.write_bytes("".join(f"{line}\n" for line in [*names, *lines]).encode(encoding))
    return path


def check_table(path, wanted, **settings):
    """Hold a table against {column: (its kinds, its cells)}; return all that is said of it."""
    report, written = read_and_write(path, **settings)
    assert report.kind == "table" and [c.name for c in report.columns] == written.column_names
    kinds = {column.name: column.kind for column in report.columns}
    missing = {column.name: column.missing for column in report.columns}
    assert list(wanted) == [name for name in kinds if name in wanted]
    for name, (allowed, cells) in wanted.items():
        assert kinds[name] in allowed.split(), (name, kinds[name])
        assert missing[name] == sum(cell is None for cell in cells), name
        got = written[name].to_pylist()
        assert [type(cell) for cell in got] == [type(cell) for cell in cells], name
        same = pytest.approx(cells) if isinstance(cells[0], float) else cells
        assert got == same, name
    others = [c for c in report.columns if c.name not in wanted]
    assert all(c.kind in ("id", "ignored") and c.note for c in others)
    return join_all_notes(report)


# -- of an office

CITIES = [["Köln", "Zürich", "Łódź"][i % 3] for i in range(N)]
PRICES = [1000.5 + 321.25 * i for i in range(N)]
MONTHS = [i % 7 + 1 for i in range(N)]


def format_german(value):
    """1234.5 as 1.234,50."""
    return f"{value:,.2f}".translate(str.maketrans(".,", ",."))


OFFICE = {
    "Tag": ("date", DAYS),
    "Ort": ("category", CITIES),
    "Preis": ("number", PRICES),
    "Anteil": ("number", [m + 0.5 for m in MONTHS]),
    "bezahlt": ("boolean category", [["ja", "nein"][i % 2] for i in range(N)]),
    "PLZ": ("category text id ignored", [f"0{1000 + 7 * i}" for i in range(N)]),
}
OFFICE_LINES = [
    "Umsatz 2024;;;;;",
    ";;;;;",
    "Tag;Ort;Preis;Anteil;bezahlt;PLZ",
    *(
        f"{day:%d.%m.%Y};{city};{format_german(price)} €;{format_german(share)}%;{paid};{code}"
        for day, city, price, share, paid, code in zip(
            *(cells for _, cells in OFFICE.values()), strict=True
        )
    ),
]


@pytest.mark.parametrize("name", ["office.csv", "office.txt", "office.csv.gz", "office.zip"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1250"])
def test_an_export_of_an_office_is_understood_as_it_is_meant(tmp_path, name, encoding):
    cities = [city.replace("Łódź", "Nürnberg") if encoding == "cp1250" else city for city in CITIES]
    text = "\r\n".join(OFFICE_LINES).replace("Łódź", "Nürnberg" if encoding == "cp1250" else "Łódź")
    content = text.encode(encoding)
    if name.endswith(".gz"):
        content = gzip.compress(content, mtime=0)
    if name.endswith(".zip"):
        content = pack_zip({"Umsatz/office.csv": content})
    (tmp_path / name).write_bytes(content)
    wanted = {**OFFICE, "Ort": ("category", cities)}
    wanted["bezahlt"] = ("boolean category", check_flags(tmp_path / name))
    said = check_table(tmp_path / name, wanted)
    assert "decimal comma" in said and "above" in said and "%" in said and "€" in said


def check_flags(path):
    """Ja and nein as the file's words, or as true and false where that is how they are read."""
    column = next(c for c in read_file(path).columns if c.name == "bezahlt")
    words = {"boolean": [True, False], "category": ["ja", "nein"]}[column.kind]
    return words * (N // 2)


def test_a_workbook_of_an_office_keeps_its_types(tmp_path):
    book = openpyxl.Workbook()
    notes = book.worksheets[0]
    notes.append(["About this file"])
    sheet = book.create_sheet("Staff")
    holed = [None if i % 8 == 5 else 20 + i % 40 for i in range(N)]
    columns = {
        "name": ("category", [["Ann", "Bob", "Cy"][i % 3] for i in range(N)]),
        "age": ("number count", holed),
        "since": ("date", DAYS),
        "paid": ("boolean", [i % 3 == 0 for i in range(N)]),
        "code": ("category text id ignored", [f"00{i:03d}" for i in range(N)]),
        "rate": ("number", A),
    }
    sheet.append(list(columns))
    for row in zip(*(cells for _, cells in columns.values()), strict=True):
        sheet.append(row)
    book.save(tmp_path / "staff.xlsx")
    assert "'Staff' is read" in check_table(tmp_path / "staff.xlsx", columns)


@pytest.mark.parametrize("mark", [";", "|"])
def test_the_line_that_names_the_separator_is_no_row(tmp_path, mark):
    path = write_rows(tmp_path / "s.csv", [f"sep={mark}", mark.join("ab")], A, B, mark=mark)
    check_table(path, {"a": ("number", A), "b": ("number", B)})


# -- of a shop

FIRST, HOUR = datetime.datetime(2023, 11, 14, 22, 13, 20), datetime.timedelta(hours=1)


def test_units_currencies_percents_and_clocks_are_numbers_of_their_unit(tmp_path):
    price = [990 + 3.25 * i for i in range(N)]
    mass, part = [40 + i % 21 for i in range(N)], [float(5 * i % 95) for i in range(N)]
    seen = [1_700_000_000 + 3600 * i for i in range(N)]
    names = ["price,mass,part,created,member"]
    cells = [[f'"${v:,.2f}"' for v in price], [f"{v} kg" for v in mass], [f"{v}%" for v in part]]
    member = [["Y", "N"][i % 5 > 1] for i in range(N)]
    path = write_rows(tmp_path / "shop.csv", names, *cells, seen, member)
    read = {column.name: column.kind for column in read_file(path).columns}
    flags = [one == "Y" for one in member] if read["member"] == "boolean" else member
    said = check_table(
        path,
        {
            "price": ("number", price),
            "mass": ("number count", mass),
            "part": ("number", part),
            "created": (
                "date",
                [datetime.datetime(2023, 11, 14, 22, 13, 20) + i * HOUR for i in range(N)],
            ),
            "member": ("boolean category", flags),
        },
    )
    assert all(unit in said for unit in ("$", "kg", "%", "1970"))


def test_thousands_stand_beside_plain_numbers_and_shifted_commas_shift_nothing(tmp_path):
    size = [950 + 11 * i for i in range(N)]
    quoted = [f'"{v:,}"' if v > 999 else v for v in size]
    path = write_rows(tmp_path / "p.csv", ["n,size,x"], range(9, 9 + N), quoted, A, [""] * N)
    check_table(path, {"size": ("number count", size), "x": ("number", A)})


def test_keys_and_constants_are_left_out_and_stay_in_the_file(tmp_path):
    columns = {
        "id": ("id", [str(i + 1) for i in range(N)]),
        "name": ("id text", [f"customer {i}" for i in range(N)]),
        "zip": ("category text id", [f"0{2000 + 13 * i}" for i in range(N)]),
        "country": ("ignored", ["DE"] * N),
        "visits": ("number count", [None if i % 7 == 2 else i % 9 for i in range(N)]),
        "x": ("number", A),
    }
    cells = [["" if cell is None else cell for cell in cells] for _, cells in columns.values()]
    said = check_table(write_rows(tmp_path / "c.csv", [",".join(columns)], *cells), columns)
    assert "'DE' in every row" in said or "One word only, 'DE'" in said


# -- of a notebook


@pytest.mark.parametrize("how", ["in order", "shuffled", "filtered", "twice", "words", "parquet"])
def test_the_index_that_pandas_writes_is_never_an_input(tmp_path, how):
    frame = pd.DataFrame({"a": A, "b": B})
    if how != "in order":
        frame = frame.sample(frac=1, random_state=1)
    if how == "filtered":
        frame = frame[frame["a"] > -0.5]
    if how == "words":
        frame.index = pd.Index([f"sample {i}" for i in range(N)])
    path = tmp_path / ("t.parquet" if how == "parquet" else "t.csv")
    frame.to_parquet(path) if how == "parquet" else frame.to_csv(path)
    if how == "twice":
        pd.read_csv(path).to_csv(path)
    check_table(path, {c: ("number", frame[c].tolist()) for c in "ab"})
    assert read_file(path).shape == (2,)


def test_types_of_pandas_come_back_from_parquet(tmp_path):
    n = [None if i % 9 == 1 else i % 5 for i in range(N)]
    yes = [None if i % 9 == 2 else i % 2 == 0 for i in range(N)]
    size = [None if i % 9 == 3 else "SML"[i % 3] for i in range(N)]
    frame = pd.DataFrame({"n": pd.array(n, "Int64"), "yes": pd.array(yes, "boolean")})
    frame["size"] = pd.Categorical(size, ["S", "M", "L"], ordered=True)
    frame["when"], frame["x"] = DAYS, A
    frame["blob"] = [bytes([i, 255]) for i in range(N)]
    frame.to_parquet(tmp_path / "t.parquet")
    columns = {"n": ("number count", n), "yes": ("boolean", yes), "size": ("ordered", size)}
    columns |= {"when": ("date", DAYS), "x": ("number", A)}
    assert "blob: Holds bytes" in check_table(tmp_path / "t.parquet", columns)


def test_vectors_in_cells_are_columns_of_numbers(tmp_path):
    vectors = DRAW.normal(size=(N, 4)).astype(np.float32)
    label = [["cat", "dog"][i % 2] for i in range(N)]
    pq.write_table(pa.table({"vector": list(vectors), "label": label}), tmp_path / "e.parquet")
    report = read_file(tmp_path / "e.parquet")
    assert report.shape == (4,) and report.target == "label" and report.classes == ("cat", "dog")


# -- names, classes and missing cells


def test_a_file_without_names_keeps_all_its_rows_and_says_so(tmp_path):
    kind = [["setosa", "virginica"][i % 2] for i in range(N)]
    path = write_rows(tmp_path / "old.data", [], A, B, kind)
    columns = {"column 1": ("number", A), "column 2": ("number", B)}
    said = check_table(path, {**columns, "column 3": ("category target", kind)})
    assert "no line of names" in said
    report = read_file(path, columns={"column 3": "target"})
    assert report.target == "column 3" and report.classes == ("setosa", "virginica")


def test_twin_names_and_blanks_around_names_are_mended_with_a_note(tmp_path):
    path = write_rows(tmp_path / "t.csv", [" a , b,a"], A, B, A[::-1])
    columns = {"a": ("number", A), "b": ("number", B), "a (2)": ("number", A[::-1])}
    assert "'a (2)'" in check_table(path, columns)


def test_words_that_look_missing_are_words_among_words(tmp_path):
    region = [["EU", "NA", "None"][i % 3] for i in range(N)]
    holed = ["" if i == 7 else one for i, one in enumerate(region)]
    path = write_rows(tmp_path / "r.csv", ["region,x,class"], holed, A, region)
    columns = {
        "region": ("category", [one or None for one in holed]),
        "x": ("number", A),
        "class": ("target", region),
    }
    assert "'NA'" in check_table(path, columns)
    assert read_file(path).classes == ("EU", "NA", "None")


def test_marks_for_missing_and_infinite_cells_are_counted_by_column(tmp_path):
    marks = ["?", "-", ".", "N/A", "NULL", "#DIV/0!", "inf", "missing", ""]
    cells = [marks[i // 6] if i % 6 == 0 and i // 6 < len(marks) else v for i, v in enumerate(A)]
    known = [None if i % 6 == 0 and i // 6 < len(marks) else v for i, v in enumerate(A)]
    path = write_rows(tmp_path / "m.csv", ["a,b"], cells, B)
    said = check_table(path, {"a": ("number", known), "b": ("number", B)})
    assert "a: " in said and "missing" in said and "inf" in said and "b: " not in said


@pytest.mark.parametrize(
    ("names", "y", "target", "classes"),
    [
        (["x,y,label"], B, "label", ("in", "out")),
        (["u,v,y"], B, None, ()),
    ],
)
def test_points_and_a_number_to_be_predicted_are_no_classes(tmp_path, names, y, target, classes):
    last = ["in" if a * a + b * b < 1 else "out" for a, b in zip(A, B, strict=True)]
    last = last if target else [round(a - b, 3) for a, b in zip(A, B, strict=True)]
    report = read_file(write_rows(tmp_path / "p.csv", names, A, y, last))
    assert report.classes == classes and report.target in ((target,) if target else (None, "y"))


def test_a_table_of_pixels_is_told_in_few_notes_and_read_as_pictures_where_that_is_set(tmp_path):
    x = DRAW.integers(0, 256, (30, 400))
    x[:, :50] = 0  # the margin
    label = [i % 10 for i in range(30)]
    names = ",".join(["label", *(f"pixel{i}" for i in range(400))])
    path = write_rows(tmp_path / "train.csv", [names], label, *x.T)
    report = read_file(path)
    assert report.target == "label" and report.shape == (400,) and len(report.classes) == 10
    assert len(report.notes) < 6 and sum(bool(c.note) for c in report.columns) < 100
    pictures, written = read_and_write(path, pixels="pictures")
    assert pictures.kind == "images" and (written["x"].reshape(30, 400) == x).all()
    assert written["y"].tolist() == [str(one) for one in label]


# -- choices and refusals


def test_each_guess_can_be_changed_on_the_command_line(tmp_path, capsys):
    path = write_rows(tmp_path / "t.csv", ["grade,a.b,x"], [i % 4 for i in range(N)], A, B)
    words = ["data.columns.grade=category", 'data.columns."a.b"=ignored', "data.columns.x=target"]
    settings = [part for word in words for part in ("--set", word)]
    status, told, _ = run_data_command(capsys, path, *settings)
    assert status == 0 and [c["kind"] for c in told["columns"]] == ["category", "ignored", "target"]
    assert told["shape"] == [4] and told["target"] == "x"


REFUSED = {
    "a word in numbers": ("t.csv", "size,x\nbig,1\nsmall,2\n", ["columns.size=number"], "'size'"),
    "a column that is not there": ("t.csv", "a,b\n1.5,2\n2.5,4\n", ["label=c"], "'c'.*a, b"),
    "a key, strictly": ("t.csv", "id,x\n1,.5\n2,.7\n3,.9\n", ["unusable=refuse"], "'id'"),
    "a hole, strictly": ("t.csv", "a,x\n1.5,.5\n,.7\n3.5,.9\n", ["missing=refuse"], r"'a' \(1\)"),
    "nothing": ("t.csv", "", [], "is empty"),
    "names alone": ("t.csv", "a,b\n", [], "t.csv"),
    "decimal commas parted by commas": ("t.csv", "a,b\n1,5,2,5\n3,5,4,5\n", [], "decimal comma"),
    "a page of the web": ("t.csv", "<html><body>no</body></html>", [], "web page"),
    "a document": ("t.csv", "%PDF-1.4\n", [], "PDF"),
    "an old workbook": ("t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), [], r"\.xlsx"),
    "two tables": ("t.zip", pack_zip({"a.csv": "a\n1\n", "b.csv": "a\n1\n"}), [], "a.csv, b.csv"),
    "a torn archive": (
        "t.csv.gz",
        gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9],
        [],
        "cannot be read",
    ),
    "a torn Parquet": ("t.parquet", b"PAR1" + bytes(40) + b"PAR1", [], "not a readable"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_names_file_column_and_cure(name, tmp_path, capsys):
    file, content, settings, words = REFUSED[name]
    path = tmp_path / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    check_refusal(capsys, words, path, *(p for s in settings for p in ("--set", f"data.{s}")))
