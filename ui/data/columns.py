"""The table of the columns of a set, in which what each is read as can be changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from aecore.data.describe import format_example_cell
from aecore.data.tables.column_choices import choose_column_kind, set_schema
from aecore.data.tables.column_values import ReadColumn
from aecore.model.columns import ColumnKind, ColumnOptions, DatePart
from aecore.model.config import DataConfig
from aecore.names import drop_unprintable, escape_name
from aecore.runs.uploads import UploadedData
from ui.data.changes import (
    ChangeConfig,
    read_inferred,
    read_reading_version,
    request_change,
    request_from_widget,
)
from ui.kit.cache import load_cached_table
from ui.kit.memory import keep_in_memory

KIND_NAMES: dict[ColumnKind, str] = {
    "number": "number",
    "count": "count",
    "boolean": "yes or no",
    "category": "category",
    "ordered": "ordered category",
    "date": "date",
    "target": "label",
    "text": "text, left out",
    "id": "id, left out",
    "ignored": "ignore",
}
PART_NAMES: dict[DatePart, str] = {
    "time": "time",
    "year": "year",
    "season": "season",
    "weekday": "weekday",
    "hour": "hour",
}
COLUMNS_AT_ONCE = 1000  # of a table, in the editor
ROW_HEIGHT, SHOWN_HEIGHT = 35, 14  # pixels; rows
ORDERED_WORDS = 50  # of a column whose order can be chosen here
NOTE_LETTERS = 300  # of what became of a column


def show_columns(upload: UploadedData, config: DataConfig) -> None:
    """Show a row for each column of a table; a change of what it is read as is asked for."""
    start = choose_first_column(len(load_cached_table(config).columns), upload.token)
    rows = tabulate_columns(config, Path(config.name).stat().st_mtime)
    rows = rows.iloc[start : start + COLUMNS_AT_ONCE]
    key = f"columns-{upload.token}-{start}-{read_reading_version()}"
    st.data_editor(
        rows,
        hide_index=True,
        disabled=[name for name in rows.columns if name != "read as"],
        column_config=configure_columns(set(rows["read as"])),
        height=ROW_HEIGHT * (min(len(rows), SHOWN_HEIGHT) + 1) + 3,
        key=key,
        on_change=request_kind,
        args=(upload, key, start),
        alt="The columns of the table, and what each is read as",
    )


def choose_first_column(count: int, token: str) -> int:
    """Show a pager where a table has very many columns; return the place of the first shown."""
    if count <= COLUMNS_AT_ONCE:
        return 0
    pages = range(math.ceil(count / COLUMNS_AT_ONCE))
    page = st.selectbox(
        "Columns",
        pages,
        format_func=lambda page: (
            f"{page * COLUMNS_AT_ONCE + 1:,} to {min(count, (page + 1) * COLUMNS_AT_ONCE):,} "
            f"of {count:,}"
        ),
        key=f"page-{token}",
        width=220,
    )
    return page * COLUMNS_AT_ONCE


def configure_columns(kinds: set[str]) -> dict[str, Any]:
    """Returns how the editor shows its columns; `kinds` are those that occur."""
    config = st.column_config
    options = [kind for kind in KIND_NAMES if kind != "count" or kind in kinds]
    return {
        "column": config.TextColumn("Column", width=150),
        "read as": config.SelectboxColumn(
            "Read as",
            width=140,
            required=True,
            options=options,
            format_func=name_kind,
            help="Click a cell twice to change it. The label is never an input: it colours maps "
            "and judges what is found.",
        ),
        "example": config.TextColumn("Example", width=120),
        "missing": config.NumberColumn("Missing", width=75, help="Cells without a value."),
        "note": config.TextColumn("Note", width="large"),
    }


def name_kind(kind: object) -> str:
    """Returns what a page calls a kind of column."""
    return next(name for known, name in KIND_NAMES.items() if known == kind)


@keep_in_memory()
def tabulate_columns(config: DataConfig, version: float) -> pd.DataFrame:
    """Returns a row for each column of a table: what it holds and what it is read as."""
    return pd.DataFrame([describe_column(column) for column in load_cached_table(config).columns])


def describe_column(column: ReadColumn) -> dict[str, Any]:
    """Returns what a column of a table holds, and what it is read as."""
    return {
        "column": drop_unprintable(column.name),
        "read as": column.options.kind,
        "example": format_example_cell(column.values),
        "missing": column.missing,
        "note": drop_unprintable(column.note)[:NOTE_LETTERS],
    }


def request_kind(upload: UploadedData, key: str, start: int) -> None:
    """Ask for the kinds that were chosen in the editor of that key; a callback."""
    edited = st.session_state[key]["edited_rows"]
    kinds = {start + int(row): cells["read as"] for row, cells in edited.items()}
    request_change(upload.token, partial(choose_kinds, kinds=kinds))
    st.session_state[f"changed-{upload.token}"] = max(kinds, default=0)


def choose_kinds(config: DataConfig, kinds: dict[int, ColumnKind]) -> DataConfig:
    """Returns the config that reads the columns at these places as other kinds."""
    table, inferred = load_cached_table(config), read_inferred(config)
    schema: Mapping[str, ColumnOptions] = table.schema
    for place, kind in kinds.items():
        if kind in KIND_NAMES:
            schema = choose_column_kind(schema, inferred, table.columns[place].name, kind)
    return set_schema(config, schema)


# -- what dates and orders become


def show_column_details(upload: UploadedData, config: DataConfig) -> None:
    """Offer the inputs that a date becomes, and the order of the words of an ordered column."""
    columns = load_cached_table(config).columns
    places = [place for place, column in enumerate(columns) if has_details(column.options)]
    if not places:
        return
    last = st.session_state.get(f"changed-{upload.token}")
    place, row = places[0], st.container(horizontal=True, vertical_alignment="bottom")
    if len(places) > 1:
        place = row.selectbox(
            "Dates and orders",
            places,
            places.index(last) if last in places else 0,
            format_func=lambda place: columns[place].name,
            key=f"details-{upload.token}-{last}",
            width=220,
        )
    key = f"{upload.token}-{place}-{read_reading_version()}"
    with row:
        if columns[place].options.kind == "date":
            show_date_parts(upload, columns[place], f"parts-{key}")
        else:
            show_word_order(upload, columns[place], f"order-{key}")


def has_details(options: ColumnOptions) -> bool:
    """Returns True where more than its kind can be chosen of a column."""
    if options.kind == "ordered":
        return 2 <= len(options.categories) <= ORDERED_WORDS
    return options.kind == "date"


def show_date_parts(upload: UploadedData, column: ReadColumn, key: str) -> None:
    """Show a choice of the inputs that a column of dates becomes; without any, it stays."""

    def make_change(parts: Sequence[DatePart]) -> ChangeConfig:
        listed = tuple(part for part in PART_NAMES if part in parts) or column.options.parts
        return partial(set_column_options, name=column.name, options={"parts": listed})

    st.pills(
        f"Inputs of **{escape_name(column.name)}**",
        list(PART_NAMES),
        selection_mode="multi",
        default=list(column.options.parts),
        format_func=PART_NAMES.__getitem__,
        key=key,
        on_change=request_from_widget,
        args=(upload.token, key, make_change),
        help=f"Time is counted in {escape_name(column.options.unit)}. Season, weekday and hour "
        "become a sine and a cosine each, because they come round again.",
    )


def show_word_order(upload: UploadedData, column: ReadColumn, key: str) -> None:
    """Show the words of an ordered column; once all are chosen anew, that can be their order."""
    words = column.options.categories
    picked = st.multiselect(
        f"Order of **{escape_name(column.name)}**, lowest first",
        words,
        default=words,
        key=key,
        help="Clear it, then choose all words from the lowest to the highest.",
    )
    change = partial(set_column_options, name=column.name, options={"categories": tuple(picked)})
    st.button(
        "Use this order",
        disabled=set(picked) != set(words) or tuple(picked) == words,
        key=f"use-{key}",
        on_click=request_change,
        args=(upload.token, change),
    )


def set_column_options(config: DataConfig, name: str, options: dict[str, Any]) -> DataConfig:
    """Returns the config that reads one column of a table with other options of its kind."""
    schema = load_cached_table(config).schema
    return set_schema(config, schema | {name: schema[name].model_copy(update=options)})
