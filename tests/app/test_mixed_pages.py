"""Pages on a table of words, flags and numbers: what is planned, and cells that can be read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ui.train.form import OWN_PATH


@pytest.fixture
def file(tmp_path):
    """A table of 90 rows of four kinds of columns."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "state": rng.choice(["off", "idle", "active"], 90),
            "load": rng.normal(size=90),
            "paid": rng.choice([True, False], 90),
            "day": pd.date_range("2024-01-01", periods=90),
        }
    )
    path = tmp_path / "things.csv"
    frame.to_csv(path, index=False)
    return str(path)


def test_the_form_starts_a_run_with_a_head_for_each_column(open_page, monkeypatch, file):
    handed = []
    monkeypatch.setattr(
        "aecore.backends.launch.submit_local", lambda run, processes=1: handed.append(run)
    )
    app = open_page("train.py", variant="vae", data=OWN_PATH, path=file)
    numbers = next(box for box in app.selectbox if box.label == "Numbers")
    numbers.set_value("student_t").run()
    next(button for button in app.button if button.label == "Start").click().run()
    assert not app.exception and not app.error
    likelihood = handed[0].config().model.likelihood
    kinds = [head.kind for head in likelihood.heads]
    assert kinds == ["category", "number", "boolean", "number"]
    assert likelihood.numbers == "student_t"


@pytest.mark.parametrize(
    ("page", "params"),
    [
        ("generate.py", {"mode": "Samples"}),
        ("generate.py", {"mode": "Walk"}),
        ("generate.py", {"mode": "Interpolate"}),
        ("latent.py", {}),
    ],
    ids=["samples", "walk", "interpolation", "map"],
)
def test_examples_are_shown_by_column_in_words(open_page, trained, no_shipped, file, page, params):
    trained("vae", file)
    app = open_page(page, **params)
    assert not app.exception and not app.error
    if page == "generate.py":
        shown = app.dataframe[0].value
        assert list(shown.index) == ["state", "load", "paid", "day"]
        assert set(shown.loc["state"].str.split().str[0]) <= {"off", "idle", "active"}


def test_runs_are_compared_by_kind_of_column(open_page, trained, no_shipped, file):
    runs = [trained(variant, file).id for variant in ("vae", "linear")]
    app = open_page("compare.py", runs=runs)
    assert not app.exception and not app.error
    table = app.dataframe[0].value
    assert {"wrong_words", "number_se"} <= set(table.columns)
