"""One encoded picture: its size and kind from the header, then its pixels. Pillow reads most.

HEIC and AVIF of phones come through pi-heif and Pillow, 16-bit colour of PNG through torchvision,
and TIFF of several bands through tifffile.
"""

from __future__ import annotations

import io
from contextlib import suppress

import numpy as np
from PIL import Image, UnidentifiedImageError

from aecore.data.images.bands import TiffBands
from aecore.data.images.colours import to_grey_or_rgb
from aecore.data.images.formats import (
    BITS,
    EXTRA_SAMPLES,
    MAGIC_BYTES,
    NO_DATA,
    ORIENTATION,
    PHOTOMETRIC,
    SAMPLES,
    TIFF_STARTS,
    Decoded,
    EncodedImage,
    UnknownCompression,
    list_readable_formats,
)

TRANSPOSES = {  # by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_encoded_image(content: bytes) -> EncodedImage:
    """Read the header of a picture. Raises UnidentifiedImageError or whatever the library does."""
    image = _choose_reader(content)
    image.head = content[:MAGIC_BYTES]
    return image


def _choose_reader(content: bytes) -> EncodedImage:
    try:
        image = Image.open(io.BytesIO(content), formats=list_readable_formats())
    except UnidentifiedImageError:
        if content.startswith(TIFF_STARTS):
            return TiffBands(content)
        raise
    if image.format == "TIFF" and _has_bands(image):
        try:
            return TiffBands(content)
        except UnknownCompression:
            return PillowImage(image, is_partial=True)
    if content.startswith(b"\x89PNG") and content[24:26] in (b"\x10\x02", b"\x10\x04", b"\x10\x06"):
        return DeepPng(content, image)
    return PillowImage(image)


# -- most pictures


class PillowImage:
    """A picture that Pillow decodes, or a plugin of it."""

    value_bytes = 1
    head = b""

    def __init__(self, image: Image.Image, is_partial: bool = False) -> None:
        """With `is_partial`, Pillow reads only some of the bits or bands."""
        self.image, self.is_partial = image, is_partial
        self.orientation = _read_orientation(image)
        width, height = image.size
        # Pillow turns a TIFF by itself, and tells its size as turned
        is_lying = self.orientation >= 5 and image.format != "TIFF"
        self.size = (height, width) if is_lying else (width, height)
        self.channels = 1 if image.mode in ("1", "L", "LA", "La") or self._is_deep() else 3
        if self._is_deep():
            self.value_bytes = 4

    def decode(self) -> Decoded:
        image = self.image
        changes = ["frames"] if getattr(image, "is_animated", False) else []
        if image.format == "MPO":  # a photo with its preview or depth
            changes = []
        changes += ["partial"] if self.is_partial else []
        image.load()
        if self._is_deep():
            values = np.asarray(self._turn(image))
            changes += self._list_turns()
            return Decoded(values[None], changes, is_deep=True, no_data=_read_no_data(image))
        pixels, converted = to_grey_or_rgb(self._turn(image))
        return Decoded(pixels, [*changes, *self._list_turns(), *converted])

    def _is_deep(self) -> bool:
        return self.image.mode == "F" or self.image.mode.startswith("I")

    def _turn(self, image: Image.Image) -> Image.Image:
        if image.format == "TIFF" or self.orientation not in TRANSPOSES:
            return image
        return image.transpose(TRANSPOSES[self.orientation])

    def _list_turns(self) -> list[str]:
        return ["turned"] if self.orientation in TRANSPOSES else []


def _read_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8, without decoding pixels; 1 where it makes no sense."""
    with suppress(Exception):  # a stranger's EXIF
        if image.format == "PNG" and "exif" not in image.info:
            return 1  # Pillow would decode the picture to look behind its pixels
        value = image.getexif().get(ORIENTATION, 1)
        return value if value in TRANSPOSES else 1
    return 1


def _read_no_data(image: Image.Image) -> float | None:
    """Return the value that a TIFF of GDAL says to stand for no data."""
    with suppress(Exception):
        return float(str(getattr(image, "tag_v2", {}).get(NO_DATA)).strip("\0 "))
    return None


# -- colours of 16 bits in a PNG, of which Pillow keeps 8


class DeepPng:
    """A PNG of 16 bits in colour or with transparency, decoded by torchvision."""

    value_bytes = 2
    head = b""

    def __init__(self, content: bytes, image: Image.Image) -> None:
        self.content, self.size = content, image.size
        self.bands = {2: 3, 4: 2, 6: 4}[content[25]]
        self.has_alpha = self.bands in (2, 4)
        self.channels = self.bands - self.has_alpha

    def decode(self) -> Decoded:
        import torch
        from torchvision.io import ImageReadMode, decode_png

        data = torch.frombuffer(bytearray(self.content), dtype=torch.uint8)
        pixels = decode_png(data, ImageReadMode.UNCHANGED).numpy()
        if pixels.shape[0] != self.bands:
            raise ValueError(f"it has {pixels.shape[0]} channels instead of {self.bands}")
        return Decoded(pixels, [], is_deep=True, has_alpha=self.has_alpha)


# -- TIFF of several bands


def _has_bands(image: Image.Image) -> bool:
    """Return True for a TIFF whose bands or bits Pillow would drop."""
    tags = getattr(image, "tag_v2", {})
    samples, bits = int(tags.get(SAMPLES, 1)), max(tags.get(BITS, (1,)))
    extra = tags.get(EXTRA_SAMPLES, ())
    if tags.get(PHOTOMETRIC) not in (0, 1, 2) or samples == 1:
        return False
    has_alpha = any(kind in (1, 2) for kind in (extra if isinstance(extra, tuple) else (extra,)))
    return bits > 8 or samples > 4 or (samples in (2, 4) and not has_alpha)
