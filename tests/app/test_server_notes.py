"""What every page says of the server that it is on."""

from __future__ import annotations

import fcntl

from tests.test_storage_probe import refuse


def test_every_page_says_that_runs_cannot_be_kept(open_page, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert "files cannot be locked there" in open_page("data.py").error[0].value
