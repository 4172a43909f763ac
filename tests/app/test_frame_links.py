"""Addresses as the page around a frame keeps them, and what every page says of its server."""

from __future__ import annotations

import fcntl

import pytest
from streamlit.testing.v1 import AppTest

from tests.app.conftest import ROUTER
from tests.test_storage import refuse


def open_address(**params):
    """Open the app's first page with these parameters of an address."""
    app = AppTest.from_file(ROUTER, default_timeout=300)
    for name, value in params.items():
        app.query_params[name] = value
    return app.run()


def test_an_address_names_its_page_by_a_parameter():
    app = open_address(page="generate", run="mnist-vae", mode="Walk")
    assert app.title[0].value == "Generate"
    assert app.selectbox(key="run").value == "mnist-vae"
    assert app.query_params == {"run": ["mnist-vae"], "mode": ["Walk"]}


@pytest.mark.parametrize("name", ["nowhere", "../app", "https://huggingface.co"])
def test_a_page_that_is_not_there_is_home(name):
    assert open_address(page=name).title[0].value == open_address().title[0].value


def test_a_stranger_without_cookies_is_told_that_the_session_is_the_end(visit_as):
    def read_notes():
        return [note.value for note in open_address().sidebar.caption if "no cookies" in note.value]

    assert not read_notes()
    visit_as("alice")
    assert not read_notes()
    visit_as("")
    assert len(read_notes()) == 1


def test_every_page_says_that_runs_cannot_be_kept(monkeypatch):
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert "files cannot be locked there" in open_address(page="generate").error[0].value
