"""The Anomaly page: scores, a threshold, what it finds, and why."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import torch

from aecore.data.datasets import load_dataset
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import create_run, list_runs
from aecore.tasks.anomaly import plan_detector, score_anomalies
from aecore.tasks.detection import count_confusion
from aecore.tasks.detector import Detector, fit_detector
from aecore.tasks.thresholds import draw_calibration_rows, find_outlier_threshold
from aecore.training.trainer import fit
from tests.app.test_data_page import bring_data, npz, read_texts
from tests.test_data_images import encode_picture, pack_zip
from ui.apply_anomaly.charts import UNSIGNED_COLOUR
from ui.apply_anomaly.ranking import tabulate_suspicious, tabulate_verdicts
from ui.apply_anomaly.scoring import ScoredInputs
from ui.kit.inputs import fill_missing_inputs, load_fitted_inputs, take_split


def read_metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def read_counts(app):
    """The four counts of the picture: passed, false alarms, missed, found."""
    page = " ".join(element.proto.body for element in app.get("html"))
    return [int(number.replace(",", "")) for number in re.findall(r"<b>([\d,]+)</b>", page)]


def write_people(rows, seed=0):
    """A table with words, missing cells and a column that is called as one of the page's own."""
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 9, rows).round(1)
    frame = pd.DataFrame(
        {
            "age": age,
            "weight": age * 2 + rng.normal(0, 1, rows),
            "score": rng.random(rows),
            "city": rng.choice(["Rome", "Oslo"], rows),
        }
    )
    frame.loc[rows // 2, "age"] = np.nan
    return frame


def own_run(trained, frame, **settings):
    one = bring_data("people.csv", frame.to_csv(index=False).encode())
    about = {
        f"data.{name}": value
        for name, value in one.config().model_dump(exclude={"name"}, exclude_unset=True).items()
    }
    return trained(
        "vanilla", str(one.source.resolve()), **{**about, "data.missing": "keep", **settings}
    ), one


def test_a_first_visit_finds_the_malignant_among_the_benign(open_page):
    app = open_page("apply_anomaly.py")
    assert not app.exception and not app.error
    assert "Normal: **benign**" in read_texts(
        app
    ) and "87 normal test examples, benign" in read_texts(app)
    often = re.search(
        r"Over 100 draws .*?: ([\d.]+)% false alarms and ([\d.]+)% found", read_texts(app)
    )
    assert abs(float(often[1]) - 10) < 2 and float(often[2]) > 60
    passed, alarms, missed, found = read_counts(app)
    assert passed + alarms == 88 and missed + found == 109
    assert float(re.search(r"ROC\*\*: area ([\d.]+)", read_texts(app))[1]) > 0.9
    assert all(app.get_by_key(key).proto.spec for key in ("scores", "roc", "pr", "why"))


def test_the_counts_follow_the_threshold(open_page):
    few, many = (
        read_counts(open_page("apply_anomaly.py", alarms=share)) for share in ("0.5", "40.0")
    )
    assert few[1] < many[1] and few[3] < many[3] and sum(few) == sum(many)


def test_the_counts_are_those_of_scores_that_the_threshold_was_not_set_on(open_page):
    app = open_page("apply_anomaly.py", alarms="10.0")
    run = next(r for r in list_runs() if r.id == "breast-cancer-detector")
    sets, net = load_dataset(run.config().data), Autoencoder.load(run.path)
    truth = sets.test.y != sets.classes.index("benign")
    held = draw_calibration_rows(~truth)
    rest = torch.tensor([i for i in range(len(truth)) if i not in held.tolist()])
    at = fit_detector(net, sets.test.x[held]).threshold(0.1)
    right = count_confusion(score_anomalies(net, sets.test.x[rest]), truth[rest], at)
    assert read_counts(app) == [
        right.true_negatives,
        right.false_positives,
        right.false_negatives,
        right.true_positives,
    ]


def test_a_score_or_a_cost_can_set_the_threshold(open_page):
    assert read_counts(open_page("apply_anomaly.py", threshold="By score", score="0.0"))[::2] == [
        0,
        0,
    ]
    dear = read_counts(open_page("apply_anomaly.py", threshold="By cost", miss="100.0"))
    cheap = read_counts(open_page("apply_anomaly.py", threshold="By cost", miss="0.1"))
    assert dear[2] <= cheap[2] and dear[1] >= cheap[1] and dear != cheap


def test_classes_can_be_chosen_as_normal_for_pictures_and_the_rest_is_to_be_found(
    open_page, trained, no_shipped
):
    run = trained("vanilla")
    app = open_page("apply_anomaly.py", run=run.id)
    assert not app.exception and "All that are scored count as normal" in read_texts(app)
    app = open_page("apply_anomaly.py", run=run.id, normal=["0", "1"])
    assert not app.exception and not app.error
    passed, alarms, missed, found = read_counts(app)
    assert missed + found > passed + alarms > 0
    assert app.image and "red brighter, blue darker" in read_texts(app)


def test_an_example_of_any_rank_is_explained_by_its_columns(open_page):
    first, last = open_page("apply_anomaly.py"), open_page("apply_anomaly.py", rank="196")
    scores = [float(re.search(r": score ([\d.]+)", read_texts(app))[1]) for app in (first, last)]
    assert scores[0] > scores[1]
    frame = first.dataframe[-1].value
    assert (
        list(frame.columns) == ["value", "expected", "nearest 1", "nearest 2", "nearest 3"]
        and len(frame) == 30
    )


@pytest.mark.parametrize("rows", [12, 150])
def test_ones_own_rows_with_words_and_gaps_are_scored_few_or_many(
    open_page, trained, no_shipped, rows
):
    run, one = own_run(trained, write_people(rows))
    for params in ({}, {"inputs": one.token}):
        app = open_page("apply_anomaly.py", run=run.id, **params)
        assert not app.exception and not app.error
        assert "have no classes" in read_texts(app) and app.metric[0].label == "Above the threshold"
    assert app.metric[0].value.endswith(
        f"of {rows}"
    ) and "The inputs are those that the run was made of" in read_texts(app)
    assert ("too few normal test examples" in read_texts(app)) == (rows == 12)


def test_the_file_holds_ones_own_columns_and_never_writes_over_them(trained, no_shipped):
    run, _ = own_run(trained, write_people(150))
    sets, new = load_dataset(run.config().data), write_people(30, 1)
    one = bring_data("new.csv", new.to_csv(index=False).encode())
    given = fill_missing_inputs(load_fitted_inputs(run, sets, one.config(), "new.csv"), sets)
    net = Autoencoder.load(run.path)
    scores = score_anomalies(net, given.x)
    judged = ScoredInputs(
        given.x, torch.arange(30), scores, None, (), Detector(net, scores.sort().values), None
    )
    table = tabulate_verdicts(given, judged, float(scores.median()))
    assert list(table.columns) == [
        "age",
        "weight",
        "score",
        "city",
        "anomaly_score",
        "p_value",
        "is_anomaly",
    ]
    assert (
        np.allclose(table["score"], new["score"]) and table["city"].tolist() == new["city"].tolist()
    )
    assert np.allclose(table["anomaly_score"], scores) and table["is_anomaly"].sum() == 15


def test_ones_own_colour_pictures_are_ranked_by_their_names(
    open_page, trained, no_shipped, tmp_path
):
    trained("vanilla")
    files = {f"pet{i}.png": encode_picture("RGB", (20, 20), (250, i * 9, 10)) for i in range(12)}
    one = bring_data("pets.zip", pack_zip(files))
    app = open_page("apply_anomaly.py", inputs=one.token)
    assert not app.exception and not app.error
    assert re.search(r"\*\*pet\d+\.png\*\*: score", read_texts(app))
    assert "of the test set of digits" in read_texts(app) and "of 12" in app.metric[0].value


def test_a_run_of_one_class_alone_is_told_apart_from_the_others(open_page, trained, no_shipped):
    run = trained("vanilla", "wine", **{"data.train_class": "class_0", "data.limit": None})
    app = open_page("apply_anomaly.py", run=run.id)
    assert not app.exception and not app.error
    assert "Normal: **class_0**" in read_texts(
        app
    ) and "too few normal test examples" in read_texts(app)
    assert sum(read_counts(app)) == 36


@pytest.mark.parametrize("name", ["swiss-roll", "circles"])
def test_points_are_shown_where_they_are(open_page, trained, no_shipped, name):
    trained("vanilla", name)
    app = open_page("apply_anomaly.py")
    assert not app.exception and not app.error
    assert app.get_by_key("found").proto.spec and app.get_by_key("cloud").proto.spec


def test_pictures_without_classes_are_only_ranked(open_page, trained, no_shipped):
    one = bring_data(
        "rows.npz", npz(x=np.random.default_rng(0).random((60, 3, 8, 8)).astype(np.float32))
    )
    trained("vanilla", str(one.source.resolve()))
    app = open_page("apply_anomaly.py")
    assert not app.exception and not app.error
    assert (
        "have no classes" in read_texts(app) and app.get_by_key("scores") is not None and app.image
    )


def test_nonsense_in_the_link_opens_the_default(open_page, trained, no_shipped):
    trained("vanilla")
    app = open_page(
        "apply_anomaly.py",
        threshold="By magic",
        alarms="900",
        score="x",
        miss="-1",
        rank="99999",
        normal=["the sea"],
        inputs="?",
    )
    assert not app.exception and not app.error and app.get_by_key("scores").proto.spec


def test_a_chosen_threshold_that_another_run_does_not_offer_is_forgotten(open_page):
    app = open_page("apply_anomaly.py", threshold="By cost")
    app.selectbox(key="run").set_value("mnist-vanilla").run()
    assert not app.exception and not app.error
    assert app.get("button_group")[0].value in ("By false alarms", ["By false alarms"])


def test_the_shipped_detector_never_saw_a_malignant_tumour():
    run = next(r for r in list_runs() if r.id == "breast-cancer-detector")
    found = load_dataset(run.config().data)
    assert [found.classes[i] for i in found.train.y.unique()] == ["benign"]


@pytest.fixture
def machines(no_shipped):
    """A run on one's own machines: words, a flag, numbers, gaps; the first ten states are false."""
    rng = np.random.default_rng(0)
    state = rng.choice(["active", "idle", "off"], 600, p=[0.5, 0.3, 0.2])
    load = np.select([state == "active", state == "idle"], [rng.normal(60, 8, 600), 10.0], 0.0)
    frame = pd.DataFrame({"state": state, "load": load.round(1), "on": state != "off"})
    frame["temp"] = (20 + load / 3 + rng.normal(0, 1, 600)).round(1)
    frame.loc[:9, "state"] = np.where(frame.state[:10] == "active", "idle", "active")
    frame.loc[40:45, "temp"] = np.nan
    one = bring_data("machines.csv", frame.to_csv(index=False).encode())
    settings = {
        f"data.{name}": value
        for name, value in one.config().model_dump(exclude={"name"}, exclude_unset=True).items()
    }
    run = create_run(plan_detector(str(one.source.resolve()), {**settings, "data.missing": "keep"}))
    list(fit(run))
    return run, one


def test_a_set_with_wrong_rows_in_it_is_scored_whole_and_its_odd_rows_are_explained(
    open_page, machines
):
    app = open_page("apply_anomaly.py", run=machines[0].id)
    assert not app.exception and not app.error
    said = read_texts(app)
    assert "Each of the 600 rows is scored by the networks that have not seen it" in said
    assert app.metric[0].value.endswith("of 600")
    listed = next(frame.value for frame in app.dataframe if "most odd" in frame.value)
    found = {int(name.removeprefix("row ")) for name in listed["row"][:10]}
    assert len(found & set(range(10))) >= 9
    row = listed[listed["row"].isin([f"row {i}" for i in range(10)])].iloc[0]
    words = " ".join(row[["most odd", "odd 2", "odd 3"]])
    assert re.search(r"state: \w+, expected \w+ \((over )?\d+ %\) · \d+%", words)
    assert (
        app.dataframe[-1].value.index.name == "column" and "state" in app.dataframe[-1].value.index
    )


def test_the_nearest_normal_rows_are_neither_the_row_itself_nor_above_the_threshold(
    open_page, machines
):
    app = open_page("apply_anomaly.py", run=machines[0].id, threshold="By share", odd="5.0")
    assert not app.exception and not app.error
    table = app.dataframe[-1].value
    nearest = table[["nearest 1", "nearest 2", "nearest 3"]]
    assert all((nearest[name] != table["value"]).any() for name in nearest)
    loads = nearest.loc["load"].astype(float)
    usual = {"active": loads > 30, "idle": loads == 10, "off": loads == 0}
    assert all(usual[state][name] for name, state in nearest.loc["state"].items())


def test_the_label_of_the_run_judges_a_further_file_that_has_it(open_page, trained, no_shipped):
    frame = write_people(60)
    frame["is_fraud"] = [int(i % 12 == 0) for i in range(60)]
    run, _ = own_run(trained, frame, **{"data.label": "is_fraud", "data.columns": {}})
    assert run.config().data.columns["is_fraud"].kind == "target"
    new = bring_data("new.csv", frame[::-1].to_csv(index=False).encode())
    app = open_page("apply_anomaly.py", run=run.id, inputs=new.token)
    assert not app.exception and not app.error and "have no classes" not in read_texts(app)
    passed, alarms, missed, found = read_counts(app)
    assert (passed + alarms, missed + found) == (55, 5)


def test_a_word_that_the_run_does_not_know_is_said_and_shown_as_the_file_has_it(
    open_page, machines
):
    run, one = machines
    frame = pd.read_csv(one.source)
    frame.loc[frame.index[-5:], "state"] = "broken"
    new = bring_data("new.csv", frame[300:].to_csv(index=False).encode())
    said = "'state': 'broken' (5 rows) was not in training"
    for page in ("apply_anomaly.py", "apply_features.py"):
        app = open_page(page, run=run.id, inputs=new.token)
        assert not app.exception and not app.error and said in read_texts(app)
    app = open_page("apply_anomaly.py", run=run.id, inputs=new.token)
    assert "state: broken (new), expected" in read_texts(app)
    assert app.dataframe[-1].value.loc["state", "value"] == "broken (new)"
    assert "grey are dates and words" in read_texts(app)
    assert UNSIGNED_COLOUR in app.get_by_key("why").proto.spec


def test_the_share_that_is_odd_sets_the_threshold_and_the_list_to_download(open_page, machines):
    run, one = machines
    app = open_page("apply_anomaly.py", run=run.id, threshold="By share", odd="2.0")
    assert not app.exception and app.metric[0].value == "12 of 600"
    sets = load_dataset(run.config().data)
    inputs = load_fitted_inputs(run, sets, one.config(), "machines.csv")
    net = Autoencoder.load(run.path)
    scores = score_anomalies(net, inputs.x)
    detector = Detector(net, scores.sort().values)
    judged = ScoredInputs(
        inputs.x, torch.arange(600), scores, None, (), detector, None, contaminated=True
    )
    at = find_outlier_threshold(scores, 0.02)
    table = tabulate_suspicious(run, sets, inputs, judged, at)
    assert len(table) == 12 and table["is_anomaly"].all() and table["score"].is_monotonic_decreasing
    assert list(table.columns)[:5] == ["row", "state", "load", "on", "temp"]
    assert (table["state"] == inputs.frame["state"][table["row"]].tolist()).all()
    assert {"odd_1", "odd_1_share", "odd_1_why"} <= {*table.columns}
    assert set(table["odd_1"]) <= {"state", "load", "on", "temp", ""}  # or none more than others


def test_pictures_are_scored_by_what_one_chooses_with_maps_of_their_errors(
    open_page, trained, no_shipped
):
    run = trained("vanilla")
    sets, net = load_dataset(run.config().data), Autoencoder.load(run.path)
    pages = {
        kind: open_page("apply_anomaly.py", run=run.id, scored_by=kind)
        for kind in ("own", "relative", "region", "nonsense")
    }
    for kind, app in pages.items():
        assert not app.exception and not app.error
        assert "smoothed squared error" in read_texts(app)
        used = kind if kind in ("relative", "region") else "error"
        highest = score_anomalies(net, sets.test.x, kind=used).max().item()
        shown = float(re.search(r": score ([\d.]+)", read_texts(app))[1])
        assert shown <= highest * 1.001  # half of the normal ones set the threshold
        axis = "share of the detail" if used != "error" else "scaled units"
        assert axis in app.get_by_key("scores").proto.spec


def test_rows_are_offered_no_other_score(open_page):
    app = open_page("apply_anomaly.py", scored_by="region")
    assert not app.exception and "Score" not in [box.label for box in app.selectbox]


def test_where_inputs_lack_a_column_what_is_shown_instead_is_named(open_page, machines):
    run, _ = machines
    other = bring_data("lacking.csv", b"load,temp\n" + b"1.5,2\n2.5,3\n3.5,4\n" * 9)
    app = open_page("apply_anomaly.py", run=run.id, inputs=other.token)
    assert not app.exception and "lacks 2 columns" in app.error[0].value
    assert "are of the test set of machines.csv instead" in app.warning[0].value
    assert "scores of test set of machines.csv" in read_texts(app)
    shown = take_split(load_dataset(run.config().data), "test")
    assert shown._replace(name="test set of a b.csv").file_stem == "test-set-of-a-b-csv"
