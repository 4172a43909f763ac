"""The codec: whole photographs as files, beside JPEG, WebP and AVIF at equal bits per pixel."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.pictures import to_rgb_bytes
from aecore.data.splits import as_float
from aecore.files import find_model_folder
from aecore.model.autoencoder import Autoencoder
from aecore.tasks.compress import compress_examples, expand_file
from aecore.tasks.photo_curves import PhotoPoint, interpolate_at_bits, measure_photo_point
from aecore.tasks.rate_distortion import decode_image_file, encode_image_file
from bench.fidelity.cells import CellStore
from bench.fidelity.data_files import find_data_file
from bench.pictures.part import PicturePart
from bench.pictures.photographs import BSDS, list_jpegs, read_picture

CODEC_RUN = "photos-codec"  # the shipped one: `python -m bench.shipped photos-codec`
PHOTOGRAPH_COUNT = 40  # of the val folder, the first by name
MODEL_CODER = "codec"
CODER_SETTINGS: dict[str, tuple[float, ...]] = {
    MODEL_CODER: (1.2, 0.85, 0.6),  # multiples of the model's steps
    "JPEG": (5, 8, 12, 17, 25, 35),
    "WEBP": (0, 3, 8, 16, 26, 40),
    "AVIF": (25, 30, 35, 40, 45),
}
COMPARED_AT = (1.2, 0.85, 0.6)  # steps at which the table compares


@cache
def load_photographs() -> tuple[Tensor, ...]:
    """Return whole photographs (3, H, W) as bytes."""
    with zipfile.ZipFile(find_data_file(BSDS)) as archive:
        names = list_jpegs(archive, "val/")[:PHOTOGRAPH_COUNT]
        return tuple(torch.from_numpy(read_picture(archive, name).copy()) for name in names)


@cache
def load_codec() -> Autoencoder:
    """Return the shipped codec."""
    return Autoencoder.load(find_model_folder(CODEC_RUN))


def list_codec_cells() -> Iterator[tuple[str, float]]:
    """Yield coder and setting of each cell."""
    for coder, settings in CODER_SETTINGS.items():
        yield from ((coder, setting) for setting in settings)


def name_codec_cell(coder: str, setting: float) -> str:
    """Return the key of a cell."""
    return f"codec {coder} {setting:g}"


def measure_codec(store: CellStore, device: str) -> None:
    """Measure the cells that are missing: means over the photographs. On the CPU alone."""
    for coder, setting in list_codec_cells():
        store.measure(
            name_codec_cell(coder, setting), lambda c=coder, s=setting: measure_setting(c, s)
        )


def measure_setting(coder: str, setting: float) -> list[float]:
    """Return bits per pixel, PSNR and MS-SSIM of a coder at one setting."""
    points = [code_photograph(coder, setting, photo) for photo in load_photographs()]
    return np.mean([point[1:] for point in points], axis=0).tolist()


def code_photograph(coder: str, setting: float, photo: Tensor) -> PhotoPoint:
    """Code one photograph (3, H, W), open its file and compare."""
    x = as_float(photo)
    if coder == MODEL_CODER:
        file = compress_examples(load_codec(), photo[None], setting)
        return measure_photo_point(setting, file, x, expand_file(load_codec(), file)[0])
    file = encode_image_file(to_rgb_bytes(x[None])[0], coder, int(setting))
    return measure_photo_point(setting, file, x, decode_image_file(file, 3))


def read_curve(store: CellStore, coder: str) -> list[PhotoPoint]:
    """Return the kept points of a coder."""
    keys = {setting: name_codec_cell(coder, setting) for setting in CODER_SETTINGS[coder]}
    kept = {setting: store.figures[key] for setting, key in keys.items() if key in store.figures}
    return [PhotoPoint(setting, *figures) for setting, figures in kept.items()]


def report_codec(store: CellStore) -> list[str]:
    """Return a table at equal bits, and all points."""
    curves = {coder: read_curve(store, coder) for coder in CODER_SETTINGS}
    rows = [format_comparison(p, curves) for p in curves[MODEL_CODER] if p.setting in COMPARED_AT]
    if not rows:
        return []
    others = [coder for coder in CODER_SETTINGS if coder != MODEL_CODER]
    columns = ["steps", "bits per pixel"]
    columns += [f"{field}, {coder}" for field in ("PSNR", "MS-SSIM") for coder in CODER_SETTINGS]
    points = [format_point(coder, point) for coder in curves for point in curves[coder]]
    return [
        "",
        f"## Codec: {PHOTOGRAPH_COUNT} whole photographs of the val folder",
        "",
        f"One model, `{CODEC_RUN}`, at several multiples of its steps; all bits of its files count."
        f" {', '.join(others)} are interpolated at its bits per pixel (Pillow; JPEG optimised and"
        " progressive, WebP by method 6). Bits, PSNR in dB and MS-SSIM are means over photographs.",
        "",
        f"| {' | '.join(columns)} |",
        f"|{'---:|' * len(columns)}",
        *rows,
        "",
        "| coder | setting | bits per pixel | PSNR, dB | MS-SSIM |",
        "|---|---:|---:|---:|---:|",
        *points,
    ]


def format_comparison(point: PhotoPoint, curves: dict[str, list[PhotoPoint]]) -> str:
    """Return a line: the model's point, and the other coders at its bits."""
    cells = [f"{point.setting:g}", f"{point.bits:.3f}"]
    for field, digits in (("psnr", 2), ("ms_ssim", 4)):
        for coder, points in curves.items():
            own = getattr(point, field) if coder == MODEL_CODER else None
            value = own or interpolate_at_bits(points, point.bits, field)
            cells.append("" if value is None else f"{value:.{digits}f}")
    return f"| {' | '.join(cells)} |"


def format_point(coder: str, point: PhotoPoint) -> str:
    """Return a line of the table of all points."""
    return (
        f"| {coder} | {point.setting:g} | {point.bits:.3f} | {point.psnr:.2f} "
        f"| {point.ms_ssim:.4f} |"
    )


CODEC_PART = PicturePart("codec", measure_codec, report_codec)
