"""Single pictures: orientation, depth, bands, colours, frames, HEIC."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from picture_files import (
    TORN_HEIC,
    encode_image,
    encode_tiff,
    make_noise,
    read_pictures,
    zip_files,
)
from PIL import Image, ImageCms

from aecore.data.images import decoding as image_decoding
from aecore.data.images import files as image_files
from aecore.data.images import formats as image_formats
from aecore.data.images.grey_range import GreyRange, choose_grey_range
from aecore.data.images.reading import read_image_files
from aecore.data.images.sizes import choose_side
from aecore.data.raw import pass_progress_on
from aecore.errors import DataError
from aecore.model.config import DataConfig, RunConfig
from aecore.runs.plan import plan_run
from bench.reliability.heic import HEIC


def read_one(tmp_path, name, content, **options):
    """Read a set of two of the same picture; return the pixels of one and the notes."""
    path = zip_files(tmp_path / "set.zip", {f"1{name}": content, f"2{name}": content})
    raw = read_pictures(path, **options)
    return raw.x[0], " ".join(raw.notes)


def mark_orientation(value):
    exif = Image.Exif()
    exif[274] = value
    return exif


# -- orientation


@pytest.mark.parametrize("value", range(2, 9))
@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "WEBP"])
def test_a_picture_is_turned_as_its_exif_orientation_says(tmp_path, value, kind):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16], upright[8:, 16:] = (255, 0, 0), (0, 0, 255)
    back = {6: 8, 8: 6}.get(value, value)
    stored = Image.fromarray(upright).transpose(image_files.TRANSPOSES[back])
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95, "subsampling": 0}
    content = encode_image(stored, kind, exif=mark_orientation(value), **options)
    pixels, notes = read_one(tmp_path, f".{kind.lower()}", content)
    assert np.abs(pixels.transpose(1, 2, 0).astype(int) - upright).max() < 30
    assert "2 pictures: turned upright by EXIF orientation (1." in notes


def test_sizes_are_those_of_upright_pictures(tmp_path):
    lying = encode_image(make_noise(shape=(8, 12, 3)), "JPEG", exif=mark_orientation(6))
    standing = encode_image(make_noise(shape=(12, 8, 3)), "JPEG")
    raw = read_pictures(zip_files(tmp_path / "a.zip", {"1.jpg": lying, "2.jpg": standing}))
    assert raw.x.shape == (2, 3, 12, 8) and raw.reading["side"] is None


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0II*\0junk", b"Exif\0\0" + bytes(60_000)])
def test_an_exif_that_makes_no_sense_turns_nothing(tmp_path, exif):
    pixels = make_noise()
    content = encode_image(pixels, "PNG", exif=exif)
    assert np.array_equal(read_one(tmp_path, ".png", content)[0], pixels.transpose(2, 0, 1))


# -- depth


@pytest.mark.parametrize(
    ("used", "greys"),
    [
        (GreyRange(0, 200), (0, 255)),
        (GreyRange(5, 1000), (0, 1023)),
        (GreyRange(100, 4000), (0, 4095)),
        (GreyRange(0, 5000), (0, 5000)),
        (GreyRange(0, 65_535), (0, 65_535)),
        (GreyRange(0, 2.0**20), (0, 2.0**20)),
        (GreyRange(-1000, 3000), (-1000, 3000)),
        (GreyRange(0, 0.9, True), (0, 1)),
        (GreyRange(0, 250.5, True), (0, 255)),
        (GreyRange(0.5, 12.5, True), (0.5, 12.5)),
        (GreyRange(3, 3, True), (3, 4)),
    ],
)
def test_greys_are_scaled_by_the_depth_or_the_range_that_is_used(used, greys):
    assert choose_grey_range(used) == greys


DEEP = {
    "grey PNG": lambda v: encode_image(v[..., 0]),
    "grey TIFF": lambda v: encode_tiff(v[..., 0]),
    "big-endian TIFF": lambda v: encode_tiff(v[..., 0], byteorder=">"),
    "colour TIFF": lambda v: encode_tiff(v, photometric="rgb"),
    "TIFF of planes": lambda v: encode_tiff(
        v.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"
    ),
    "packed TIFF": lambda v: encode_tiff(v, photometric="rgb", compression="zlib", predictor=2),
    "colour PNG": lambda v: encode_deep_png(v),
}


def encode_deep_png(values):
    """A PNG of 16 bits a colour, which Pillow does not write."""
    height, width, bands = values.shape
    rows = values.astype(">u2").tobytes()
    step = width * bands * 2
    lines = b"".join(b"\0" + rows[i * step : (i + 1) * step] for i in range(height))
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[bands], 0, 0, 0)

    def chunk(kind, body):
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize("kind", DEEP)
def test_twelve_bits_in_sixteen_are_bright(tmp_path, kind):
    values = make_noise(top=4096)
    values[0, 0] = 4095
    pixels, notes = read_one(tmp_path, ".png" if "PNG" in kind else ".tif", DEEP[kind](values))
    wanted = np.rint(values / 4095 * 255).transpose(2, 0, 1)[: len(pixels)]
    assert np.array_equal(pixels, wanted) and "greys 0 to 4095 are scaled to 0..255" in notes


def test_the_range_is_that_of_all_pictures_and_is_kept_for_the_next_ones(tmp_path):
    dark, bright = np.full((8, 8), 100, np.uint16), np.full((8, 8), 4095, np.uint16)
    path = zip_files(
        tmp_path / "a.zip", {"1.png": encode_image(dark), "2.png": encode_image(bright)}
    )
    raw = read_pictures(path)
    assert raw.x[:, 0, 0, 0].tolist() == [6, 255] and raw.reading["greys"] == (0, 4095)
    other = zip_files(tmp_path / "b.zip", {"1.png": encode_image(dark)})
    assert read_pictures(other, greys=(0, 4095)).x[0, 0, 0, 0] == 6


def test_floats_are_scaled_and_what_stands_for_no_value_is_counted(tmp_path):
    values = np.linspace(2, 10, 64, dtype=np.float32).reshape(8, 8)
    values[0, 0], values[0, 1] = np.nan, -3.4e38
    content = encode_image(values, "TIFF")
    pixels, notes = read_one(tmp_path, ".tif", content)
    assert pixels[0, 0, :2].tolist() == [0, 0] and pixels.max() == 255
    assert "NaN, infinite or no-data values, taken as the lowest" in notes
    assert "more than 8 bits a value: greys 2.25397 to 10 " in notes


def test_a_deep_picture_that_cannot_be_read_does_not_spoil_the_range(tmp_path):
    good = encode_image(make_noise(shape=(32, 32), top=4096))
    raw = read_pictures(zip_files(tmp_path / "a.zip", {"1.png": good, "2.png": good[:900]}))
    assert raw.x.shape[0] == 1 and raw.x.max() == 255 and "2.png" in raw.notes[-1]


# -- bands


@pytest.mark.parametrize("bands", [2, 4, 5, 16])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_bands_of_a_tiff_are_channels(tmp_path, bands, planes, compression):
    values = make_noise(shape=(8, 6, bands))
    stored = values.transpose(2, 0, 1) if planes == "separate" else values
    content = encode_bands(stored, planarconfig=planes, compression=compression)
    pixels, _ = read_one(tmp_path, ".tif", content)
    assert np.array_equal(pixels, values.transpose(2, 0, 1))
    small, _ = read_one(tmp_path, ".tif", content, side=4)
    assert small.shape == (bands, 4, 4)


def encode_bands(values, **options):
    options = {"planarconfig": "contig", **options}
    return encode_tiff(values, photometric="minisblack", **options)


@pytest.mark.parametrize("name", ["bands", "compression", "mixed"])
def test_bands_that_are_not_read_are_refused_with_a_cure(tmp_path, name):
    five = encode_bands(make_noise(shape=(8, 8, 20 if name == "bands" else 5)))
    if name == "compression":
        tag = struct.pack("<HHI", 259, 3, 1)
        assert five.count(tag) == 1
        five = five.replace(tag + b"\1", tag + b"\5")
    files = {"1.tif": five, "2.png": encode_image(make_noise())}
    if name == "mixed":
        files = {"1.tif": five, "2.tif": five, **files}
    path = zip_files(tmp_path / "a.zip", files)
    with pytest.raises(DataError) as caught:
        read_pictures(path, unusable="refuse")
    words = {"bands": "20 bands, more than 16", "compression": "LZW", "mixed": "has 3 channels"}
    assert words[name] in str(caught.value) and "in a.zip" in str(caught.value)


def test_a_part_of_a_tiff_that_unpacks_to_more_than_it_says_is_refused(tmp_path):
    content = encode_bands(np.zeros((8, 8, 5), np.uint8), compression="zlib")
    image = zlib.compress(bytes(8 * 8 * 5))
    at = content.index(image[:2])
    bomb = zlib.compress(bytes(10_000_000))[: len(content) - at]
    spoiled = content[:at] + bomb + content[at + len(bomb) :]
    path = zip_files(tmp_path / "a.zip", {"1.tif": spoiled, "2.png": encode_image(make_noise())})
    assert "1.tif in a.zip cannot be read" in " ".join(read_pictures(path).notes)


# -- colours


def make_profile(name="LAB"):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()


def test_a_profile_that_is_srgb_changes_nothing(tmp_path):
    pixels = make_noise()
    content = encode_image(pixels, "PNG", icc_profile=make_profile("sRGB"))
    shown, notes = read_one(tmp_path, ".png", content)
    assert np.array_equal(shown, pixels.transpose(2, 0, 1)) and not notes


def test_another_profile_is_converted_and_a_false_one_is_noted(tmp_path, monkeypatch):
    pixels = np.full((8, 8, 3), (10, 200, 30), np.uint8)
    wide = make_profile("sRGB").replace(b"sRGB", b"wide")
    wide = wide.replace("sRGB".encode("utf-16-be"), "wide".encode("utf-16-be"))
    _, notes = read_one(tmp_path, ".png", encode_image(pixels, "PNG", icc_profile=wide))
    assert "converted from a colour profile to sRGB" in notes
    for false in (b"none", bytes(5_000_000)):
        shown, notes = read_one(tmp_path, ".tif", encode_image(pixels, "TIFF", icc_profile=false))
        assert shown[:, 0, 0].tolist() == [10, 200, 30] and "colour profile that cannot" in notes


def test_cmyk_becomes_srgb(tmp_path):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    pixels, notes = read_one(tmp_path, ".tif", encode_image(image, "TIFF"))
    assert pixels[:, 0, 0].tolist() == [255, 0, 0] and "2 pictures: converted from CMYK" in notes


@pytest.mark.parametrize("bands", [2, 4])
def test_transparency_of_sixteen_bits_is_white(tmp_path, bands):
    values = np.zeros((8, 8, bands), np.uint16)
    values[4:, :, -1] = 65_535
    pixels, _ = read_one(tmp_path, ".png", encode_deep_png(values))
    assert (pixels[:, :4] == 255).all() and (pixels[:, 4:] == 0).all()


# -- frames


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_of_several_frames_or_pages_the_first_is_read_with_a_note(tmp_path, kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encode_image(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    pixels, notes = read_one(tmp_path, f".{kind.lower()}", content)
    assert pixels[:, 0, 0].tolist() == [255, 0, 0]
    assert "2 pictures: several pages or animated frames, of which the first is read" in notes


# -- HEIC


@pytest.mark.parametrize("name", [".heic", ".jpg", ".HEIC"])
def test_heic_is_read_under_any_name(tmp_path, name):
    pixels, notes = read_one(tmp_path, name, HEIC)
    assert pixels.shape == (3, 24, 32) and not notes
    assert pixels[0, 12, 4] > 200 > 50 > pixels[0, 12, 28]


@pytest.mark.parametrize("content", [TORN_HEIC, HEIC[:-40], HEIC[:24]])
def test_a_torn_heic_is_refused_by_its_name_with_a_cure(tmp_path, content):
    path = tmp_path / "renamed.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"HEIC picture that is damaged\. Copy it again"):
        read_image_files([path], pass_progress_on, DataConfig(unusable="refuse"))


def test_without_its_decoder_heic_is_refused_with_the_package_to_install(tmp_path, monkeypatch):
    without = [name for name in image_formats.list_readable_formats() if name != "HEIF"]
    for module in (image_formats, image_files, image_decoding):
        monkeypatch.setattr(module, "list_readable_formats", lambda: without)
    path = zip_files(tmp_path / "a.zip", {"1.heic": HEIC, "2.png": encode_image(make_noise())})
    assert "HEIC picture, and pi-heif is not installed." in " ".join(read_pictures(path).notes)


def test_a_heic_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(image_decoding, "MAX_PIXELS", 700)
    monkeypatch.setattr(image_files.PillowImage, "decode", lambda self: pytest.fail("decoded"))
    path = zip_files(tmp_path / "a.zip", {"1.heic": HEIC})
    with pytest.raises(DataError, match=r"1\.heic in a\.zip is 32 x 24 pixels; the limit is 700"):
        read_pictures(path, unusable="refuse")


# -- sizes


def test_pictures_of_several_sizes_are_read_alike_by_every_door(tmp_path):
    files = {f"{i}.png": encode_image(make_noise(i, (40 + i, 40, 3))) for i in range(4)}
    raw = read_pictures(zip_files(tmp_path / "a.zip", files))
    assert raw.x.shape == (4, 3, 32, 32) and raw.reading["side"] == 32
    assert "4 sizes, 40 x 40 to 40 x 43 pixels, are cropped" in raw.notes[0]
    config = plan_run("vanilla", str(tmp_path / "a.zip"), settings={"data.unusable": "leave_out"})
    assert config.data.side == 32 and config.model.input_shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("sizes", "side"),
    [
        ({(28, 28): 9}, None),
        ({(64, 64): 1}, None),
        ({(65, 65): 1}, 64),
        ({(9, 30): 1, (9, 9): 1}, 16),
        ({(400, 300): 60, (32, 24): 1}, 64),
        ({(400, 300): 6, (32, 24): 1}, 16),
    ],
)
def test_a_side_is_chosen_by_the_sizes_there_are(sizes, side):
    assert choose_side(sizes) == side


def test_a_run_from_before_pictures_were_resized_reads_them_as_they_are():
    model = {"input_shape": (3, 128, 128)}
    for data in ({"name": "x"}, {"name": "x", "side": None}):
        assert RunConfig.model_validate({"model": model, "data": data}).data.side is None


# -- sentences


def test_no_sentence_of_a_library_is_shown_for_good_and_bad_pictures(tmp_path):
    good = encode_image(make_noise(shape=(64, 64, 3)))
    bad = {"3.png": good[:5000], "4.png": good[:200] + b"x" * 50 + good[250:], "5.png": b""}
    path = zip_files(tmp_path / "a.zip", {"1.png": good, "2.png": good, **bad})
    raw = read_pictures(path)
    assert len(raw.x) == 2 and [note[:5] for note in raw.notes] == list(bad)
    said = {note.split("(")[1].split(")")[0] for note in raw.notes}
    ours = ("is cut off", "is damaged", "is not an image")
    assert said <= {f"its content {words}" for words in ours}


def test_pictures_brought_one_by_one_are_named_where_they_are_refused(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path in paths:
        path.write_bytes(encode_image(make_noise()))
    paths[1].write_bytes(b"torn")
    raw = read_image_files(paths, pass_progress_on, DataConfig(unusable="leave_out"))
    assert raw.names == ("0.png", "2.png") and raw.notes[0].startswith("1.png in 3 pictures")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match="have the same name"):
        read_image_files([paths[0], tmp_path / "b" / "0.png"], pass_progress_on, DataConfig())


def test_a_png_text_that_grows_is_no_reason_to_fail(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(make_noise()).save(buffer, "PNG")
    content, body = buffer.getvalue(), b"Comment\0\0" + zlib.compress(bytes(50_000_000), 9)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + body))
    path = zip_files(
        tmp_path / "a.zip", {"1.png": content[:33] + chunk + content[33:], "2.png": content}
    )
    assert len(read_pictures(path).x) >= 1
