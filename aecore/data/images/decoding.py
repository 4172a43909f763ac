"""Encoded images become arrays of bytes, within limits, or a sentence about what is wrong."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from PIL import Image, ImageOps

from aecore.data.images.files import PillowImage, open_encoded_image
from aecore.data.images.folders import LabelledImage
from aecore.data.images.formats import (
    Decoded,
    EncodedImage,
    list_readable_formats,
    name_image_errors,
)
from aecore.data.images.grey_range import (
    GreyRange,
    choose_grey_range,
    describe_greys,
    mark_no_values,
    measure_greys,
    scale_greys,
)
from aecore.data.images.notes import ImageReading
from aecore.data.images.sources import ImageSource
from aecore.data.memory import check_data_bytes
from aecore.data.raw import Array
from aecore.errors import DataError
from aecore.limits import read_limit

MAX_PIXELS = 50_000_000  # of one image
SHARE_OF_ONE = 10  # no image has more than a tenth of the pixels that a set may have
HEADER_BYTES = 100_000  # in which most formats say how large an image is


class TooManyPixels(DataError):
    """A set of images is more than may be decoded: no single image is to blame."""


class ImageDecoder:
    """Decodes images one by one; without `reading.side`, the first one sets the size of all."""

    def __init__(
        self,
        source: ImageSource,
        images: list[LabelledImage],
        reading: ImageReading,
        check_memory: bool,
    ) -> None:
        """With `check_memory`, refuse a set that memory is too small for, before decoding it."""
        self.source, self.images, self.reading = source, images, reading
        self.check_memory = check_memory
        side = reading.side
        self.size = None if side is None else (side, side)  # (width, height) of every image
        self.first_name: str | None = None
        self.channels: int | None = None
        self.pixels, self.pixel_limit = 0, read_limit("megapixels") * 10**6
        self.greys = reading.greys  # of deep images, once one is met
        self.deep_count = 0

    def decode_all(self) -> Iterator[tuple[int, Array]]:
        """Yield the position of each usable image and its pixels, (C, H, W) uint8.

        Raises DataError for an image that cannot be used, if they are not left out, and if no
        image can be read at all.
        """
        count = len(self.images)
        for i, image in enumerate(self.images):
            try:
                pixels = self._read(i, image.name)
            except TooManyPixels:
                raise
            except DataError as error:
                self.reading.reject(str(error))
            else:
                self._accept(image.name, pixels)
                yield i, pixels
            if i % 100 == 0 or i + 1 == count:
                self.reading.report(f"Reading {count} images", (i + 1) / count)
        self._finish()

    def _accept(self, name: str, pixels: Array) -> None:
        self.size = self.size or (pixels.shape[2], pixels.shape[1])
        self.first_name = self.first_name or name
        self.channels = max(self.channels or 1, len(pixels))

    def _finish(self) -> None:
        """Add the last notes; DataError where no image could be read."""
        notes, name = self.reading.notes, self.reading.set_name
        if self.first_name is None:
            raise DataError(f"No image of {name} can be read. {notes.first_refusal}")
        if self.deep_count and self.greys is not None:
            notes.greys = self.greys
            notes.sentences.append(describe_greys(self.greys, self.deep_count))

    def _read(self, i: int, name: str) -> Array:
        """Return the pixels of image i in the size of the set."""
        side = self.reading.side
        decoded = self._decode(name)
        pixels = self._to_bytes(i, name, decoded) if decoded.is_deep else decoded.pixels
        self._check_channels(name, len(pixels))
        for change in decoded.changes:
            self.reading.notes.add_change(change, name)
        return pixels if side is None else crop_and_resize(pixels, side)

    def _decode(self, name: str) -> Decoded:
        image = open_image(self.source, name, self.reading.set_name)
        self._check_size(name, image)
        self._count_pixels(*image.size)
        with name_image_errors(name, self.reading.set_name, image.head):
            return _to_pixels(image)

    def _check_channels(self, name: str, channels: int) -> None:
        """Raise DataError where grey or colour would mix with other numbers of bands."""
        wanted = self.channels or channels
        if channels != wanted and not {channels, wanted} <= {1, 3}:
            raise DataError(
                f"{name} in {self.reading.set_name} has {channels} channels, but {self.first_name} "
                f"has {wanted}. All images must have the same bands."
            )

    def _count_pixels(self, width: int, height: int) -> None:
        """Raise TooManyPixels where decoding all images would take too long."""
        self.pixels += width * height
        if self.pixels > self.pixel_limit:
            raise TooManyPixels(
                f"The images of {self.reading.set_name} have more than {self.pixel_limit:,.0f} "
                "pixels in all. Make them smaller, or use fewer."
            )

    def _check_size(self, name: str, image: EncodedImage) -> None:
        """Raise DataError for an image that is too large or not as large as the first one."""
        set_name, (width, height) = self.reading.set_name, image.size
        limit = min(MAX_PIXELS, self.pixel_limit / SHARE_OF_ONE)
        weight = max(1, image.channels * image.value_bytes / 3)
        if width * height * weight > limit:
            raise DataError(
                f"{name} in {set_name} is {width} x {height} pixels; "
                f"the limit is {limit / weight:,.0f} in all."
            )
        size = self.size or (width, height)
        if self.reading.side is None and size != (width, height):
            raise DataError(
                f"{name} in {set_name} is {width} x {height} pixels, but {self.first_name} is "
                f"{size[0]} x {size[1]}. All images must share one size: crop them, "
                "or set data.side to resize them."
            )
        if self.check_memory:
            count = len(self.images)
            subject = f"{count} images of {size[0]} x {size[1]} pixels in {set_name}"
            check_data_bytes(count * max(3, image.channels) * size[0] * size[1], subject)

    # -- pictures of more than 8 bits

    def _to_bytes(self, i: int, name: str, decoded: Decoded) -> Array:
        """Return the bytes of image i, by the range of all deep images of the set."""
        if self.greys is None:
            self.greys = self._measure_range(i, decoded)
        self.deep_count += 1
        alpha = decoded.pixels[-1:] if decoded.has_alpha else None
        values = decoded.pixels if alpha is None else decoded.pixels[:-1]
        marks = mark_no_values(values, decoded.no_data)
        if marks.any():
            self.reading.notes.add_change("no values", name)
        pixels = scale_greys(values, marks, self.greys)
        if alpha is None:
            return pixels
        opaque = alpha / (np.iinfo(alpha.dtype).max if alpha.dtype.kind in "ui" else 1)
        return np.rint(pixels * opaque + 255 * (1 - opaque)).astype(np.uint8)

    def _measure_range(self, first: int, decoded: Decoded) -> tuple[float, float]:
        """Return the values that become 0 and 255: images from `first` on are decoded for it."""
        used = measure_decoded(decoded)
        for image in self.images[first + 1 :]:
            with suppress(DataError):
                opened = open_image(self.source, image.name, self.reading.set_name)
                if opened.value_bytes == 1:
                    continue
                self._check_size(image.name, opened)
                with name_image_errors(image.name, self.reading.set_name):
                    found = measure_decoded(_to_pixels(opened))
                used = found if used is None else used.join(found)
        return choose_grey_range(used or GreyRange(0, 255))


def measure_decoded(decoded: Decoded) -> GreyRange | None:
    """Return the range of a deep image's values, without those that stand for no data."""
    if not decoded.is_deep:
        return None
    values = decoded.pixels[:-1] if decoded.has_alpha else decoded.pixels
    return measure_greys(values, mark_no_values(values, decoded.no_data))


def read_image_size(source: ImageSource, name: str, set_name: str) -> tuple[int, int]:
    """Read (width, height) of an image, mostly from its first bytes. Raises DataError."""
    with suppress(Exception), source.open(name) as file:
        head = io.BytesIO(file.read(HEADER_BYTES))
        return PillowImage(Image.open(head, formats=list_readable_formats())).size
    return open_image(source, name, set_name).size


def open_image(source: ImageSource, name: str, set_name: str) -> EncodedImage:
    """Open an image, of which only the header is decoded. Raises DataError with its name."""
    with name_image_errors(name, set_name):
        content = source.read(name)
    with name_image_errors(name, set_name, content):
        return open_encoded_image(content)


def _to_pixels(image: EncodedImage) -> Decoded:
    """Decode an image whose size has been checked."""
    return image.decode()


def crop_and_resize(pixels: Array, side: int) -> Array:
    """Crop (C, H, W) bytes to the square in the middle and resize that to (C, side, side).

    Pillow's Lanczos filter, which is antialiased.
    """
    if len(pixels) == 3:
        return fit_square(Image.fromarray(pixels.transpose(1, 2, 0)), side).transpose(2, 0, 1)
    return np.stack([fit_square(Image.fromarray(band), side) for band in pixels])


def fit_square(image: Image.Image, side: int) -> Array:
    """Return the square in the middle of an image, resized."""
    return np.asarray(ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS))
