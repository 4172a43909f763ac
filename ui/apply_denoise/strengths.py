"""PSNR over the strength of the noise, for each filter and run."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from torch import Tensor

from aecore.data.splits import Dataset, as_float
from aecore.runs.run import Run
from aecore.tasks.denoise import compare_noise_strengths
from ui.apply_denoise.charts import draw_noise_strengths
from ui.apply_denoise.denoised import LINEAR_EXAMPLES
from ui.apply_denoise.noise import make_noise
from ui.kit.cache import digest_examples, get_model
from ui.kit.figures import get_variant_colour
from ui.kit.inputs import Inputs
from ui.kit.memory import ExamplesKey, keep_in_memory

NOISE_STRENGTHS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
SWEPT_PICTURES = 16  # behind the figures
LINEAR_VALUES = 1024  # of a picture, up to which a linear denoiser is fitted for every strength

StrengthCurves = dict[str, list[tuple[float, float]]]  # (strength, PSNR in dB) by denoiser


def show_noise_strengths(runs: Sequence[Run], dataset: Dataset, inputs: Inputs, kind: str) -> None:
    """Show PSNR over strengths of a kind of noise."""
    st.subheader("Noise strengths", anchor=False)
    x = as_float(inputs.x[:SWEPT_PICTURES])
    versions = tuple((str(run.path), run.version()) for run in runs)
    curves = load_strength_curves(
        versions, dataset.name, digest_examples(x), kind, x, runs, dataset
    )
    colours = {run.id: get_variant_colour(run.config().model.variant) for run in runs}
    st.plotly_chart(
        draw_noise_strengths(curves, colours, f"strength of the noise ({kind.lower()})"),
        key="strengths",
        alt=f"PSNR over the strength of {kind.lower()} noise, for each denoiser",
    )
    st.caption(
        f"Means over {len(x)} pictures; higher is better. A run is at its best near the noise that "
        "it was trained with, or at all strengths up to that."
    )


@keep_in_memory("Trying weaker and stronger noise ...")
def load_strength_curves(
    versions: object,
    data_name: str,
    digest: ExamplesKey,
    kind: str,
    _x: Tensor,
    _runs: Sequence[Run],
    _dataset: Dataset,
) -> StrengthCurves:
    """Returns the curves over NOISE_STRENGTHS of pictures, which `digest` identifies."""
    models = {run.id: get_model(run) for run in _runs}
    noises = [make_noise(kind, strength) for strength in NOISE_STRENGTHS]
    train = _dataset.train.x[:LINEAR_EXAMPLES] if _x[0].numel() <= LINEAR_VALUES else None
    results_by_strength = compare_noise_strengths(models, _x, noises, train)
    curves: StrengthCurves = {}
    for strength, results in zip(NOISE_STRENGTHS, results_by_strength, strict=True):
        for result in results:
            curves.setdefault(result.name, []).append((strength, result.psnr))
    return curves
