"""The Impute page: hidden cells filled and judged, missing ones filled and taken along."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import torch

from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.tasks.impute import compute_imputation_rmse, plan_imputer
from aecore.training.trainer import fit
from tests.app.test_anomaly_page import read_metrics
from tests.app.test_data_page import bring_data, read_texts
from ui.apply_impute.hidden_rows import (
    compute_column_deviations,
    fill_hidden_rows,
)
from ui.apply_impute.holes import HOLE_KINDS, make_hole
from ui.apply_impute.pictures import load_filled_pictures
from ui.kit.downloads import encode_parquet

CITIES = ["Rome", "Oslo", ""]
LINES = ["age,city,height,class"] + [
    f"{20 + i % 40 if i % 9 else ''},{CITIES[(i % 40) // 20 if i % 7 else 2]},"
    f"{150 + i % 40},{i % 2}"
    for i in range(120)
]


@pytest.fixture
def own_run():
    one = bring_data("people.csv", "\n".join(LINES).encode())
    settings = {
        f"data.{k}": v
        for k, v in one.config().model_dump(exclude={"name"}, exclude_unset=True).items()
    }
    run = create_run(plan_imputer(one.config().name, {"training.epochs": 30, **settings}))
    list(fit(run))
    return one, run


def test_a_first_visit_shows_errors_below_the_usual_ways_and_an_honest_interval(open_page):
    app = open_page("apply_impute.py")
    assert not app.exception and not app.error
    inside = int(read_metrics(app)["Inside the 90% interval"].rstrip("%"))
    assert 70 <= inside <= 98
    assert app.get_by_key("errors").proto.spec and app.get_by_key("truth").proto.spec
    assert "known cells of 114 rows were hidden" in read_texts(app)


def test_the_models_error_is_below_that_of_column_means(open_page, own_run):
    from ui.kit.cache import get_dataset
    from ui.kit.inputs import Inputs

    _, run = own_run
    found, _ = get_dataset(run)
    given = Inputs("", found.test.x, None, (), (), None, "")
    made = fill_hidden_rows(run, found, given, 0.3, 0)
    spread = compute_column_deviations(found)
    errors = {
        name: compute_imputation_rmse(way, made.x, made.hidden, spread)
        for name, way in made.fillings.items()
    }
    assert errors[run.id] < errors["column means"] and next(iter(errors)) == run.id


def test_what_is_missing_in_ones_own_table_is_filled_and_all_else_kept(open_page, own_run):
    one, run = own_run
    app = open_page("apply_impute.py", run=run.id, inputs=one.token)
    assert not app.exception and not app.error
    assert any("Filled table as CSV" in b.label for b in app.get("download_button"))
    shown = app.dataframe[1].value
    assert not shown[["age", "city", "height"]].isna().any(axis=None) and set(shown.city) <= {
        "Rome",
        "Oslo",
    }


def test_a_mixed_table_is_judged_by_kind_and_its_words_come_with_probabilities(open_page, own_run):
    one, run = own_run
    app = open_page("apply_impute.py", run=run.id, inputs=one.token, column="city")
    assert not app.exception and not app.error
    assert app.get_by_key("errors").proto.spec and app.get_by_key("word_errors").proto.spec
    counts, hidden, _, cells = (frame.value for frame in app.dataframe)
    by_itself = open_page("apply_impute.py", run=run.id)  # not only the rows of the test set
    assert "cells of people.csv are filled" in read_texts(by_itself)
    assert counts.index.name == "truth" and list(hidden.columns) == ["age", "city", "height"]
    marked = app.dataframe[2].value
    assert marked.index.name == hidden.index.name == "row (from 0)"
    words = cells[cells.column == "city"]
    shown = words[words.row.isin(marked.index)]
    assert len(shown) and marked.city[shown.row].tolist() == shown.filled.tolist()
    assert shown.row.min() == 0 and LINES[1].split(",")[1] == ""
    assert len(words) and set(words.filled) <= {"Rome", "Oslo"}
    assert words.probability.between(0.5, 1).all() and (words["from"] == "").all()
    numbers = cells[cells.column == "age"]
    low, filled, high = (numbers[name].astype(float) for name in ("from", "filled", "to"))
    assert (low < high).all() and (low <= filled).mean() > 0.8 and (filled <= high).mean() > 0.8
    assert any("Filled cells as CSV" in b.label for b in app.get("download_button"))


def test_a_column_with_real_gaps_comes_first_and_time_has_its_unit(open_page, no_shipped):
    lines = ["day,whole,holes"] + [
        f"2024-01-{1 + i % 28:02d},{i % 7},{i % 5 + 0.5 if i % 6 else ''}" for i in range(60)
    ]
    one = bring_data("days.csv", "\n".join(lines).encode())
    settings = {
        f"data.{k}": v
        for k, v in one.config().model_dump(exclude={"name"}, exclude_unset=True).items()
    }
    run = create_run(plan_imputer(one.config().name, {"training.epochs": 2, **settings}))
    list(fit(run))
    app = open_page("apply_impute.py", run=run.id)
    assert not app.exception and app.selectbox(key="column").value == "holes"
    app.selectbox(key="column").set_value("day").run()
    assert "day, days since 2024-01-01: truth" in app.get_by_key("truth").proto.spec


def test_a_table_without_holes_says_so(open_page, trained, no_shipped):
    trained("iwae", "iris")
    assert "No cell of test set of iris is missing" in read_texts(open_page("apply_impute.py"))


def test_a_model_without_a_distribution_fills_without_an_interval(open_page, trained, no_shipped):
    trained("denoising-masking", "wine")
    app = open_page("apply_impute.py")
    assert (
        not app.exception
        and not app.error
        and "gives one filling and no interval" in read_texts(app)
    )


@pytest.mark.parametrize("hole", list(HOLE_KINDS))
@pytest.mark.parametrize("variant", ["vae", "vanilla"])
def test_holes_in_pictures_are_filled(open_page, trained, no_shipped, hole, variant):
    trained(variant)
    app = open_page("apply_impute.py", hole=hole, count="4")
    assert not app.exception and not app.error and "Error of the hidden pixels" in read_texts(app)


def test_only_the_hole_is_changed(trained, no_shipped):
    run = trained("vae")
    x = torch.rand(5, 1, 8, 8)
    hidden = make_hole(x, "half", 0)
    lines = load_filled_pictures("", 0.0, "", "", 0, run, x, hidden)
    assert set(lines) == {"filled", "draw 1", "draw 2"}
    for image in lines.values():
        assert torch.equal(image[~hidden], x[~hidden]) and image.isfinite().all()


def test_the_downloaded_parquet_is_the_table():
    frame = pd.DataFrame({"a": [1.5, 2], "city": ["Rome", "Oslo"]})
    assert pd.read_parquet(io.BytesIO(encode_parquet(frame))).equals(frame)


def test_few_rows_and_nonsense_in_the_link_are_borne(open_page, no_shipped):
    x = np.random.default_rng(0).random((14, 3)).round(2)
    one = bring_data("few.csv", pd.DataFrame(x, columns=list("abc")).to_csv(index=False).encode())
    run = create_run(
        plan_run("vae", one.config().name, settings={"training.epochs": 2, "data.missing": "keep"})
    )
    list(fit(run))
    app = open_page("apply_impute.py", hidden="x", pick="-1", column="zebra", inputs=one.token)
    assert not app.exception and not app.error
