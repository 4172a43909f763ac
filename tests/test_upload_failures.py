"""An upload that fails leaves nothing behind, and the next choice of files works at once."""

from __future__ import annotations

import asyncio

import pytest
from helpers import run_async
from starlette.applications import Starlette
from starlette.testclient import TestClient
from test_uploader import Pending, SlowUpload, list_left, put_file

from aecore.runs.ownership import Visitor, read_owner_record
from ui.kit.routes import CLEAR_ROUTE, UPLOAD_ROUTE
from ui.kit.upload_tickets import upload_desk


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setenv("AECORE_RUNS", str(tmp_path))
    return TestClient(Starlette(routes=[UPLOAD_ROUTE, CLEAR_ROUTE]))


def test_a_choice_that_failed_leaves_nothing_and_the_next_one_works(client):
    pending = Pending(Visitor(("alice",)))
    put_file(client, pending, "s0.csv", b"a,b\n1,2\n3,4\n")
    assert put_file(client, pending, "s1.csv", b"a\n1\n").status_code == 400
    assert client.delete(f"/own/{pending.secret}").status_code == 200 and list_left() == []
    assert put_file(client, pending, "s1.csv", b"a,b\n1,2\n").status_code == 200
    upload = upload_desk.redeem(pending.secret)
    assert upload.name == "s1.csv" and read_owner_record(upload.path).owner == "alice"
    assert client.delete(f"/own/{pending.secret}").status_code == 403 and upload.path.is_dir()


def test_an_upload_that_is_under_way_when_its_set_is_cleared_leaves_nothing(client):
    pending = Pending()

    def body():
        yield b"x"
        client.delete(f"/own/{pending.secret}")
        yield b"x"

    assert put_file(client, pending, "1.png", body()).status_code == 400 and list_left() == []
    assert upload_desk.find(pending.secret, "").count == 0


def test_a_connection_that_breaks_takes_the_files_before_with_it(client):
    pending = Pending()
    put_file(client, pending, "1.png", b"x")

    async def talk():
        upload = SlowUpload(pending, "2.png", 1000, asyncio.Event())
        parts = [{"type": "http.request", "body": b"x", "more_body": True}]

        async def give_part():
            return parts.pop() if parts else {"type": "http.disconnect"}

        upload.give_part = give_part
        await upload.send()
        return upload

    assert "broke off" in run_async(talk()).error and list_left() == []
