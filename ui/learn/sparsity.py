"""Lesson: sparsity; a digit as a sum of few atoms."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st
import torch
from PIL import Image
from torch import Tensor

from aecore.analysis.pictures import colour_signed, draw_grid, make_tiles
from ui.kit.examples import show_image
from ui.kit.memory import keep_in_memory
from ui.learn.lesson import Lesson, NextPage, stack_lines
from ui.learn.models import (
    VARIANCE_LOST_HELP,
    choose_digit,
    choose_level,
    load_lesson_model,
    load_test_digits,
    measure_share_lost,
)

SHOWN_PARTS, ATOM_COLUMNS = 8, 16
FADED = 0.5  # share of white in atoms that are off


class Atoms(NamedTuple):
    """What the units of a sparse model stand for, and how often they are on."""

    background: Tensor  # (1, 1, 8, 8), the decoded code of zeros
    pictures: Tensor  # (units, 1, 8, 8), what one unit of code adds to it
    shares: Tensor  # (units,) of the test digits for which the unit is on


def show_sparsity_experiment() -> None:
    """Show a digit as the sum of its active atoms, and all atoms, the active ones in colour."""
    left, right = st.columns(2)
    with left:
        help = "How many of the 128 units stay on for one digit."
        k = choose_level("sparse", "Active units, k", "4", help)
    with right:
        x = choose_digit("learn-sparse-digit", 3)
    model, atoms = load_lesson_model("sparse", k), load_atoms(k)
    code = model.encode(x)[0]
    parts, order = scale_atoms(atoms, code)
    shown = min(int(k), SHOWN_PARTS)
    show_image(
        draw_sum(x, model.reconstruct(x), atoms.background, parts[order[:shown]]),
        f"The digit, its reconstruction, the background, and {shown} of its {k} parts",
    )
    st.caption(
        f"The digit, its reconstruction, and what is added up for it: the background and {k} "
        f"atom{'s' * (k != '1')} times their codes{describe_rest(int(k), shown)}. Red adds ink, "
        "blue takes it away."
    )
    show_image(draw_atoms(atoms, code), f"All 128 atoms, the {k} active ones in full colour")
    st.caption(
        f"All atoms, the most used first; those that are off for this digit are pale. Variance "
        f"lost: **{measure_share_lost('sparse', k)}**. Never used by any test digit: "
        f"**{count_dead(atoms)}** of 128.",
        help=VARIANCE_LOST_HELP,
    )


def describe_rest(k: int, shown: int) -> str:
    """Returns what is said of parts that are not shown."""
    return f", the {shown} strongest shown" if k > shown else ""


@keep_in_memory()
def load_atoms(k: str) -> Atoms:
    """Returns the atoms of a model, which are the columns of its linear decoder."""
    model = load_lesson_model("sparse", k)
    units = torch.eye(model.config.latent_dim)
    background = model.decode(torch.zeros_like(units[:1]))
    shares = (model.encode(load_test_digits()) != 0).float().mean(0)
    return Atoms(background, model.decode(units) - background, shares)


def count_dead(atoms: Atoms) -> int:
    """Returns how many units no test digit uses."""
    return int((atoms.shares == 0).sum())


def scale_atoms(atoms: Atoms, code: Tensor) -> tuple[Tensor, Tensor]:
    """Returns atoms times a code (units,), and the units with the strongest first."""
    parts = code[:, None, None, None] * atoms.pictures
    return parts, parts.flatten(1).norm(dim=1).argsort(descending=True)


def draw_sum(x: Tensor, rebuilt: Tensor, background: Tensor, parts: Tensor) -> Image.Image:
    """Returns a line of pictures: the digit, its sum, then what is added up, in one scale."""
    plain = make_tiles(torch.cat([x, rebuilt, background]))
    return draw_grid(torch.cat([plain, colour_signed(parts)]), 3 + SHOWN_PARTS)


def draw_atoms(atoms: Atoms, code: Tensor) -> Image.Image:
    """Returns a picture of all atoms, each in its own scale, those that a code uses not faded."""
    order = atoms.shares.argsort(descending=True, stable=True)
    peaks = atoms.pictures.flatten(1).abs().amax(1).clamp(min=1e-9)[:, None, None, None]
    tiles = colour_signed(atoms.pictures / peaks)[order]
    is_on = (code != 0)[order][:, None, None, None]
    return draw_grid(torch.where(is_on, tiles, tiles + FADED * (1 - tiles)), ATOM_COLUMNS)


SPARSITY = Lesson(
    name="sparsity",
    title="Sparsity",
    sentence="A wide code can be a good one if only **few units are on** at a time: then each has "
    "to stand for something. This model has 128 units and keeps the k strongest. Each adds its "
    "**atom**, a picture, times its code.",
    show_experiment=show_sparsity_experiment,
    look_at="With k = 1 an atom is a whole digit: a template. With 4 to 16, atoms are pieces of "
    "digits that are put together. With 64, no atom means much by itself, and the model copies. "
    "Watch the units that are never used: small k leaves many dead.",
    formula=stack_lines(
        r"z = \mathrm{top}_k(W x + b), \quad \hat x = W^\top z + c",
        r"\min_{W, b, c}\; \sum_x \lVert x - \hat x \rVert^2",
    ),
    symbols={
        "x": "input: 64 pixels",
        "W": "weights: row j, as a picture, is atom j",
        r"\mathrm{top}_k": "top-k: keeps the k numbers that are farthest from zero, the others "
        "become 0",
        "b, c": "biases: c is the background",
    },
    question="A code of 8 active units out of 128, and a code of 8 numbers: both keep 8 numbers. "
    "Which one says more about the digit?",
    answer="The sparse one: it also tells **which** 8 of 128 units are on, and there are more than "
    "a million million such choices. So with a decoder that only adds atoms it loses 17 % of the "
    "variance, as much as the nonlinear network with 8 numbers of lesson 2. PCA, which adds the "
    "same 8 atoms for every digit, loses 33 %.",
    next_page=NextPage("apply_features.py", "Use codes as features", {}),
    variant="k-sparse",
    source="[Makhzani & Frey (2013), k-Sparse Autoencoders](https://arxiv.org/abs/1312.5663)",
)
