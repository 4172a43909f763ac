"""Your own images: a folder or a .zip, with a sub-folder for each class or none at all."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image, UnidentifiedImageError

from aecore.data import arrays
from aecore.data.arrays import Array, Raw
from aecore.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # no EPS: it would run Ghostscript
JUNK = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini"}
MAX_FILES = 500_000
MAX_PIXELS = 50_000_000  # of one image

Parts = tuple[str, ...]  # a path inside the set: ("train", "cat", "1.png")


class Source(Protocol):
    """Where the images lie: names first, bytes on demand."""

    def names(self) -> Iterator[str]: ...  # with "/" between parts and at the end of folders
    def read(self, name: str) -> bytes: ...


class Folder:
    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self.root, followlinks=True):
            folders[:] = sorted(name for name in folders if not _is_junk(name))
            inside = Path(folder).relative_to(self.root)
            yield from ((inside / name).as_posix() + "/" for name in folders)
            yield from ((inside / name).as_posix() for name in sorted(files))

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()


class Archive:
    """A zip that is read member by member and never unpacked to disk."""

    def __init__(self, archive: zipfile.ZipFile, where: str) -> None:
        self.archive = archive
        self.members = {info.filename.replace("\\", "/"): info for info in archive.infolist()}
        locked = next((name for name, info in self.members.items() if info.flag_bits & 1), None)
        if locked is not None:
            raise DataError(f"{locked} in {where} is encrypted. Make the .zip again without a password.")
        arrays.check_bytes(sum(info.file_size for info in self.members.values()), f"{where} unpacked")

    def names(self) -> Iterator[str]:
        return iter(self.members)

    def read(self, name: str) -> bytes:
        return self.archive.read(self.members[name])


class Found(NamedTuple):
    """An image of the set and its class, if the set has classes."""

    name: str
    label: str | None


def read_images(path: Path, report: Callable[[str, float], None]) -> Raw:
    """Reads every image into one array (N, C, H, W) of bytes.

    Images in sub-folders take the sub-folder's name as their class; top-level folders `train` and `test` are
    the splits. Grey images have 1 channel (16 bits are rounded to 8), anything else has 3; one colour image
    makes the whole set 3. Transparency is laid on white, only the first frame counts, EXIF rotation is not
    applied. Raises DataError.
    """
    if path.is_dir():
        return _read(Folder(path), path.name, report)
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise DataError(f"{path.name} is not a readable .zip file ({error}). Make it again.") from error
    with archive:
        return _read(Archive(archive, path.name), path.name, report)


def _read(source: Source, where: str, report: Callable[[str, float], None]) -> Raw:
    files, folders = _listing(source.names(), where)
    if not files:
        raise DataError(f"{where} holds no images. Put images in it ({', '.join(SUFFIXES)}).")
    train, test = _layout(files, folders, where)
    found = train + test
    x = _decode_all(source, [image.name for image in found], where, report)
    count = len(train) if test else None
    if found[0].label is None:
        return Raw("image", x, train=count)
    y, classes = arrays.index_labels(np.array([image.label for image in found]))
    return Raw("image", x, y, classes, train=count)


def _is_junk(part: str) -> bool:
    return part.startswith(".") or part.lower() in JUNK


def _listing(names: Iterable[str], where: str) -> tuple[dict[Parts, str], set[Parts]]:
    """The images and the folders of the set, without what operating systems leave behind."""
    files: dict[Parts, str] = {}
    folders: set[Parts] = set()
    for count, name in enumerate(names):
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if count >= MAX_FILES:
            raise DataError(f"{where} holds more than {MAX_FILES} files. Use fewer examples.")
        if any(_is_junk(part) for part in parts):
            continue
        if name.endswith("/"):
            folders.add(parts)
        elif not name.lower().endswith(SUFFIXES):
            raise DataError(f"{'/'.join(parts)} in {where} is not an image ({', '.join(SUFFIXES)}). Take it out.")
        else:
            files[parts] = name
            folders.update(parts[:depth] for depth in range(1, len(parts)))
    return dict(sorted(files.items())), folders - {()}


def _layout(files: dict[Parts, str], folders: set[Parts], where: str) -> tuple[list[Found], list[Found]]:
    """Training and test images; no test images means that the set is still to be split."""
    root = _unwrap(files, folders)
    tops = {parts[len(root)] for parts in folders if parts[: len(root)] == root and len(parts) > len(root)}
    if not {"train", "test"} <= tops:
        return _classes(root, files, folders, where), []
    others = {parts[len(root)] for parts in files} | tops
    if others := sorted(others - {"train", "test"}):
        raise DataError(f"{where} has {others[0]} beside its folders train and test. Move it into one of them.")
    train, test = (_classes((*root, split), files, folders, where) for split in ("train", "test"))
    if (train[0].label is None) != (test[0].label is None):
        raise DataError(f"{where} has class folders in only one of train and test. Use them in both or in neither.")
    return train, test


def _unwrap(files: Iterable[Parts], folders: set[Parts]) -> Parts:
    """The folder that holds the set: archives often wrap everything in one more."""
    root: Parts = ()
    while True:
        depth = len(root) + 1
        tops = {parts[:depth] for parts in (*files, *folders) if len(parts) >= depth}
        inner = {len(parts) for parts in files}
        if len(tops) != 1 or min(inner) <= depth + 1 or not tops <= folders:
            return root
        (root,) = tops


def _classes(root: Parts, files: dict[Parts, str], folders: set[Parts], where: str) -> list[Found]:
    """The images under `root`, each with the folder that it lies in, or none has one."""
    depth = len(root)
    inside = {parts[depth:]: name for parts, name in files.items() if parts[:depth] == root}
    labels = {parts[depth] for parts in folders if parts[:depth] == root and len(parts) > depth}
    flat = next((parts[0] for parts in inside if len(parts) == 1), None)
    shown = "/".join((where, *root))
    if labels and flat is not None:
        raise DataError(
            f"{shown} has images ({flat}) beside folders ({min(labels)}). Use class folders for all or none."
        )
    if deep := next((parts for parts in inside if len(parts) > 2), None):
        raise DataError(f"{'/'.join(deep)} in {shown} lies too deep; one level of class folders is read.")
    if empty := sorted(labels - {parts[0] for parts in inside}):
        raise DataError(f"The folder {empty[0]} in {shown} holds no images. Fill it or remove it.")
    if not inside:
        raise DataError(f"The folder {shown} holds no images. Fill it or remove it.")
    return [Found(name, parts[0] if len(parts) == 2 else None) for parts, name in inside.items()]


def _decode_all(source: Source, names: list[str], where: str, report: Callable[[str, float], None]) -> Array:
    """(N, C, H, W) uint8; every image's size is known from its header before it is decoded."""
    out: Array | None = None
    size: tuple[int, int] | None = None
    for i, name in enumerate(names):
        with _naming(name, where):
            image = Image.open(io.BytesIO(source.read(name)), formats=FORMATS)
        size = size or _first_size(image, len(names), name, where)
        if image.size != size:
            raise DataError(
                f"{name} in {where} is {image.width} x {image.height} pixels, but {names[0]} is "
                f"{size[0]} x {size[1]}. All images must share one size: resize or crop them first."
            )
        with _naming(name, where):
            pixels = _pixels(image)
        out = _room(out, pixels, len(names))
        out[i] = pixels
        if i % 100 == 0 or i + 1 == len(names):
            report(f"Reading {len(names)} images", (i + 1) / len(names))
    assert out is not None
    return out


@contextmanager
def _naming(name: str, where: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # decoders of foreign bytes raise whatever they like
        reason = "its content is not an image" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(f"{name} in {where} cannot be read ({reason}). Replace it or take it out.") from error


def _room(out: Array | None, pixels: Array, count: int) -> Array:
    """Space for every image: one channel until the first colour image shows."""
    if out is None:
        return np.empty((count, *pixels.shape), np.uint8)
    return np.repeat(out, 3, axis=1) if out.shape[1] < pixels.shape[0] else out


def _first_size(image: Image.Image, count: int, name: str, where: str) -> tuple[int, int]:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(f"{name} in {where} is {width} x {height} pixels; the limit is {MAX_PIXELS} in all.")
    arrays.check_bytes(count * 3 * width * height, f"{count} images of {width} x {height} pixels in {where}")
    return image.size


def _pixels(image: Image.Image) -> Array:
    """(1 or 3, H, W) uint8."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _deep_grey(image)
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    pixels = np.asarray(image.convert("L" if grey else "RGB"))
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def _deep_grey(image: Image.Image) -> Array:
    """16 bits a pixel, rounded to 8."""
    values = np.asarray(image)
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
        raise ValueError("its pixels are not 8 or 16 bits deep; save floats in [0, 1] in a .npz instead")
    return np.rint(values.astype(np.float64) / 257).astype(np.uint8)[None]
