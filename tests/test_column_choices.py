"""Changes of how columns are read: one at a time, with one target."""

from __future__ import annotations

import pytest

from aecore.data.tables.column_choices import choose_column_kind, clear_target, set_schema
from aecore.model.columns import ColumnOptions
from aecore.model.config import DataConfig

INFERRED = {
    "size": ColumnOptions(kind="number", unit="cm", missing=("?",)),
    "grade": ColumnOptions(kind="category", categories=("a", "b"), missing=("none",)),
    "class": ColumnOptions(kind="target", categories=("x", "y")),
}


def test_a_kind_as_inferred_has_the_options_that_were_inferred():
    chosen = choose_column_kind(INFERRED, INFERRED, "size", "category")
    assert chosen["size"] == ColumnOptions(kind="category")
    assert choose_column_kind(chosen, INFERRED, "size", "number") == INFERRED


@pytest.mark.parametrize(("kind", "missing"), [("ordered", ("none",)), ("text", ()), ("date", ())])
def test_words_for_missing_cells_are_kept_among_kinds_of_words(kind, missing):
    chosen = choose_column_kind(INFERRED, INFERRED, "grade", kind)
    assert chosen["grade"] == ColumnOptions(kind=kind, missing=missing)


def test_a_new_target_leaves_the_former_one_to_be_inferred():
    chosen = choose_column_kind(INFERRED, INFERRED, "grade", "target")
    assert set(chosen) == {"size", "grade"} and chosen["grade"].kind == "target"
    config = set_schema(DataConfig(name="x.csv"), chosen)
    assert config.label == "grade" and config.columns == chosen
    again = choose_column_kind(chosen, INFERRED, "class", "target")
    assert again == {**INFERRED, "class": INFERRED["class"]}
    assert set_schema(config, clear_target(again, INFERRED)).label == ""
