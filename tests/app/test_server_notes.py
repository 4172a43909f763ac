"""What every page says of the server that it is on."""

from __future__ import annotations

import fcntl

from tests.test_storage_probe import refuse


def test_a_stranger_without_cookies_is_told_that_the_session_is_the_end(open_page, visit_as):
    def read_notes():
        return [note.value for note in open_page("data.py").caption if "no cookie" in note.value]

    assert not read_notes()
    visit_as("alice")
    assert not read_notes()
    visit_as("")
    assert len(read_notes()) == 1


def test_every_page_says_that_runs_cannot_be_kept(open_page, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert "files cannot be locked there" in open_page("data.py").error[0].value
