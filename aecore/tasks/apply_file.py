"""A trained run applied to a file of any length: read, computed and written in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from aecore.data.batch_writers import (
    ARRAY_ENDINGS,
    TABLE_ENDINGS,
    open_writers,
)
from aecore.data.batches import Batch, BatchedData, open_batches
from aecore.data.datasets import load_dataset
from aecore.data.raw import Array
from aecore.data.splits import Dataset
from aecore.data.tables.csv_format import PLAIN_CSV
from aecore.data.tables.filled_cells import FilledFeatures, make_probability_columns
from aecore.data.tables.filling import make_written_frame
from aecore.data.tables.missing_cells import count_missing_cells, describe_replaced_cells
from aecore.errors import AecoreError, ConfigError, DataError
from aecore.files import replace_file
from aecore.model.autoencoder import Autoencoder
from aecore.model.columns import ColumnOptions
from aecore.model.config import DataConfig
from aecore.runs.plan import resolve_data_path
from aecore.runs.run import Run
from aecore.tasks.apply import Application, Output, check_output, name_odd_columns
from aecore.tasks.odd_columns import ColumnFeatures

if TYPE_CHECKING:
    import pandas as pd

ReportRows = Callable[[int], None]
"""Receives how many more rows are done."""


class AppliedFile(NamedTuple):
    """What was written."""

    rows: int
    notes: tuple[str, ...]


class FileApplication:
    """A run that is to be applied to the examples of a file. DataError where they do not fit."""

    def __init__(self, run: Run, source: str, output: Output):
        self.config = run.config()
        check_output(output, self.config)
        self.output, self.name = output, Path(source).name
        is_clean = self.config.data is not None and self.config.data.train_class is not None
        model = Autoencoder.load(run.path)
        self.apply = Application(model, output, self.compute_means, trained_on_normal=is_clean)
        reading = self.config.data or DataConfig()
        self.new_columns: tuple[str, ...] = ()
        self.new_words: dict[str, Counter[str]] = {}
        changes = {"name": resolve_data_path(source), "missing": "keep", "split_by": None}
        self.data: BatchedData = open_batches(
            reading.model_copy(update=changes), self.schema, self.config.model.input_shape
        )

    @cached_property
    def dataset(self) -> Dataset:
        """The run's own data. DataError where they are not at hand."""
        return load_dataset(self.config.data or DataConfig())

    @cached_property
    def schema(self) -> dict[str, ColumnOptions]:
        """How the columns of the run's table are read; empty of what is no table."""
        from aecore.data.tables.columns import make_schema

        if self.config.data is not None and self.config.data.columns:
            return self.config.data.columns
        if len(self.config.model.input_shape) != 1:
            return {}
        try:
            return make_schema(self.dataset.columns)
        except AecoreError as error:
            raise DataError(
                f"The run's own data are needed for the names of its columns. {error}"
            ) from error

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of the features of an example."""
        from aecore.data.tables.columns import list_schema_features

        count = self.config.model.features
        names = list_schema_features(self.schema)
        return names if len(names) == count else tuple(f"x{i}" for i in range(count))

    def compute_means(self) -> Tensor:
        """Returns the mean of each column in training, as the pages take it: (*input_shape)."""
        return self.dataset.train.x.nanmean(0).nan_to_num(0)

    def write(self, out: Path, report: ReportRows) -> AppliedFile:
        """Writes the output of all examples to `out`, replacing it in one step.

        Raises ConfigError for an ending that does not suit, DataError where it cannot be written.
        """
        check_ending(out, self.output, len(self.config.model.input_shape) == 1)
        rows = 0

        def write_draft(draft: Path) -> None:
            nonlocal rows
            with open_writers(draft, out.suffix.lower()) as (write_table, write_arrays):
                for batch in self.data.read(self.apply.batch_rows):
                    arrays = self.apply(batch.x)
                    self.note_news(batch)
                    if write_table is not None:
                        layout = PLAIN_CSV if batch.table is None else batch.table.csv
                        write_table(self.tabulate(batch, arrays), layout)
                    if write_arrays is not None:
                        write_arrays(arrays)
                    rows += len(batch.x)
                    report(len(batch.x))
            if not rows:
                raise DataError(f"{self.name} has no rows. Give it at least one.")

        try:
            replace_file(out, write_draft)
        except OSError as error:
            raise DataError(
                f"{out} cannot be written ({error.strerror or error}). "
                "Give a file in a folder that exists and has room."
            ) from error
        return AppliedFile(rows, (*self.data.notes, *self.describe_cells()))

    def note_news(self, batch: Batch) -> None:
        """Counts the words of a batch that the model does not know; its columns alike."""
        from aecore.data.tables.columns import count_new_words, describe_new_columns

        if batch.table is not None:
            self.new_columns = describe_new_columns(batch.table, self.schema)
        for name, counts in count_new_words(batch.new_words).items():
            self.new_words.setdefault(name, Counter()).update(counts)

    def describe_cells(self) -> Iterator[str]:
        """Yields a sentence on what is new, and on cells that were filled or taken as a mean."""
        from aecore.data.tables.columns import describe_new_words

        yield from self.new_columns
        yield from describe_new_words(self.new_words, self.schema)
        if self.apply.missing.any():
            yield describe_replaced_cells(self.apply.missing.numpy(), self.schema)
        if self.apply.known and not self.apply.trained_on_normal:
            yield (
                "Rows that every network of the run was trained on, and that score low: "
                f"{self.apply.known:,}."
            )
        if self.output == "filled":
            filled = count_missing_cells(self.apply.filled.numpy(), self.schema)
            yield f"Missing cells filled in: {sum(filled.values()):,}."

    # -- as a table

    def tabulate(self, batch: Batch, arrays: dict[str, Array]) -> pd.DataFrame:
        """Returns the rows of a table that are written of a batch.

        Codes and scores stand beside what was brought, filled cells in their places with the
        probability of each filled word beside them.
        """
        import pandas as pd

        from aecore.data.tables.reading import fill_table

        if self.output == "filled" and batch.table is not None:
            filled = fill_table(batch.table, self.schema, arrays["filled"])
            rows = FilledFeatures(batch.x.numpy(), arrays["filled"])
            return self.add_columns(filled, make_probability_columns(self.schema, rows))
        columns = self.make_columns(batch, arrays)
        if self.output in ("filled", "reconstructions"):
            return pd.DataFrame(columns)
        if batch.table is not None:
            brought = make_written_frame(batch.table)
        else:
            brought = pd.DataFrame(batch.labels, index=range(len(batch.x)))
        return self.add_columns(brought, columns)

    def add_columns(self, brought: pd.DataFrame, columns: dict[str, Array]) -> pd.DataFrame:
        """Returns a table with columns more; one that was brought is never written over."""
        for name, values in columns.items():
            while name in brought.columns:
                name = f"{self.output}_{name}"
            brought[name] = values
        return brought

    def make_columns(self, batch: Batch, arrays: dict[str, Array]) -> dict[str, Array]:
        """Returns the output of examples as columns (n,); words as words."""
        from aecore.data.tables.cells import decode_columns, has_described_cells

        if self.output == "codes":
            return {f"z{i}": column for i, column in enumerate(arrays["codes"].T)}
        if self.output == "scores":
            scores = {"score": arrays["scores"]}
            if arrays["residuals"].ndim > 2:
                return scores
            columns = ColumnFeatures(self.schema, self.columns)
            odd = columns.find_oddest(
                self.apply.model,
                torch.from_numpy(arrays["residuals"]),
                batch.x,
                new_words=batch.new_words,
            )
            return scores | name_odd_columns(odd)
        if has_described_cells(self.schema):
            return decode_columns(self.schema, arrays[self.output])
        return dict(zip(self.columns, arrays[self.output].T, strict=True))


def check_ending(out: Path, output: Output, is_row: bool) -> None:
    """Raises ConfigError for the name of a file that cannot hold the output of rows, or pictures.

    A table of reconstructed pixels would have a column for each.
    """
    may_be_table = is_row or output != "reconstructions"
    endings = [*(TABLE_ENDINGS if may_be_table else ()), *ARRAY_ENDINGS]
    if out.suffix.lower() not in endings:
        raise ConfigError(
            f"{out.name} has the wrong ending for {output}: give a file that ends in "
            f"{', '.join(endings[:-1])} or {endings[-1]}."
        )
