"""Addresses and checksums of the catalog's files, and limits that are read when they are used."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from torchvision.datasets import EMNIST, MNIST, SVHN

from aecore.data.catalog import CATALOG, have_same_examples
from aecore.data.datasets import load_dataset
from aecore.errors import DataError
from aecore.model.config import DataConfig


def test_addresses_and_checksums_are_those_of_torchvision() -> None:
    mnist, svhn, emnist = (CATALOG[name].files for name in ("mnist", "svhn", "emnist"))
    names_and_md5s = [(file.path.removeprefix("MNIST/raw/"), file.checksum) for file in mnist]
    assert names_and_md5s == MNIST.resources
    assert mnist[0].urls == tuple(f"{mirror}{names_and_md5s[0][0]}" for mirror in MNIST.mirrors)
    assert [[*file.urls, file.path, file.checksum] for file in svhn] == [
        SVHN.split_list[split] for split in ("train", "test")
    ]
    assert (emnist[0].urls, emnist[0].checksum) == ((EMNIST.url,), EMNIST.md5)


def test_a_torchvision_that_cannot_be_imported_is_a_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AECORE_DATA", str(tmp_path))
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(DataError, match=r"kmnist is not in .*torchvision.* cannot be imported"):
        load_dataset(DataConfig(name="kmnist"))


def test_the_memory_limit_is_read_when_it_is_used(tmp_path, monkeypatch) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, x=np.eye(100))
    assert load_dataset(DataConfig(name=str(path))).count == 80
    monkeypatch.setenv("AECORE_MAX_DATA_GB", "1e-6")
    with pytest.raises(DataError, match="more than the limit of 1e-06 GB"):
        load_dataset(DataConfig(name=str(path)))


def test_known_sets_are_the_same_whatever_a_run_says_of_own_files():
    earlier = DataConfig(name="mnist", missing="refuse", side=None)
    assert have_same_examples(earlier, DataConfig(name="mnist"))
    assert not have_same_examples(earlier, DataConfig(name="mnist", split_seed=1))
    assert not have_same_examples(DataConfig(name="a.csv", label="x"), DataConfig(name="a.csv"))
    assert not have_same_examples(None, None)
