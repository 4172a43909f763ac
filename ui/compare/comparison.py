"""The same inputs through several runs, as strips of pictures on one scale."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.pictures import (
    SheetBlock,
    choose_tile_width,
    colour_codes,
    colour_signed,
    draw_strip,
    make_tiles,
)
from aecore.data.splits import Dataset, as_float
from aecore.errors import AecoreError
from aecore.runs.foreign import name_data
from aecore.runs.run import Run
from ui.compare.chosen_runs import join_words
from ui.kit.figures import get_variant_colour
from ui.kit.run_view import RunView, view_through
from ui.kit.runs import get_variant_label, has_same_inputs

COLOUR_SHARE = 0.99  # of the values lie inside a colour scale; the few beyond have full colour


def keep_fitting_runs(runs: Sequence[Run]) -> tuple[list[Run], str]:
    """Returns the runs that take the first one's inputs, and a remark.

    The remark names the others, and those that were trained on other data.
    """
    first, remarks = runs[0].config(), []
    fitting = [run for run in runs if run.config().model.input_shape == first.model.input_shape]
    shape = " x ".join(map(str, first.model.input_shape))
    if others := [run.id for run in runs if run not in fitting]:
        remarks.append(
            f"Not in the picture, as they do not take inputs of {shape}: {join_words(others)}."
        )
    if foreign := [run.id for run in fitting if not has_same_inputs(run.config(), first)]:
        name = name_data(first.data) if first.data else "the inputs shown"
        remarks.append(f"Trained on other data than {name}: {join_words(foreign)}.")
    return fitting, " ".join(remarks)


def view_through_all(runs: Sequence[Run], x: Tensor, seed: int) -> tuple[list[RunView], list[str]]:
    """Returns the views of all runs that can be loaded, and a sentence for each that cannot."""
    views, problems = [], []
    for run in runs:
        try:
            views.append(view_through(run, x, seed))
        except AecoreError as error:
            problems.append(str(error))
    return views, problems


def is_scatter(shape: Sequence[int]) -> bool:
    """Returns True for examples of 2 or 3 numbers, which are drawn as points."""
    return len(shape) == 1 and shape[0] in (2, 3)


# -- strips


class DisplayScale(NamedTuple):
    """How values become colours: (values - shift) / scale is at full colour at the limit."""

    shift: Tensor | float
    scale: Tensor | float
    limit: float

    def draw(self, x: Tensor) -> Tensor:
        """Returns values (N, *input_shape) as tiles (N, 3, h, w)."""
        return make_tiles((x - self.shift) / self.scale, self.limit)


def make_sheet_blocks(
    dataset: Dataset, x: Tensor, views: Sequence[RunView]
) -> tuple[list[SheetBlock], float]:
    """Returns a block of strips for the inputs and for each run.

    The second is the error at which the colours of errors are full, shared by all runs.
    """
    shift, scale = measure_column_spread(dataset)
    values = [x, *(view.rebuilt for view in views)]
    display = DisplayScale(
        shift, scale, choose_colour_limit([(value - shift) / scale for value in values])
    )
    errors = [(view.rebuilt - x) / scale for view in views]
    error_limit, width = choose_colour_limit(errors), choose_tile_width(dataset.input_shape)
    blocks = [
        SheetBlock("The same inputs", "", "#888888", {"input": draw_strip(display.draw(x), width)})
    ]
    for view, error in zip(views, errors, strict=True):
        rows = draw_view_rows(view, error, error_limit, display)
        strips = {name: draw_strip(row, width) for name, row in rows.items()}
        label, colour = get_variant_label(view.run), get_variant_colour(view.variant)
        blocks.append(SheetBlock(label, view.run.id, colour, strips))
    return blocks, error_limit


def draw_view_rows(
    view: RunView, error: Tensor, error_limit: float, display: DisplayScale
) -> dict[str, Tensor]:
    """Returns the rows of one run as tiles: seen (if corrupted), code, rebuilt and error."""
    rows = {} if view.corrupted is None else {"seen": display.draw(view.corrupted)}
    is_picture = error.dim() == 4
    rows["code"] = colour_codes(view.z)
    rows["rebuilt"] = display.draw(view.rebuilt)
    rows["error"] = (
        colour_signed(error, error_limit) if is_picture else make_tiles(error, error_limit)
    )
    return rows


def measure_column_spread(dataset: Dataset) -> tuple[Tensor | float, Tensor | float]:
    """Returns what to subtract and divide by for display.

    That is nothing for pixels, and the mean and the deviation of a table's columns.
    """
    if dataset.kind == "image":
        return 0.0, 1.0
    x = as_float(dataset.test.x).numpy()
    with warnings.catch_warnings():  # a column of which no cell is known has no mean
        warnings.simplefilter("ignore", RuntimeWarning)
        mean, std = (
            torch.from_numpy(np.nan_to_num(measure(x, axis=0)))
            for measure in (np.nanmean, np.nanstd)
        )
    return mean, std.clamp(min=1e-12)


def choose_colour_limit(values: Sequence[Tensor]) -> float:
    """Returns where a colour scale ends: two digits, above nearly all values that are known."""
    known = torch.cat([value[~value.isnan()] for value in values]).abs().numpy()
    limit = float(f"{np.quantile(known, COLOUR_SHARE):.2g}") if len(known) else 0.0
    return limit or 1.0
