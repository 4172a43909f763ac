"""Which columns make a row odd, and what was expected there, in the words of the table.

A column may be several features of a model: a word is one of ones and zeros, a date several
numbers. What counts is their sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.chunks import reconstruct_in_chunks
from aecore.data.raw import Array
from aecore.data.tables.cells import spell_cell
from aecore.data.tables.columns import list_features
from aecore.data.tables.filling import decode_features
from aecore.model.autoencoder import Autoencoder
from aecore.model.columns import ColumnOptions

ODD_COLUMNS = 3
ROUNDS = 10  # in which a hidden cell is rebuilt
LIKELY = 0.995  # above it a probability is written as more than 99 %


class OddColumns(NamedTuple):
    """The columns that make rows odd, the oddest of each row first."""

    names: Array  # (n, k) of columns
    by: Array  # (n, k): how far off, in scaled units; below 0 where less was expected
    shares: Array  # (n, k) of the row's score, 0 to 1
    why: Array  # (n, k): "idle, expected active"


class ColumnFeatures:
    """The columns of a model's rows, and which of its features each is."""

    def __init__(self, schema: Mapping[str, ColumnOptions], features: Sequence[str]):
        """`features` names all of them; where the schema is of others, each is a column."""
        known = [name for o in schema.items() for name in list_features(*o)]
        if known != list(features):
            schema = {name: ColumnOptions(kind="number") for name in features}
        self.options = {name: o for name, o in schema.items() if list_features(name, o)}
        self.places: dict[str, slice] = {}
        start = 0
        for name, options in self.options.items():
            self.places[name] = slice(start, start + len(list_features(name, options)))
            start = self.places[name].stop

    def sum_shares(self, residuals: Array) -> Array:
        """Returns the sum of squared residuals (n, features) in each column: (n, columns)."""
        squares = np.square(residuals)
        return np.stack([squares[:, part].sum(1) for part in self.places.values()], axis=1)

    def find_oddest(
        self, model: Autoencoder, residuals: Tensor, x: Tensor, count: int = ODD_COLUMNS
    ) -> OddColumns:
        """Returns the columns that make rows x (n, features) odd, at most so many.

        Their residuals (n, features) are in the network's units.
        """
        shares = self.sum_shares(residuals.numpy())
        order = np.argsort(-shares, axis=1, kind="stable")[:, :count]
        names, rows = np.array(list(self.places), object), np.arange(len(shares))[:, None]
        score = np.maximum(shares.sum(1, keepdims=True), 1e-30)
        return OddColumns(
            names[order],
            self.measure_offsets(residuals.numpy(), shares)[rows, order],
            (shares / score)[rows, order],
            np.stack([self.spell_one(model, x, place) for place in order.T], axis=1),
        )

    def spell_one(self, model: Autoencoder, x: Tensor, columns: Array) -> Array:
        """Returns what one cell of each row is and was expected to be, texts (n,).

        `columns` (n,) are their places among the columns; the other cells of a row say what is
        expected of it.
        """
        parts = list(self.places.values())
        hidden = torch.zeros(x.shape, dtype=torch.bool)
        for row, column in enumerate(columns.tolist()):
            hidden[row, parts[column]] = True
        expected = expect_cells(model, x, hidden).numpy()
        texts = np.empty(len(x), object)
        for column, (name, part) in enumerate(self.places.items()):
            rows = columns == column
            if rows.any():
                cells = x[rows, part].numpy()
                texts[rows] = spell_cells(self.options[name], cells, expected[rows, part])
        return texts

    def expect_each(self, model: Autoencoder, x: Tensor) -> Tensor:
        """Returns what the other columns let expect of each column of one row x (1, features)."""
        hidden = torch.zeros(len(self.places), x.shape[1], dtype=torch.bool)
        for column, part in enumerate(self.places.values()):
            hidden[column, part] = True
        rows = expect_cells(model, x.expand(len(hidden), -1), hidden)
        return torch.where(hidden, rows, 0).sum(0, keepdim=True)

    def spell_rows(self, rows: Array) -> Array:
        """Returns rows (n, features) as a table has them, texts (columns, n)."""
        spelled = []
        for name, part in self.places.items():
            cells = decode_features(self.options[name], rows[:, part])
            missing = np.asarray(np.isnan(rows[:, part]).any(axis=1))
            texts = [""] * len(rows) if cells is None else list(cells)
            pairs = zip(texts, missing, strict=True)
            spelled.append(["" if m else spell_cell(self.options[name], c) for c, m in pairs])
        return np.array(spelled, object)

    @property
    def has_words(self) -> bool:
        """True where a column is no number."""
        return any(options.kind not in ("number", "count") for options in self.options.values())

    def measure_offsets(self, residuals: Array, shares: Array) -> Array:
        """Returns how far off each column is, (n, columns): with a sign where it is one number."""
        signs = [
            np.sign(residuals[:, part.start]) if part.stop - part.start == 1 else 1.0
            for part in self.places.values()
        ]
        return np.sqrt(shares) * np.stack(np.broadcast_arrays(*signs, shares[:, 0])[:-1], axis=1)


@torch.no_grad()
def expect_cells(model: Autoencoder, x: Tensor, hidden: Tensor) -> Tensor:
    """Return rows x (n, features) with `hidden` cells, bool alike, as the others let expect them.

    They begin at their column's mean and are rebuilt several times, the others kept.
    """
    known = x.float().masked_fill(x.isnan(), 0)
    hidden = (hidden | x.isnan()).expand_as(x)
    cells = torch.where(hidden, model.shift.float().cpu(), known)
    for _ in range(ROUNDS):
        rebuilt = reconstruct_in_chunks(model, cells.to(model.scale.dtype)).float()
        cells = torch.where(hidden, rebuilt, known)
    return cells


def spell_cells(options: ColumnOptions, x: Array, expected: Array) -> Array:
    """Returns texts (n,) such as "idle, expected active (97 %)" of a column's features (n, k)."""
    given, wanted = decode_features(options, x), decode_features(options, expected)
    if given is None or wanted is None:
        return np.array([""] * len(x), object)
    missing = np.asarray(np.isnan(x).any(axis=1))
    if options.kind == "category":  # or a word that the model does not know
        missing = np.asarray(~(x.max(1, initial=0) >= 0.5))
    chances = list_chances(options, expected)
    texts = [
        f"{'missing' if is_missing else spell_cell(options, cell)}, "
        f"expected {spell_cell(options, hope)}{chance}"
        for is_missing, cell, hope, chance in zip(missing, given, wanted, chances, strict=True)
    ]
    return np.array(texts, object)


def list_chances(options: ColumnOptions, expected: Array) -> list[str]:
    """Returns " (97 %)" for each row (n, k), of words and flags alone: how likely the expected."""
    if options.kind not in ("category", "boolean"):
        return [""] * len(expected)
    likely = expected.max(1)
    if options.kind == "boolean":
        likely = np.maximum(likely, 1 - likely)
    return [f" ({'over 99' if p > LIKELY else f'{100 * max(p, 0):.0f}'} %)" for p in likely]
