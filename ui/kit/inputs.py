"""Which inputs a task works on: the run's own test set, or data that the visitor brought, made to fit the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st
import torch
import torch.nn.functional as F
from torch import Tensor

from aecore.data.datasets import read_dataset
from aecore.data.splits import Dataset, as_float
from aecore.data.table_columns import match_columns
from aecore.data.tables import read_frame
from aecore.errors import AecoreError, DataError
from aecore.model.config import DataConfig
from aecore.runs.run import Run
from ui.kit.links import format_selection_key, read_selections, select_linked
from ui.kit.messages import show_error
from ui.kit.visitor import list_own_sets, name_own_sets

TEST_SPLIT = "test set"


class Inputs(NamedTuple):
    """Examples that fit a model, in the order in which they were given."""

    name: str  # for captions: "the test set of mnist", "faces.zip"
    x: Tensor  # (N, *input_shape): uint8 or float32, NaN where a cell of a table is missing
    y: Tensor | None  # (N,) indices into classes
    classes: tuple[str, ...]
    names: tuple[str, ...]  # of files, one an example; empty where there are none
    frame: pd.DataFrame | None  # the rows of a table as they were brought, with all their columns
    remark: str  # what was done to make them fit; empty where nothing was
    brought: bool = False  # by the visitor: not a part of the run's own data
    rows: np.ndarray | None = None  # of the test set, where these are only some of it

    def test_row(self, row: int) -> int | None:
        """Which of the test set an example is; None where it is none of it."""
        return None if self.brought else row if self.rows is None else int(self.rows[row])

    def label(self, row: int) -> str:
        """What an example is called."""
        return self.names[row] if self.names else f"{self.name.split(' of ')[0]} {row}"


def choose_inputs(
    run: Run, found: Dataset, place: Any = st, key: str = "inputs", holes: bool = False
) -> Inputs:
    """A select box over the test set, selections of a map and the visitor's own sets; what was chosen, made to fit.

    Missing cells become their column's training mean, unless `holes` are wanted. Shows what was done. Where a set
    does not fit, says why and gives the test set.
    """
    sets, names = {one.token: one for one in list_own_sets()}, name_own_sets()
    parts = list_linked_selections(found)
    names |= {option: part.name for option, part in parts.items()}
    chosen = select_linked(
        place,
        "Inputs",
        [TEST_SPLIT, *parts, *sets],
        key,
        names,
        "What to work on: the run's own test examples, a selection that you named on the "
        "page **Latent**, or data of yours. Bring some on the page **Data**.",
    )
    result = Inputs(
        f"{TEST_SPLIT} of {found.name}", found.test.x, found.test.y, found.classes, (), None, ""
    )
    if chosen in sets:
        try:
            result = load_fitted_inputs(
                run, found.columns, sets[chosen].config(), sets[chosen].name
            )._replace(brought=True)
        except AecoreError as error:
            show_error(error)
            st.caption("The test set is shown instead.")
    result = parts.get(chosen, result)
    if not holes:
        result = fill_missing_inputs(result, found)
    if result.remark:
        st.caption(f":material/info: {result.remark}")
    return result


def list_linked_selections(found: Dataset) -> dict[str, Inputs]:
    """What the visitor named on a map of this data, by what it is called in an address."""
    result = {}
    for split in ("test", "train"):
        part = getattr(found, split)
        for name, rows in read_selections(found.name, split).items():
            if rows.max() >= len(part.x):  # data of the same name was exchanged
                continue
            kind = "test set" if split == "test" else "training set"
            words = tuple(f"{kind} {row}" for row in rows.tolist())
            y = None if part.y is None else part.y[rows]
            result[format_selection_key(split, name)] = Inputs(
                f"selection {name} of the {kind} of {found.name}",
                part.x[rows],
                y,
                found.classes,
                words,
                None,
                "",
                brought=split != "test",
                rows=rows,
            )
    return result


def make_split_inputs(found: Dataset, split: str) -> Inputs:
    """A run's own training or test examples, as inputs, missing cells as their column's mean."""
    part, name = getattr(found, split), {"test": TEST_SPLIT, "train": "training set"}[split]
    return fill_missing_inputs(
        Inputs(f"{name} of {found.name}", part.x, part.y, found.classes, (), None, ""), found
    )


def fill_missing_inputs(inputs: Inputs, found: Dataset) -> Inputs:
    """Missing cells as their column's mean in training, and a remark on how many."""
    x = fill_with_means(inputs.x, found)
    if x is inputs.x:
        return inputs
    remark = f"{int(inputs.x.isnan().sum()):,} missing cells are taken as their column's mean."
    return inputs._replace(x=x, remark=f"{inputs.remark} {remark}".strip())


def fill_with_means(x: Tensor, found: Dataset) -> Tensor:
    """x (N, *input_shape) with missing cells as their column's mean in training; x itself where none is missing."""
    if not x.is_floating_point() or not x.isnan().any():
        return x
    return torch.where(x.isnan(), found.train.x.nanmean(0).nan_to_num(0), x)


@st.cache_resource(max_entries=6, show_spinner="Reading your data ...")
def load_fitted_inputs(run: Run, columns: tuple[str, ...], config: DataConfig, name: str) -> Inputs:
    """A visitor's set as this run takes it. DataError where it cannot."""
    shape = run.config().model.input_shape
    if len(shape) == 1 and config.name.lower().endswith((".csv", ".parquet")):
        return load_fitted_rows(config, name, columns)
    raw = read_dataset(config.model_copy(update={"missing": "keep"}))
    x = torch.from_numpy(np.ascontiguousarray(raw.x))
    remark = " ".join(raw.notes)
    if len(shape) == 3 and raw.kind == "image":
        x, how = resize_images(x, shape)
        remark = f"{how} {remark}".strip()
    if (got := tuple(x.shape[1:])) != shape:
        raise DataError(
            f"{name} holds examples of {got}, but this run takes {shape}. Choose another run."
        )
    y = None if raw.y is None else torch.from_numpy(raw.y)
    return Inputs(name, x, y, raw.classes, raw.names, None, remark)


def load_fitted_rows(config: DataConfig, name: str, columns: tuple[str, ...]) -> Inputs:
    """Rows of a .csv or .parquet, their columns found by name."""
    frame = read_frame(Path(config.name))
    x = torch.from_numpy(match_columns(frame, columns, name))
    y, classes = None, ()
    if config.label in frame.columns:
        classes = tuple(sorted(frame[config.label].astype(str).unique()))
        y = torch.tensor([classes.index(word) for word in frame[config.label].astype(str)])
    return Inputs(name, x, y, classes, (), frame, "")


def resize_images(x: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, str]:
    """Images (N, C, H, W) as a model of (C', H', W') takes them, and what was done, in a sentence."""
    if tuple(x.shape[1:]) == shape:
        return x, ""
    before, parts = tuple(x.shape[1:]), []
    for part in x.split(1024):
        part = as_float(part)
        if shape[0] == 1 and part.shape[1] == 3:
            part = (part * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
        if part.shape[2:] != shape[1:]:
            part = F.interpolate(
                part, size=shape[1:], mode="bilinear", antialias=True, align_corners=False
            )
        parts.append(part.clamp(0, 1).mul(255).round().byte().expand(-1, shape[0], -1, -1))
    return torch.cat(
        parts
    ), f"Pictures of {spell_shape(before)} were made to fit this run's {spell_shape(shape)}."


def spell_shape(shape: tuple[int, ...]) -> str:
    """(C, H, W) for people."""
    return f"{shape[2]} x {shape[1]} pixels in {'grey' if shape[0] == 1 else 'colour'}"
