"""Downloads: progress, checksums, mirrors, and a sentence where nothing can be had."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from data_sets import get_refusal, read_set, write_mnist
from torchvision.datasets import KMNIST

from aecore.data import download
from aecore.data.catalog import CATALOG
from aecore.data.download import download_file
from aecore.errors import DataError

FETCHED = [name for name, entry in CATALOG.items() if entry.files]


@pytest.mark.parametrize("name", FETCHED)
def test_a_set_that_is_neither_here_nor_reachable_is_refused_at_once(
    name: str, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    assert not CATALOG[name].is_local()
    assert get_refusal(name) == (
        f"{name} is not in {data_folder} and could not be downloaded (no connection). "
        "Set AECORE_DATA to a folder that holds it, or use the embedded `digits`."
    )


def test_every_download_has_a_checksum_and_a_mirror() -> None:
    files = [file for entry in CATALOG.values() for file in entry.files]
    assert len(files) == 19
    assert all(len(file.checksum) in (32, 64) and file.urls and file.unpacked for file in files)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A web server on the loopback for tmp_path/web."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

    (tmp_path / "web").mkdir()
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "web"))
    ) as web:
        threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


def test_a_download_reports_its_progress_and_arrives_whole(server: str, tmp_path: Path) -> None:
    content = os.urandom(1_000_000)
    (tmp_path / "web" / "set.gz").write_bytes(content)
    seen: list[tuple[str, float]] = []
    target = tmp_path / "new" / "set.gz"
    download_file(
        f"{server}/set.gz",
        target,
        hashlib.md5(content).hexdigest(),
        lambda *step: seen.append(step),
    )
    assert target.read_bytes() == content
    fractions = [fraction for _, fraction in seen]
    assert (
        seen[0][0] == "Downloading set.gz"
        and fractions == sorted(fractions)
        and fractions[-1] == 1.0
    )


def test_a_download_with_a_wrong_checksum_leaves_nothing_behind(
    server: str, tmp_path: Path
) -> None:
    (tmp_path / "web" / "set.gz").write_bytes(b"not the set")
    with pytest.raises(DataError, match=r"sent a file whose checksum is \w{32}, not 0000"):
        download_file(f"{server}/set.gz", tmp_path / "new" / "set.gz", "0" * 32, print)
    assert list((tmp_path / "new").iterdir()) == []


def test_the_reason_of_a_failed_download_is_told(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="answered 404"):
        download_file(f"{server}/none", tmp_path / "none", "0" * 32, print)
    with pytest.raises(DataError, match="no connection"):
        download_file("http://127.0.0.1:9/none", tmp_path / "none", "0" * 32, print)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file"):
        download_file(f"{server}/none", tmp_path / "file" / "none", "0" * 32, print)


def test_a_silent_server_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "DOWNLOAD_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/set"
        with pytest.raises(DataError, match="no answer within"):
            download_file(url, tmp_path / "set", "0" * 32, print)


def test_a_missing_set_is_downloaded_from_the_second_mirror_and_read(
    server: str, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path / "web", "kana", pack=True)
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    web = tmp_path / "web" / "kana" / "raw"
    md5s = [hashlib.md5((web / f"{name}-ubyte.gz").read_bytes()).hexdigest() for name in names]
    resources = [(f"{name}-ubyte.gz", md5) for name, md5 in zip(names, md5s, strict=True)]
    monkeypatch.setattr(KMNIST, "mirrors", [f"{server}/gone/", f"{server}/kana/raw/"])
    monkeypatch.setattr(KMNIST, "resources", resources)
    assert len(read_set("kmnist").train.x) == 6
    assert CATALOG["kmnist"].is_local()
