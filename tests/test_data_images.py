"""Folders and zips of images."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from data_sets import get_refusal, pack_zip, read_set
from PIL import Image

from aecore.data import memory
from aecore.data.datasets import load_dataset, read_dataset
from aecore.data.images import decoding as image_decoding
from aecore.data.images import listing as image_listing
from aecore.data.splits import Dataset
from aecore.errors import DataError
from aecore.model.config import DataConfig


def encode_picture(
    mode: str = "L", size: tuple[int, int] = (5, 4), color: object = 7, kind: str = "PNG"
) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, color).save(out, kind)  # pyright: ignore[reportArgumentType]
    return out.getvalue()


GREY, RED = encode_picture(), encode_picture("RGB", color=(255, 0, 0))


def write_folder(tmp_path: Path, files: Mapping[str, bytes | None]) -> Path:
    """A folder with these files; None makes an empty sub-folder."""
    (tmp_path / "set").mkdir(parents=True)
    for name, content in files.items():
        path = tmp_path / "set" / name
        (path if content is None else path.parent).mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content)
    return tmp_path / "set"


def write_zip(tmp_path: Path, files: Mapping[str, bytes | None]) -> Path:
    """A zip with these members."""
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "set.zip").write_bytes(pack_zip(files))
    return tmp_path / "set.zip"


def join_parts(found: Dataset) -> torch.Tensor:
    return torch.cat([found.train.x, found.test.x])


both = pytest.mark.parametrize("make", [write_folder, write_zip])


@both
def test_sub_folders_are_classes_in_order_of_their_names(make, tmp_path: Path) -> None:
    shades = {"cat": 10, "ant": 20, "bee": 30}
    files = {
        f"{name}/{i}.png": encode_picture(color=shade)
        for name, shade in shades.items()
        for i in range(4)
    }
    found = read_set(make(tmp_path, files))
    assert found.classes == ("ant", "bee", "cat") and found.kind == "image"
    assert found.input_shape == (1, 4, 5) and found.train.x.dtype == torch.uint8
    labels = torch.cat([found.train.y, found.test.y])
    assert (join_parts(found)[:, 0, 0, 0] == torch.tensor([20, 30, 10])[labels]).all()


@both
def test_images_at_the_top_have_no_classes(make, tmp_path: Path) -> None:
    found = read_set(make(tmp_path, {f"{i}.png": GREY for i in range(5)}))
    assert found.classes == () and found.train.y is None and len(join_parts(found)) == 5


@both
def test_folders_train_and_test_are_the_splits(make, tmp_path: Path) -> None:
    files = {
        "train/a/1.png": GREY,
        "train/b/1.png": GREY,
        "train/b/2.png": GREY,
        "test/b/3.png": RED,
    }
    found = read_set(make(tmp_path, files))
    assert (len(found.train.x), len(found.test.x)) == (3, 1)
    assert found.train.y.tolist() == [0, 1, 1] and found.test.y.tolist() == [1]
    flat = read_set(make(tmp_path / "flat", {"train/1.png": GREY, "test/2.png": GREY}))
    assert flat.classes == () and len(flat.test.x) == 1


@both
def test_a_folder_around_everything_is_looked_through(make, tmp_path: Path) -> None:
    found = read_set(
        make(tmp_path, {f"pets/{name}/{i}.png": GREY for name in "ab" for i in range(2)})
    )
    assert found.classes == ("a", "b")


@both
def test_what_systems_leave_behind_is_ignored(make, tmp_path: Path) -> None:
    junk = ["Thumbs.db", "a/.DS_Store", "__MACOSX/a/._1.png", "desktop.ini", ".git/config"]
    files = {"a/1.png": GREY, "a/2.png": GREY} | dict.fromkeys(junk, b"junk")
    assert len(join_parts(read_set(make(tmp_path, files)))) == 2


@both
@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no images. Put images in it"),
        ({"a": None}, "holds no images"),
        ({"a/1.png": GREY, "b": None}, "The folder b in set"),
        ({"a/1.png": GREY, "2.png": GREY}, "1 of 2 images of set"),
        ({"a/1.png": GREY, "a/notes.txt": b"hi"}, "a/notes.txt in set"),
        ({"train/1.png": GREY, "test/1.png": GREY, "2.png": GREY}, "1 image (2.png) of set"),
        (
            {"train/a/1.png": GREY, "test/1.png": GREY},
            "has classes in only one of its training and test images",
        ),
        ({"train/a/1.png": GREY, "test": None}, "The folder test in set"),
        (
            {"1.png": GREY, "2.png": encode_picture(size=(6, 4))},
            "is 6 x 4 pixels, but 1.png is 5 x 4",
        ),
        ({"1.png": GREY, "2.png": GREY[:40]}, "2.png in set"),
        ({"1.png": GREY, "2.png": b"no image"}, "its content is not an image"),
        (
            {"1.png": GREY, "2.jpg": encode_picture(size=(99, 99), kind="JPEG")[:900]},
            "2.jpg in set",
        ),
        ({"1.png": GREY, "2.png": b""}, "2.png in set"),
        (
            {"1.png": GREY, "2.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 4\n"},
            "is not an image",
        ),
        ({"1.png": GREY}, "1 example, but a data set needs at least 2"),
    ],
)
def test_a_set_that_cannot_be_read_is_refused_by_name(
    make, tmp_path: Path, files, words: str
) -> None:
    assert words in get_refusal(make(tmp_path, files), side=None)


def test_a_truncated_image_is_named(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))
    noise.save(tmp_path / "x.png")
    content = (tmp_path / "x.png").read_bytes()
    message = get_refusal(write_zip(tmp_path, {"1.png": content, "2.png": content[:2000]}))
    assert message.startswith("2.png in set.zip cannot be read") and message.endswith(
        "take it out."
    )


@pytest.mark.parametrize("order", ["12", "21"])
def test_one_colour_image_makes_the_whole_set_colour(tmp_path: Path, order: str) -> None:
    files = {f"train/{order[0]}.png": GREY, f"train/{order[1]}.png": RED, "test/3.png": GREY}
    found = read_set(write_folder(tmp_path, files))
    assert found.input_shape == (3, 4, 5)
    shown = {tuple(x[:, 0, 0].tolist()) for x in found.train.x}
    assert shown == {(7, 7, 7), (255, 0, 0)}
    assert (found.test.x == 7).all()


@pytest.mark.parametrize(
    ("content", "suffix", "pixel"),
    [
        (encode_picture("1", color=1), "png", [255]),
        (encode_picture("LA", color=(0, 51)), "png", [204]),
        (encode_picture("RGBA", color=(255, 0, 0, 0)), "png", [255, 255, 255]),
        (encode_picture("RGBA", color=(255, 0, 0, 255)), "png", [255, 0, 0]),
        (encode_picture("I;16", color=65535), "png", [255]),
        (encode_picture("I;16", color=200), "png", [200]),
        (encode_picture("I;16", color=4095), "tiff", [255]),
        (encode_picture("P", color=0, kind="GIF"), "gif", [0, 0, 0]),
        (encode_picture("CMYK", color=(0, 0, 0, 0), kind="TIFF"), "tif", [255, 255, 255]),
        (encode_picture("L", color=9, kind="PPM"), "pgm", [9]),
        (encode_picture("L", color=9, kind="BMP"), "bmp", [9]),
    ],
)
def test_every_mode_of_pixel_becomes_bytes(
    tmp_path: Path, content: bytes, suffix: str, pixel: list[int]
) -> None:
    found = read_set(
        write_folder(tmp_path, {f"1.{suffix}": content, f"2.{suffix.upper()}": content})
    )
    assert found.train.x[0, :, 0, 0].tolist() == pixel


def test_pixels_are_channels_then_rows_then_columns(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    found = read_set(write_folder(tmp_path, dict.fromkeys(("1.png", "2.png"), out.getvalue())))
    assert np.array_equal(found.train.x[0].numpy(), pixels.transpose(2, 0, 1))


def test_reading_reports_its_progress(tmp_path: Path) -> None:
    seen: list[float] = []
    config = DataConfig(name=str(write_folder(tmp_path, {f"{i}.png": GREY for i in range(150)})))
    load_dataset(config, lambda message, fraction: seen.append(fraction))
    assert seen == sorted(seen) and seen[-1] == 1.0 and len(seen) == 3


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path, {"1.png": GREY, "2.png": GREY})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    path.write_bytes(content)
    assert (
        get_refusal(path)
        == "1.png in set.zip is encrypted. Make the .zip again without a password."
    )


def test_a_torn_or_false_zip_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path, {"1.png": GREY, "2.png": GREY})
    whole_file = path.read_bytes()
    for content in (b"", b"no zip", whole_file[:-30]):
        path.write_bytes(content)
        assert "set.zip is not a readable .zip file" in get_refusal(path)
    path.write_bytes(whole_file[:60] + bytes(8) + whole_file[68:])
    assert "1.png in set.zip cannot be read" in get_refusal(path)


def test_a_zip_made_on_windows_has_folders(tmp_path: Path) -> None:
    assert read_set(write_zip(tmp_path, {"a\\1.png": GREY, "b\\2.png": GREY})).classes == ("a", "b")


@pytest.mark.parametrize("name", ["../../up/1.png", "/abs/2.png", "a\\..\\..\\3.png"])
def test_a_zip_that_points_out_of_itself_is_refused_and_nothing_is_unpacked(
    tmp_path: Path, name: str
) -> None:
    path = write_zip(tmp_path / "in", {name: GREY, "a/3.png": GREY})
    assert "points out of the archive" in get_refusal(path)
    assert [p.name for p in tmp_path.rglob("*")] == ["in", "set.zip"]


def test_sizes_are_checked_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{i}.png": GREY for i in range(10)}
    path = write_zip(tmp_path, files)
    monkeypatch.setattr(image_decoding, "_to_pixels", lambda image: pytest.fail("decoded"))
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 10 * 3 * 20 - 1)
    monkeypatch.setenv("SPACE_ID", "someone/lab")  # elsewhere they would stay on the disk
    assert "set.zip unpacked would take" in get_refusal(path)
    assert "10 images of 5 x 4 pixels in set would take" in get_refusal(
        write_folder(tmp_path, files)
    )
    monkeypatch.setattr(image_listing, "MAX_PICTURES", 9)
    assert "holds more than 9 files" in get_refusal(tmp_path / "set")


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    for side, words in (
        (8000, "8000 x 8000 pixels; the limit is"),
        (20000, "1.png in set cannot be read"),
    ):
        bomb = bytearray(GREY)
        bomb[16:24] = side.to_bytes(4, "big") * 2
        chunk = bytes(bomb[12:29])
        bomb[29:33] = zlib.crc32(chunk).to_bytes(4, "big")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert words in get_refusal(
                write_folder(tmp_path / str(side), {"1.png": bytes(bomb), "2.png": GREY})
            )


def test_odd_files_are_left_out_with_a_note_each_where_that_is_asked_for(tmp_path: Path) -> None:
    files = {f"a/{i}.png": GREY for i in range(4)} | {
        "a/5.png": encode_picture(size=(9, 9)),
        "a/6.png": b"torn",
    }
    path = write_zip(tmp_path, files | {"a/notes.txt": b"hello", "b/7.png": GREY})
    found = read_set(path, unusable="leave_out", side=None)
    assert len(join_parts(found)) == 5 and found.classes == ("a", "b")
    assert found.notes[0] == "1 file: not pictures, left out (a/notes.txt)."
    assert [note.split(" in set.zip ")[0] for note in found.notes[1:3]] == ["a/5.png", "a/6.png"]
    with pytest.raises(DataError, match="can be read"):
        read_set(write_zip(tmp_path, {"1.png": b"torn", "2.png": b""}), unusable="leave_out")


def test_images_of_any_size_are_cropped_and_resized_to_one(tmp_path: Path) -> None:
    wide = Image.fromarray(np.repeat(np.uint8([[0, 255, 255, 0]]), 2, 0).repeat(8, 0).repeat(8, 1))
    out = io.BytesIO()
    wide.save(out, "PNG")
    found = read_set(
        write_zip(
            tmp_path, {"1.png": out.getvalue(), "2.png": encode_picture(size=(5, 5), color=255)}
        ),
        side=4,
    )
    assert found.input_shape == (1, 4, 4) and (join_parts(found) > 230).all()


def test_a_picture_of_60000_by_60000_pixels_is_refused_by_its_header(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = (
        struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )
    said = get_refusal(
        write_zip(
            tmp_path, {"1.png": b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT"}
        )
    )
    assert "3600000000 pixels" in said


def test_examples_keep_their_order_and_file_names_where_they_are_not_divided(
    tmp_path: Path,
) -> None:
    raw = read_dataset(
        DataConfig(
            name=str(write_zip(tmp_path, {f"b{i}.png": encode_picture(color=i) for i in range(5)}))
        )
    )
    assert raw.names == tuple(f"b{i}.png" for i in range(5)) and raw.x[:, 0, 0, 0].tolist() == [
        0,
        1,
        2,
        3,
        4,
    ]


def test_images_of_the_hub_are_read_from_parquet_with_their_classes(tmp_path: Path) -> None:
    encoded = pa.array(
        [{"bytes": GREY, "path": None}, {"bytes": RED, "path": "x"}, {"bytes": None, "path": None}]
    )
    about = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["cat", "a/b"]}}}}
    table = pa.table({"image": encoded, "label": [0, 1, 0]})
    path = tmp_path / "pets.parquet"
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(about)}), path)
    found = read_set(path, unusable="leave_out")
    assert (
        found.classes == ("a-b", "cat") and found.input_shape == (3, 4, 5) and len(found.notes) == 1
    )
