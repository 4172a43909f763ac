"""Files of few bytes and much content: refused by what they promise, before it is made."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from data_sets import read_set
from helpers import visit_apart
from PIL import Image

from aecore.data import memory
from aecore.data.images.decoding import read_image_size
from aecore.data.parquet_bounds import check_parquet_size
from aecore.data.tables.reading import read_columns
from aecore.errors import DataError
from aecore.model.config import DataConfig
from aecore.runs.uploads import create_upload, guess_settings
from bench.reliability.odd_tables import HEADERS, encode_npy_header

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def public(monkeypatch):
    """A Space of strangers."""
    monkeypatch.setenv("AECORE_PUBLIC", "1")


def encode(width, height):
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def make_zip(path, count, width=8, height=8):
    picture = encode(width, height)
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(count):
            archive.writestr(f"{i}.png", picture)
    return path


def test_a_set_may_take_its_share_of_the_memory_for_all_visitors(public):
    assert memory.allowed_data_bytes() == 250_000_000
    assert memory.COPIES * memory.allowed_data_bytes() <= 1_500_000_000


# -- pictures


def test_a_zip_of_more_pictures_than_may_be_is_refused(tmp_path, public, monkeypatch):
    monkeypatch.setenv("AECORE_MAX_PICTURES", "20")
    assert len(read_set(make_zip(tmp_path / "few.zip", 20)).train.x) == 16
    crowded = make_zip(tmp_path / "crowded.zip", 21)
    with pytest.raises(DataError, match="holds more than 20 files"):
        read_set(crowded)


def test_pictures_of_more_pixels_than_may_be_decoded_are_refused_as_a_whole(
    tmp_path, public, monkeypatch
):
    monkeypatch.setenv("AECORE_MAX_MEGAPIXELS", "0.03")
    path = make_zip(tmp_path / "large.zip", 15, 50, 50)
    with pytest.raises(DataError, match="more than 30,000 pixels in all"):
        read_set(path, side=16)
    monkeypatch.setenv("AECORE_MAX_MEGAPIXELS", "0.02")
    with pytest.raises(DataError, match="is 50 x 50 pixels; the limit is 2,000 in all"):
        read_set(path, side=16)  # no single one has more than a tenth
    monkeypatch.delenv("AECORE_MAX_MEGAPIXELS")
    assert len(read_set(path, side=16).train.x) == 12


def test_at_home_there_is_no_bound_of_pictures_and_pixels(tmp_path):
    assert len(read_set(make_zip(tmp_path / "own.zip", 30), side=16).train.x) == 24


def test_of_a_large_picture_the_first_bytes_tell_its_size(tmp_path, monkeypatch):
    from aecore.data.images.sources import ZipSource, open_image_source

    path = make_zip(tmp_path / "pictures.zip", 3, 40, 30)
    monkeypatch.setattr(ZipSource, "read", None)  # it would unpack the whole member
    with open_image_source(path) as source:
        sizes = [read_image_size(source, name, path.name) for name in source.list_names()]
    assert sizes == [(40, 30)] * 3


# -- Parquet


def write_parquet(path, table, times=1):
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(times):
            writer.write_table(table)
    assert path.stat().st_size < 1_000_000
    return path


def make_rows(count):
    return pa.table({"a": pa.array(np.zeros(count))})


def make_texts(length, count):
    texts = pa.DictionaryArray.from_arrays([0] * count, ["x" * length])
    return pa.table({"a": texts, "b": [0.0] * count})


def make_lists(length, count):
    offsets = range(0, length * count + 1, length)
    values = pa.ListArray.from_arrays(list(offsets), pa.array(np.zeros(length * count, np.int8)))
    return pa.table({"a": values})


def make_pictures(length, count):
    one = pa.DictionaryArray.from_arrays([0] * count, [b"x" * length]).cast(pa.binary())
    fields = [pa.field("bytes", pa.binary()), pa.field("path", pa.string())]
    image = pa.StructArray.from_arrays([one, pa.nulls(count, pa.string())], fields=fields)
    return pa.table({"image": image})


DENSE = {
    "rows": lambda: make_rows(200_000),
    "texts": lambda: make_texts(1000, 5000),
    "lists": lambda: make_lists(1000, 200),
    "pictures": lambda: make_pictures(10_000, 300),
}


@pytest.mark.parametrize("kind", DENSE)
def test_a_parquet_of_few_bytes_and_much_content_is_refused_before_it_is_read(
    kind, tmp_path, monkeypatch
):
    path = write_parquet(tmp_path / "dense.parquet", DENSE[kind]())
    check_parquet_size(path)  # it fits
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 1_000_000)
    with pytest.raises(DataError, match=r"more than the limit of 0\.001 GB"):
        read_set(path)


def test_a_parquet_of_a_billion_rows_costs_nothing(tmp_path, public):
    path = write_parquet(tmp_path / "rows.parquet", make_rows(5_000_000), times=20)

    def visit():
        with pytest.raises(DataError, match="about 100,000,000 cells; the limit is 10,000,000"):
            read_set(path)
        return ""

    verdict = visit_apart(visit)
    assert verdict.kind == "accepted", verdict.text


def test_texts_and_words_of_a_parquet_are_read_as_they_are(tmp_path):
    table = pa.table({"a": [1.0, 2.0, 3.0, 4.0], "b": ["x", "y", "x", None]})
    path = write_parquet(tmp_path / "words.parquet", table)
    column = read_columns(path, DataConfig(name=str(path))).columns[1]
    assert column.values.to_pylist() == ["x", "y", "x", None] and column.missing == 1
    assert read_set(tmp_path / "words.parquet", missing="keep").columns == ("a", "b=x", "b=y")


# -- tables


@pytest.mark.parametrize(
    ("columns", "rows", "text"),
    [(11, 3, "about 11 columns; the limit is 10"), (10, 60, "cells; the limit is 500")],
)
def test_a_table_of_more_columns_or_cells_than_may_be_is_refused(
    columns, rows, text, tmp_path, public, monkeypatch
):
    monkeypatch.setenv("AECORE_MAX_COLUMNS", "10")
    monkeypatch.setenv("AECORE_MAX_CELLS", "500")
    lines = [",".join(f"c{i}" for i in range(columns))] + [",".join("1" * columns)] * rows
    csv, parquet = tmp_path / "table.csv", tmp_path / "table.parquet"
    csv.write_text("\n".join(lines))
    pq.write_table(pa.table({f"c{i}": [1.0] * rows for i in range(columns)}), parquet)
    for path in (csv, parquet):
        with pytest.raises(DataError, match=text):
            read_columns(path, DataConfig(name=str(path)))


# -- arrays


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_npy_whose_header_is_none_is_refused(header, version, tmp_path):
    data = encode_npy_header(header, version) + bytes(48)
    (tmp_path / "array.npy").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "array.npz", "w") as archive:
        archive.writestr("x.npy", data)
    for name in ("array.npy", "array.npz"):
        with pytest.raises(DataError):
            read_set(tmp_path / name)


@pytest.mark.parametrize("name", ["array.npy", "array.npz"])
def test_arrays_that_grow_when_they_are_read_count_as_they_will_be(name, tmp_path, public):
    values = np.zeros((100_000, 10), bool)  # 1 MB, 4 MB as float32
    values[0, 0] = True
    np.save(tmp_path / "array.npy", values)
    np.savez_compressed(tmp_path / "array.npz", x=values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "allowed_data_bytes", lambda: 2_000_000)
        with pytest.raises(DataError, match=r"would take 0\.004 GB in memory"):
            read_set(tmp_path / name)
    assert len(read_set(tmp_path / name).train.x) == 80_000


def test_a_column_of_bytes_is_left_out_with_a_note(tmp_path):
    table = pa.table({"x": [1.0, 2.0, 3.0, 4.0], "label": [b"\xff", b"\xfe", b"\xff", None]})
    path = write_parquet(tmp_path / "bytes.parquet", table)
    column = read_columns(path, DataConfig(name=str(path))).columns[1]
    assert column.options.kind == "ignored" and "bytes" in column.note
    assert read_set(path).columns == ("x",)


def test_a_column_of_lists_that_is_named_like_one_of_classes_is_no_reason_to_fail(tmp_path):
    upload = create_upload()
    table = pa.table({"x": [1.0, 2.0, 3.0], "label": [[1, 2], [1, 2], [3, 4]]})
    write_parquet(upload.path / "lists.parquet", table)
    config = guess_settings(upload)
    assert config.label is None and list(config.columns) == ["x", "label[0]", "label[1]"]
