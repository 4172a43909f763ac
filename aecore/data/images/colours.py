"""Colours of decoded pictures: grey or sRGB bytes, transparency on white."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from aecore.data.raw import Array

MAX_PROFILE_BYTES = 4_000_000  # profiles of printers have up to 3 MB
GREY_MODES = ("1", "L", "LA", "La")


def to_grey_or_rgb(image: Image.Image) -> tuple[Array, list[str]]:
    """Return (1 or 3, H, W) uint8 of an image of 8 bits, and which of CHANGES were made to it."""
    is_grey = image.mode in GREY_MODES
    if image.has_transparency_data:
        image = lay_on_white(image)
    elif image.mode == "P":
        image = image.convert("RGB")
    if is_grey:
        return np.asarray(image.convert("L"))[None], []
    image, changes = convert_to_srgb(image)
    return np.asarray(image).transpose(2, 0, 1), changes


def lay_on_white(image: Image.Image) -> Image.Image:
    """Return a transparent image as RGB on white; its colour profile stays with it."""
    profile = image.info.get("icc_profile")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(white, image).convert("RGB")
    flat.info["icc_profile"] = profile
    return flat


def convert_to_srgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Return an image in any colours as sRGB, and which changes were made."""
    changes = ["cmyk"] if image.mode == "CMYK" else []
    profile = image.info.get("icc_profile")
    if image.mode == "LAB":
        return ImageCms.applyTransform(image, make_lab_transform()) or image, changes
    if profile:
        try:
            converted = apply_profile(image, bytes(profile))
        except Exception:  # a stranger's profile: the library raises whatever it likes
            return image.convert("RGB"), [*changes, "no profile"]
        if converted is not None:
            return converted, changes or ["profile"]
    return image.convert("RGB"), changes


def apply_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Return an image converted from its profile to sRGB; None where it is sRGB already.

    Raises whatever the library does for a profile that is none, or not of the image's mode.
    """
    if image.mode not in ("RGB", "CMYK"):
        image = image.convert("RGB")
    if len(profile) > MAX_PROFILE_BYTES:
        raise ValueError("the profile is too large")
    transform = make_transform(profile, image.mode)
    return None if transform is None else ImageCms.applyTransform(image, transform)


@lru_cache(maxsize=4)
def make_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the way from a profile to sRGB; None where it is sRGB."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if "srgb" in ImageCms.getProfileDescription(source).lower():
        return None
    target = ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(source, target, mode, "RGB")


@lru_cache(maxsize=1)
def make_lab_transform() -> ImageCms.ImageCmsTransform:
    """Return the way from CIELAB to sRGB."""
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
