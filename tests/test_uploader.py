"""Uploads of strangers: refused in a sentence, in bounded memory, and nothing is left behind."""

from __future__ import annotations

import asyncio
import io
import struct
import threading
import tracemalloc
import zlib

import numpy as np
import pytest
from data_sets import pack_zip
from helpers import run_async
from starlette.applications import Starlette
from starlette.testclient import TestClient

from aecore.data.datasets import load_dataset
from aecore.errors import DataError
from aecore.runs.ownership import HOME_USER, Visitor, read_owner_record
from aecore.runs.uploads import PACKED_SUFFIXES, UPLOAD_SUFFIXES, guess_settings, uploads_folder
from ui.kit import uploader
from ui.kit.routes import CLEAR_ROUTE, UPLOAD_ROUTE
from ui.kit.upload_tickets import upload_desk
from ui.kit.visitor_cookie import VISITOR_COOKIE

HANGS = 20.0  # seconds after which the server does not answer at all


@pytest.fixture(autouse=True)
def _own_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("AECORE_RUNS", str(tmp_path))


@pytest.fixture
def client():
    return TestClient(Starlette(routes=[UPLOAD_ROUTE, CLEAR_ROUTE]))


class Pending:
    """A set that is to be filled, by the ticket that its page was given."""

    def __init__(self, visitor=HOME_USER, cookie="", accept=(*UPLOAD_SUFFIXES, PACKED_SUFFIXES)):
        self.secret = upload_desk.issue(visitor, cookie, accept)
        self.ticket = upload_desk.find(self.secret, cookie)

    def __getattr__(self, name):
        return getattr(self.ticket.upload, name)


def put_file(client, one, name, body, **headers):
    return client.put(f"/own/{one.secret}/{name}", content=body, headers=headers)


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
    body = bytearray(pack_zip({"1.png": bytes(10**7)}))
    at = body.rindex(b"PK\1\2")
    body[at + 24 : at + 28] = struct.pack("<I", 4_200_000_000)
    return bytes(body)


def liar():
    """Ten megabytes that say they are a hundred bytes."""
    body = bytearray(pack_zip({"1.png": bytes(10**7)}))
    at = body.rindex(b"PK\1\2")
    body[at + 24 : at + 28] = struct.pack("<I", 100)
    return bytes(body)


HOSTILE = {
    "a zip bomb": ("x.zip", bomb(), "unpacked would take 4.2 GB"),
    "a zip that lies about its size": ("x.zip", liar(), "can be read. "),
    "a zip that points elsewhere": (
        "x.zip",
        pack_zip({"../../etc/1.png": encode_png(4, 4)}),
        "points out of the archive",
    ),
    "a picture of 60000 x 60000": (
        "x.png",
        encode_png(60_000, 60_000),
        "can be read. ",
    ),
    "such a picture in a zip": (
        "x.zip",
        pack_zip({"1.png": encode_png(60_000, 60_000)}),
        "can be read. ",
    ),
    "a table with ragged rows": (
        "x.csv",
        b"a,b\n1,2\n3,4,5\n6,7\n",
        "the first in line 3",
    ),
    "pickled objects": (
        "x.npz",
        encode_npz(x=np.array([{"a": 1}, None], dtype=object)),
        "Python objects",
    ),
    "pictures named as a table": ("x.csv", encode_png(4, 4), "is a picture, not a table"),
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
    one = Pending()
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


def test_files_of_a_folder_are_kept_in_it(client):
    one = Pending()
    assert put_file(client, one, "1.png?folder=cat%2Fold", encode_png(4, 4)).status_code == 200
    assert put_file(client, one, "1.png?folder=..%2F..", encode_png(4, 4)).status_code == 400
    assert [p.name for p in one.source.rglob("*.png")] == ["1.png"]
    assert (one.source / "cat" / "old" / "1.png").is_file()


@pytest.mark.parametrize(
    ("done", "words"),
    [
        ({"leftOut": 4, "names": ["a.mov", "b", "c"]}, "4 files of other kinds were left out: a.m"),
        ({"leftOut": 1, "names": ["a.mov"]}, "1 file of another kind was left out: a.mov."),
        ({"leftOut": 0, "names": []}, ""),
        ({"leftOut": "x", "names": 7}, ""),
        (None, ""),
    ],
)
def test_files_that_were_not_sent_are_said(done, words):
    said = uploader.describe_left_out(done)
    assert said.startswith(words) and bool(said) == bool(words)


def list_left():
    return list(uploads_folder().glob("*"))


def test_a_file_of_two_gigabytes_is_refused_before_it_is_sent_and_while_it_comes(
    client, monkeypatch
):
    one = Pending()
    answer = put_file(client, one, "x.zip", b"PK", **{"content-length": "2000000000"})
    assert (
        answer.status_code == 400
        and "limit is 512 MB" in answer.json()["error"]
        and list_left() == []
    )
    monkeypatch.setenv("AECORE_MAX_UPLOAD_MB", "1")
    answer = put_file(client, one, "x.zip", (bytes(100_000) for _ in range(20)))
    assert answer.status_code == 400 and "too large" in answer.json()["error"] and list_left() == []


def test_many_files_together_keep_the_limit(client, monkeypatch):
    monkeypatch.setenv("AECORE_MAX_UPLOAD_MB", "0.001")
    one = Pending()
    assert put_file(client, one, "1.png", bytes(600)).status_code == 200
    assert "too large" in put_file(client, one, "2.png", bytes(600)).json()["error"]
    assert [p.name for p in (one.path / "images").iterdir()] == ["1.png"]


@pytest.mark.parametrize("name", ["x.exe", "run.pkl", "model.pth"])
def test_a_wrong_extension_is_named(client, name):
    one = Pending()
    answer = put_file(client, one, name, b"MZ")
    assert (
        answer.status_code == 400
        and "no kind that is read" in answer.json()["error"]
        and list_left() == []
    )
    put_file(client, one, "..%2F..%2Fx.csv", b"a,b\n1,2\n")
    assert [p for p in uploads_folder().parent.rglob("x.csv") if p.parent != one.path] == []


def test_an_empty_file_is_refused(client):
    one = Pending()
    assert (
        "x.csv is empty" in put_file(client, one, "x.csv", b"").json()["error"]
        and list_left() == []
    )


def test_a_second_table_is_not_put_beside_the_first(client):
    one = Pending()
    put_file(client, one, "x.csv", b"a,b\n1,2\n3,4\n")
    assert "is here already" in put_file(client, one, "y.csv", b"a\n1\n").json()["error"]
    assert one.name == "x.csv"


# -- the permission


@pytest.fixture
def alice():
    return Visitor(("alice",))


def test_nothing_is_taken_without_a_ticket(client):
    one = Pending()
    put_file(client, one, "1.png", b"x")
    for secret in (one.token, "A" * 32, "..%2Fx", one.secret[:-1]):  # a set's token is no ticket
        answer = client.put(f"/own/{secret}/x.png", content=b"a")
        assert answer.status_code in (403, 404)
    assert one.name == "1 picture"


def test_a_ticket_is_of_use_to_the_browser_alone_that_was_given_it(client, alice, monkeypatch):
    monkeypatch.setenv("AECORE_PUBLIC", "1")
    one = Pending(alice, cookie="of alice")
    assert put_file(client, one, "1.png", b"x").status_code == 403
    stolen = {"cookie": f"{VISITOR_COOKIE}=of mallory"}
    assert put_file(client, one, "1.png", b"x", **stolen).status_code == 403
    assert client.delete(f"/own/{one.secret}", headers=stolen).status_code == 403
    own = {"cookie": f"{VISITOR_COOKIE}=of alice"}
    assert put_file(client, one, "1.png", b"x", **own).status_code == 200


def test_at_home_a_cookie_of_other_times_is_no_hindrance(client):
    old = {"cookie": f"{VISITOR_COOKIE}=of alice"}
    assert put_file(client, Pending(), "1.png", b"x", **old).status_code == 200


def test_the_set_belongs_to_whom_the_ticket_was_given(client, alice):
    one = Pending(alice)
    assert list_left() == []  # a page that was only looked at leaves nothing
    put_file(client, one, "1.png", b"x")
    assert read_owner_record(one.path).owner == "alice"


def test_a_ticket_ends_with_its_set(client):
    one = Pending()
    put_file(client, one, "1.png", b"x")
    upload = upload_desk.redeem(one.secret)
    assert put_file(client, one, "2.png", b"x").status_code == 403
    assert upload.name == "1 picture" and upload_desk.redeem(one.secret) is None


def test_an_upload_that_is_under_way_when_its_set_is_complete_is_not_added(client):
    one = Pending()
    put_file(client, one, "1.png", b"x")

    def body():
        yield b"x"
        upload_desk.redeem(one.secret)
        yield b"x"

    assert "is complete" in put_file(client, one, "2.png", body()).json()["error"]
    assert one.name == "1 picture"


def test_a_page_of_packed_files_takes_nothing_else(client):
    one = Pending(accept=(PACKED_SUFFIXES,))
    assert "give a .aez" in put_file(client, one, "x.csv", b"a,b").json()["error"]
    assert list_left() == []


# -- limits


class SlowUpload:
    """An upload that has sent half of its bytes, and waits for `gate` with the others."""

    def __init__(self, one, name, size, gate):
        self.parts, self.gate = [bytes(size // 2), bytes(size - size // 2)], gate
        self.has_begun, self.status, self.error = asyncio.Event(), 0, ""
        self.scope = {
            "type": "http",
            "method": "PUT",
            "headers": [(b"content-length", str(size).encode())],
            "query_string": b"",
            "path_params": {"ticket": one.secret, "name": name},
        }

    async def send(self):
        await UPLOAD_ROUTE.app(self.scope, self.give_part, self.keep_answer)
        self.has_begun.set()  # or was refused

    async def give_part(self):
        if len(self.parts) == 1:
            self.has_begun.set()
            await self.gate.wait()
        return {"type": "http.request", "body": self.parts.pop(0), "more_body": bool(self.parts)}

    async def keep_answer(self, message):
        self.status = self.status or message["status"]
        self.error += message.get("body", b"").decode()


async def send_at_once(uploads, gate):
    """Send all, and let go those that were admitted once none is undecided; returns all."""
    async with asyncio.TaskGroup() as group:
        for upload in uploads:
            group.create_task(upload.send())
        for upload in uploads:
            await upload.has_begun.wait()
        gate.set()
    return uploads


def test_uploads_at_once_keep_the_limit_of_their_set(monkeypatch):
    monkeypatch.setenv("AECORE_MAX_UPLOAD_MB", "0.1")
    one = Pending()

    async def talk():
        gate = asyncio.Event()
        uploads = [SlowUpload(one, f"{i}.png", 30_000, gate) for i in range(12)]
        return await send_at_once(uploads, gate)

    statuses = sorted(upload.status for upload in run_async(talk()))
    assert statuses == 3 * [200] + 9 * [400] and one.size() == 90_000


def test_a_visitor_has_two_uploads_at_once_and_all_have_a_few(client, alice, monkeypatch):
    monkeypatch.setenv("AECORE_PUBLIC", "1")
    monkeypatch.setenv("AECORE_MAX_UPLOADS", "3")
    visitors = [alice, Visitor(("bob",)), Visitor(("carol",))]

    async def talk():
        gate = asyncio.Event()
        uploads = [
            SlowUpload(Pending(visitor), f"{i}.png", 1000, gate)
            for visitor in visitors
            for i in range(3)
        ]
        return await send_at_once(uploads, gate)

    uploads = run_async(talk())
    assert sum(upload.status == 200 for upload in uploads) == 3
    assert max(sum(u.status == 200 for u in uploads[i : i + 3]) for i in (0, 3, 6)) <= 2
    errors = " ".join(upload.error for upload in uploads)
    assert "other uploads are still under way" in errors or "Many visitors" in errors
    assert not upload_desk.active
    assert put_file(client, Pending(alice), "3.png", b"x").status_code == 200


def test_who_has_two_uploads_under_way_is_told_to_wait(alice, monkeypatch):
    monkeypatch.setenv("AECORE_PUBLIC", "1")

    async def talk():
        gate = asyncio.Event()
        uploads = [SlowUpload(Pending(alice), f"{i}.png", 1000, gate) for i in range(3)]
        return await send_at_once(uploads, gate)

    uploads = run_async(talk())
    assert sorted(upload.status for upload in uploads) == [200, 200, 400]
    assert any("other uploads are still under way" in upload.error for upload in uploads)


def test_a_set_has_so_many_files_at_most(client, monkeypatch):
    monkeypatch.setenv("AECORE_MAX_PICTURES", "2")
    one = Pending()
    codes = [put_file(client, one, f"{i}.png", b"x").status_code for i in range(3)]
    assert codes == [200, 200, 400] and one.name == "2 pictures"


def test_many_pictures_are_counted_and_never_walked(client, monkeypatch):
    monkeypatch.setenv("AECORE_PUBLIC", "1")
    one = Pending(Visitor(("alice",)))
    put_file(client, one, "0.png", b"x")
    walks = []
    monkeypatch.setattr(type(one.ticket.upload), "size", lambda upload: walks.append(1) or 0)
    monkeypatch.setattr("pathlib.Path.rglob", lambda *args: walks.append(1) or iter(()))
    for i in range(1, 20):
        assert put_file(client, one, f"{i}.png", b"x").status_code == 200
    assert not walks and one.ticket.count == 20


def test_the_server_answers_while_a_slow_disk_is_written_to(monkeypatch):
    writes, answered, was_answered = threading.Event(), threading.Event(), []

    def write_slowly(incoming, chunk):
        writes.set()
        was_answered.append(answered.wait(HANGS))

    monkeypatch.setattr("ui.kit.upload_tickets.IncomingFile.write", write_slowly)

    async def talk():
        upload = SlowUpload(Pending(), "1.png", 1000, asyncio.Event())
        upload.gate.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(upload.send())
            while not writes.is_set():
                await asyncio.sleep(0)
            answered.set()  # as another visitor's request would be now

    run_async(talk())
    assert was_answered == [True, True]


def test_what_a_visitor_may_keep_is_asked_before_a_file_is_taken(client, alice, monkeypatch):
    monkeypatch.setenv("AECORE_PUBLIC", "1")
    monkeypatch.setenv("AECORE_VISITOR_MB", "1")
    assert put_file(client, Pending(alice), "1.png", bytes(900_000)).status_code == 200
    answer = put_file(client, Pending(alice), "2.png", bytes(200_000))
    assert answer.status_code == 400 and "you use 900 kB of 1 MB" in answer.json()["error"]
    assert len(list_left()) == 1
    assert put_file(client, Pending(Visitor(("bob",))), "2.png", bytes(200_000)).status_code == 200


def test_an_upload_that_falls_silent_is_given_up(monkeypatch):
    monkeypatch.setattr(uploader, "SILENCE_SECONDS", 0.01)

    async def talk():
        upload = SlowUpload(Pending(), "1.png", 1000, asyncio.Event())
        await upload.send()
        return upload.status

    assert run_async(talk()) == 400 and list_left() == [] and not upload_desk.active


def test_a_table_and_pictures_are_read_as_is_best(client):
    one = Pending()
    put_file(
        client,
        one,
        "people.csv",
        b"age,class\n" + b"".join(b"%d,%s\n" % (i, b"ab"[i % 2 :][:1]) for i in range(50)),
    )
    config = guess_settings(one)
    assert config.label == "class" and config.missing == "keep" and config.unusable == "leave_out"
    from tests.test_data_images import encode_picture

    two = Pending()
    for i, size in enumerate([(200, 120), (90, 90), (300, 100)]):
        put_file(client, two, f"{i}.png", encode_picture("RGB", size))
    assert guess_settings(two).side == "auto" and load_dataset(guess_settings(two)).input_shape == (
        3,
        64,
        64,
    )


def test_all_uploads_together_keep_a_pace():
    pace = uploader.Pace(10)
    assert [pace.book(now) for now in (5.0, 5.0, 5.05, 9.0)] == pytest.approx([0, 0.1, 0.15, 0])


def test_a_refused_body_is_read_to_its_end_at_the_pace_of_all(client, monkeypatch):
    """Otherwise the server reads as fast as a stranger sends, and answers nobody else."""
    monkeypatch.setenv("AECORE_PUBLIC", "1")
    booked = []
    monkeypatch.setattr(uploader.upload_pace, "book", lambda now: booked.append(now) or 0.0)
    answer = client.put("/own/none/table.csv", content=iter([b"a", b"b", b"c"]))
    assert answer.status_code == 403
    assert booked
