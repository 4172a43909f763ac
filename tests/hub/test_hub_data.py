"""Data sets of the Hub, by their id, from a Hub on loopback."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from aecore.data.datasets import read_dataset
from aecore.errors import DataError, HubError
from aecore.hub import datasets
from aecore.hub.datasets import fetch_hub_dataset
from aecore.runs.uploads import create_upload, guess_settings
from tests.hub.loopback import LoopbackHub


@pytest.fixture
def loopback(tmp_path, monkeypatch):
    monkeypatch.setenv("AECORE_RUNS", str(tmp_path))
    with LoopbackHub(users={"hf_alice": "alice"}) as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        made.datasets["alice/people"] = {
            "train": [encode_table(0, 300), encode_table(300, 900)],
            "test": [encode_table(900, 950)],
        }
        yield made


def encode_table(start, stop):
    out = io.BytesIO()
    pd.DataFrame(
        {"age": range(start, stop), "city": ["Rome", "Oslo"] * ((stop - start) // 2)}
    ).to_parquet(out)
    return out.getvalue()


def test_all_files_of_a_split_become_one_set_that_can_be_read(loopback):
    one = create_upload()
    assert (
        fetch_hub_dataset("alice/people", one) == "900 rows of the split 'train' of alice/people."
    )
    raw = read_dataset(guess_settings(one))
    assert raw.x[:, 0].tolist() == list(range(900)) and raw.columns == (
        "age",
        "city=Oslo",
        "city=Rome",
    )
    assert one.name == "people.parquet"


def test_of_a_long_set_only_the_first_rows_are_taken_and_that_is_said(loopback, monkeypatch):
    monkeypatch.setattr(datasets, "FETCHED_ROWS", 250)
    one = create_upload()
    assert fetch_hub_dataset("alice/people", one).startswith("The first 250 rows")
    assert len(read_dataset(guess_settings(one)).x) == 250
    assert not any(path.endswith("/train/1") for _, path in loopback.requests)


def test_a_private_set_needs_the_token_of_its_owner(loopback):
    loopback.private_datasets.add("alice/people")
    with pytest.raises(HubError, match=r"does not exist on .*, or is private"):
        fetch_hub_dataset("alice/people", create_upload(), token=False)
    assert fetch_hub_dataset("alice/people", create_upload(), "test", "hf_alice").startswith(
        "50 rows"
    )


@pytest.mark.parametrize(("repo", "what"), [("a b", "a space"), ("https://x.org/a", "':'")])
def test_a_strange_character_in_an_id_is_named(loopback, repo, what):
    with pytest.raises(HubError, match=f"has {what} in it; names have letters"):
        fetch_hub_dataset(repo, create_upload())
    assert loopback.requests == []


@pytest.mark.parametrize("repo", ["", "../../etc", "a/b/c", "x" * 200])
def test_what_is_no_id_is_not_asked_for(loopback, repo):
    with pytest.raises(HubError, match="no data set's id"):
        fetch_hub_dataset(repo, create_upload())
    assert loopback.requests == []


def test_wrong_names_and_torn_files_are_explained_and_leave_no_file(loopback):
    loopback.datasets["alice/torn"] = {"train": [b"PAR1 and nothing more"]}
    one = create_upload()
    for repo, split, words in (
        ("alice/none", "train", "does not exist"),
        ("alice/people", "dev", "has train, test"),
        ("alice/torn", "train", "is not readable"),
    ):
        with pytest.raises((HubError, DataError), match=words):
            fetch_hub_dataset(repo, one, split)
    assert list(one.path.rglob("*")) == []


def test_a_file_beyond_the_limit_is_cut_off_and_refused(loopback, monkeypatch):
    monkeypatch.setenv("AECORE_MAX_UPLOAD_MB", "0.0001")
    one = create_upload()
    with pytest.raises(DataError, match="larger than the limit"):
        fetch_hub_dataset("alice/people", one)
    assert one.source is None
