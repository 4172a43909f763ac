"""A run folder of a newer aecore: read where possible, else the error says to upgrade."""

from __future__ import annotations

import json

import pytest
from helpers import model

from aecore.errors import CheckpointError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import VERSION
from aecore.model.weights import is_newer_version, read_config


def write_version(folder, version, **options):
    """config.json of a saved model, as another version with more options would have written it."""
    model().save(folder)
    config = json.loads((folder / "config.json").read_text())
    config["aecore_version"] = version
    config["model"] |= options
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("version", ["99.0.0", "0.10.0", "0.1.1", "1", "2.0rc1"])
def test_a_folder_of_a_newer_version_says_to_upgrade(version, tmp_path):
    write_version(tmp_path, version, new_option=1)
    words = f"made by aecore {version}, this is {VERSION}: upgrade"
    with pytest.raises(CheckpointError, match=words):
        read_config(tmp_path)
    with pytest.raises(CheckpointError, match=words):
        Autoencoder.load(tmp_path)


@pytest.mark.parametrize("version", [VERSION, "0.0.9", "0.1", "nonsense", "", "²", 7, None])
def test_an_unknown_option_of_no_newer_version_is_named(version, tmp_path):
    write_version(tmp_path, version, new_option=1)
    with pytest.raises(CheckpointError, match="not a config of this version"):
        read_config(tmp_path)


def test_a_newer_version_whose_options_are_known_is_read(tmp_path):
    write_version(tmp_path, "99.0.0")
    assert read_config(tmp_path).aecore_version == "99.0.0"


@pytest.mark.parametrize(
    ("version", "than", "newer"),
    [
        ("0.10.0", "0.9.9", True),
        ("0.9.9", "0.10.0", False),
        ("1.0", "1.0.0", False),
        ("1.0.0", "1.0", False),
        ("1.0.1", "1.0", True),
        ("1.0", "nonsense", False),
        ("9" * 5000, "1.0", True),
    ],
)
def test_versions_are_compared_number_by_number(version, than, newer):
    assert is_newer_version(version, than) == newer
