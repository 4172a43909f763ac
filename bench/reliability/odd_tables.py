"""Tables and arrays that a visitor should not bring, and some that are odd but good."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.reliability.hostile import NUMBERS, TEXTS, flip_bytes, tear
from bench.reliability.odd_pictures import encode_picture, write_file

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "cp850", "latin-1")
HEADERS = (
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 28, 28), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4), }",
    "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 0), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
    "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '<U1000000', 'fortran_order': False, 'shape': (100,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4L, 4L), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1," * 60 + "), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)",
    "{'descr': '<f4', 'shape': (3, 4), 'fortran_order': '''",
    "((((" * 2000,
    "{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (3, 4), }",
    "{'descr': '<c16', 'fortran_order': False, 'shape': (3, 4), }",
    "\\",
    "",
    "{" * 9000,
    "\xff\x00",
)


# -- CSV


def make_odd_csv(rng: random.Random, folder: Path) -> Path:
    """Writes a table with odd encodings, quotes, separators and cells."""
    columns, rows = rng.choice((1, 2, 5, 40)), rng.choice((0, 1, 2, 60, 60, 60))
    separator = rng.choice((",", ",", ";", "\t", "|", " "))
    words = ("", "NaN", "inf", "1e400", "1,5", '"', "'", "a\nb", "01/02/2020", "12 kg", "ä", "true")
    table = [[f"c{i}" for i in range(columns)]]
    if rng.random() < 0.3:
        table[0][rng.randrange(columns)] = rng.choice(TEXTS)[:500]
    for _ in range(rows):
        row = [str(rng.choice((rng.random(), rng.randrange(5)))) for _ in range(columns)]
        if rng.random() < 0.3:
            row[rng.randrange(columns)] = str(rng.choice((*words, *NUMBERS, *TEXTS)))[:2000]
        table.append(
            row[: columns + rng.choice((0, 0, 0, -1))] + ["7"] * rng.choice((0,) * 9 + (2,))
        )
    text = rng.choice(("\n", "\r\n", "\r")).join(separator.join(row) for row in table)
    encoding = rng.choice(ENCODINGS if rng.random() < 0.5 else ENCODINGS[:1])
    data = text.encode(encoding, "replace" if rng.random() < 0.9 else "surrogatepass")
    if rng.random() < 0.3:
        data = rng.choice((flip_bytes(rng, data, 5), tear(rng, data), data + b'"' * 3))
    return write_file(folder, "table.csv", data)


def make_large_csv(rng: random.Random, folder: Path) -> Path:
    """Writes a table of many columns, of many rows, of a long cell or an open quote."""
    kind = rng.randrange(6)
    if kind == 0:
        count = rng.choice((5_000, 100_000, 1_000_000))
        lines = [",".join(f"c{i}" for i in range(count))] + [",".join("1" * count)] * 3
    elif kind == 1:
        lines = ["a,b"] + ["1,2"] * 3_000_000
    elif kind == 2:
        lines = ["a,b", "x" * 30_000_000 + ",1", "2,3", "4,5"]
    elif kind == 3:
        lines = ["a,b", '"' + "1,2\n" * 2_000_000, "3,4"]
    elif kind == 4:
        lines = ["a,b"] + [f"word{i},{i}" for i in range(500_000)]
    else:
        lines = ["a" + "," * 3_000_000] * 3
    return write_file(folder, "large.csv", "\n".join(lines).encode())


# -- Parquet


def make_odd_parquet(rng: random.Random, folder: Path) -> Path:
    """Writes a table of odd types, whole or torn."""
    count = rng.choice((0, 1, 2, 30, 30))
    columns: dict[str, Any] = {
        "f": pa.array([rng.random() for _ in range(count)]),
        "i": pa.array([rng.randrange(5) for _ in range(count)], pa.int64()),
    }
    odd: tuple[pa.Array, ...] = (
        pa.array([b"\xff" * 5] * count),
        pa.array(["x"] * count),
        pa.array([[1, 2]] * count),
        pa.array([{"a": 1}] * count),
        pa.array([None] * count, pa.float64()),
        pa.array([None] * count),
        pa.array([2**62] * count),
        pa.array([float("inf")] * count),
        pa.array([True] * count),
        pa.array([1] * count, pa.timestamp("ns")),
        pa.array([1] * count, pa.duration("s")),
        pa.array(["1.5"] * count).cast(pa.decimal128(10, 2)),
        pa.array(["a", None, "b"][:count] + ["a"] * max(0, count - 3)).dictionary_encode(),
    )
    for i in range(rng.choice((0, 1, 3))):
        columns[rng.choice((f"o{i}", f"o{i}", "label", "", TEXTS[6]))] = rng.choice(odd)
    path = folder / "table.parquet"
    pq.write_table(pa.table(columns), path)
    if rng.random() < 0.4:
        data = path.read_bytes()
        path.write_bytes(rng.choice((flip_bytes(rng, data, rng.choice((1, 20))), tear(rng, data))))
    return path


def make_dense_parquet(rng: random.Random, folder: Path) -> Path:
    """Writes a table of few bytes and many rows, values or columns."""
    path, kind = folder / "dense.parquet", rng.randrange(7)
    million = 1_000_000
    if kind == 0:
        part = pa.table({"a": pa.array(np.zeros(10 * million))})
        parts, schema = [part] * rng.choice((2, 10, 30)), part.schema
    elif kind == 1:
        part = pa.table({"a": pa.array(["x" * 1000] * million), "b": pa.array(np.zeros(million))})
        parts, schema = [part] * rng.choice((1, 3)), part.schema
    elif kind == 2:
        part = pa.table(
            {f"c{i}": pa.array([1.0, 2.0, 3.0]) for i in range(rng.choice((3000, 20_000)))}
        )
        parts, schema = [part], part.schema
    elif kind == 3:
        part = pa.table({"a": pa.array([[0] * 10_000] * 1000)})
        parts, schema = [part] * 20, part.schema
    elif kind == 4:
        part = pa.table({"a": pa.array([b"\x00" * 50_000_000] * 2), "b": [1, 2]})
        parts, schema = [part] * 6, part.schema
    elif kind == 5:
        part = pa.table({"a": pa.array([None] * 10 * million, pa.int8()), "b": [1] * 10 * million})
        parts, schema = [part] * 5, part.schema
    else:
        part = pa.table(
            {"a": pa.DictionaryArray.from_arrays([0, 1] * 200, ["x" * 20_000_000, "y"])}
        )
        parts, schema = [part], part.schema
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in parts:
            writer.write_table(part)
    return path


def make_picture_parquet(rng: random.Random, folder: Path) -> Path:
    """Writes pictures as data sets of the Hub have them, some of them odd."""
    count = rng.choice((1, 3, 40))
    pictures: list[Any] = [{"bytes": encode_picture(rng), "path": f"{i}.png"} for i in range(count)]
    for _ in range(rng.choice((0, 1))):
        pictures[rng.randrange(count)] = rng.choice(
            (None, {"bytes": None, "path": "/etc/passwd"}, {"bytes": b"\xff", "path": None})
        )
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    labels = [rng.choice((0, 1, 7, -1)) for _ in range(count)]
    names: Any = rng.choice((["cat", "dog"], ["a/b", ".."], "x", {"0": 1}, [1, 2], []))
    hub = rng.choice(
        (
            {"info": {"features": {"label": {"_type": "ClassLabel", "names": names}}}},
            {"info": []},
            [],
            {"info": {"features": {"nothing": {"_type": "ClassLabel", "names": names}}}},
        )
    )
    table = pa.table({"image": pa.array(pictures, kind), "label": labels})
    path = folder / "pictures.parquet"
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(hub)}), path)
    return path


# -- arrays


def make_odd_npz(rng: random.Random, folder: Path) -> Path:
    """Writes arrays of odd names, shapes and types."""
    shapes = (
        (20, 4),
        (20, 8, 8),
        (20, 3, 8, 8),
        (20, 8, 8, 3),
        (20,),
        (),
        (2, 0),
        (0, 4),
        (20, 2, 8, 8),
    )
    types = ("u1", "f4", "f8", "f2", "i8", "?", "c8", "M8[s]", "U3", "S3", ">f4")
    arrays: dict[str, Any] = {}
    names = rng.sample(("y", "x_test", "y_test", "X", "arr_0"), rng.choice((0, 1, 3)))
    for name in (*names, "x" if rng.random() < 0.9 else "z"):
        values = np.zeros(rng.choice(shapes[:2] if rng.random() < 0.5 else shapes))
        if values.size and rng.random() < 0.3:
            values.flat[0] = rng.choice((float("nan"), float("inf"), 1e300, -5))
        with np.errstate(all="ignore"):
            arrays[name] = values.astype(rng.choice(types[:3] if rng.random() < 0.6 else types))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    data = buffer.getvalue()
    if rng.random() < 0.3:
        data = rng.choice((flip_bytes(rng, data, 5), tear(rng, data)))
    return write_file(folder, "arrays.npz", data)


def make_dense_npz(rng: random.Random, folder: Path) -> Path:
    """Writes arrays of few bytes that decode to much."""
    path, million = folder / "dense.npz", 1_000_000
    layout, size = rng.choice(
        (
            (("|u1", (600_000, 28, 28)), 470 * million),
            (("|u1", (1_200_000, 28, 28)), 940 * million),
            (("<f4", (200_000, 784)), 627 * million),
            (("<f8", (60_000, 784)), 376 * million),
            (("<f2", (100_000, 784)), 157 * million),
            (("|u1", (5_000_000, 28, 28)), 3_920 * million),
        )
    )
    header = f"{{'descr': '{layout[0]}', 'fortran_order': False, 'shape': {layout[1]}, }}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in rng.choice((("x",), ("x",), ("x", "x_test"))):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                file.write(encode_npy_header(header))
                for piece in list_pieces(min(size, 1_000 * million)):
                    file.write(piece)
    return path


def list_pieces(size: int) -> Iterator[bytes]:
    """Yields zeros, a megabyte at a time."""
    for first in range(0, size, 1_000_000):
        yield bytes(min(1_000_000, size - first))


def encode_npy_header(text: str, version: int = 1) -> bytes:
    """Returns the first bytes of a .npy with any text as its header."""
    content = text.encode("latin-1") + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(content) % 65536)
    return b"\x93NUMPY" + bytes([version, 0]) + length + content


def make_odd_npy(rng: random.Random, folder: Path) -> Path:
    """Writes an array with a header that lies or is no header, alone or in a .npz."""
    version = rng.choice((1, 1, 2, 3, 9))
    data = encode_npy_header(rng.choice(HEADERS), version) + bytes(rng.choice((0, 48, 5000)))
    if rng.random() < 0.3:
        data = flip_bytes(rng, data, 3)
    if rng.random() < 0.5:
        return write_file(folder, "array.npy", data)
    path = folder / "odd.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", data)
    return path


def make_large_npy(rng: random.Random, folder: Path) -> Path:
    """Writes a .npy as large as an upload may be, of values that grow when they are read."""
    values = rng.choice(
        (
            np.zeros((30_000, 784), np.float16),
            np.zeros((90_000_000, 1), bool),
            np.zeros((9, 10**7), "u1"),
        )
    )
    buffer = io.BytesIO()
    np.save(buffer, values)
    return write_file(folder, "large.npy", buffer.getvalue())


# -- compressed files


def spoil_packed(rng: random.Random, data: bytes) -> bytes:
    """Changes the numbers of a file that Compress wrote, with the right checksum, or tears it."""
    frame, head = struct.Struct("<4s8sI"), struct.Struct("<IHI")
    if rng.random() < 0.4:
        return rng.choice((flip_bytes(rng, data, 3), tear(rng, data)))
    magic, fingerprint, _ = frame.unpack_from(data)
    examples, units, length = head.unpack_from(data, frame.size)
    rest = bytearray(data[frame.size + head.size :])
    kind = rng.randrange(4)
    if kind == 0:
        examples = rng.choice((0, 1, 10**6, 10**7, 2**31, 2**32 - 1))
    elif kind == 1:
        rest = bytearray(flip_bytes(rng, bytes(rest), 20))
    elif kind == 2:
        units = rng.choice((0, 1, 65535))
    else:
        examples, rest = rng.choice((500_000, 2_000_000)), rest[: len(rest) // 8 * 4]
        length = len(rest) - 6 * units
    body = head.pack(examples, units, max(0, length)) + bytes(rest)
    return frame.pack(magic, fingerprint, zlib.crc32(body)) + body
