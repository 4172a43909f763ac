"""Your own images: a folder, a .zip or a .parquet of the Hub, with a sub-folder for each class or none at all."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from aecore.data import arrays, stored
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
    def files(self, names: list[str]) -> list[Path]: ...  # in which the named images lie


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

    def files(self, names: list[str]) -> list[Path]:
        return [self.root / name for name in names]


class Archive:
    """A zip that is read member by member and never unpacked to disk."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self.archive, self.path, where = archive, path, path.name
        self.members = {info.filename.replace("\\", "/"): info for info in archive.infolist()}
        astray = next((name for name in self.members if name.startswith("/") or ".." in name.split("/")), None)
        if astray is not None:
            raise DataError(f"{astray[:80]} in {where} points out of the archive. Make it again without.")
        locked = next((name for name, info in self.members.items() if info.flag_bits & 1), None)
        if locked is not None:
            raise DataError(f"{locked} in {where} is encrypted. Make the .zip again without a password.")
        stored.is_large(sum(info.file_size for info in self.members.values()), f"{where} unpacked")

    def names(self) -> Iterator[str]:
        return iter(self.members)

    def read(self, name: str) -> bytes:
        return self.archive.read(self.members[name])

    def files(self, names: list[str]) -> list[Path]:
        return [self.path]


class Rows:
    """A .parquet of encoded images, as data sets on the Hub have them: a column {bytes, path}, and one of classes."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path

        table = pq.ParquetFile(path).read()
        column = next(name for name in table.column_names if _holds_images(table.schema.field(name).type))
        self.images = table[column].combine_chunks().field("bytes")
        about = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
        features = about.get("info", {}).get("features", {})
        label = next((name for name, kind in features.items() if kind.get("_type") == "ClassLabel"), None)
        words = features[label]["names"] if label else []
        labels = [words[i] if 0 <= i < len(words) else "none" for i in table[label].to_pylist()] if label else None
        folders = [f"{word.replace('/', '-')}/" for word in labels] if labels else [""] * len(table)
        self.members = {f"{folder}{i}.png": i for i, folder in enumerate(folders)}

    def names(self) -> Iterator[str]:
        return iter(self.members)

    def read(self, name: str) -> bytes:
        return self.images[self.members[name]].as_py() or b""

    def files(self, names: list[str]) -> list[Path]:
        return [self.path]


def in_parquet(path: Path) -> bool:
    """Whether a .parquet holds encoded images."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return any(_holds_images(kind) for kind in pq.read_schema(path).types)
    except (pa.ArrowException, OSError):
        return False  # the reader of tables says what is wrong with it


def _holds_images(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_struct(kind) and {"bytes", "path"} == {field.name for field in kind}


class Found(NamedTuple):
    """An image of the set and its class, if the set has classes."""

    name: str
    label: str | None


def read_images(
    path: Path, report: Callable[[str, float], None], side: int | None = None, leave_out: bool = False
) -> Raw:
    """Reads every image into one array (N, C, H, W) of bytes.

    Images in sub-folders take the sub-folder's name as their class; top-level folders `train` and `test` are
    the splits. Grey images have 1 channel (16 bits are rounded to 8), anything else has 3; one colour image
    makes the whole set 3. Transparency is laid on white, only the first frame counts, EXIF rotation is not
    applied. With a `side` every image is cropped to a square around its middle and resized to that. With
    `leave_out` files that are no images, or not of the first one's size, are left out with a note. Raises DataError.
    """
    with _opened(path) as source:
        return _read(source, Reading(path.name, report, side, leave_out, []))


def sizes(path: Path) -> Counter[tuple[int, int]]:
    """How many images of the set have which (width, height), as far as their headers can be read. Raises DataError."""
    found: Counter[tuple[int, int]] = Counter()
    with _opened(path) as source:
        for name in _listing(source.names(), Reading(path.name, lambda text, share: None, None, True, []))[0].values():
            with suppress(DataError), _naming(name, path.name):
                found[Image.open(io.BytesIO(source.read(name)), formats=FORMATS).size] += 1
    if not found:
        raise DataError(f"{path.name} holds no images that can be read. Put images in it ({', '.join(SUFFIXES)}).")
    return found


@contextmanager
def _opened(path: Path) -> Iterator[Source]:
    if path.is_dir():
        yield Folder(path)
    elif path.suffix.lower() == ".parquet":
        try:
            rows = Rows(path)
        except Exception as error:  # its metadata is a stranger's
            raise DataError(f"{path.name} is not a readable .parquet of images ({error}).") from error
        yield rows
    else:
        try:
            archive = zipfile.ZipFile(path)
        except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
            raise DataError(f"{path.name} is not a readable .zip file ({error}). Make it again.") from error
        with archive:
            yield Archive(archive, path)


class Reading(NamedTuple):
    """How a set is read, and what became known on the way."""

    where: str
    report: Callable[[str, float], None]
    side: int | None
    leave_out: bool
    notes: list[str]

    def complain(self, text: str) -> None:
        """Raise, or leave the thing out with a note."""
        if not self.leave_out:
            raise DataError(text)
        self.notes.append(text.rsplit(". ", 1)[0] + ".")  # without what to do about it


def _read(source: Source, reading: Reading) -> Raw:
    where = reading.where
    files, folders = _listing(source.names(), reading)
    if not files:
        raise DataError(f"{where} holds no images. Put images in it ({', '.join(SUFFIXES)}).")
    train, test = _layout(files, folders, where)
    found = train + test
    x, kept = _decode_all(source, [image.name for image in found], reading)
    count = sum(i < len(train) for i in kept) if test else None
    names, notes = tuple(found[i].name for i in kept), shortened(reading.notes)
    if found[0].label is None:
        return Raw("image", x, train=count, names=names, notes=notes)
    y, classes = arrays.index_labels(np.array([found[i].label for i in kept]))
    return Raw("image", x, y, classes, train=count, names=names, notes=notes)


def shortened(notes: list[str], most: int = 10) -> tuple[str, ...]:
    """The first of many notes, and how many more there are."""
    return (*notes[:most], *([f"And {len(notes) - most:,} more were left out."] if len(notes) > most else []))


def _is_junk(part: str) -> bool:
    return part.startswith(".") or part.lower() in JUNK


def _listing(names: Iterable[str], reading: Reading) -> tuple[dict[Parts, str], set[Parts]]:
    """The images and the folders of the set, without what operating systems leave behind."""
    files: dict[Parts, str] = {}
    folders: set[Parts] = set()
    where = reading.where
    for count, name in enumerate(names):
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if count >= MAX_FILES:
            raise DataError(f"{where} holds more than {MAX_FILES} files. Use fewer examples.")
        if any(_is_junk(part) for part in parts):
            continue
        if name.endswith("/"):
            folders.add(parts)
        elif not name.lower().endswith(SUFFIXES):
            reading.complain(f"{'/'.join(parts)} in {where} is not an image ({', '.join(SUFFIXES)}). Take it out.")
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


def _decode_all(source: Source, names: list[str], reading: Reading) -> tuple[Array, list[int]]:
    """(N, C, H, W) uint8 and which of the names they are: in memory, or on the disk where there are too many."""
    width, height = _size(source, names, reading)
    what = f"{len(names)} images of {width} x {height} pixels in {reading.where}"
    if not stored.is_large(len(names) * 3 * width * height, what):
        return _decode_into(lambda shape: np.empty(shape, np.uint8), source, names, reading)
    name = stored.stamp(source.files(names), names, reading.side, reading.leave_out)
    if (found := stored.cached(name)) is not None:
        return found
    with stored.draft(name) as draft:
        x, kept = _decode_into(draft.room, source, names, reading)
        return draft.keep(x, kept), kept


def _size(source: Source, names: list[str], reading: Reading) -> tuple[int, int]:
    """Width and height of the first image that has any, before it is decoded."""
    if reading.side is not None:
        return reading.side, reading.side
    for name in names:
        with suppress(DataError), _naming(name, reading.where):
            return Image.open(io.BytesIO(source.read(name)), formats=FORMATS).size
    return 0, 0  # what is wrong with them is told when they are decoded


def _decode_into(
    room: Callable[[tuple[int, ...]], Array], source: Source, names: list[str], reading: Reading
) -> tuple[Array, list[int]]:
    """As `_decode_all`, into an array that `room` makes; an image's size is known before it is decoded."""
    out: Array | None = None
    size = None if reading.side is None else (reading.side, reading.side)
    kept: list[int] = []
    for i, name in enumerate(names):
        try:
            pixels = _decoded(source, name, names[kept[0]] if kept else name, size, reading)
        except DataError as error:
            reading.complain(str(error))
            continue
        size = size or (pixels.shape[2], pixels.shape[1])
        out = _with_room(out, room, pixels, len(names))
        out[len(kept)] = pixels
        kept.append(i)
        if i % 100 == 0 or i + 1 == len(names):
            reading.report(f"Reading {len(names)} images", (i + 1) / len(names))
    if out is None:
        raise DataError(f"No image of {reading.where} can be read. {reading.notes[0]}")
    return out[: len(kept)], kept


def _decoded(source: Source, name: str, first: str, size: tuple[int, int] | None, reading: Reading) -> Array:
    """One image (C, H, W) of this (width, height), or any where there is none yet. DataError."""
    where = reading.where
    with _naming(name, where):
        image = Image.open(io.BytesIO(source.read(name)), formats=FORMATS)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(f"{name} in {where} is {width} x {height} pixels; the limit is {MAX_PIXELS:,} in all.")
    if reading.side is None and size is not None and image.size != size:
        raise DataError(
            f"{name} in {where} is {width} x {height} pixels, but {first} is "
            f"{size[0]} x {size[1]}. All images must share one size: crop them, or set data.side to resize them."
        )
    with _naming(name, where):
        pixels = _pixels(image)
    return pixels if reading.side is None else _resized(pixels, reading.side)


def _resized(pixels: Array, side: int) -> Array:
    """The square in the middle of (C, H, W), at (C, side, side)."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    square = np.asarray(ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS))
    return square[None] if square.ndim == 2 else square.transpose(2, 0, 1)


@contextmanager
def _naming(name: str, where: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # decoders of foreign bytes raise whatever they like
        reason = "its content is not an image" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(f"{name} in {where} cannot be read ({reason}). Replace it or take it out.") from error


def _with_room(out: Array | None, room: Callable[[tuple[int, ...]], Array], pixels: Array, count: int) -> Array:
    """Space for every image: one channel until the first colour image shows."""
    if out is None:
        return room((count, *pixels.shape))
    if out.shape[1] >= pixels.shape[0]:
        return out
    wider = room((count, 3, *out.shape[2:]))
    for start in range(0, count, 1000):
        wider[start : start + 1000] = out[start : start + 1000]
    return wider


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
