"""Pictures: holes in pictures, and what the model fills them with."""

from __future__ import annotations

import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.bounds import is_variational
from aecore.analysis.imputation import draw_imputations, impute_cells
from aecore.analysis.pictures import (
    SheetBlock,
    choose_tile_width,
    draw_sheet,
    draw_strip,
    encode_png,
    make_tiles,
)
from aecore.data.splits import Dataset, as_float
from aecore.runs.run import Run
from ui.apply_impute.holes import HoleChoice, choose_hole, make_hole
from ui.kit.cache import digest_examples, get_model
from ui.kit.downloads import offer_download
from ui.kit.examples import encode_npz
from ui.kit.figures import get_variant_colour
from ui.kit.inputs import Inputs
from ui.kit.memory import ExamplesKey, keep_in_memory
from ui.kit.runs import get_variant_label
from ui.kit.strips import format_strips

PICTURE_DRAWS, SHOWN_DRAWS = 200, 2
MEAN_EXAMPLES = 2000  # training pictures behind the mean picture
INPUT_COLOUR = "#888888"


def show_picture_imputation(run: Run, dataset: Dataset, inputs: Inputs) -> None:
    """Show pictures with a hole, the model's fillings, and their errors."""
    choice = choose_hole()
    generator = torch.Generator().manual_seed(choice.seed)
    rows = torch.randperm(len(inputs.x), generator=generator)[: choice.shown]
    x = as_float(inputs.x[rows])
    hidden = make_hole(x, choice.kind, choice.seed)
    fillings = load_filled_pictures(
        str(run.path), run.version(), digest_examples(x), choice.label, choice.seed, run, x, hidden
    )
    filled = next(iter(fillings.values()))
    blocks = make_imputation_blocks(run, dataset, inputs.name, choice, x, hidden, fillings)
    st.html(format_strips(blocks, len(x)))
    st.caption(
        "Error of the hidden pixels, root mean square: "
        + describe_pixel_errors(dataset, x, hidden, filled)
        + (". *draw*: of a code that explains what is known." if len(fillings) > 1 else ".")
    )
    row = st.container(horizontal=True)
    stem = f"{run.id}-filled"
    offer_download("Picture as PNG", lambda: encode_png(draw_sheet(blocks)), f"{stem}.png", row)
    offer_download(
        "NPZ",
        lambda: encode_npz(x=x.numpy(), hidden=hidden.numpy(), filled=filled.numpy()),
        f"{stem}.npz",
        row,
    )


def make_imputation_blocks(
    run: Run,
    dataset: Dataset,
    name: str,
    choice: HoleChoice,
    x: Tensor,
    hidden: Tensor,
    fillings: dict[str, Tensor],
) -> list[SheetBlock]:
    """Returns the pictures x, called `name`, then with their hole in grey, then each filling."""
    width = choose_tile_width(dataset.input_shape)
    whole = draw_strip(make_tiles(x), width)
    masked = draw_strip(make_tiles(torch.where(hidden, 0.5, x)), width)
    strips = {label: draw_strip(make_tiles(images), width) for label, images in fillings.items()}
    return [
        SheetBlock("The pictures", name, INPUT_COLOUR, {"whole": whole}),
        SheetBlock(
            "What the model sees", f"{choice.label} is missing", INPUT_COLOUR, {"holed": masked}
        ),
        SheetBlock(
            get_variant_label(run), run.id, get_variant_colour(run.config().model.variant), strips
        ),
    ]


def describe_pixel_errors(dataset: Dataset, x: Tensor, hidden: Tensor, filled: Tensor) -> str:
    """Returns the errors of the hidden pixels by the model and by the mean picture, in words."""
    train = dataset.train.x
    scale = 255 if train.dtype == torch.uint8 else 1
    mean_picture = train[:MEAN_EXAMPLES].float().div(scale).mean(0)
    fillings = {"the model": filled, "the mean picture": torch.where(hidden, mean_picture, x)}
    errors = {
        name: (filling - x)[hidden].square().mean().sqrt().item()
        for name, filling in fillings.items()
    }
    return ", ".join(f"{name} {error:.3g}" for name, error in errors.items())


@keep_in_memory("Filling ...")
def load_filled_pictures(
    path: str,
    version: float,
    digest: ExamplesKey,
    hole: str,
    seed: int,
    _run: Run,
    _x: Tensor,
    _hidden: Tensor,
) -> dict[str, Tensor]:
    """Returns fillings of pictures by name: "filled" first, then draws of a variational model.

    `digest`, `hole` and `seed` identify the pictures and what is hidden of them.
    """
    model = get_model(_run)
    masked = _x.masked_fill(_hidden, torch.nan)
    fillings = {"filled": impute_cells(model, masked, PICTURE_DRAWS, rounds=10)}
    if is_variational(model):
        draws = draw_imputations(model, masked, SHOWN_DRAWS, PICTURE_DRAWS, noise=False)
        fillings |= {f"draw {i + 1}": draw for i, draw in enumerate(draws)}
    return fillings
