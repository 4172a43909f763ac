"""The hole in pictures, and the controls for it."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st
import torch
from torch import Tensor

HOLE_KINDS = {
    "a square": "square",
    "the lower half": "half",
    "every other pixel at random": "random",
}


class HoleChoice(NamedTuple):
    """The settings of the controls."""

    label: str  # a key of HOLE_KINDS
    shown: int  # pictures
    seed: int  # of the pictures and of random holes

    @property
    def kind(self) -> str:
        """Returns the kind of hole, as `make_hole` takes it."""
        return HOLE_KINDS[self.label]


def choose_hole() -> HoleChoice:
    """Show controls for the hole, the number of pictures, and the seed."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    label = row.segmented_control(
        "Hole",
        list(HOLE_KINDS),
        default="the lower half",
        required=True,
        key="hole",
        bind="query-params",
    )
    shown = row.slider("Pictures", 4, 16, 8, key="count", bind="query-params", width=160)
    seed = row.number_input("Seed", 0, 2**31, 0, key="pick", bind="query-params", width=120)
    return HoleChoice(label, shown, int(seed or 0))


def make_hole(x: Tensor, kind: str, seed: int) -> Tensor:
    """Returns the missing pixels of x (N, C, H, W) as bool, alike in all channels.

    `kind` is a value of HOLE_KINDS; `seed` is of the random one.
    """
    height, width = x.shape[2:]
    missing = torch.zeros(len(x), 1, height, width, dtype=torch.bool)
    if kind == "square":
        missing[:, :, height // 3 : height - height // 3, width // 3 : width - width // 3] = True
    elif kind == "half":
        missing[:, :, height // 2 :] = True
    else:
        missing = torch.rand(missing.shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    return missing.expand_as(x)
