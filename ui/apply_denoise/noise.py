"""The noise that is added to clean pictures, and the controls for it."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from aecore.model.parts.corruption import Corruption, GaussianNoise, Masking, SaltAndPepper

NOISE_KINDS = ("Gaussian", "Masking", "Salt and pepper")
NOISE_HELP = (
    "**Gaussian**: noise of this standard deviation, where pixels span 0 to 1. **Masking**: this "
    "share of pixels is set to 0. **Salt and pepper**: this share becomes 0 or 1."
)


class NoiseChoice(NamedTuple):
    """The settings of the controls."""

    kind: str  # one of NOISE_KINDS
    strength: float  # a standard deviation or a share
    shown: int  # pictures that are shown
    seed: int  # of the pictures and of the noise


def choose_noise() -> NoiseChoice:
    """Show controls for the noise, how many pictures are shown, and which."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    kind = row.segmented_control(
        "Noise",
        list(NOISE_KINDS),
        default="Gaussian",
        required=True,
        key="noise",
        bind="query-params",
        help=NOISE_HELP,
    )
    strength = row.slider(
        "Strength", 0.05, 1.0, 0.5, 0.05, key="strength", bind="query-params", width=180
    )
    shown = row.slider("Pictures", 4, 16, 8, key="count", bind="query-params", width=130)
    seed = row.number_input(
        "Seed",
        0,
        2**31,
        0,
        key="pick",
        bind="query-params",
        width=110,
        help="Which pictures are drawn, and which noise.",
    )
    return NoiseChoice(kind, strength, shown, int(seed or 0))


def make_noise(kind: str, strength: float) -> Corruption:
    """Returns the noise of a kind and a strength."""
    if kind == "Gaussian":
        return GaussianNoise(sigma=strength)
    return Masking(fraction=strength) if kind == "Masking" else SaltAndPepper(fraction=strength)
