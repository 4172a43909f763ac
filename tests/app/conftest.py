"""The app without a browser: pages run as Streamlit runs them, on runs made for the test."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.training.trainer import fit

ROUTER = str(Path(__file__).parents[2] / "pages" / "_router.py")


@pytest.fixture
def no_shipped(tmp_path, monkeypatch):
    """As if the checkpoints that come with the code were not there."""
    empty = tmp_path / "shipped"
    empty.mkdir()
    for module in ("aecore.runs.listing", "ui.kit.runs"):
        monkeypatch.setattr(f"{module}.SHIPPED_FOLDER", empty)


@pytest.fixture
def open_page():
    """Open a page by its file, with address parameters; the first run of the app is the router's."""

    def opened(page: str, **params: str | list[str]) -> AppTest:
        app = AppTest.from_file(ROUTER, default_timeout=60)
        for name, value in params.items():
            app.query_params[name] = value
        app.run()
        return app if page == "home.py" else app.switch_page(page).run()

    return opened


@pytest.fixture
def trained():
    """A function that trains a small run in the test's own folder."""

    def train(variant="vae", data="digits", **settings):
        run = create_run(
            plan_run(variant, data, settings={"training.epochs": 2, "data.limit": 200, **settings})
        )
        list(fit(run))
        return run

    return train
