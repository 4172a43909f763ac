"""Divisions by a column: no person lies on both sides; copies on both sides are counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from data_sets import read_set

from aecore.data.datasets import load_dataset
from aecore.data.groups import draw_whole_groups, index_groups
from aecore.errors import DataError
from aecore.model.config import DataConfig
from aecore.training.preparation import hold_out_validation


@pytest.fixture
def people(tmp_path):
    """200 visits of 30 people, whose rows name the person in `key` too, so that a split shows."""
    rng = np.random.default_rng(0)
    person = rng.integers(0, 30, 200)
    frame = pd.DataFrame({"person": [f"p{i:02d}" for i in person], "a": rng.random(200)})
    frame["key"] = person * 1.25 - 7
    frame.to_csv(tmp_path / "visits.csv", index=False)
    return tmp_path / "visits.csv"


def keys(dataset, x):
    return set(x[:, list(dataset.columns).index("key")].tolist())


@pytest.mark.parametrize("seed", range(5))
def test_no_person_lies_on_both_sides_of_test_and_validation(people, seed):
    config = DataConfig(
        name=str(people),
        split_by="person",
        split_seed=seed,
        validation_fraction=0.2,
        unusable="leave_out",
    )
    found = load_dataset(config)
    train, validation = hold_out_validation(found, config)
    sides = [keys(found, x) for x in (train, validation, found.test.x)]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert len(train) + len(validation) + len(found.test.x) == 200
    assert 25 < len(found.test.x) < 55 and 15 < len(validation) < 50
    groups = [len(sides[0] | sides[1]), len(sides[2])]
    assert f"Divided by 'person': {groups[0]} groups to train, {groups[1]} groups" in " ".join(
        found.notes
    )


def test_limits_and_classes_keep_the_groups_apart(people):
    frame = pd.read_csv(people)
    frame["class"] = np.where(frame.a > 0.5, "high", "low")
    frame.to_csv(people, index=False)
    found = read_set(people, split_by="person", label="class", train_class="high", limit=20)
    assert len(found.train.x) == 20 == len(found.train.groups)
    assert not keys(found, found.train.x) & keys(found, found.test.x)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("name", r"visits.csv has no column 'name' to split by; it has person, a, key"),
        ("one", "All examples of visits.csv have the same 'one'"),
    ],
)
def test_a_column_that_cannot_divide_is_refused_in_a_sentence(people, name, words):
    pd.read_csv(people).assign(one="same").to_csv(people, index=False)
    with pytest.raises(DataError, match=words):
        read_set(people, split_by=name)


def test_an_array_of_groups_divides_a_npz_and_replaces_its_own_split(tmp_path):
    x = np.arange(60, dtype=np.float32).reshape(30, 2)
    path = tmp_path / "rows.npz"
    day = np.repeat(["mon", "tue", "wed", "thu", "fri"], 6)
    np.savez(path, x=x, day=day, short=day[:3], things=np.array([{}] * 30, object))
    found = read_set(path, split_by="day")
    days = [
        set(day[(x[:, 0].astype(int) // 2)]) for x in (found.train.x.numpy(), found.test.x.numpy())
    ]
    assert not days[0] & days[1] and len(days[0] | days[1]) == 5
    for name, words in {
        "week": "no array `week` to split by",
        "short": r"has shape \(3,\).* each of 30 examples",
        "things": "never loaded",
    }.items():
        with pytest.raises(DataError, match=words):
            read_set(path, split_by=name)


@pytest.mark.parametrize("name", ["digits", "rows.npy"])
def test_what_has_no_columns_cannot_be_split_by_one(name, tmp_path):
    if name != "digits":
        np.save(tmp_path / name, np.random.default_rng(0).random((20, 3)))
        name = str(tmp_path / name)
    with pytest.raises(DataError, match="no column or array 'person' to split by"):
        read_set(name, split_by="person")


def test_a_missing_group_is_a_group_of_its_own():
    import pyarrow as pa

    groups = index_groups(pa.chunked_array([["b", None], ["a", None, "b"]]))
    assert groups[0] == groups[4] and len(set(groups.tolist())) == 4


def test_whole_groups_come_as_near_to_the_count_as_they_can():
    groups = np.repeat(np.arange(50), 4)
    for count in (1, 40, 100, 199):
        rest, held = draw_whole_groups(groups, count, 3)
        assert abs(len(held) - count) <= 4 and len(rest) + len(held) == 200 and len(rest)
        assert not set(groups[rest].tolist()) & set(groups[held].tolist())
    assert [len(part) for part in draw_whole_groups(np.zeros(5), 2, 0)] == [5, 0]


def test_rows_on_both_sides_are_counted_and_said(tmp_path):
    x = np.random.default_rng(0).random((100, 3)).astype(np.float32)
    x[7, 0] = np.nan
    path = tmp_path / "rows.npz"
    np.savez(path, x=x, x_test=np.concatenate([x[[3, 3, 7]], -x[:5]]))
    note = read_set(path, missing="keep").notes[-1]
    assert note.startswith("3 of 8 test examples are also training examples, value by value")
    np.savez(path, x=x[8:], x_test=-x[10:20])
    assert not read_set(path).notes


def test_a_large_set_is_not_compared_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("aecore.data.division.COMPARED_ROWS", 50)
    np.savez(tmp_path / "rows.npz", x=np.arange(300, dtype=np.float32).reshape(100, 3))
    assert "too large to count" in read_set(tmp_path / "rows.npz").notes[-1]


def test_a_split_without_groups_is_what_it_was():
    found = load_dataset(DataConfig(name="digits"))
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    from aecore.data.datasets import read_dataset

    x = torch.from_numpy(read_dataset(DataConfig(name="digits")).x)
    assert torch.equal(found.test.x, x[order[:359]])
