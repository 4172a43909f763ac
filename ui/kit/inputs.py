"""Which inputs a task works on: the run's own examples, or the visitor's, made to fit the model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from aecore.data.datasets import read_dataset
from aecore.data.describe import holds_table
from aecore.data.images.fitting import resize_images
from aecore.data.raw import Array, spell_shape
from aecore.data.splits import Dataset
from aecore.data.tables.column_values import Table
from aecore.data.tables.columns import (
    count_new_words,
    describe_new_columns,
    describe_new_words,
    find_new_words,
    make_schema,
    match_columns,
)
from aecore.data.tables.csv_format import PLAIN_CSV, CsvFormat
from aecore.data.tables.filling import make_written_page_frame
from aecore.data.tables.labels import compute_labels, find_run_label
from aecore.data.tables.missing_cells import describe_replaced_cells
from aecore.data.tables.reading import is_read_alike
from aecore.errors import AecoreError, DataError
from aecore.model.config import DataConfig
from aecore.runs.run import Run
from aecore.runs.uploads import UploadedData, find_upload_of_path
from ui.kit.cache import load_cached_table, load_table_as
from ui.kit.links import (
    format_selection_key,
    keep_inputs_owner,
    read_selections,
    select_linked,
)
from ui.kit.memory import keep_in_memory
from ui.kit.messages import show_error, show_note, show_warning
from ui.kit.visitor import get_visitor, map_own_sets, name_own_sets

TEST_SPLIT = "test set"  # an option of the select box, and its name on pages
ALL_ROWS = "all"
FILE_STEM_LETTERS = 60
SPLIT_NAMES = {"test": TEST_SPLIT, "train": "training set"}
INPUTS_HELP = (
    "What to work on: the run's own test examples, a selection that you named on the "
    "page **Latent**, or data of yours. Bring some on the page **Data**."
)


class Inputs(NamedTuple):
    """Examples that fit a model, in the order in which they were given."""

    name: str  # for captions: "test set of mnist", "faces.zip"
    x: Tensor  # (N, *input_shape): uint8 or float32, NaN where a cell of a table is missing
    y: Tensor | None  # (N,) indices into classes
    classes: tuple[str, ...]
    names: tuple[str, ...]  # of files, one an example; empty where there are none
    frame: pd.DataFrame | None  # the rows of a table as they were brought, with all their columns
    remark: str  # what was done to make them fit; empty where nothing was
    table: Table | None = None  # the same, as it was understood
    brought: bool = False  # by the visitor: not a part of the run's own data
    rows: np.ndarray | None = None  # of the test set, where these are only some of it
    new_words: Mapping[str, Array] = {}  # (N,) by column: words that the run does not know, or None
    short_name: str = ""  # before an example's number: "test set"; empty where it is the name
    file_rows: np.ndarray | None = None  # (N,) places in the file or set they are of, from 0

    def test_row(self, row: int) -> int | None:
        """Returns an example's row of the test set; None where it is not of the test set."""
        if self.brought:
            return None
        return row if self.rows is None else int(self.rows[row])

    @property
    def csv(self) -> CsvFormat:
        """Returns how files that hold their columns are written: as the one they came in."""
        return PLAIN_CSV if self.table is None else self.table.csv

    @property
    def file_stem(self) -> str:
        """Returns the name as a part of the names of files."""
        return re.sub(r"\W+", "-", self.name).strip("-")[:FILE_STEM_LETTERS]

    def label(self, row: int) -> str:
        """Returns an example's name: that of its file, or its number in these inputs."""
        return self.names[row] if self.names else f"{self.short_name or self.name} {row}"

    def take_new_words(self, rows: Tensor) -> dict[str, Array]:
        """Returns the words of these rows (n,) that the run does not know, by column."""
        return {name: words[rows.numpy()] for name, words in self.new_words.items()}


# -- choosing


def choose_inputs(
    run: Run,
    dataset: Dataset,
    container: DeltaGenerator | None = None,
    key: str = "inputs",
    keep_missing: bool = False,
    begin_whole: bool = False,
) -> Inputs:
    """Show a select box over the test set, selections of a map and the visitor's own sets.

    Returns the chosen inputs, made to fit the run, and shows what was done for that. Missing cells
    become their column's training mean, unless `keep_missing`. Where a set does not fit, shows why
    and returns the test set. With `begin_whole` all rows that the run was made of come first.
    """
    sets, selections = map_own_sets(), list_linked_selections(dataset)
    own = find_own_token(run, sets)
    if begin_whole and not own:
        selections = {ALL_ROWS: make_whole_inputs(dataset), **selections}
    names = name_own_sets() | {option: part.name for option, part in selections.items()}
    options = [TEST_SPLIT, *selections, *sets]
    if begin_whole:
        options.sort(key=lambda option: option != (own or ALL_ROWS))
    option = select_linked(container, "Inputs", options, key, names, INPUTS_HELP)
    inputs = selections.get(option) or take_split(dataset, "test")
    keep_inputs_owner(get_visitor().owner if option in sets else "")
    if option in sets:
        try:
            upload = sets[option]
            inputs = load_fitted_inputs(run, dataset, upload.config(), upload.name)
            inputs = inputs._replace(brought=True)
        except AecoreError as error:
            show_error(error)
            show_warning(f"All figures and files below are of the {inputs.name} instead.")
    if not keep_missing:
        inputs = fill_missing_inputs(inputs, dataset)
    show_note(inputs.remark)
    return inputs


def widen_to_own_set(run: Run, dataset: Dataset, inputs: Inputs) -> Inputs:
    """Returns all rows of the visitor's own set where inputs are the test set of a run on it."""
    sets = map_own_sets()
    token = find_own_token(run, sets)
    if not token or inputs.brought or st.session_state.get("inputs", TEST_SPLIT) != TEST_SPLIT:
        return inputs
    try:
        upload = sets[token]
        return load_fitted_inputs(run, dataset, upload.config(), upload.name)
    except AecoreError as error:
        show_error(error)
        return inputs


def find_own_token(run: Run, sets: Mapping[str, UploadedData]) -> str:
    """Returns the visitor's set that the run was made of; empty where it was made of another."""
    data = run.config().data
    upload = find_upload_of_path(data.name) if data else None
    return upload.token if upload is not None and upload.token in sets else ""


def make_whole_inputs(dataset: Dataset) -> Inputs:
    """Returns all rows of a data set, those for training first."""
    parts = (dataset.train, dataset.test)
    labels = [part.y for part in parts if part.y is not None]
    places = [part.rows.numpy() for part in parts if part.rows is not None]
    return Inputs(
        f"all rows of {dataset.name}",
        torch.cat([part.x for part in parts]),
        torch.cat(labels) if len(labels) == len(parts) else None,
        dataset.classes,
        (),
        None,
        "",
        brought=True,
        short_name="row",
        file_rows=np.concatenate(places) if len(places) == len(parts) else None,
    )


def list_linked_selections(dataset: Dataset) -> dict[str, Inputs]:
    """Returns what the visitor named on a map of this data, by its key in an address."""
    selections = {}
    for split in ("test", "train"):
        part, split_name = getattr(dataset, split), SPLIT_NAMES[split]
        for name, rows in read_selections(dataset.name, split).items():
            if rows.max() >= len(part.x):  # data of the same name was exchanged
                continue
            selections[format_selection_key(split, name)] = Inputs(
                f"selection {name} of the {split_name} of {dataset.name}",
                part.x[rows],
                None if part.y is None else part.y[rows],
                dataset.classes,
                tuple(f"{split_name} {row}" for row in rows.tolist()),
                None,
                "",
                brought=split != "test",
                rows=rows,
                file_rows=None if part.rows is None else part.rows.numpy()[rows],
            )
    return selections


def make_split_inputs(dataset: Dataset, split: str) -> Inputs:
    """Returns a run's own "test" or "train" examples, missing cells as their column's mean."""
    return fill_missing_inputs(take_split(dataset, split), dataset)


def take_split(dataset: Dataset, split: str) -> Inputs:
    """Returns the "test" or "train" examples of a data set as they are."""
    part, name = getattr(dataset, split), SPLIT_NAMES[split]
    full_name = f"{name} of {dataset.name}"
    rows = None if part.rows is None else part.rows.numpy()
    return Inputs(
        full_name, part.x, part.y, dataset.classes, (), None, "", short_name=name, file_rows=rows
    )


# -- missing cells


def fill_missing_inputs(inputs: Inputs, dataset: Dataset) -> Inputs:
    """Returns inputs with missing cells as their column's mean in training, and a remark on it."""
    x = fill_with_means(inputs.x, dataset)
    if x is inputs.x:
        return inputs
    gaps = inputs.x.isnan().flatten(1).sum(0).numpy()
    remark = describe_replaced_cells(gaps, dataset.schema or make_schema(dataset.columns))
    return inputs._replace(x=x, remark=f"{inputs.remark} {remark}".strip())


def fill_with_means(x: Tensor, dataset: Dataset) -> Tensor:
    """Returns x (N, *input_shape) with missing cells as their column's mean in training.

    Returns x itself where none is missing.
    """
    if not x.is_floating_point() or not x.isnan().any():
        return x
    return torch.where(x.isnan(), dataset.train.x.nanmean(0).nan_to_num(0), x)


# -- the visitor's own sets


def load_fitted_inputs(run: Run, dataset: Dataset, config: DataConfig, name: str) -> Inputs:
    """Returns a visitor's set as this run takes it. Raises DataError where it cannot."""
    if len(dataset.input_shape) == 1 and holds_table(Path(config.name)):
        return load_fitted_rows(run, dataset.columns, config, name, dataset)
    return load_fitted_examples(run, config, name)


@keep_in_memory("Reading your data ...", decodes=True)
def load_fitted_examples(run: Run, config: DataConfig, name: str) -> Inputs:
    """Returns pictures and arrays as this run takes them."""
    shape = run.config().model.input_shape
    raw = read_dataset(config.model_copy(update={"missing": "keep"}))
    x = torch.from_numpy(np.ascontiguousarray(raw.x))
    remark = " ".join(raw.notes)
    if len(shape) == 3 and raw.kind == "image":
        x, resized = resize_images(x, shape)
        remark = f"{resized} {remark}".strip()
    example_shape = tuple(x.shape[1:])
    if example_shape != shape:
        raise DataError(
            f"{name} holds examples of {spell_shape(example_shape)}, but this run takes "
            f"{spell_shape(shape)}. Choose another run."
        )
    y = None if raw.y is None else torch.from_numpy(raw.y)
    places = np.arange(len(x))
    return Inputs(name, x, y, raw.classes, raw.names, None, remark, file_rows=places)


@keep_in_memory("Reading your data ...")
def load_fitted_rows(
    run: Run, columns: tuple[str, ...], config: DataConfig, name: str, _dataset: Dataset
) -> Inputs:
    """Returns the rows of a table, their columns found by name and read as those of the run."""
    schema = dict(_dataset.schema) or make_schema(columns)
    inputs = {name: options for name, options in schema.items() if options.kind != "target"}
    version = Path(config.name).stat().st_mtime
    own = load_cached_table(config)
    label = config.label or (None if own.target else find_run_label(own, schema))
    further = DataConfig(name=config.name, label=label, columns=inputs)
    is_alike = is_read_alike(own, further)
    table = own if is_alike else load_table_as(further, version, is_further=True)
    x = torch.from_numpy(match_columns(table, schema, name))
    y, classes = compute_labels(table)
    new_words = find_new_words(table, schema)
    news = describe_new_words(count_new_words(new_words), schema)
    remark = " ".join((*describe_new_columns(table, schema), *news))
    labels, frame = None if y is None else torch.from_numpy(y), make_written_page_frame(table)
    return Inputs(name, x, labels, classes, (), frame, remark, table=table, new_words=new_words)
