"""Names of strangers: cleaned for people, escaped for Markdown, harmless in files."""

from __future__ import annotations

import csv
import html
import io
import re

import numpy as np
import pandas as pd
import pytest
import yaml

from aecore.analysis.card import format_card
from aecore.data.raw import index_labels
from aecore.data.tables.csv_format import CsvFormat
from aecore.model.config import DataConfig
from aecore.model.variants.fitting import configure
from aecore.names import JOINER, clean_name, clean_text, escape_markdown, escape_name
from aecore.runs.foreign import name_data
from aecore.runs.uploads import check_upload_name
from tests.hostile import HOSTILE, MARKUP
from ui.kit.downloads import format_csv
from ui.kit.explorer import read_explorer_answer
from ui.kit.figures import escape_label
from ui.kit.messages import hide_folders

FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def unescape(text: str) -> str:
    """Returns what a renderer of Markdown shows of escaped text."""
    return html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)).replace(JOINER, "")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_becomes_nothing_but_what_it_says(text):
    escaped = escape_markdown(text)
    assert unescape(escaped) == clean_text(text)
    assert not MARKUP.search(escaped)
    assert "\n" not in escaped and escaped.encode()
    assert clean_name(text).isprintable() and len(clean_name(text)) <= 100
    assert not re.search(r"<\w", escape_label(text))


def test_a_long_name_is_cut_before_it_is_escaped():
    assert escape_name("_" * 500, 10) == r"\_" * 9 + "\u2026"


@pytest.mark.parametrize(
    "name",
    ["mnist-vae", "people.csv", "Zürich 2024", "a: b", "x, y (z)", "\U0001f468\u200d\U0001f469"],
)
def test_an_ordinary_name_is_not_changed(name):
    assert escape_name(name) == name


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_of_an_export_is_a_formula(text):
    text = text.encode("utf-8", "replace").decode()
    frame = pd.DataFrame({text: [text, "plain"], "n": [-1.5, 2]})
    rows = list(csv.reader(io.StringIO(format_csv(frame))))
    assert not any(cell.startswith(FORMULAS) for cell in (rows[0][0], rows[1][0]))
    assert [row[1] for row in rows[1:]] == ["-1.5", "2.0"]


def test_numbers_in_words_stay_numbers_and_formulas_keep_their_text():
    frame = pd.DataFrame({"=a": pd.Categorical(["-5", "+1e3", "-1+2", "@x", "\tx"])})
    assert format_csv(frame).splitlines() == ["'=a", "-5", "+1e3", "'-1+2", "'@x", "'\tx"]


def test_negative_numbers_with_a_decimal_comma_are_no_formulas():
    frame = pd.DataFrame({"a": ["-999,0", "-1.234,5", "-2,5%", "-A1"]})
    lines = format_csv(frame, CsvFormat(";", ",")).splitlines()
    assert lines == ["a", "-999,0", "-1.234,5", "-2,5%", "'-A1"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_card_of_hostile_data_keeps_its_front_matter(text):
    config = configure("vae", (4,), kind="table", data=DataConfig.model_construct(name=text))
    card = format_card(config, {"se": 1.0})
    values = yaml.safe_load(card.split("---\n")[1])
    assert card.encode() and values["license"] == "mit" and len(values["tags"]) == 4


def test_classes_that_look_alike_are_one_and_those_that_cannot_be_written_get_a_sign():
    y, classes = index_labels(np.array(["b", "a\u202e", "a", "\ud800"]))
    assert classes == ("a", "b", "\ufffd") and y.tolist() == [1, 0, 0, 2]


def test_a_selection_has_a_name_that_a_page_can_hold():
    named = read_explorer_answer({"named": {"\ud800x\u202e": "AQ=="}}, 1).named
    assert list(named) == ["\ufffdx"]


def test_an_upload_loses_what_would_show_its_name_backwards():
    assert check_upload_name("invoice\u202evsc.csv") == "invoicevsc.csv"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("No file /srv/app/.own/abcdefghijklmnop/my table.csv.", "No file my table.csv."),
        ("checkpoints/.own/abcdefghijklmnop/images is empty", "images is empty"),
        ("See https://huggingface.co/docs/hub or a/b/c.", None),
    ],
)
def test_on_a_public_space_paths_lose_their_folders(text, shown, monkeypatch):
    assert hide_folders(text) == text
    monkeypatch.setenv("AECORE_PUBLIC", "1")
    assert hide_folders(text) == (shown or text)


@pytest.mark.parametrize("name", ["/srv/data/x.csv", "C:\\data\\x.csv", "~/x.csv", "x.csv"])
def test_data_are_called_by_the_last_part_of_their_path(name):
    assert name_data(DataConfig(name=name)) == "x.csv"
