"""A file is parsed once for as long as it stays as it is, and a changed one is seen at once."""

from __future__ import annotations

import os

import pytest
from helpers import tiny

from aecore.errors import CheckpointError
from aecore.model.weights import read_config
from aecore.runs import file_cache
from aecore.runs.file_cache import FileCache
from aecore.runs.listing import create_run, has_sound_config


@pytest.fixture
def parsed(monkeypatch):
    """A cache of texts that takes every file as settled, and the list of what it parsed."""
    monkeypatch.setattr(file_cache, "SETTLED_NS", -(10**18))
    paths = []

    def parse(path):
        paths.append(path.name)
        return path.read_text()

    return FileCache(parse, limit=2), paths


def test_an_unchanged_file_is_parsed_once(parsed, tmp_path):
    cache, paths = parsed
    (tmp_path / "a").write_text("1")
    assert [cache.read(tmp_path / "a") for _ in range(3)] == ["1"] * 3
    assert paths == ["a"]


def test_a_file_of_the_same_size_and_time_that_replaces_another_is_seen(parsed, tmp_path):
    cache, _ = parsed
    (tmp_path / "a").write_text("1")
    before = (tmp_path / "a").stat()
    assert cache.read(tmp_path / "a") == "1"
    (tmp_path / "b").write_text("2")
    os.utime(tmp_path / "b", ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(tmp_path / "b", tmp_path / "a")
    assert cache.read(tmp_path / "a") == "2"


def test_a_file_that_has_just_changed_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(file_cache, "SETTLED_NS", 10**18)  # every file has just changed
    cache = FileCache(lambda path: path.read_text())
    (tmp_path / "a").write_text("1")
    assert cache.read(tmp_path / "a") == "1"
    assert not cache.entries


def test_what_was_not_read_for_longest_is_forgotten_first(parsed, tmp_path):
    cache, paths = parsed
    for name in "abc":
        (tmp_path / name).write_text(name)
    for name in "abaca":
        cache.read(tmp_path / name)
    assert paths == ["a", "b", "c"] and len(cache.entries) == 2


def test_a_missing_file_is_an_error_every_time(parsed, tmp_path):
    cache, _ = parsed
    (tmp_path / "a").write_text("1")
    cache.read(tmp_path / "a")
    (tmp_path / "a").unlink()
    with pytest.raises(FileNotFoundError):
        cache.read(tmp_path / "a")


def test_a_config_that_becomes_unsound_is_refused_and_one_that_is_mended_is_taken(monkeypatch):
    monkeypatch.setattr(file_cache, "SETTLED_NS", -(10**18))
    run = create_run(tiny())
    path, text = run.path / "config.json", (run.path / "config.json").read_text()
    assert run.config() == tiny()
    path.write_text("{}")
    assert not has_sound_config(run)
    with pytest.raises(CheckpointError) as error:
        run.config()
    with pytest.raises(CheckpointError, match=str(error.value)[:20]):
        read_config(run.path)
    path.write_text(text)
    assert run.config() == tiny()
