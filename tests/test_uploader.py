"""Uploads of strangers: refused in a sentence, in bounded memory, and nothing is left behind."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from aecore.data.datasets import load_dataset
from aecore.errors import DataError
from aecore.runs.uploads import create_upload, guess_settings, uploads_folder
from ui.kit.routes import UPLOAD_ROUTE


@pytest.fixture(autouse=True)
def _own_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("AECORE_RUNS", str(tmp_path))


@pytest.fixture
def client():
    return TestClient(Starlette(routes=[UPLOAD_ROUTE]))


def put_file(client, one, name, body, **headers):
    return client.put(f"/own/{one.token}/{name}", content=body, headers=headers)


def zip_files(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def encode_png(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = (
        struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )
    return b"\x89PNG\r\n\x1a\n" + start + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", 0)


def encode_npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def bomb():
    """Ten megabytes that say they are five gigabytes."""
    body = bytearray(zip_files({"1.png": bytes(10**7)}))
    at = body.rindex(b"PK\1\2")
    body[at + 24 : at + 28] = struct.pack("<I", 4_200_000_000)
    return bytes(body)


def liar():
    """Ten megabytes that say they are a hundred bytes."""
    body = bytearray(zip_files({"1.png": bytes(10**7)}))
    at = body.rindex(b"PK\1\2")
    body[at + 24 : at + 28] = struct.pack("<I", 100)
    return bytes(body)


HOSTILE = {
    "a zip bomb": ("x.zip", bomb(), "unpacked would take 4.2 GB"),
    "a zip that lies about its size": ("x.zip", liar(), "no images that can be read"),
    "a zip that points elsewhere": (
        "x.zip",
        zip_files({"../../etc/1.png": encode_png(4, 4)}),
        "points out of the archive",
    ),
    "a picture of 60000 x 60000": (
        "x.png",
        encode_png(60_000, 60_000),
        "no images that can be read",
    ),
    "such a picture in a zip": (
        "x.zip",
        zip_files({"1.png": encode_png(60_000, 60_000)}),
        "no images that can be read",
    ),
    "a table with ragged rows": (
        "x.csv",
        b"a,b\n1,2\n3,4,5\n6,7\n",
        "Expected 2 fields in line 3, saw 3",
    ),
    "pickled objects": (
        "x.npz",
        encode_npz(x=np.array([{"a": 1}, None], dtype=object)),
        "Python objects",
    ),
    "pictures named as a table": ("x.csv", encode_png(4, 4), "not a readable .csv"),
    "a table named as a zip": ("x.zip", b"a,b\n1,2\n", "not a readable .zip"),
    "words named as parquet": ("x.parquet", b"PAR1 not", "not a readable .parquet"),
    "an array of 8 GB in a few bytes": (
        "x.npz",
        encode_npz(x=np.zeros(3)).replace(b"(3,), }", b"(10**9,)"),
        "not a readable",
    ),
    "zeros": ("x.npz", bytes(1000), "not a readable"),
    "one row": ("x.csv", b"a,b\n1,2\n", "at least 2 rows"),
    "a table of free text": (
        "x.csv",
        b"t\n" + b"".join(b"text %d\n" % i for i in range(60)),
        "no column of use",
    ),
}


@pytest.mark.parametrize(("name", "body", "words"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_data_is_refused_in_a_sentence_and_in_little_memory(client, name, body, words):
    one = create_upload()
    assert put_file(client, one, name, body).status_code == 200
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            one.save(guess_settings(one))
            load_dataset(one.config())
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()
    assert words in str(caught.value) and "Traceback" not in str(caught.value)
    one.delete()
    assert list(uploads_folder().iterdir()) == []


def list_left(one):
    return list(one.path.rglob("*"))


def test_a_file_of_two_gigabytes_is_refused_before_it_is_sent_and_while_it_comes(
    client, monkeypatch
):
    one = create_upload()
    answer = put_file(client, one, "x.zip", b"PK", **{"content-length": "2000000000"})
    assert (
        answer.status_code == 400
        and "limit is 512 MB" in answer.json()["error"]
        and list_left(one) == []
    )
    monkeypatch.setenv("AECORE_MAX_UPLOAD_MB", "1")
    answer = put_file(client, one, "x.zip", (bytes(100_000) for _ in range(20)))
    assert (
        answer.status_code == 400 and "too large" in answer.json()["error"] and list_left(one) == []
    )


def test_many_files_together_keep_the_limit(client, monkeypatch):
    monkeypatch.setenv("AECORE_MAX_UPLOAD_MB", "0.001")
    one = create_upload()
    assert put_file(client, one, "1.png", bytes(600)).status_code == 200
    assert "too large" in put_file(client, one, "2.png", bytes(600)).json()["error"]
    assert [p.name for p in (one.path / "images").iterdir()] == ["1.png"]


@pytest.mark.parametrize("name", ["x.exe", "run.pkl", "model.pth"])
def test_a_wrong_extension_is_named(client, name):
    one = create_upload()
    answer = put_file(client, one, name, b"MZ")
    assert (
        answer.status_code == 400
        and "no kind that is read" in answer.json()["error"]
        and list_left(one) == []
    )
    put_file(client, one, "..%2F..%2Fx.csv", b"a,b\n1,2\n")
    assert [p for p in uploads_folder().parent.rglob("x.csv") if p.parent != one.path] == []


def test_an_empty_file_is_refused(client):
    one = create_upload()
    assert (
        "x.csv is empty" in put_file(client, one, "x.csv", b"").json()["error"]
        and list_left(one) == []
    )


def test_a_second_table_is_not_put_beside_the_first(client):
    one = create_upload()
    put_file(client, one, "x.csv", b"a,b\n1,2\n3,4\n")
    assert "is here already" in put_file(client, one, "y.csv", b"a\n1\n").json()["error"]
    assert one.name == "x.csv"


def test_nothing_is_taken_without_the_token_of_a_set(client):
    create_upload()
    assert client.put("/own/AAAAAAAAAAAAAAAA/x.csv", content=b"a").status_code == 403
    assert client.put("/own/..%2Fx/x.csv", content=b"a").status_code in (403, 404)


def test_a_table_and_pictures_are_read_as_is_best(client):
    one = create_upload()
    put_file(
        client,
        one,
        "people.csv",
        b"age,class\n" + b"".join(b"%d,%s\n" % (i, b"ab"[i % 2 :][:1]) for i in range(50)),
    )
    config = guess_settings(one)
    assert config.label == "class" and config.missing == "keep" and config.unusable == "leave_out"
    from tests.test_data_images import encode_picture

    two = create_upload()
    for i, size in enumerate([(200, 120), (90, 90), (300, 100)]):
        put_file(client, two, f"{i}.png", encode_picture("RGB", size))
    assert guess_settings(two).side == 64 and load_dataset(guess_settings(two)).input_shape == (
        3,
        64,
        64,
    )
