"""Your own images: a folder, a .zip or a .parquet of the Hub, with a sub-folder for each class or none at all."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from aecore.data.arrays import MAX_ARRAY_BYTES, Array, RawData, check_data_bytes, index_labels
from aecore.data.image_cache import (
    ImageArrayWriter,
    cache_folder,
    find_cached_images,
    fingerprint_files,
    open_cache_draft,
    write_cache_index,
)
from aecore.data.image_folders import FolderParts, LabelledImage, assign_classes_and_splits
from aecore.data.image_sources import ImageSource, is_junk_file, open_image_source
from aecore.data.on_disk import DiskArray, explain_read_errors, limited_rows, read_limited_part
from aecore.data.stored import StoredArray
from aecore.errors import DataError

if TYPE_CHECKING:
    from aecore.model.config import DataConfig


IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
IMAGE_FORMATS = (
    "PNG",
    "JPEG",
    "BMP",
    "GIF",
    "WEBP",
    "TIFF",
    "PPM",
)  # no EPS: it would run Ghostscript
MAX_FILES = 500_000
MAX_PIXELS = 50_000_000  # of one image


def read_images(
    path: Path, report: Callable[[str, float], None], config: DataConfig, may_store: bool = False
) -> RawData | DiskArray:
    """Reads every image into one array (N, C, H, W) of bytes.

    Images in sub-folders take the sub-folder's name as their class; top-level folders `train` and `test` are
    the splits. Grey images have 1 channel (16 bits are rounded to 8), anything else has 3; one colour image
    makes the whole set 3. Transparency is laid on white, only the first frame counts, EXIF rotation is not
    applied. With `config.side` every image is cropped to a square around its middle and resized to that. With
    `config.unusable` leave_out, files that are no images, or not of the first one's size, are left out with a note.
    Images that memory is too small for are refused, or with `may_store` decoded onto the disk once and for all; of
    a limited set only those that are used are decoded. Raises DataError.
    """
    with open_image_source(path) as source:
        reading = ImageReading(path.name, report, config.side, config.unusable == "leave_out", [])
        return _read(source, reading, config, may_store)


def count_image_sizes(path: Path) -> Counter[tuple[int, int]]:
    """How many images of the set have which (width, height), as far as their headers can be read. Raises DataError."""
    found: Counter[tuple[int, int]] = Counter()
    with open_image_source(path) as source:
        for name in _list_images(
            source.names(), ImageReading(path.name, lambda text, share: None, None, True, [])
        )[0].values():
            with suppress(DataError), _name_image_errors(name, path.name):
                found[Image.open(io.BytesIO(source.read(name)), formats=IMAGE_FORMATS).size] += 1
    if not found:
        raise DataError(
            f"{path.name} holds no images that can be read. Put images in it ({', '.join(IMAGE_SUFFIXES)})."
        )
    return found


class ImageReading(NamedTuple):
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


def _read(
    source: ImageSource, reading: ImageReading, config: DataConfig, may_store: bool
) -> RawData | DiskArray:
    files, folders = _list_images(source.names(), reading)
    if not files:
        raise DataError(
            f"{reading.where} holds no images. Put images in it ({', '.join(IMAGE_SUFFIXES)})."
        )
    train, test = assign_classes_and_splits(files, folders, reading.where)
    found, own = train + test, len(train) if test else None
    each = _first_bytes(source, found, reading)
    if not may_store or len(found) * each <= MAX_ARRAY_BYTES:
        return _read_into_memory(source, found, own, reading)
    about = _describe_images(found, own, reading)
    chosen = limited_rows(len(found), about, config)
    if chosen is not None and sum(map(len, chosen)) * each <= MAX_ARRAY_BYTES:
        part = [found[i] for rows in chosen for i in rows.tolist()]
        return _with_classes(
            _read_into_memory(source, part, len(chosen[0]), reading), about.classes
        )
    return _read_onto_disk(source, found, own, reading, config)


def _describe_images(found: list[LabelledImage], own: int | None, reading: ImageReading) -> RawData:
    """What is known of these images, the first `own` of which are to train with, before any is decoded."""
    about = RawData("image", np.empty(0, np.uint8), train=own, notes=shorten_notes(reading.notes))
    about = about._replace(names=tuple(image.name for image in found))
    if found[0].label is None:
        return about
    y, classes = index_labels(np.array([image.label for image in found]))
    return about._replace(y=y, classes=classes)


def _with_classes(raw: RawData, classes: tuple[str, ...]) -> RawData:
    """A part of a set counts its classes as the whole does."""
    if raw.y is None:
        return raw
    return raw._replace(
        y=np.array([classes.index(name) for name in raw.classes])[raw.y], classes=classes
    )


def _keep_decodable(
    found: list[LabelledImage], own: int | None, kept: list[int]
) -> tuple[list[LabelledImage], int | None]:
    """The images that could be decoded, and how many of them are to train with."""
    return [found[i] for i in kept], None if own is None else sum(i < own for i in kept)


def _read_into_memory(
    source: ImageSource, found: list[LabelledImage], own: int | None, reading: ImageReading
) -> RawData:
    out: Array | None = None
    kept: list[int] = []
    for i, pixels in _decode_all(source, found, reading, check_data_bytes):
        out = _allocate_images(out, pixels, len(found))
        out[len(kept)] = pixels
        kept.append(i)
    assert out is not None
    return _describe_images(*_keep_decodable(found, own, kept), reading)._replace(
        x=out[: len(kept)]
    )


def _read_onto_disk(
    source: ImageSource,
    found: list[LabelledImage],
    own: int | None,
    reading: ImageReading,
    config: DataConfig,
) -> RawData | DiskArray:
    """The set from the cache, into which it is decoded first if it is not there."""
    with explain_read_errors(reading.where):
        names = [image.name for image in found]
        key = fingerprint_files(
            source.files(names), "images", names, reading.side, reading.leave_out
        )
        if (kept := find_cached_images(key)) is None:
            with open_cache_draft(key) as draft:
                _decode_onto(draft, source, found, reading._replace(notes=[]))
            kept = find_cached_images(key)
    if kept is None:
        raise DataError(f"{reading.where} could not be kept in {cache_folder()}. Set AECORE_CACHE.")
    reading.notes.extend(kept.notes)
    about, whole = (
        _describe_images(*_keep_decodable(found, own, kept.rows.tolist()), reading),
        StoredArray(kept.images),
    )
    if (
        len(whole) * whole.example_bytes <= MAX_ARRAY_BYTES
    ):  # fewer are usable than there are, or all are grey
        return about._replace(x=whole.take_rows(whole.rows).numpy())
    part = read_limited_part(whole, about._replace(names=()), config)
    return DiskArray(whole, about._replace(names=())) if part is None else part[0]


def _decode_onto(
    draft: Path, source: ImageSource, found: list[LabelledImage], reading: ImageReading
) -> None:
    kept: list[int] = []
    with closing(ImageArrayWriter(draft / "images.npy", len(found))) as writer:
        for i, pixels in _decode_all(source, found, reading, lambda *_: None):
            writer.add(pixels)
            kept.append(i)
    write_cache_index(draft, kept, reading.notes)


def _first_bytes(source: ImageSource, found: list[LabelledImage], reading: ImageReading) -> int:
    """What the first image takes in colour that has a size; 0 if none has: decoding will tell what is wrong."""
    if reading.side is not None:
        return 3 * reading.side**2
    for image in found:
        with suppress(DataError), _name_image_errors(image.name, reading.where):
            width, height = Image.open(
                io.BytesIO(source.read(image.name)), formats=IMAGE_FORMATS
            ).size
            return 3 * width * height
    return 0


def shorten_notes(notes: list[str], most: int = 10) -> tuple[str, ...]:
    """The first of many notes, and how many more there are."""
    return (
        *notes[:most],
        *([f"And {len(notes) - most:,} more were left out."] if len(notes) > most else []),
    )


def _list_images(
    names: Iterable[str], reading: ImageReading
) -> tuple[dict[FolderParts, str], set[FolderParts]]:
    """The images and the folders of the set, without what operating systems leave behind."""
    files: dict[FolderParts, str] = {}
    folders: set[FolderParts] = set()
    where = reading.where
    for count, name in enumerate(names):
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if count >= MAX_FILES:
            raise DataError(f"{where} holds more than {MAX_FILES} files. Use fewer examples.")
        if any(is_junk_file(part) for part in parts):
            continue
        if name.endswith("/"):
            folders.add(parts)
        elif not name.lower().endswith(IMAGE_SUFFIXES):
            reading.complain(
                f"{'/'.join(parts)} in {where} is not an image ({', '.join(IMAGE_SUFFIXES)}). Take it out."
            )
        else:
            files[parts] = name
            folders.update(parts[:depth] for depth in range(1, len(parts)))
    return dict(sorted(files.items())), folders - {()}


def _decode_all(
    source: ImageSource,
    found: list[LabelledImage],
    reading: ImageReading,
    check: Callable[[int, str], None],
) -> Iterator[tuple[int, Array]]:
    """Which image, and its (C, H, W) uint8. `check` hears what all take before the first is decoded. DataError."""
    size = None if reading.side is None else (reading.side, reading.side)
    first: str | None = None
    for i, image in enumerate(found):
        try:
            pixels = _decode_image(
                source,
                image.name,
                first,
                size,
                reading,
                partial(_check_image_bytes, check, len(found), reading),
            )
        except DataError as error:
            reading.complain(str(error))
        else:
            size, first = size or (pixels.shape[2], pixels.shape[1]), first or image.name
            yield i, pixels
        if i % 100 == 0 or i + 1 == len(found):
            reading.report(f"Reading {len(found)} images", (i + 1) / len(found))
    if first is None:
        raise DataError(f"No image of {reading.where} can be read. {reading.notes[0]}")


def _check_image_bytes(
    check: Callable[[int, str], None], count: int, reading: ImageReading, width: int, height: int
) -> None:
    check(
        count * 3 * width * height,
        f"{count} images of {width} x {height} pixels in {reading.where}",
    )


def _decode_image(
    source: ImageSource,
    name: str,
    first: str | None,
    size: tuple[int, int] | None,
    reading: ImageReading,
    check: Callable[[int, int], None],
) -> Array:
    """One image (C, H, W) of this (width, height), or any where there is none yet. DataError."""
    where = reading.where
    with _name_image_errors(name, where):
        image = Image.open(io.BytesIO(source.read(name)), formats=IMAGE_FORMATS)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{name} in {where} is {width} x {height} pixels; the limit is {MAX_PIXELS:,} in all."
        )
    if reading.side is None and size is not None and image.size != size:
        raise DataError(
            f"{name} in {where} is {width} x {height} pixels, but {first} is "
            f"{size[0]} x {size[1]}. All images must share one size: crop them, or set data.side to resize them."
        )
    check(*(size or image.size))
    with _name_image_errors(name, where):
        pixels = _to_pixels(image)
    return pixels if reading.side is None else _crop_and_resize(pixels, reading.side)


def _crop_and_resize(pixels: Array, side: int) -> Array:
    """The square in the middle of (C, H, W), at (C, side, side)."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    square = np.asarray(ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS))
    return square[None] if square.ndim == 2 else square.transpose(2, 0, 1)


@contextmanager
def _name_image_errors(name: str, where: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # decoders of foreign bytes raise whatever they like
        reason = (
            "its content is not an image" if isinstance(error, UnidentifiedImageError) else error
        )
        raise DataError(
            f"{name} in {where} cannot be read ({reason}). Replace it or take it out."
        ) from error


def _allocate_images(out: Array | None, pixels: Array, count: int) -> Array:
    """Space for every image: one channel until the first colour image shows."""
    if out is None:
        return np.empty((count, *pixels.shape), np.uint8)
    return np.repeat(out, 3, axis=1) if out.shape[1] < pixels.shape[0] else out


def _to_pixels(image: Image.Image) -> Array:
    """(1 or 3, H, W) uint8."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _round_deep_grey(image)
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    pixels = np.asarray(image.convert("L" if grey else "RGB"))
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def _round_deep_grey(image: Image.Image) -> Array:
    """16 bits a pixel, rounded to 8."""
    values = np.asarray(image)
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
        raise ValueError(
            "its pixels are not 8 or 16 bits deep; save floats in [0, 1] in a .npz instead"
        )
    return np.rint(values.astype(np.float64) / 257).astype(np.uint8)[None]
