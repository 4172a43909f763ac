"""TIFF of several bands, or of many bits a colour, as microscopes and satellites make them."""

from __future__ import annotations

import io
import zlib

import numpy as np
import tifffile

from aecore.data.images.formats import (
    MAX_BANDS,
    NO_DATA,
    ORIENTATION,
    Decoded,
    UnknownCompression,
    UnreadableImage,
)
from aecore.data.raw import Array

UNCOMPRESSED, DEFLATE = 1, (8, 32946)
ORIENTATIONS = {2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (3, 1), 6: (3, 0), 7: (1, 1), 8: (1, 0)}
"""Quarter turns to the left, and mirrorings from left to right after them, by orientation."""


class TiffBands:
    """The first page of a TIFF, decoded by tifffile."""

    head = b""

    def __init__(self, content: bytes) -> None:
        """Raise UnknownCompression, or UnreadableImage for bands that are not read."""
        self.content = content
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            page = file.pages.first
            assert isinstance(page, tifffile.TiffPage)
            self._read_header(page)

    def _read_header(self, page: tifffile.TiffPage) -> None:
        if page.compression not in (UNCOMPRESSED, *DEFLATE):
            raise UnknownCompression(
                f"a TIFF of {page.samplesperpixel} bands with compression "
                f"{getattr(page.compression, 'name', page.compression)}: save it uncompressed, or "
                "all pictures as one .npy"
            )
        if page.dtype is None or page.dtype.kind not in "uif" or page.axes not in AXES:
            raise UnreadableImage(
                f"a TIFF of {page.axes or 'no'} axes: save all pictures as one .npy"
            )
        bands = page.samplesperpixel
        if bands > MAX_BANDS:
            raise UnreadableImage(
                f"it has {bands} bands, more than {MAX_BANDS}: choose some and save them as .npy"
            )
        extra = [int(kind) for kind in page.extrasamples]
        self.has_alpha = bands in (2, 4) and extra[-1:] in ([1], [2])
        self.channels = bands - self.has_alpha
        self.value_bytes = page.dtype.itemsize
        self.orientation = int(_read_tag(page, ORIENTATION, 1))
        width, height = page.imagewidth, page.imagelength
        self.size = (height, width) if self.orientation >= 5 else (width, height)

    def decode(self) -> Decoded:
        with tifffile.TiffFile(io.BytesIO(self.content)) as file:
            page = file.pages.first
            assert isinstance(page, tifffile.TiffPage)
            self._check_segments(page)
            values = page.asarray(maxworkers=1)
            changes = ["frames"] if len(file.pages) > 1 else []
            no_data = _parse_number(_read_tag(page, NO_DATA, ""))
        pixels = to_channels_first(values, page.axes)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and pixels.dtype.kind == "u":
            pixels = np.iinfo(pixels.dtype).max - pixels
        if self.orientation in ORIENTATIONS:
            quarters, mirrored = ORIENTATIONS[self.orientation]
            pixels = np.rot90(pixels, quarters, axes=(1, 2))
            pixels = pixels[:, :, ::-1] if mirrored else pixels
            changes.append("turned")
        is_deep = pixels.dtype != np.uint8 or self.has_alpha
        return Decoded(pixels, changes, is_deep, self.has_alpha, no_data)

    def _check_segments(self, page: tifffile.TiffPage) -> None:
        """Raise UnreadableImage where a compressed part unpacks to more than the page says."""
        if page.compression not in DEFLATE:
            return
        most = max(1, int(np.prod(page.chunks)) * self.value_bytes)
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            unpacked = zlib.decompressobj().decompress(
                self.content[offset : offset + count], most + 1
            )
            if len(unpacked) > most:
                raise UnreadableImage("a part of it unpacks to more than its header says")


AXES = ("YX", "YXS", "SYX")


def to_channels_first(values: Array, axes: str) -> Array:
    """Return the pixels of a page as (C, H, W)."""
    if axes == "YX":
        return values[None]
    return values.transpose(2, 0, 1) if axes == "YXS" else values


def _read_tag(page: tifffile.TiffPage, code: int, default: object) -> str | int:
    tag = page.tags.get(code)
    value = default if tag is None else tag.value
    return value if isinstance(value, str | int) else str(value)


def _parse_number(text: object) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None
