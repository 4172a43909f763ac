"""The embedded data sets, and how sets are named, limited, split and binarised."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from data_sets import get_refusal, read_set

from aecore.data.catalog import CATALOG
from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from aecore.model.config import DataConfig

EMBEDDED = [name for name, entry in CATALOG.items() if not entry.files]


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_set_is_what_its_entry_says(name: str) -> None:
    entry, found = CATALOG[name], read_set(name)
    assert entry.is_local()
    assert found.input_shape == entry.input_shape
    assert (len(found.train.x), len(found.test.x)) == entry.sizes
    assert len(found.classes) == entry.classes
    assert found.kind == entry.kind
    assert found.train.y is not None and found.train.y.dtype == torch.int64
    assert len(found.columns) == (0 if entry.kind == "image" else entry.input_shape[0])


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_set_is_the_same_every_time_and_split_without_overlap(name: str) -> None:
    one, two, other = read_set(name), read_set(name), read_set(name, split_seed=1)
    assert torch.equal(one.train.x, two.train.x)
    assert not torch.equal(one.train.x, other.train.x)
    sums = [torch.cat([found.train.x, found.test.x]).double().sum(0) for found in (one, other)]
    assert torch.allclose(*sums)


def test_the_sixteen_greys_of_digits_are_spread_over_a_byte() -> None:
    values = read_set("digits").train.x.unique().tolist()
    assert values == [int(v * 255 / 16 + 0.5) for v in range(17)]


def test_classes_along_a_roll_hold_equally_many_points() -> None:
    found = read_set("swiss-roll")
    assert torch.cat([found.train.y, found.test.y]).bincount().tolist() == [250] * 8


def test_the_description_of_every_set_is_a_sentence() -> None:
    assert all(
        entry.description.endswith(".") and entry.name == name for name, entry in CATALOG.items()
    )


def test_listing_the_catalog_imports_nothing_heavy() -> None:
    code = (
        "import sys, aecore.data.datasets; "
        "print({'torch', 'sklearn', 'pandas', 'PIL'} & sys.modules.keys())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "set()"


def test_bytes_become_floats_from_0_to_1_and_floats_stay() -> None:
    assert as_float(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [0.0, 1.0]
    assert as_float(torch.tensor([-3.5])).tolist() == [-3.5]


def test_a_limit_takes_the_first_of_a_seeded_shuffle() -> None:
    few, more = read_set("digits", limit=5), read_set("digits", limit=50)
    assert (len(few.train.x), len(few.test.x)) == (5, 5)
    assert torch.equal(few.train.x, more.train.x[:5])
    assert len(few.train.y) == 5
    assert len(read_set("iris", limit=50).test.x) == 30


def test_the_test_fraction_is_honoured_and_leaves_neither_split_empty() -> None:
    assert len(read_set("iris", test_fraction=0.5).test.x) == 75
    assert len(read_set("iris", test_fraction=0.0001).test.x) == 1
    assert len(read_set("iris", test_fraction=0.9999).train.x) == 1


def test_an_unknown_name_lists_the_known_ones() -> None:
    message = get_refusal("mnits")
    assert (
        "no data set or path 'mnits'" in message and "mnist" in message and "swiss-roll" in message
    )
    assert "no data set" in get_refusal("x" * 4000)
    assert "no data set" in get_refusal("a\0b")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.docx").write_text("hello")
    assert get_refusal(tmp_path / "notes.docx").startswith("notes.docx cannot be read as data")


def test_grey_pixels_are_drawn_with_their_value_as_the_chance_and_the_same_each_time():
    grey, drawn = (
        load_dataset(DataConfig(name="digits", binarise=how)) for how in ("none", "static")
    )
    assert set(drawn.train.x.unique().tolist()) == {0, 255}
    assert (as_float(drawn.train.x).mean(0) - as_float(grey.train.x).mean(0)).abs().max() < 0.06
    fresh = load_dataset(DataConfig(name="digits", binarise="dynamic"))
    assert (fresh.train.x == grey.train.x).all() and (
        fresh.test.x == drawn.test.x
    ).float().mean() > 0.5
    assert set(fresh.test.x.unique().tolist()) == {0, 255}
    assert (
        load_dataset(DataConfig(name="digits", binarise="dynamic")).test.x == fresh.test.x
    ).all()
