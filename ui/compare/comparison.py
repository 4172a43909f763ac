"""The logic of the Compare page: the same inputs through several runs, their numbers, and what sets them apart."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

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
from aecore.model.variants import VARIANTS
from aecore.runs.run import Run
from ui.kit.figures import get_variant_colour
from ui.kit.run_view import RunView, view_through
from ui.kit.runs import get_variant_label, has_same_inputs

MAX_COMPARED = 8  # runs at a time
FIRST_COMPARED = 4  # runs that a first visit shows
COLOUR_SHARE = (
    0.99  # of the values lie inside a colour scale; the few beyond it are drawn at full colour
)


def choose_first_runs(known: Sequence[Run]) -> list[str]:
    """Up to four runs like the newest in shape and data, of different families where there are any."""
    configs = {run.id: run.config() for run in known}
    newest = configs[known[0].id]
    alike = [i for i, c in configs.items() if has_same_inputs(c, newest)]
    families: dict[str, str] = {}
    for i in alike:
        variant = VARIANTS.get(configs[i].model.variant)
        families.setdefault(variant.family if variant else "", i)
    chosen = [*families.values(), *(i for i in alike if i not in families.values())][
        :FIRST_COMPARED
    ]
    return [i for i in configs if i in chosen]


def join_words(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def view_through_all(
    chosen: Sequence[Run], x: Tensor, seed: int
) -> tuple[list[RunView], list[str]]:
    """The views of all runs that can be loaded, and a sentence for each that cannot."""
    results, problems = [], []
    for run in chosen:
        try:
            results.append(view_through(run, x, seed))
        except AecoreError as error:
            problems.append(str(error))
    return results, problems


def keep_fitting_runs(chosen: Sequence[Run]) -> tuple[list[Run], str]:
    """The runs that take the first one's inputs, and a sentence on the others and on foreign data."""
    first, remarks = chosen[0].config(), []
    fits = [run for run in chosen if run.config().model.input_shape == first.model.input_shape]
    shape = " x ".join(map(str, first.model.input_shape))
    if others := [run.id for run in chosen if run not in fits]:
        remarks.append(
            f"Not in the picture, as they do not take inputs of {shape}: {join_words(others)}."
        )
    if foreign := [run.id for run in fits if not has_same_inputs(run.config(), first)]:
        name = first.data.name if first.data else "the inputs shown"
        remarks.append(f"Trained on other data than {name}: {join_words(foreign)}.")
    return fits, " ".join(remarks)


def is_scatter(shape: Sequence[int]) -> bool:
    """Whether examples are points that can be drawn where they lie."""
    return len(shape) == 1 and shape[0] in (2, 3)


def make_sheet_blocks(
    data: Dataset, x: Tensor, results: Sequence[RunView]
) -> tuple[list[SheetBlock], float]:
    """The picture's rows, the inputs first; and the error at which its colours are full, shared by all runs."""
    spread = column_spread(data)
    shown = [x, *(r.rebuilt for r in results)]
    limit = colour_limit([(values - spread[0]) / spread[1] for values in shown])
    errors = [(r.rebuilt - x) / spread[1] for r in results]
    most, width = colour_limit(errors), choose_tile_width(data.input_shape)

    def draw(values: Tensor) -> Tensor:
        return make_tiles((values - spread[0]) / spread[1], limit)

    made = [SheetBlock("The same inputs", "", "#888888", {"input": draw_strip(draw(x), width)})]
    for result, error in zip(results, errors, strict=True):
        rows = {} if result.saw is None else {"seen": draw(result.saw)}
        error_tiles = colour_signed(error, most) if error.dim() == 4 else make_tiles(error, most)
        rows |= {
            "code": colour_codes(result.z),
            "rebuilt": draw(result.rebuilt),
            "error": error_tiles,
        }
        strips = {name: draw_strip(row, width) for name, row in rows.items()}
        made.append(
            SheetBlock(
                get_variant_label(result.run),
                result.run.id,
                get_variant_colour(result.variant),
                strips,
            )
        )
    return made, most


def column_spread(data: Dataset) -> tuple[Tensor | float, Tensor | float]:
    """What to subtract and divide by for display: nothing for pixels, mean and deviation of a table's columns."""
    if data.kind == "image":
        return 0.0, 1.0
    x = as_float(data.test.x).numpy()
    with warnings.catch_warnings():  # a column of which no cell is known has no mean
        warnings.simplefilter("ignore", RuntimeWarning)
        mean, std = (torch.from_numpy(np.nan_to_num(f(x, axis=0))) for f in (np.nanmean, np.nanstd))
    return mean, std.clamp(min=1e-12)


def colour_limit(values: Sequence[Tensor]) -> float:
    """Where a colour scale ends: two digits, above nearly all values that are known."""
    known = torch.cat([v[~v.isnan()] for v in values]).abs().numpy()
    return (float(f"{np.quantile(known, COLOUR_SHARE):.2g}") if len(known) else 0.0) or 1.0
