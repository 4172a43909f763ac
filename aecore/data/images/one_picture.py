"""One picture from the bytes of its file, whole and in its own size."""

from __future__ import annotations

import torch
from torch import Tensor

from aecore.data.images.files import open_encoded_image
from aecore.data.images.formats import name_image_errors
from aecore.errors import DataError
from aecore.names import clean_name


def read_whole_picture(content: bytes, name: str, max_pixels: int) -> Tensor:
    """Return the picture of a file as bytes (C, H, W), upright; C is 1 or 3.

    DataError where it cannot be read, has more than `max_pixels`, or values of more than 8 bits.
    """
    name = clean_name(name)
    with name_image_errors(name, name, content[:32]):
        image = open_encoded_image(content)
        width, height = image.size
        if width * height > max_pixels:
            raise DataError(
                f"{name} is {width} x {height} pixels; the limit is {max_pixels:,} in all. "
                "Make it smaller."
            )
        decoded = image.decode()
    if decoded.is_deep or len(decoded.pixels) not in (1, 3):
        raise DataError(
            f"{name} has {len(decoded.pixels)} channels of {decoded.pixels.dtype} values. "
            "Save it as a PNG or JPEG of 8 bits, in grey or colour."
        )
    return torch.from_numpy(decoded.pixels.copy())
