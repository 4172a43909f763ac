"""Formats of pictures: what is read, what one picture decodes to, and why one cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import NamedTuple, Protocol

from PIL import Image, UnidentifiedImageError

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
MAGIC_BYTES = 32


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
