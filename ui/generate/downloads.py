"""The files of a section of the Generate page."""

from __future__ import annotations

import streamlit as st
from torch import Tensor

from aecore.analysis.pictures import encode_png
from aecore.data.splits import Dataset
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from ui.kit.downloads import offer_download
from ui.kit.examples import draw_examples, encode_npz, is_point_cloud


def offer_generated(
    run: Run,
    section: str,
    dataset: Dataset,
    model: Autoencoder,
    x: Tensor,
    z: Tensor,
    columns: int,
    animation: bytes = b"",
) -> None:
    """Offer decoded examples x (N, *input_shape) and their codes z (N, latent_dim) as files.

    The picture has `columns` examples a line; `animation` is a GIF, where there is one.
    """
    row = st.container(horizontal=True)
    stem = f"{run.id}-{section}"
    if not is_point_cloud(dataset):
        offer_download(
            "PNG",
            lambda: encode_png(draw_examples(model, x, columns)),
            f"{stem}.png",
            row,
            help="The picture.",
        )
    if animation:
        offer_download("GIF", animation, f"{stem}.gif", row, help="The animation, there and back.")
    offer_download(
        "NPZ",
        lambda: encode_npz(x=x.numpy(), z=z.numpy()),
        f"{stem}.npz",
        row,
        help="NumPy arrays: `x`, the decoded examples, and `z`, their codes.",
    )
