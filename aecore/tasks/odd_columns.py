"""Which columns make a row odd, and what was expected there, in the words of the table.

What counts is by how much a row's score falls where a column is as the others let expect. One
extreme cell makes a model rebuild the whole row badly, and the cells that are hard to predict most
of all; but the score falls to the usual with that one alone. A column may be several features of a
model: a word is one of ones and zeros, a date several numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.chunks import reconstruct_in_chunks
from aecore.data.raw import Array
from aecore.data.tables.cells import spell_cell
from aecore.data.tables.columns import list_features
from aecore.data.tables.date_cells import list_part_slices, spell_date_part
from aecore.data.tables.filling import decode_features
from aecore.model.autoencoder import Autoencoder
from aecore.model.columns import ColumnOptions
from aecore.tasks.anomaly import LEAST_SCORE, compute_scaled_residuals

ODD_COLUMNS = 3
SPARE_COLUMNS = 2  # examined beyond those that are named: some turn out to be as expected
LEAST_REASON = 0.01  # of the score: columns that make less of it are no reason
SIGNED_KINDS = ("number", "count", "ordered")
ROUNDS = 10  # in which a hidden cell is rebuilt
LIKELY = 0.995  # above it a probability is written as more than 99 %


class OddColumns(NamedTuple):
    """The columns that make rows odd, the oddest of each row first.

    Where there are fewer, the last have no name and no text, and are off by 0.
    """

    names: Array  # (n, k) of columns
    by: Array  # (n, k): how far off, in scaled units; below 0 where less was expected
    shares: Array  # (n, k) of the row's score, 0 to 1: what goes where the column is as expected
    why: Array  # (n, k): "idle, expected active"
    signed: Array  # (n, k) bool: False of dates and words, which are not more or less


class ExaminedColumns(NamedTuple):
    """One column of each row, replaced by what the others let expect."""

    scores: Array  # (n,) of the rows with it
    signs: Array  # (n,): -1 where it is less than expected
    why: Array  # (n,): "idle, expected active"; empty where it is what was expected


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
        self,
        model: Autoencoder,
        residuals: Tensor,
        x: Tensor,
        count: int = ODD_COLUMNS,
        new_words: Mapping[str, Array] = MappingProxyType({}),
    ) -> OddColumns:
        """Returns the columns that make rows x (n, features) odd, at most so many.

        Their residuals (n, features) are in the network's units. `new_words` (n,), by column, are
        those that the model does not know.
        """
        errors = self.sum_shares(residuals.numpy())
        scores = np.maximum(errors.sum(1), LEAST_SCORE)
        places = np.argsort(-errors, axis=1, kind="stable")[:, : count + SPARE_COLUMNS]
        rows, whole = np.arange(len(errors)), score_by_all(model, x)
        shares, signs, why = np.zeros(places.shape), np.ones(places.shape), places.astype(object)
        for k, columns in enumerate(places.T):
            examined = self.examine_columns(model, x, columns, new_words)
            is_odd = (examined.why != "") & (errors[rows, columns] > 0)
            fall = np.nan_to_num(1 - examined.scores / whole).clip(0, 1)
            shares[:, k] = np.where(is_odd & (fall >= LEAST_REASON), fall, 0)
            signs[:, k], why[:, k] = examined.signs, examined.why
        order = np.argsort(-shares, axis=1, kind="stable")[:, :count]
        shares, signs, why, places = (
            np.take_along_axis(part, order, axis=1) for part in (shares, signs, why, places)
        )
        return OddColumns(
            np.where(shares > 0, np.array(list(self.places), object)[places], ""),
            np.where(shares > 0, signs * np.sqrt(shares * scores[:, None]), 0),
            shares,
            np.where(shares > 0, why, ""),
            np.array([o.kind in SIGNED_KINDS for o in self.options.values()])[places],
        )

    def examine_columns(
        self, model: Autoencoder, x: Tensor, columns: Array, new_words: Mapping[str, Array]
    ) -> ExaminedColumns:
        """Returns what becomes of rows x (n, features) with one cell of each as expected.

        `columns` (n,) are the places of these among the columns.
        """
        hidden = torch.zeros(x.shape, dtype=torch.bool)
        for column, part in enumerate(self.places.values()):
            hidden[:, part] = torch.from_numpy(columns == column)[:, None]
        expected = expect_cells(model, x, hidden).nan_to_num()
        scores = score_by_all(model, torch.where(hidden, expected, x.float()))
        signs, why = np.ones(len(x)), np.full(len(x), "", object)
        for column, (name, part) in enumerate(self.places.items()):
            rows = columns == column
            if not rows.any():
                continue
            options, cells, wanted = self.options[name], x[rows, part].numpy(), expected[rows, part]
            words = new_words[name][rows] if name in new_words else None
            scale = model.scale[part].float().cpu().numpy()
            why[rows] = spell_cells(options, cells, wanted.numpy(), scale, words)
            if options.kind in SIGNED_KINDS:
                signs[rows] = np.where(cells[:, 0] < wanted.numpy()[:, 0], -1, 1)
        return ExaminedColumns(scores, signs, why)

    def expect_each(self, model: Autoencoder, x: Tensor) -> Tensor:
        """Returns what the other columns let expect of each column of one row x (1, features)."""
        hidden = torch.zeros(len(self.places), x.shape[1], dtype=torch.bool)
        for column, part in enumerate(self.places.values()):
            hidden[column, part] = True
        rows = expect_cells(model, x.expand(len(hidden), -1), hidden)
        return torch.where(hidden, rows, 0).sum(0, keepdim=True)

    def spell_rows(self, rows: Array) -> Array:
        """Returns rows (n, features) as a table has them, texts (columns, n).

        Cells that are missing are empty, and words that the model does not know.
        """
        spelled = []
        for name, part in self.places.items():
            cells = decode_features(self.options[name], rows[:, part])
            missing = np.asarray(np.isnan(rows[:, part]).any(axis=1))
            if self.options[name].kind == "category":
                missing |= ~rows[:, part].any(axis=1)
            texts = [""] * len(rows) if cells is None else list(cells)
            pairs = zip(texts, missing, strict=True)
            spelled.append(["" if m else spell_cell(self.options[name], c) for c, m in pairs])
        return np.array(spelled, object)

    @property
    def has_words(self) -> bool:
        """True where a column is no number."""
        return any(options.kind not in ("number", "count") for options in self.options.values())


def score_by_all(model: Autoencoder, x: Tensor) -> Array:
    """Returns the scores (n,) of rows by all members of an ensemble, also by those that saw them.

    Rows with a cell replaced are known to none: only so can they be compared.
    """
    residuals = compute_scaled_residuals(model, x, trained_on_normal=True)
    return np.maximum(residuals.square().sum(1).numpy(), LEAST_SCORE)


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


def spell_cells(
    options: ColumnOptions, x: Array, expected: Array, scale: Array, new_words: Array | None = None
) -> Array:
    """Returns texts (n,) such as "idle, expected active (97 %)" of a column's features (n, k).

    They are empty for words and flags that are as expected, and dates of which any is. Cells with
    a new word, None in others, are "JPY (new), expected USD (97 %)". Of dates the part is named
    that is farthest off, in units of `scale` (k,): "hour 02:10, expected 14:30".
    """
    if options.kind == "date":
        return spell_odd_dates(options, x, expected, scale)
    given, wanted = decode_features(options, x), decode_features(options, expected)
    if given is None or wanted is None:
        return np.array([""] * len(x), object)
    texts = [spell_cell(options, cell) for cell in given]
    hopes = [spell_cell(options, cell) for cell in wanted]
    missing = np.asarray(np.isnan(x).any(axis=1))
    if options.kind == "category":  # or a word that the model does not know
        missing = np.asarray(~(x.max(1, initial=0) >= 0.5))
    news = [None] * len(x) if new_words is None else new_words
    texts = [
        f"{new} (new)" if new is not None else "missing" if is_missing else text
        for new, is_missing, text in zip(news, missing, texts, strict=True)
    ]
    chances = list_chances(options, expected)
    is_word = options.kind not in SIGNED_KINDS
    return np.array(
        [
            "" if is_word and text == hope else f"{text}, expected {hope}{chance}"
            for text, hope, chance in zip(texts, hopes, chances, strict=True)
        ],
        object,
    )


def spell_odd_dates(options: ColumnOptions, x: Array, expected: Array, scale: Array) -> Array:
    """Returns texts (n,) on the part of dates (n, k) that is farthest from what was expected.

    They are empty where any hour, weekday or season was expected.
    """
    squares = np.square((x - expected) / scale)
    places = list_part_slices(options.parts)
    errors = np.stack([squares[:, place].sum(1) for place in places.values()], axis=1)
    texts = np.full(len(x), "", object)
    for k, (part, place) in enumerate(places.items()):
        rows = errors.argmax(1) == k
        cells, hopes = (
            spell_times(options, dates)
            if part == "time"
            else spell_date_part(part, dates[:, place])
            for dates in (x[rows], expected[rows])
        )
        texts[rows] = [
            "" if hope is None else f"{part} {cell}, expected {hope}"
            for cell, hope in zip(cells, hopes, strict=True)
        ]
    return texts


def spell_times(options: ColumnOptions, x: Array) -> list[str | None]:
    """Returns dates (n, k) as texts."""
    dates = decode_features(options, x)
    return [None] * len(x) if dates is None else [spell_cell(options, date) for date in dates]


def list_chances(options: ColumnOptions, expected: Array) -> list[str]:
    """Returns " (97 %)" for each row (n, k), of words and flags alone: how likely the expected."""
    if options.kind not in ("category", "boolean"):
        return [""] * len(expected)
    likely = expected.max(1)
    if options.kind == "boolean":
        likely = np.maximum(likely, 1 - likely)
    return [f" ({'over 99' if p > LIKELY else f'{100 * max(p, 0):.0f}'} %)" for p in likely]
