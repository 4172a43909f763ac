"""Images too many for memory are decoded once onto the disk, with the budget made small."""

from __future__ import annotations

import io
import os
import time
import zipfile

import numpy as np
import pytest
import torch
from data_sets import get_refusal, read_set
from large_sets import (
    sort_rows,
    take_all,
    write_pictures,
)
from PIL import Image

from aecore.data import disk_cache, memory, stored
from aecore.data.disk_cache import cache_folder
from aecore.data.images import decoding as image_decoding
from aecore.data.images import reading as images
from aecore.data.images.decoding import _to_pixels
from aecore.data.images.sources import ZipSource

pytestmark = pytest.mark.usefixtures("small_budget")


def zip_folder(folder, path):
    """The same images as a zip."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))
    return path


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("colour", [False, True])
def test_images_too_many_for_memory_are_decoded_once_onto_the_disk(
    tmp_path, monkeypatch, colour, kind
):
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 90_000)
    monkeypatch.setattr(stored, "SAMPLE_BYTES", 4 * 40 * 40 * 3 * 10)
    path = write_pictures(tmp_path / "pictures", colour=colour)
    path = zip_folder(path, tmp_path / "pictures.zip") if kind == "zip" else path
    found = read_set(path)
    monkeypatch.setattr(image_decoding, "_to_pixels", lambda image: pytest.fail("decoded again"))
    again = read_set(path)
    monkeypatch.undo()
    monkeypatch.setenv("AECORE_CACHE", str(tmp_path / "cache"))
    plain = read_set(path)
    whole = torch.cat([plain.train.x, plain.test.x])
    assert (sort_rows(take_all(found)) == sort_rows(whole)).all()
    assert torch.equal(take_all(again), take_all(found))
    label = {}
    for split in (plain.train, plain.test):
        label |= {x.numpy().tobytes(): int(y) for x, y in zip(split.x, split.y, strict=True)}
    for split in (found.train, found.test, again.train):
        assert [label[x.numpy().tobytes()] for x in split.x] == split.y.tolist()
    assert found.classes == ("a", "b") and len(found.train.x) <= 30


def test_images_that_turn_out_to_fit_once_decoded_are_an_ordinary_set(tmp_path, monkeypatch):
    folder = write_pictures(tmp_path / "pictures")  # grey: a third of what was reckoned with
    found = read_set(folder)
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 10**9)
    plain = read_set(folder)
    assert (
        found.stored is None
        and torch.equal(found.train.x, plain.train.x)
        and torch.equal(found.test.y, plain.test.y)
    )


def test_folders_train_and_test_stay_the_splits_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 50_000)
    monkeypatch.setattr(stored, "SAMPLE_BYTES", 4 * 40 * 40 * 5)
    write_pictures(tmp_path / "p" / "train")
    write_pictures(tmp_path / "p" / "test", count=10)
    found = read_set(tmp_path / "p")
    assert len(found.stored) == 60 and len(found.test.x) == 5 and len(found.train.x) == 5


def test_of_a_limited_set_only_what_is_used_is_decoded(tmp_path, monkeypatch):
    folder, decoded, real = write_pictures(tmp_path / "p"), [], _to_pixels
    monkeypatch.setattr(
        image_decoding, "_to_pixels", lambda image: (decoded.append(1), real(image))[1]
    )
    for options in ({}, {"train_class": "b"}):
        monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 100_000)
        decoded.clear()
        found = read_set(folder, limit=4, **options)
        assert len(decoded) == 8
        monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 10**9)
        plain = read_set(folder, limit=4, **options)
        for one, two in ((found.train, plain.train), (found.test, plain.test)):
            assert torch.equal(one.x, two.x) and torch.equal(one.y, two.y)
    assert not cache_folder().exists()


def test_why_images_were_left_out_is_still_known_the_next_time(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 50_000)
    folder = write_pictures(tmp_path / "p")
    (folder / "b" / "zzz.png").write_bytes(b"torn")
    (folder / "b" / "notes.txt").write_text("hello")
    first, second = (read_set(folder, unusable="leave_out").notes for _ in range(2))
    assert first == second and len(first) == 3
    for name in ("notes.txt", "zzz.png", "from the disk"):
        assert name in " ".join(first)


def test_a_folder_that_changed_is_decoded_again_and_a_failed_decoding_leaves_nothing(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 50_000)
    folder = write_pictures(tmp_path / "pictures")
    first = take_all(read_set(folder)).sum(dtype=torch.long)
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(folder / "a" / "000.png")
    os.utime(folder / "a" / "000.png", (1, 1))
    assert take_all(read_set(folder)).sum(dtype=torch.long) < first
    (folder / "b" / "zzz.png").write_bytes(b"torn")
    assert "zzz.png" in get_refusal(folder)
    folder_of = cache_folder()
    assert len(list(folder_of.iterdir())) == 2 and not list(folder_of.glob(".*"))


def test_what_a_killed_decoding_left_is_removed_after_a_day(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 50_000)
    old, new = (cache_folder() / f".draft-{name}" for name in ("old", "new"))
    for draft in (old, new):
        draft.mkdir(parents=True)
        (draft / "images.npy").write_bytes(b"half")
    for path in (old / "images.npy", old):
        os.utime(path, (time.time() - 90_000,) * 2)
    read_set(write_pictures(tmp_path / "pictures"))
    assert not old.exists() and new.exists()


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    folder = write_pictures(tmp_path / "pictures")
    with monkeypatch.context() as patch:
        patch.setattr(
            disk_cache.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})()
        )
        assert "AECORE_CACHE" in get_refusal(folder)
    monkeypatch.setenv("AECORE_CACHE", str(folder / "a" / "000.png"))
    assert "Nothing can be kept in" in get_refusal(folder)


def test_a_member_of_a_zip_that_is_larger_than_memory_is_never_unpacked(tmp_path, monkeypatch):
    out = io.BytesIO()
    Image.new("L", (4, 4)).save(out, "PNG")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.png", out.getvalue())
        archive.writestr("1.png", bytes(300_000))
    monkeypatch.setattr(ZipSource, "read", lambda *_: pytest.fail("unpacked"))
    assert "The largest file in bomb.zip unpacked would take" in get_refusal(tmp_path / "bomb.zip")


def test_a_first_image_that_lies_about_its_size_does_not_open_memory_to_the_others(
    tmp_path, monkeypatch
):
    out = io.BytesIO()
    Image.new("L", (4, 4)).save(out, "PNG")
    folder = write_pictures(tmp_path / "p")
    (folder / "a" / "000.png").write_bytes(out.getvalue()[:45])
    monkeypatch.setenv("SPACE_ID", "someone/lab")
    monkeypatch.setattr(images, "_allocate_images", lambda *_: pytest.fail("room was made"))
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 60 * 3 * 40 * 40 - 1)
    refusal = get_refusal(folder, unusable="leave_out", side=None)
    assert "No image of p can be read" in refusal
