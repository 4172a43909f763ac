"""A folder that cannot hold runs is refused in one sentence: by the package, page and terminal."""

from __future__ import annotations

import errno
import fcntl
import os

import pytest
from helpers import tiny

from aecore.cli.parser import main
from aecore.errors import RunError
from aecore.runs.listing import create_run, list_runs
from aecore.runs.storage_probe import check_storage


def refuse(*values):
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


@pytest.fixture(params=["flock refused", "flock without effect", "rename refused"])
def bucket(request, monkeypatch):
    """Files as on a mounted bucket; gives what they cannot do."""
    if request.param == "rename refused":
        monkeypatch.setattr(os, "replace", refuse)
        return "be written and replaced there (Operation not supported)"
    if request.param == "flock refused":
        monkeypatch.setattr(fcntl, "flock", refuse)
        return "be locked there (Operation not supported)"
    monkeypatch.setattr(fcntl, "flock", lambda file, operation: None)
    return "be locked there (a lock is not seen by others)"


def test_a_folder_that_holds_runs_is_accepted_and_left_clean(tmp_path):
    check_storage(tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_run_on_a_bucket_is_refused_and_leaves_nothing(bucket, own_runs):
    with pytest.raises(RunError) as refused:
        create_run(tiny())
    assert bucket in str(refused.value) and "local disk" in str(refused.value)
    assert str(own_runs) not in str(refused.value)  # strangers read it, too
    assert list(own_runs.iterdir()) == []


def test_the_command_line_says_so(bucket, own_runs, capsys):
    assert main(["train", "vanilla", "--data", "digits", "--epochs", "1"]) == 1
    error = capsys.readouterr().err
    assert bucket in error and error.count("\n") == 1
    assert not [run for run in list_runs() if run.path.parent == own_runs]
