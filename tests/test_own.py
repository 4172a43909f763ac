"""Data that visitors bring: kept whole or not at all, found by its token alone, fully removed."""

from __future__ import annotations

import os
import time

import pytest

from aecore.errors import DataError
from aecore.model.config import DataConfig
from aecore.runs.keeping import open_thing
from aecore.runs.listing import list_runs
from aecore.runs.uploads import (
    SETTINGS_FILE,
    check_upload_folder,
    check_upload_name,
    create_upload,
    find_upload,
    find_upload_of_path,
    list_uploads,
)


@pytest.fixture(autouse=True)
def _own_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("AECORE_RUNS", str(tmp_path))


def bring_data(name="table.csv", content=b"a,b\n1,2\n3,4\n"):
    one = create_upload()
    with one.receiving(name) as file:
        file.write(content)
    return one


def test_a_file_is_kept_under_a_name_that_is_hard_to_guess_and_found_by_it():
    one = bring_data()
    assert (
        find_upload(one.token) == one
        and one.name == "table.csv"
        and one.source.read_bytes().startswith(b"a,b")
    )
    assert len(one.token) == 16 and list_uploads() == [one]
    assert (
        find_upload_of_path(str(one.source.resolve())) == one
        and find_upload_of_path("digits") is None
    )
    assert list_runs()[0].id.startswith("mnist-")  # it is no run


def test_pictures_that_come_one_by_one_are_one_set():
    one = create_upload()
    for name in ("a.png", "b.JPG"):
        with one.receiving(name) as file:
            file.write(b"x")
    assert one.source.name == "images" and one.name == "2 pictures" and one.size() == 2


def test_how_it_is_read_is_kept_with_it():
    one = bring_data()
    assert one.config() == DataConfig(name=str(one.source.resolve()), unusable="leave_out")
    one.save(one.config().model_copy(update={"label": "b", "name": "elsewhere"}))
    assert one.config().label == "b" and one.config().name == str(one.source.resolve())
    (one.path / SETTINGS_FILE).write_text('{"label": 7')
    assert one.config().label is None


def test_what_breaks_off_leaves_nothing_behind():
    one = create_upload()
    with pytest.raises(RuntimeError), one.receiving("table.csv") as file:
        file.write(b"a,b")
        raise RuntimeError
    assert list(one.path.iterdir()) == [] and one.source is None


@pytest.mark.parametrize(
    "token", ["", "..", "../..", "a" * 15, "a" * 16, "a" * 15 + "/", ".own", "a" * 5000]
)
def test_what_is_no_token_finds_nothing(token):
    bring_data()
    assert find_upload(token) is None


@pytest.mark.parametrize("name", ["../../etc/x.csv", "C:\\data\\x.csv", "/x.csv", "x\n.csv"])
def test_a_path_becomes_a_name(name):
    assert check_upload_name(name) == "x.csv"


@pytest.mark.parametrize(
    "name", ["", "..", ".csv", "a/", "x" * 300 + ".csv", "run.exe", "model.pkl", "page.html"]
)
def test_other_files_are_refused(name):
    with pytest.raises(DataError, match=r"no name|no kind that is read"):
        check_upload_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "a.csv",
        "a.TSV",
        "a.txt",
        "a.data",
        "a.csv.gz",
        "a.xlsx",
        "a.parquet",
        "a.npy",
        "a.npz",
        "a.zip",
        "a.HEIC",
        "a.heif",
        "a.jpeg",
        "a.tif",
        "a.avif",
    ],
)
def test_whatever_is_read_can_be_brought(name):
    assert check_upload_name(name) == name


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.7z", "a.rar"])
def test_an_archive_that_is_not_opened_is_refused_with_what_to_do(name):
    with pytest.raises(DataError, match=r"not opened\. Unpack it"):
        check_upload_name(name)


def test_a_folder_of_pictures_keeps_its_folders_and_the_table_in_it():
    one = create_upload()
    for folder, name in [("pets/cat", "1.png"), ("pets/dog", "1.png"), ("pets", "labels.csv")]:
        with one.receiving(name, folder) as file:
            file.write(b"x")
    found = {path.relative_to(one.source).as_posix() for path in one.source.rglob("*.*")}
    assert found == {"pets/cat/1.png", "pets/dog/1.png", "pets/labels.csv"}
    assert one.name == "2 pictures" and one.size() == 3


@pytest.mark.parametrize("folder", ["..", "a/../..", ".own", "a/" * 11, "x" * 300])
def test_a_folder_leads_nowhere_else(folder):
    with pytest.raises(DataError, match=r"no name for a folder|too many folders"):
        check_upload_folder(folder)
    assert check_upload_folder("/a//b\\c\n/") == ("a", "b", "c")


def test_sets_without_anything_are_cleared_away():
    empty, full = create_upload(), bring_data()
    past = time.time() - 7200
    for one in (empty, full):
        os.utime(one.path, (past, past))
    create_upload()
    assert not empty.path.exists() and full.path.exists()


def test_a_deleted_set_is_gone():
    one = bring_data()
    one.delete()
    assert find_upload(one.token) is None and list_uploads() == []


def test_a_set_keeps_the_time_it_was_brought_when_its_settings_change():
    one = create_upload()
    with one.receiving("t.csv") as file:
        file.write(b"a,b\n1,2\n3,4\n")
    os.utime(one.source, (1e9, 1e9))
    one.save(one.config().model_copy(update={"label": "a"}))
    assert open_thing(one.path, False).made_at() == one.brought_at() == 1e9
