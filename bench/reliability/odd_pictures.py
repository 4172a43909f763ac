"""Pictures and archives that a visitor should not bring, and some that are odd but good."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageCms

from bench.reliability.heic import HEIC
from bench.reliability.hostile import flip_bytes, tear

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
MODES = ("L", "RGB", "RGBA", "P", "1", "LA", "I;16", "I", "F", "CMYK", "YCbCr")
SPOILED_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
MEMBER_NAMES = (
    "a/b/c/d.png",
    "../up.png",
    "/root.png",
    "C:\\x.png",
    "a\\b.png",
    ".hidden/x.png",
    "__MACOSX/x.png",
    "train/a.png",
    "test/a.png",
    "x" * 300 + ".png",
    "\u202egnp.png",
    "<b>.png",
    "a\x00b.png",
    "a/./b/../c.png",
    "cat/",
    "notes.txt",
)


def encode_picture(
    rng: random.Random, side: int = 12, name: str = "PNG", mode: str = "RGB"
) -> bytes:
    """Returns a small picture of noise."""
    pixels = np.frombuffer(rng.randbytes(side * side * 3), np.uint8).reshape(side, side, 3)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, name)
    return buffer.getvalue()


def encode_png_header(
    width: int, height: int, data: bytes, colour: int = 2, depth: int = 8
) -> bytes:
    """Returns a PNG of these sides, whose pixels are whatever `data` unpacks to."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def encode_blank_png(width: int, height: int, colour: int = 2) -> bytes:
    """Returns a black PNG that is as small as it can be."""
    row = 1 + width * {0: 1, 2: 3, 6: 4}[colour]
    packer, parts = zlib.compressobj(9), []
    for first in range(0, height, 100):
        parts.append(packer.compress(bytes(row * min(100, height - first))))
    return encode_png_header(width, height, b"".join([*parts, packer.flush()]), colour)


# -- single pictures


def make_odd_picture(rng: random.Random, folder: Path) -> Path:
    """Writes a picture of any format and mode, whole or torn."""
    name, mode = rng.choice(FORMATS), rng.choice(MODES)
    try:
        data = encode_picture(rng, rng.choice((1, 3, 40)), name, mode)
    except (OSError, ValueError):
        data = encode_picture(rng)
    if rng.random() < 0.5:
        data = rng.choice((flip_bytes(rng, data, 5), tear(rng, data)))
    suffix = rng.choice((name.lower().replace("jpeg", "jpg").replace("tiff", "tif"), "png"))
    return write_file(folder, f"picture.{suffix}", data)


def make_huge_picture(rng: random.Random, folder: Path) -> Path:
    """Writes a picture of few bytes and many pixels, or one that claims to have them."""
    width, height = rng.choice(
        ((7000, 7000), (9000, 9000), (30_000, 1500), (1, 60_000), (50_000, 2))
    )
    colour = rng.choice((0, 2, 6))
    if rng.random() < 0.3:
        sides = rng.choice(((2**31 - 1, 2**31 - 1), (0, 0), (65_536, 65_536), (1, 2**31 - 1)))
        return write_file(
            folder, "huge.png", encode_png_header(*sides, zlib.compress(b"\x00" * 99))
        )
    return write_file(folder, "huge.png", encode_blank_png(width, height, colour))


def make_bomb_chunks(rng: random.Random, folder: Path) -> Path:
    """Writes a picture whose text, frames or profile unpack to much."""
    kind = rng.randrange(3)
    if kind == 0:
        text = zlib.compress(bytes(200_000_000), 9)
        content = b"Comment\x00\x00" + text
        chunk = struct.pack(">I", len(content)) + b"zTXt" + content
        chunk += struct.pack(">I", zlib.crc32(b"zTXt" + content))
        png = encode_blank_png(10, 10)
        return write_file(folder, "text.png", png[:33] + chunk + png[33:])
    if kind == 1:
        frames = [Image.new("L", (50, 50), i % 256) for i in range(2000)]
        buffer = io.BytesIO()
        frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
        return write_file(folder, "long.gif", buffer.getvalue())
    header = rng.choice(
        (b"P6 60000 60000 255\n", b"P5 9999999999 1 255\n", b"P6 -1 -1 255\n", b"P7")
    )
    return write_file(folder, "claims.ppm", header + bytes(3000))


def make_odd_heic(rng: random.Random, folder: Path) -> Path:
    """Writes a HEIC picture that is torn, changed in its header, or claims to be very large."""
    data = HEIC
    kind = rng.randrange(4)
    if kind == 0:
        data = tear(rng, data)
    elif kind == 1:
        data = flip_bytes(rng, data, rng.choice((1, 5, 50)))
    elif kind == 2:
        place = data.index(b"ispe") + 8
        sides = rng.choice(((2**31, 2**31), (32_000, 32_000), (7000, 7000), (0, 0), (1, 2**32 - 1)))
        data = data[:place] + struct.pack(">II", *sides) + data[place + 8 :]
    else:
        data = data[:24] + rng.randbytes(500)
    return write_file(folder, rng.choice(("photo.heic", "photo.jpg", "photo.HEIF")), data)


def make_odd_tiff(rng: random.Random, folder: Path) -> Path:
    """Writes a TIFF of many bands, types and pages: whole, torn, or with a header that lies."""
    bands = rng.choice((2, 4, 5, 16, 17, 300))
    kind = rng.choice(("u1", "u2", "i2", "u4", "f2", "f4", "f8"))
    values = np.frombuffer(rng.randbytes(8 * 8 * bands * int(kind[1])), kind).reshape(8, 8, bands)
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        values,
        photometric="minisblack",
        planarconfig="contig",
        compression=rng.choice((None, "zlib")),
        byteorder=rng.choice("<>"),
        bigtiff=rng.random() < 0.2,
    )
    data = buffer.getvalue()
    if rng.random() < 0.5:
        data = rng.choice((flip_bytes(rng, data, rng.choice((1, 5, 30))), tear(rng, data)))
    return write_file(folder, "bands.tif", data)


def make_odd_metadata(rng: random.Random, folder: Path) -> Path:
    """Writes a picture whose EXIF is huge or circular, or whose colour profile is none."""
    image = Image.frombytes("RGB", (12, 12), rng.randbytes(12 * 12 * 3))
    kind = rng.choice(("JPEG", "TIFF", "WEBP", "PNG"))
    circular = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 274, 3, 1, rng.randrange(99), 8)
    exif = b"Exif\0\0" + rng.choice((circular, rng.randbytes(60_000), bytes(60_000)))
    profile = rng.choice((b"", rng.randbytes(3000), b"\0\0\0\x80" + bytes(60_000), SPOILED_PROFILE))
    profile = flip_bytes(rng, profile, 5) if profile and rng.random() < 0.5 else profile
    buffer = io.BytesIO()
    try:
        image.save(buffer, kind, exif=exif, icc_profile=profile)
    except Exception:  # an EXIF that cannot even be written
        buffer = io.BytesIO()
        image.save(buffer, kind, icc_profile=profile)
    suffix = {"JPEG": "jpg", "TIFF": "tif"}.get(kind, kind.lower())
    return write_file(folder, f"described.{suffix}", buffer.getvalue())


# -- archives


def make_archive_of_archives(rng: random.Random, folder: Path) -> Path:
    """Writes an archive of archives: sound, bombs, many, or nested deeper."""
    inner = io.BytesIO()
    kind = rng.randrange(4)
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        if kind == 1:
            archive.writestr("bomb.png", bytes(rng.choice((300_000_000, 900_000_000))))
        for i in range(2000 if kind == 2 else 3):
            archive.writestr(f"cat/{i}.png", encode_picture(rng))
    data = inner.getvalue()
    path = folder / "archives.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(rng.choice((1, 2, 30))):
            archive.writestr(f"{i}.zip", tear(rng, data) if rng.random() < 0.2 else data)
        if kind == 3:
            archive.writestr("deeper/again.zip", make_nested_zip(rng, folder).read_bytes())
    return path


def make_small_zip(rng: random.Random, folder: Path) -> Path:
    """Writes an archive of a few pictures with classes, sound but for a few members."""
    path = folder / "pictures.zip"
    method = rng.choice(
        (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    )
    with zipfile.ZipFile(path, "w", method) as archive:
        for i in range(rng.choice((0, 1, 2, 30))):
            side = rng.choice((12, 12, 12, 12, 13, 1))
            archive.writestr(f"{rng.choice(('cat', 'dog'))}/{i}.png", encode_picture(rng, side))
        for _ in range(rng.choice((0, 0, 1, 3))):
            name = rng.choice(MEMBER_NAMES)
            archive.writestr(name, rng.choice((encode_picture(rng), b"", rng.randbytes(99))))
    return path


def make_lying_zip(rng: random.Random, folder: Path) -> Path:
    """Writes an archive whose directory lies, or whose bytes are torn."""
    path = make_small_zip(rng, folder)
    data = path.read_bytes()
    if rng.random() < 0.6:
        data = rng.choice((flip_bytes(rng, data, rng.choice((1, 10, 200))), tear(rng, data)))
    else:
        changed = bytearray(data)
        start = data.rfind(b"PK\x01\x02")
        if start >= 0:  # sizes, flags, method or offset of its last member
            place = start + rng.choice((8, 10, 20, 24, 42))
            changed[place : place + 4] = struct.pack("<I", rng.choice((0, 1, 2**31, 2**32 - 1)))
        data = bytes(changed)
    path.write_bytes(data)
    return path


def make_crowded_zip(rng: random.Random, folder: Path) -> Path:
    """Writes an archive of 100,000 members: tiny pictures, empty files, folders or texts."""
    kind = rng.choice(("pictures", "empty pictures", "texts", "folders", "folders each with one"))
    path = folder / "crowded.zip"
    tiny = encode_picture(rng, rng.choice((1, 8)), mode="L")
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(100_000):
            if kind == "pictures":
                archive.writestr(f"{i % 10}/{i}.png", tiny)
            elif kind == "empty pictures":
                archive.writestr(f"{i}.png", b"")
            elif kind == "texts":
                archive.writestr(f"{i}.txt", b"x")
            elif kind == "folders":
                archive.writestr(f"{i}/", b"")
            else:
                archive.writestr(f"{i}/1.png", tiny)
    return path


def make_heavy_zip(rng: random.Random, folder: Path) -> Path:
    """Writes an archive of few bytes that holds very large pictures, or a bomb."""
    path = folder / "heavy.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        if rng.random() < 0.3:
            with archive.open("bomb.png", "w", force_zip64=True) as file:
                for _ in range(rng.choice((300, 2000))):
                    file.write(bytes(1_000_000))
            return path
        side, count = rng.choice(((7000, 12), (7000, 60), (5000, 100), (2000, 400), (3000, 2)))
        png = encode_blank_png(side, side, rng.choice((0, 2, 6)))
        for i in range(count):
            archive.writestr(f"{i}.png", png)
    return path


def make_nested_zip(rng: random.Random, folder: Path) -> Path:
    """Writes an archive in an archive, a link, or an encrypted member."""
    path = folder / "nested.zip"
    inner = make_small_zip(rng, folder).read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(rng.choice(("inner.zip", "inner.png")), inner)
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        locked = zipfile.ZipInfo("locked.png")
        locked.flag_bits = rng.choice((0, 1, 1 << 11, 1 << 6))
        archive.writestr(locked, encode_picture(rng))
        archive.writestr("a.png", encode_picture(rng))
        archive.writestr("b.png", encode_picture(rng))
    return path


def write_file(folder: Path, name: str, data: bytes) -> Path:
    """Writes a file; returns its path."""
    path = folder / name
    path.write_bytes(data)
    return path
