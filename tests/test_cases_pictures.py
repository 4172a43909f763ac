"""Pictures as phones, microscopes and archives give them: told and given back by `aecore data`."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from picture_files import TORN_HEIC, encode_image, encode_tiff, make_noise, zip_files
from PIL import Image, ImageDraw
from reading import check_refusal, join_all_notes, read_and_write, read_file, run_data_command

from bench.reliability.heic import HEIC
from bench.reliability.odd_pictures import encode_png_header


def first_channels(pixels):
    """Pixels (H, W) or (H, W, C) as (C, H, W)."""
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def check_pictures(path, wanted, within=0, **settings):
    """Hold pictures against {name: pixels}, in any order; return all that is said of them."""
    report, written = read_and_write(path, **settings)
    assert report.kind == "images" and sorted(written["names"]) == sorted(wanted)
    found = dict(zip(written["names"].tolist(), written["x"].astype(float), strict=True))
    scale = 1 if written["x"].dtype == np.uint8 else 255
    for name, pixels in wanted.items():
        assert np.abs(found[name] * scale - first_channels(pixels)).max() <= within, name
    return join_all_notes(report)


def mark_turned(value=6):
    exif = Image.Exif()
    exif[274] = value
    return exif


def test_a_folder_of_a_phone_is_read_upright_with_all_that_is_left_out(tmp_path):
    upright = np.zeros((32, 24, 3), np.uint8)
    upright[:16] = (255, 0, 0)  # the upper half
    lying = Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90)
    photos = tmp_path / "DCIM" / "100PHONE"
    photos.mkdir(parents=True)
    for i in (1, 2):
        content = encode_image(lying, "JPEG", quality=95, exif=mark_turned())
        (photos / f"IMG_{i}.JPG").write_bytes(content)
    (photos / "IMG_3.HEIC").write_bytes(HEIC)
    (photos / "IMG_4.HEIC").write_bytes(TORN_HEIC)
    (photos / "MOV_5.MP4").write_bytes(b"\0\0\0 ftypisom")
    (photos / ".thumbnails").write_bytes(b"x")
    report, written = read_and_write(tmp_path / "DCIM")
    assert report.examples == 3 and report.shape[0] == 3 and len(set(report.shape[1:])) == 1
    first = written["x"][[name.endswith("IMG_1.JPG") for name in written["names"]]][0]
    assert first[0, 2].mean() > 200 and first[0, -3].mean() < 60  # red above, black below
    said = join_all_notes(report)
    assert "IMG_4.HEIC" in said and "orientation" in said and "MOV_5.MP4" in said


def test_greys_of_sixteen_bits_are_bytes_of_the_same_brightness(tmp_path):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    deep = ramp.astype(np.uint16) * 257
    files = {
        "a.png": encode_image(Image.fromarray(deep)),
        "b.tif": encode_tiff(deep),
        "c.tif": encode_tiff(deep, byteorder=">"),
        "d.png": encode_image(ramp),
    }
    check_pictures(zip_files(tmp_path / "ramps.zip", files), dict.fromkeys(files, ramp), within=0.5)


def test_plates_of_twelve_bits_and_several_sizes_are_bright(tmp_path):
    files = {f"{i}.tif": encode_tiff(make_noise(i, (20 + i, 22 + i), top=4096)) for i in range(5)}
    report, written = read_and_write(zip_files(tmp_path / "plates.zip", files), side=16)
    assert written["x"].shape == (5, 1, 16, 16) and "4095" in join_all_notes(report)
    assert written["x"].max() > (200 if written["x"].dtype == np.uint8 else 0.8)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P", "1"])
def test_a_transparent_ground_is_white_paper(tmp_path, mode):
    ink = Image.new("L", (20, 20), 0)
    ImageDraw.Draw(ink).rectangle([6, 6, 13, 13], fill=255)
    black = Image.new("L", ink.size, 0)
    picture, more = {
        "LA": lambda: (Image.merge("LA", (black, ink)), {}),
        "RGBA": lambda: (Image.merge("RGBA", (black, black, black, ink)), {}),
        "P": lambda: (make_palette(ink), {"transparency": 0}),
        "1": lambda: (ink.point(lambda v: 0 if v else 255).convert("1"), {"transparency": 255}),
    }[mode]()
    content = encode_image(picture, **more)
    path = zip_files(tmp_path / "ink.zip", {"1.png": content, "2.png": content})
    x = read_and_write(path)[1]["x"]
    assert (x[..., 0, 0] == 255).all() and (x[..., 9, 9] < 20).all()


def make_palette(ink):
    """Ink of colour 1 on a ground of colour 0, both of them dark."""
    picture = ink.point(lambda v: 1 if v else 0).convert("P")
    picture.putpalette([0, 0, 0, 9, 9, 9] + [0] * 762)
    return picture


def test_of_what_moves_or_has_pages_the_first_is_read(tmp_path):
    first, *rest = (make_noise(i, (16, 16, 3)) for i in range(4))
    others = [Image.fromarray(one) for one in rest]
    files = {
        f"{kind}.{kind.lower()}": encode_image(
            first, kind, save_all=True, append_images=others, **options
        )
        for kind, options in (("WEBP", {"lossless": True}), ("TIFF", {}), ("PNG", {}))
    }
    said = check_pictures(zip_files(tmp_path / "m.zip", files), dict.fromkeys(files, first))
    assert "first" in said and all(name in said for name in files)


def test_bands_of_a_satellite_are_channels_and_floats_are_scaled(tmp_path):
    bands = {f"{i}.tif": make_noise(i, (12, 12, 5)) for i in range(4)}
    files = {
        n: encode_tiff(x, photometric="minisblack", planarconfig="contig") for n, x in bands.items()
    }
    check_pictures(zip_files(tmp_path / "bands.zip", files), bands)
    depth = {f"{i}.tif": make_noise(i, (12, 12)) / np.float32(255) for i in range(4)}
    files = {n: encode_tiff(x.astype(np.float32)) for n, x in depth.items()}
    check_pictures(
        zip_files(tmp_path / "depth.zip", files), {n: x * 255 for n, x in depth.items()}, within=1
    )


@pytest.mark.parametrize("splits", [("train", "val", "test"), ("Training", "Valid", "TEST")])
def test_splits_and_classes_of_folders_come_one_after_the_other(tmp_path, splits):
    wanted = {}
    for part, split in enumerate(splits):
        for kind in ("cat", "dog"):
            for i in range(2):
                wanted[f"pets/{split}/{kind}/{i}.png"] = make_noise(part * 10 + i, (8, 8))
    files = {name: encode_image(x) for name, x in wanted.items()}
    report, written = read_and_write(zip_files(tmp_path / "pets.zip", files))
    order = [name.split("/")[1] for name in written["names"]]
    assert order == [split for split in splits for _ in range(4)]
    assert written["y"].tolist() == [name.split("/")[2] for name in written["names"]]
    assert report.classes == ("cat", "dog")


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_table_beside_the_pictures_has_their_classes(tmp_path, mark):
    kinds = {f"{i}.png": ["oak", "elm"][i % 2] for i in range(6)}
    files = {f"img/{name}": encode_image(make_noise(i, (8, 8))) for i, name in enumerate(kinds)}
    lines = [f"file{mark}species", *(f"{name}{mark}{kind}" for name, kind in kinds.items())]
    files["labels.csv"] = "\n".join(lines).encode()
    report, written = read_and_write(zip_files(tmp_path / "trees.zip", files))
    found = zip(written["names"].tolist(), written["y"].tolist(), strict=True)
    assert {name.split("/")[-1]: kind for name, kind in found} == kinds
    assert "labels.csv" in join_all_notes(report)


def test_class_folders_of_a_zip_made_in_china_keep_their_names(tmp_path):
    names = {"A" * 4: "苹果", "B" * 4: "香蕉"}
    files = {f"{a}/{i}.png": encode_image(make_noise(i, (8, 8))) for a in names for i in range(3)}
    content = zip_files(tmp_path / "fruit.zip", files).read_bytes()
    for stand_in, name in names.items():
        content = content.replace(f"{stand_in}/".encode(), f"{name}/".encode("gbk"))
    (tmp_path / "fruit.zip").write_bytes(content)
    assert read_file(tmp_path / "fruit.zip").classes == tuple(sorted(names.values()))


def test_what_cannot_be_used_is_named_and_refused_where_that_is_set(tmp_path, capsys):
    good = {f"{i}.png": make_noise(i, (9, 9)) for i in range(4)}
    files = {name: encode_image(x) for name, x in good.items()}
    files |= {
        "claims.png": encode_png_header(60_000, 60_000, b"x"),
        "torn.png": files["1.png"][:60],
    }
    path = zip_files(tmp_path / "mixed.zip", files)
    said = check_pictures(path, good)
    assert "claims.png" in said and "torn.png" in said
    strict = ["--set", "data.unusable=refuse"]
    check_refusal(capsys, r"(claims|torn)\.png in mixed\.zip|60000", path, *strict)


def test_pictures_given_one_by_one_are_a_set(tmp_path, capsys):
    for i in range(3):
        (tmp_path / f"{i}.bmp").write_bytes(encode_image(make_noise(i), "BMP"))
    status, told, _ = run_data_command(capsys, *sorted(tmp_path.glob("*.bmp")))
    assert status == 0 and told["examples"] == 3 and told["shape"] == [3, 8, 8]


@pytest.mark.parametrize("name", ["photo.heic", "renamed.jpg"])
def test_a_torn_photo_of_a_phone_is_refused_by_its_true_format(tmp_path, capsys, name):
    (tmp_path / name).write_bytes(TORN_HEIC)
    check_refusal(capsys, "HEI[CF]", tmp_path / name)


REFUSED = {
    "no picture": {"notes.txt": b"hello"},
    "an archive of another kind": {"set.rar": b"Rar!\x1a\x07"},
    "torn pictures alone": {"a/1.png": b"\x89PNG\r\n\x1a\n", "b/2.png": b""},
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_without_pictures_is_refused_with_what_to_do(name, tmp_path, capsys):
    for file, content in REFUSED[name].items():
        (tmp_path / "set" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / file).write_bytes(content)
    check_refusal(capsys, "set", tmp_path / "set")
    shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path / "set")
    check_refusal(capsys, r"set\.zip", tmp_path / "set.zip")
