"""Encoded images become arrays of bytes, within limits, or a sentence about what is wrong."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from aecore.data.image_folders import LabelledImage
from aecore.data.image_sources import ImageSource
from aecore.data.memory import check_data_bytes
from aecore.data.raw import Array, ReportProgress
from aecore.errors import DataError
from aecore.limits import read_limit

# no EPS: it would run Ghostscript
IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
MAX_PIXELS = 50_000_000  # of one image
SHARE_OF_ONE = 10  # no image has more than a tenth of the pixels that a set may have
HEADER_BYTES = 100_000  # in which most formats say how large an image is


class ImageReading(NamedTuple):
    """Settings for reading the images of a set, and notes about those that are left out."""

    set_name: str
    report: ReportProgress
    side: int | None
    leave_out_unusable: bool
    notes: list[str]

    def reject(self, reason: str) -> None:
        """Raise DataError, or leave the image out with a note."""
        if not self.leave_out_unusable:
            raise DataError(reason)
        self.notes.append(reason.rsplit(". ", 1)[0] + ".")  # without what to do about it


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
        self.pixels, self.pixel_limit = 0, read_limit("megapixels") * 10**6

    def decode_all(self) -> Iterator[tuple[int, Array]]:
        """Yield the position of each usable image and its pixels, (1 or 3, H, W) uint8.

        Raises DataError for an image that cannot be used, if they are not left out, and if no
        image can be read at all.
        """
        count = len(self.images)
        for i, image in enumerate(self.images):
            try:
                pixels = self._decode(image.name)
            except TooManyPixels:
                raise
            except DataError as error:
                self.reading.reject(str(error))
            else:
                self.size = self.size or (pixels.shape[2], pixels.shape[1])
                self.first_name = self.first_name or image.name
                yield i, pixels
            if i % 100 == 0 or i + 1 == count:
                self.reading.report(f"Reading {count} images", (i + 1) / count)
        if self.first_name is None:
            reading = self.reading
            raise DataError(f"No image of {reading.set_name} can be read. {reading.notes[0]}")

    def _decode(self, name: str) -> Array:
        set_name, side = self.reading.set_name, self.reading.side
        image = open_image(self.source, name, set_name)
        self._check_size(name, *image.size)
        self._count_pixels(*image.size)
        with _name_image_errors(name, set_name):
            pixels = _to_pixels(image)
        return pixels if side is None else _crop_and_resize(pixels, side)

    def _count_pixels(self, width: int, height: int) -> None:
        """Raise TooManyPixels where decoding all images would take too long."""
        self.pixels += width * height
        if self.pixels > self.pixel_limit:
            raise TooManyPixels(
                f"The images of {self.reading.set_name} have more than {self.pixel_limit:,.0f} "
                "pixels in all. Make them smaller, or use fewer."
            )

    def _check_size(self, name: str, width: int, height: int) -> None:
        """Raise DataError for an image that is too large or not as large as the first one."""
        set_name = self.reading.set_name
        limit = min(MAX_PIXELS, self.pixel_limit / SHARE_OF_ONE)
        if width * height > limit:
            raise DataError(
                f"{name} in {set_name} is {width} x {height} pixels; "
                f"the limit is {limit:,.0f} in all."
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
            check_data_bytes(count * 3 * size[0] * size[1], subject)


def read_image_size(source: ImageSource, name: str, set_name: str) -> tuple[int, int]:
    """Read (width, height) of an image, mostly from its first bytes. Raises DataError."""
    with suppress(Exception), source.open(name) as file:
        return Image.open(io.BytesIO(file.read(HEADER_BYTES)), formats=IMAGE_FORMATS).size
    return open_image(source, name, set_name).size


def open_image(source: ImageSource, name: str, set_name: str) -> Image.Image:
    """Open an image, of which only the header is decoded. Raises DataError with its name."""
    with _name_image_errors(name, set_name):
        return Image.open(io.BytesIO(source.read(name)), formats=IMAGE_FORMATS)


@contextmanager
def _name_image_errors(name: str, set_name: str) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError as error:
        raise DataError(
            f"{name} in {set_name} cannot be read (its content is not an image). "
            "Replace it or take it out."
        ) from error
    except Exception as error:  # decoders of foreign bytes raise whatever they like
        raise DataError(
            f"{name} in {set_name} cannot be read ({error}). Replace it or take it out."
        ) from error


def _to_pixels(image: Image.Image) -> Array:
    """Decode an image to (1 or 3, H, W) uint8, transparency laid on white."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _round_deep_grey(image)
    is_grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    pixels = np.asarray(image.convert("L" if is_grey else "RGB"))
    return pixels[None] if is_grey else pixels.transpose(2, 0, 1)


def _round_deep_grey(image: Image.Image) -> Array:
    """Round 16 bits a pixel to 8."""
    values = np.asarray(image)
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
        raise ValueError(
            "its pixels are not 8 or 16 bits deep; save floats in [0, 1] in a .npz instead"
        )
    return np.rint(values.astype(np.float64) / 257).astype(np.uint8)[None]


def _crop_and_resize(pixels: Array, side: int) -> Array:
    """Crop (C, H, W) to the square in its middle and resize that to (C, side, side)."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    square = np.asarray(ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS))
    return square[None] if square.ndim == 2 else square.transpose(2, 0, 1)
