"""One encoded picture: its size and kind from the header, then its pixels. Pillow reads most.

HEIC and AVIF of phones come through pi-heif and Pillow, 16-bit colour of PNG through torchvision,
and TIFF of several bands through tifffile.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image, UnidentifiedImageError

from aecore.data.image_colours import to_grey_or_rgb
from aecore.data.raw import Array
from aecore.errors import DataError

# no EPS: it would run Ghostscript
IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM", "HEIF", "AVIF")
IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".webp"),
    *(".tif", ".tiff", ".pgm", ".ppm", ".pbm", ".pnm", ".heic", ".heif", ".hif", ".avif"),
)
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ORIENTATION, PHOTOMETRIC, SAMPLES, BITS, EXTRA_SAMPLES, NO_DATA = 274, 262, 277, 258, 338, 42113
MAX_BANDS = 16
HEAD_BYTES = 32
TRANSPOSES = {  # by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Decoded(NamedTuple):
    """The pixels of one picture."""

    pixels: Array  # (C, H, W): uint8, or numbers of any type where `is_deep`
    changes: list[str]  # of CHANGES
    is_deep: bool = False
    has_alpha: bool = False  # the last channel is how opaque a pixel is
    no_data: float | None = None  # the value that stands for none


class EncodedImage(Protocol):
    """A picture whose header has been read."""

    size: tuple[int, int]  # width and height, upright
    channels: int  # once it is decoded
    value_bytes: int  # of one value while it is decoded
    head: bytes  # the first bytes of the file

    def decode(self) -> Decoded:
        """Decode it, upright. Raises whatever the library does."""
        ...


def open_encoded_image(content: bytes) -> EncodedImage:
    """Read the header of a picture. Raises UnidentifiedImageError or whatever the library does."""
    image = _choose_reader(content)
    image.head = content[:HEAD_BYTES]
    return image


def _choose_reader(content: bytes) -> EncodedImage:
    try:
        image = Image.open(io.BytesIO(content), formats=list_readable_formats())
    except UnidentifiedImageError:
        if content.startswith(TIFF_STARTS):
            return _open_bands(content)
        raise
    if image.format == "TIFF" and _has_bands(image):
        try:
            return _open_bands(content)
        except UnknownCompression:
            return PillowImage(image, is_partial=True)
    if content.startswith(b"\x89PNG") and content[24:26] in (b"\x10\x02", b"\x10\x04", b"\x10\x06"):
        return DeepPng(content, image)
    return PillowImage(image)


@cache
def list_readable_formats() -> list[str]:
    """Return the formats of IMAGE_FORMATS that this machine has decoders for."""
    Image.init()
    with suppress(ImportError):
        from pi_heif import register_heif_opener

        register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return [name for name in IMAGE_FORMATS if name in Image.OPEN]


def is_heic(head: bytes) -> bool:
    """Return True for a file that begins as a HEIC picture does, whatever its name."""
    return head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS


class UnreadableImage(ValueError):
    """A picture of a kind that is not read; its text says which, and what to do."""


class UnknownCompression(UnreadableImage):
    """A TIFF whose bands are compressed in a way that is not read."""


@contextmanager
def name_image_errors(name: str, set_name: str, head: bytes = b"") -> Iterator[None]:
    """Turn an error of decoding into a DataError with the name of the picture and a cure."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # decoders of foreign bytes raise whatever they like
        said = name if name == set_name else f"{name} in {set_name}"
        if is_heic(head):
            raise DataError(f"{said} is a {_explain_heic()}") from error
        raise DataError(
            f"{said} cannot be read ({explain_image_error(error)}). Replace it or take it out."
        ) from error


def explain_image_error(error: Exception) -> str:
    """Return why a picture cannot be read, in our own words."""
    if isinstance(error, UnidentifiedImageError):
        return "its content is not an image"
    if isinstance(error, Image.DecompressionBombError):
        claimed = re.search(r"\d+ pixels", str(error))
        return f"it claims {claimed[0] if claimed else 'more pixels'}, more than are decoded"
    if isinstance(error, UnreadableImage):
        return str(error)
    return "its content is cut off" if "truncated" in str(error) else "its content is damaged"


def _explain_heic() -> str:
    if "HEIF" in list_readable_formats():
        return "HEIC picture that is damaged. Copy it again, or save it as JPEG or PNG."
    return "HEIC picture, and pi-heif is not installed. Install it, or save it as JPEG or PNG."


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


def _open_bands(content: bytes) -> EncodedImage:
    from aecore.data.image_bands import TiffBands

    return TiffBands(content)
