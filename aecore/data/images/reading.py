"""Your own images: a folder, a .zip or a .parquet of the Hub, with or without class folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aecore.data.disk_cache import (
    IMAGES_FILE,
    CachedImages,
    ImageArrayWriter,
    cache_folder,
    find_cached_images,
    fingerprint_files,
    open_cache_draft,
    write_cache_index,
)
from aecore.data.images.decoding import ImageDecoder, read_image_size
from aecore.data.images.folders import LabelledImage, assign_classes_and_splits
from aecore.data.images.formats import IMAGE_SUFFIXES
from aecore.data.images.labels import read_image_labels
from aecore.data.images.listing import list_image_files
from aecore.data.images.notes import ImageNotes, ImageReading
from aecore.data.images.sizes import choose_side, describe_resizing
from aecore.data.images.sources import FilesSource, ImageSource, open_image_source
from aecore.data.memory import fits_in_memory
from aecore.data.on_disk import (
    DiskArray,
    choose_limited_rows,
    explain_read_errors,
    read_limited_part,
)
from aecore.data.raw import Array, RawData, ReportProgress, index_labels
from aecore.data.stored import StoredArray
from aecore.errors import DataError
from aecore.names import drop_unprintable

if TYPE_CHECKING:
    from aecore.model.config import DataConfig


DECODING = "images-2"  # changes with the bytes that decoding gives


def read_images(
    path: Path, report: ReportProgress, config: DataConfig, may_stay_on_disk: bool = False
) -> RawData | DiskArray:
    """Read every image into one array (N, C, H, W) of bytes.

    Images in sub-folders take the sub-folder's name as their class, else the class that a .csv
    beside them gives; folders train, validation and test in any case are the splits. Grey images
    have 1 channel, colour ones 3 in sRGB, and TIFF up to 16 bands; one colour image makes a set of
    grey ones 3. Images of more than 8 bits are scaled by the range that all of them use, or by
    `config.greys`. Transparency is laid on white, EXIF orientation applied, and only the first
    frame or page counts. With `config.side` every image is cropped to a square around its middle
    and resized to that; "auto" does so where sizes differ or are large. With `config.unusable`
    leave_out, what cannot be used is left out with a note.

    Images that memory is too small for are refused, or with `may_stay_on_disk` decoded onto the
    disk once and for all; of a limited set only those that are used are decoded. Raises DataError.
    """
    with open_image_source(path) as source:
        reading = start_reading(path.name, report, config)
        return _read_source(source, reading, config, may_stay_on_disk)


def read_image_files(paths: Sequence[Path], report: ReportProgress, config: DataConfig) -> RawData:
    """Read pictures that were brought one by one, as `read_images` does. Raises DataError."""
    name = paths[0].name if len(paths) == 1 else f"{len(paths)} pictures"
    raw = _read_source(FilesSource(paths), start_reading(name, report, config), config, False)
    assert isinstance(raw, RawData)
    return raw


def _read_source(
    source: ImageSource, reading: ImageReading, config: DataConfig, may_stay_on_disk: bool
) -> RawData | DiskArray:
    image_set = _list_image_set(source, reading)
    if config.side == "auto":
        reading = reading._replace(side=choose_own_side(source, image_set.images, reading))
    if not may_stay_on_disk:
        return _read_into_memory(source, image_set, reading)
    return _read_what_fits(source, image_set, reading, config)


def start_reading(set_name: str, report: ReportProgress, config: DataConfig) -> ImageReading:
    """Return how the images of a set are read under `config`; a side "auto" is open yet."""
    side = config.side if isinstance(config.side, int) else None
    leave_out = config.unusable == "leave_out"
    has_rows = set_name.lower().endswith(".parquet") and config.inference == "current"
    return ImageReading(set_name, report, side, leave_out, ImageNotes(), config.greys, has_rows)


def choose_own_side(
    source: ImageSource, images: list[LabelledImage], reading: ImageReading
) -> int | None:
    """Return the side that suits the sizes of images, with a note; None as they are."""
    sizes: Counter[tuple[int, int]] = Counter()
    for image in images:
        with suppress(DataError):
            sizes[read_image_size(source, image.name, reading.set_name)] += 1
    side = choose_side(sizes)
    if side is not None:
        reading.notes.sentences.append(describe_resizing(sizes, side))
    return side


class ImageSet(NamedTuple):
    """The images of a set, not yet decoded."""

    images: list[LabelledImage]
    train_count: int | None  # the first of them are the set's own training split, if it has one

    def select(self, positions: list[int]) -> ImageSet:
        """Return the images at these positions, with their split."""
        images = [self.images[i] for i in positions]
        if self.train_count is None:
            return ImageSet(images, None)
        return ImageSet(images, len([i for i in positions if i < self.train_count]))


def _list_image_set(source: ImageSource, reading: ImageReading) -> ImageSet:
    reading.notes.sentences.extend(source.notes)
    listing = list_image_files(source.list_names(), reading)
    if not listing.images:
        raise DataError(
            f"{reading.set_name} holds no images. Put images in it ({', '.join(IMAGE_SUFFIXES)})."
        )
    labels = read_image_labels(source, listing.tables, listing.images.values(), reading)
    train, test = assign_classes_and_splits(listing.images, listing.folders, reading, labels)
    return ImageSet(train + test, len(train) if test else None)


def _read_what_fits(
    source: ImageSource, image_set: ImageSet, reading: ImageReading, config: DataConfig
) -> RawData | DiskArray:
    """Read all images into memory, or those that `config.limit` leaves, or else onto the disk."""
    image_bytes = _estimate_image_bytes(source, image_set.images, reading)
    count = len(image_set.images)
    if fits_in_memory(count * image_bytes):
        return _read_into_memory(source, image_set, reading)
    metadata = _describe_images(image_set, reading)
    splits = choose_limited_rows(count, metadata, config)
    if splits is None or not fits_in_memory(sum(map(len, splits)) * image_bytes):
        return _read_onto_disk(source, image_set, reading, config)
    used = [image_set.images[i] for rows in splits for i in rows.tolist()]
    raw = _read_into_memory(source, ImageSet(used, len(splits[0])), reading)
    return _with_classes(raw, metadata.classes)


def _estimate_image_bytes(
    source: ImageSource, images: list[LabelledImage], reading: ImageReading
) -> int:
    """Return what the first readable image takes in colour; 0 if none: decoding will tell why."""
    if reading.side is not None:
        return 3 * reading.side**2
    for image in images:
        with suppress(DataError):
            width, height = read_image_size(source, image.name, reading.set_name)
            return 3 * width * height
    return 0


def _describe_images(image_set: ImageSet, reading: ImageReading) -> RawData:
    """Return what is known of these images before any is decoded; its x is empty."""
    images = image_set.images
    metadata = RawData(
        "image",
        np.empty(0, np.uint8),
        train_count=image_set.train_count,
        names=tuple(drop_unprintable(image.name) for image in images),
        notes=reading.notes.list_sentences(),
        reading=reading.list_choices(),
    )
    if images[0].label is None:
        return metadata
    y, classes = index_labels(np.array([image.label for image in images]))
    return metadata._replace(y=y, classes=classes)


def _with_classes(raw: RawData, classes: tuple[str, ...]) -> RawData:
    """Number the classes of a part of a set as those of the whole."""
    if raw.y is None:
        return raw
    positions = np.array([classes.index(name) for name in raw.classes])
    return raw._replace(y=positions[raw.y], classes=classes)


def _read_into_memory(source: ImageSource, image_set: ImageSet, reading: ImageReading) -> RawData:
    decoder = ImageDecoder(source, image_set.images, reading, check_memory=True)
    x: Array | None = None
    positions: list[int] = []
    for i, pixels in decoder.decode_all():
        x = _allocate_images(x, pixels, len(image_set.images))
        x[len(positions)] = pixels
        positions.append(i)
    assert x is not None
    metadata = _describe_images(image_set.select(positions), reading)
    return metadata._replace(x=x[: len(positions)])


def _allocate_images(x: Array | None, pixels: Array, count: int) -> Array:
    """Return space for every image: one channel until the first colour image comes."""
    if x is None:
        return np.empty((count, *pixels.shape), np.uint8)
    return np.repeat(x, 3, axis=1) if x.shape[1] < pixels.shape[0] else x


def _read_onto_disk(
    source: ImageSource, image_set: ImageSet, reading: ImageReading, config: DataConfig
) -> RawData | DiskArray:
    """Return the set from the cache, into which it is decoded first if it is not there."""
    cached = _cache_images(source, image_set, reading)
    reading.notes.sentences.extend(cached.notes)
    metadata = _describe_images(image_set.select(cached.rows.tolist()), reading)
    array = StoredArray(cached.images)
    # fewer may be usable than there are, or all are grey
    if fits_in_memory(len(array) * array.example_bytes):
        return metadata._replace(x=array.take_rows(array.rows).numpy())
    metadata = metadata._replace(names=())
    part = read_limited_part(array, metadata, config)
    return DiskArray(array, metadata) if part is None else part[0]


def _cache_images(source: ImageSource, image_set: ImageSet, reading: ImageReading) -> CachedImages:
    """Return the decoded images in the cache, decoding them first if they are not there."""
    with explain_read_errors(reading.set_name):
        names = [image.name for image in image_set.images]
        options = (DECODING, names, reading.side, reading.leave_out_unusable, reading.greys)
        key = fingerprint_files(source.locate(names), *options)
        cached = find_cached_images(key)
        if cached is None:
            with open_cache_draft(key) as draft:
                _decode_into(draft, source, image_set.images, reading._replace(notes=ImageNotes()))
            cached = find_cached_images(key)
    if cached is None:
        raise DataError(
            f"{reading.set_name} could not be kept in {cache_folder()}. Set AECORE_CACHE."
        )
    return cached


def _decode_into(
    draft: Path, source: ImageSource, images: list[LabelledImage], reading: ImageReading
) -> None:
    decoder = ImageDecoder(source, images, reading, check_memory=False)
    positions: list[int] = []
    with closing(ImageArrayWriter(draft / IMAGES_FILE, len(images))) as writer:
        for i, pixels in decoder.decode_all():
            writer.add(pixels)
            positions.append(i)
    write_cache_index(draft, positions, list(reading.notes.list_sentences()))
