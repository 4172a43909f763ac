"""Rate-distortion curves: bits against error of a run, PCA, JPEG, WebP and AVIF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd
import streamlit as st
from torch import Tensor

from aecore.data.splits import Dataset, as_float
from aecore.model.autoencoder import Autoencoder
from aecore.progress import track_progress
from aecore.runs.run import Run
from aecore.tasks.photo_curves import PHOTO_FACTORS
from aecore.tasks.rate_distortion import (
    RatePoint,
    measure_image_codec_curve,
    measure_pca_curve,
    measure_rate_curve,
)
from aecore.tasks.rate_files import codes_bits
from ui.apply_compress.charts import draw_rate_distortion
from ui.kit.cache import digest_examples, get_model
from ui.kit.downloads import offer_csv
from ui.kit.figures import get_variant_colour
from ui.kit.inputs import fill_with_means
from ui.kit.memory import ExamplesKey, keep_in_memory

STEP_CHOICES = (0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 4.0)
OWN_STEP_HELP = (
    "Size of the quantiser's steps, as a multiple of those that the run was trained with. Larger "
    "steps make smaller files."
)
CODECS = {
    "JPEG": "JPEG",
    "WebP": "WEBP",
    "AVIF": "AVIF",
}  # names of Pillow's formats by those on the page
CODEC_QUALITIES = (1, 10, 30, 50, 75, 90)
CODEC_PICTURES = 100  # behind the curves of JPEG, WebP and AVIF: each is a file of its own
PCA_PICTURES = 20_000  # training examples behind PCA


def show_rate_curves(run: Run, dataset: Dataset, x: Tensor, point: RatePoint) -> None:
    """Show bits against error of examples x (N, *input_shape), and `point`, the file in use."""
    st.subheader("Rate-distortion", anchor=False)
    curves = load_rate_curves(
        str(run.path), run.version(), dataset.name, digest_examples(x), run, dataset, x
    )
    is_picture = x.dim() == 4
    unit = "pixel" if is_picture else "cell"
    colours = {name_run_curve(run): get_variant_colour(run.config().model.variant)}
    st.plotly_chart(
        draw_rate_distortion(curves, point, colours, unit),
        key="curve",
        alt=f"Squared error over bits per {unit}, for {', '.join(curves)}",
    )
    codecs = f"; JPEG, WebP and AVIF: {min(CODEC_PICTURES, len(x))} pictures, a file each."
    st.caption(
        f"Lower left is better. The diamond is the file above. {len(x):,} examples in one file"
        + (codecs if is_picture else ".")
        + " PCA has as many components as the run has units, or fewer where training examples "
        "are fewer, and goes through the same coder."
    )
    table = tabulate_rate_curves(curves)
    offer_csv("Curves as CSV", lambda: table, "rate-distortion.csv")


def list_step_choices(model: Autoencoder) -> tuple[float, ...]:
    """Returns the steps that a model's codes are rounded to, in its own units where it has such."""
    return PHOTO_FACTORS if codes_bits(model) else STEP_CHOICES


def name_run_curve(run: Run) -> str:
    """Returns the name of a run's curve."""
    return f"{run.id}, {get_model(run).config.latent_dim} units"


def tabulate_rate_curves(curves: dict[str, Sequence[RatePoint]]) -> pd.DataFrame:
    """Returns a line for each point of each curve."""
    return pd.DataFrame(
        [
            {"coder": coder, **point._asdict()}
            for coder, points in curves.items()
            for point in points
        ]
    )


@keep_in_memory("Measuring the curves ...")
def load_rate_curves(
    path: str,
    version: float,
    data_name: str,
    digest: ExamplesKey,
    _run: Run,
    _dataset: Dataset,
    _x: Tensor,
) -> dict[str, Sequence[RatePoint]]:
    """Returns the curves of examples, which `digest` identifies, by their names."""
    model = get_model(_run)
    train = as_float(fill_with_means(_dataset.train.x[:PCA_PICTURES], _dataset))
    components = min(model.config.latent_dim, *train.flatten(1).shape)
    measures: dict[str, Callable[[], Sequence[RatePoint]]] = {
        name_run_curve(_run): lambda: measure_rate_curve(model, _x, list_step_choices(model)),
        f"PCA, {components}": lambda: measure_pca_curve(model, train, _x, STEP_CHOICES),
    }
    if _x.dim() == 4 and _x.shape[1] in (1, 3):  # the only channels of these coders
        measures |= {
            name: partial(measure_image_codec_curve, _x[:CODEC_PICTURES], kind, CODEC_QUALITIES)
            for name, kind in CODECS.items()
        }
    return {name: measures[name]() for name in track_progress(list(measures))}
