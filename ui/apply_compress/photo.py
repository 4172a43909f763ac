"""A whole photo, coded by a run for pictures of any size, beside JPEG, WebP and AVIF."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import streamlit as st

from aecore.analysis.pictures import draw_picture, encode_png
from aecore.data.images.one_picture import read_whole_picture
from aecore.data.splits import as_float
from aecore.runs.run import Run
from aecore.tasks.compress import compress_examples, expand_file
from aecore.tasks.photo_curves import (
    PHOTO_FACTORS,
    PhotoPoint,
    measure_all_coders,
    measure_photo_point,
)
from aecore.tasks.rate_files import fit_channels, read_pixel_limit
from ui.apply_compress.charts import draw_photo_curves
from ui.apply_compress.rate_curves import OWN_STEP_HELP
from ui.kit.cache import get_model
from ui.kit.downloads import offer_csv
from ui.kit.figures import get_variant_colour
from ui.kit.photo import Photo, ask_for_photo, load_photo_result


class CodedPhoto(NamedTuple):
    """A photo as a file of the run, what it opens to, and its curves."""

    file: bytes
    original: bytes  # as PNG
    opened: bytes  # as PNG
    point: PhotoPoint
    curves: dict[str, list[PhotoPoint]]


def show_photo_codec(run: Run) -> None:
    """Show a field for a photo; the file that the run makes of it, and the curves of all coders."""
    st.subheader("A photo of any size", anchor=False)
    photo = ask_for_photo()
    if photo is None:
        st.caption("Its file is shown beside JPEG, WebP and AVIF files of the same photo.")
        return
    factor = st.select_slider(
        "Step size", PHOTO_FACTORS, 1.0, key="photo_step", width=260, help=OWN_STEP_HELP
    )
    coded = load_coded_photo(run, photo, factor)
    if coded is not None:
        show_coded_photo(run, photo, coded)


def load_coded_photo(run: Run, photo: Photo, factor: float) -> CodedPhoto | None:
    """Return what the run makes of a photo; None while a job computes it, and where it failed."""
    return load_photo_result(
        "codec-photo",
        "Compressing ...",
        run,
        photo,
        (factor,),
        lambda: code_photo(run, photo, factor),
    )


def code_photo(run: Run, photo: Photo, factor: float) -> CodedPhoto:
    """Return a photo as a file whose steps are `factor` times the run's, and the curves."""
    model = get_model(run)
    picture = fit_channels(model, read_whole_picture(photo.content, photo.name, read_pixel_limit()))
    file = compress_examples(model, picture[None], factor)
    x, opened = as_float(picture), expand_file(model, file)[0]
    return CodedPhoto(
        file,
        encode_png(draw_picture(x)),
        encode_png(draw_picture(opened)),
        measure_photo_point(factor, file, x, opened),
        measure_all_coders(model, run.id, picture),
    )


def show_coded_photo(run: Run, photo: Photo, coded: CodedPhoto) -> None:
    """Show a photo beside what its file opens to, the file, and the curves of all coders."""
    left, right = st.columns(2)
    left.image(coded.original, width="stretch", caption="Original")
    text = (
        f"{len(coded.file):,} bytes, {coded.point.bits:.3f} bits per pixel: PSNR "
        f"{coded.point.psnr:.2f} dB, MS-SSIM {coded.point.ms_ssim:.4f}"
    )
    right.image(coded.opened, width="stretch", caption=text)
    st.download_button(
        "Compressed photo",
        coded.file,
        f"{photo.name.rpartition('.')[0] or 'photo'}.aez",
        "application/octet-stream",
        type="primary",
        icon=":material/download:",
        on_click="ignore",
        key="take_photo",
        help="Opens again below with this run, or by `aecore decompress`, to exactly this picture.",
    )
    colours = {run.id: get_variant_colour(run.config().model.variant)}
    st.plotly_chart(
        draw_photo_curves(coded.curves, coded.point, colours),
        key="photo_curves",
        alt=f"PSNR and MS-SSIM over bits per pixel, for {', '.join(coded.curves)}",
    )
    st.caption("Upper left is better. All bits of a file count. The diamond is the file above.")
    offer_csv("Curves as CSV", lambda: tabulate_photo_curves(coded.curves), "photo-curves.csv")


def tabulate_photo_curves(curves: dict[str, list[PhotoPoint]]) -> pd.DataFrame:
    """Return a line for each point of each curve."""
    return pd.DataFrame(
        [
            {"coder": coder, **point._asdict()}
            for coder, points in curves.items()
            for point in points
        ]
    )
