"""The Compare page."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from aecore.model.parts.likelihoods.gaussian import Gaussian
from aecore.runs.listing import runs_folder
from aecore.runs.plan import plan_run
from aecore.runs.records import EpochRecord
from tests.app.conftest import finish_jobs
from ui.compare.chosen_runs import choose_first_runs
from ui.compare.curves import explain_different_losses
from ui.compare.differences import tabulate_differences
from ui.compare.tables import list_lacking_metrics, mark_best, tabulate_metrics


def read_messages(app):
    return " ".join(
        str(e.value) for e in [*app.warning, *app.error, *app.info, *app.caption, *app.markdown]
    )


def read_picture(app):
    """The grid of all runs, as HTML."""
    return " ".join(e.proto.body for e in app.get("html"))


def test_the_shipped_models_are_compared_at_first_sight(open_page):
    app = finish_jobs(open_page("compare.py"))
    assert not app.exception
    assert read_picture(app).count("<section") >= 3
    assert len(app.dataframe) == 3


def test_the_doctor_tells_the_sick_run_from_the_healthy_one(open_page, trained):
    collapsing = {"bottleneck.beta": 100.0, "network.linear_path": False}
    healthy, sick = trained("vae"), trained("vae", **collapsing)
    app = finish_jobs(open_page("compare.py", runs=[sick.id, healthy.id]))
    assert not app.exception
    table = next(d.value for d in app.dataframe if "verdict" in d.value)
    assert list(table["verdict"]) == ["posterior collapse", "healthy"]
    assert [b.label for b in app.button if b.label.startswith("Train with")]


def test_the_doctor_waits_until_a_run_has_ended(open_page, trained):
    ended, live = trained("vae"), trained("vanilla")
    live.write_state(state="running", epoch=1)
    with live.lock():
        app = finish_jobs(open_page("compare.py", runs=[live.id, ended.id]))
    assert not app.exception
    table = next(d.value for d in app.dataframe if "verdict" in d.value)
    assert list(table["run"]) == [ended.id]


def test_samples_of_runs_whose_record_lacks_them_are_measured_on_demand(
    open_page, trained, no_shipped
):
    run = trained("vae", **{"data.limit": None})
    assert "classifier_frechet" in open_page("compare.py", runs=run.id).dataframe[0].value
    forget_sample_metrics(run)
    app = open_page("compare.py", runs=run.id)
    assert "classifier_frechet" not in app.dataframe[0].value
    app = finish_jobs(next(b for b in app.button if b.label == "Measure samples").click().run())
    assert not app.exception and not app.error
    shares = app.dataframe[0].value[["classifier_precision", "classifier_recall"]].iloc[0]
    assert shares.between(0, 1).all() and app.dataframe[0].value["classifier_frechet"][0] > 0


def test_samples_of_a_run_that_trains_are_not_measured(open_page, trained, no_shipped):
    run = trained("vae", **{"data.limit": None})
    forget_sample_metrics(run)
    run.write_state(state="running", epoch=1)
    with run.lock():
        app = open_page("compare.py", runs=run.id)
    assert not app.exception and "Measure samples" not in [b.label for b in app.button]
    assert any("when its training has ended" in caption.value for caption in app.caption)


def forget_sample_metrics(run):
    """Write the record of a run as those were that came before these metrics."""
    path = run.path / "metrics.jsonl"
    path.write_text(re.sub(r', ?"classifier_\w+": ?[-\d.e]+', "", path.read_text()))
    assert "se" in run.test_metrics() and "classifier_frechet" not in run.test_metrics()


@pytest.mark.parametrize("page", ["apply_impute.py", "apply_denoise.py", "latent.py"])
def test_a_page_begins_with_a_finished_run_that_was_made_for_its_task(page, open_page, trained):
    stopped = trained("denoising-gaussian")
    stopped.write_state(state="stopped")
    if page != "latent.py":  # finished, but made for nothing of that kind
        trained("vanilla")
    app = open_page(page)
    own = {path.name for path in runs_folder().iterdir()}
    begun = app.get_by_key("runs").value if page == "apply_denoise.py" else [app.selectbox[0].value]
    assert not app.exception and not own & set(begun)
    stopped.write_state(state="done")
    expected = stopped.id if page != "apply_impute.py" else "breast-cancer-imputer"
    app = open_page(page)
    begun = app.get_by_key("runs").value if page == "apply_denoise.py" else [app.selectbox[0].value]
    assert begun == [expected]


def test_a_run_that_was_not_trained_for_the_task_of_a_page_is_said_to_be_none(open_page, trained):
    run = trained("vanilla")
    text = read_messages(open_page("apply_denoise.py", runs=[run.id]))
    assert f"{run.id} was not trained to remove noise." in text.replace("\\", "")


def test_the_first_runs_that_are_compared_have_finished(trained, no_shipped):
    done, stopped = trained("vanilla"), trained("vae")
    stopped.write_state(state="stopped")
    assert choose_first_runs([stopped, done]) == [done.id]
    assert choose_first_runs([stopped]) == [stopped.id]


def test_without_any_run_the_page_offers_to_train_one(open_page, no_shipped):
    app = open_page("compare.py")
    assert not app.exception
    assert "No run has a model yet" in read_messages(app)


def test_two_runs_of_a_link_are_shown_with_what_differs(open_page, trained, no_shipped):
    first, second = trained("vae"), trained("denoising-masking")
    app = open_page("compare.py", runs=[first.id, second.id])
    assert not app.exception
    shown = read_picture(app)
    assert first.id in shown and second.id in shown
    assert shown.count("<figcaption>seen</figcaption>") == 1
    tables = [table.value for table in app.dataframe]  # with the doctor's, where it has ended
    assert list(tables[0]["run"]) == [first.id, second.id]
    differing = {"model.variant", "model.corruption.kind"}
    assert any(differing <= set(table.index) for table in tables)
    assert "different units" in read_messages(app)


def test_the_same_seed_gives_the_same_noise(open_page, trained, no_shipped):
    run = trained("denoising-gaussian")
    assert read_picture(open_page("compare.py", runs=run.id)) == read_picture(
        open_page("compare.py", runs=run.id)
    )


def test_a_run_of_another_shape_is_left_out_of_the_picture_but_not_of_the_table(
    open_page, trained, no_shipped
):
    image, table = trained("vanilla"), trained("vanilla", "iris")
    app = open_page("compare.py", runs=[image.id, table.id])
    assert not app.exception
    assert table.id not in read_picture(app)
    assert (
        f"Not in the picture, as they do not take inputs of 1 x 8 x 8: {table.id}"
        in read_messages(app)
    )
    assert list(app.dataframe[0].value["run"]) == [image.id, table.id]


def test_a_table_has_a_picture_too(open_page, trained, no_shipped):
    run = trained("vanilla", "breast-cancer")
    app = open_page("compare.py", runs=run.id)
    assert not app.exception
    assert run.id in read_picture(app)


@pytest.mark.parametrize("data", ["swiss-roll", "moons"])
def test_the_points_of_a_manifold_are_drawn_for_each_run(open_page, trained, no_shipped, data):
    app = open_page("compare.py", runs=[trained("vanilla", data).id, trained("linear", data).id])
    assert not app.exception
    assert len(app.get("plotly_chart")) == 3  # a scatter for each, and the curves


def test_no_more_than_eight_runs_are_taken_from_a_link(open_page, trained, no_shipped):
    many = [trained("linear", **{"training.epochs": 1}) for _ in range(9)]
    app = open_page("compare.py", runs=[run.id for run in many])
    assert not app.exception
    assert len(app.multiselect[0].value) == 8


def test_a_broken_run_and_a_foreign_name_in_a_link_are_said_and_skipped(
    open_page, trained, no_shipped
):
    good = trained("vanilla")
    broken = runs_folder() / "broken"
    broken.mkdir()
    (broken / "config.json").write_text(json.dumps({"model": {}}))
    (broken / "model.safetensors").write_bytes(b"")
    app = open_page("compare.py", runs=[good.id, "broken", "nowhere"])
    assert not app.exception
    assert "'broken'" in read_messages(app) and "'nowhere'" in read_messages(app)
    assert good.id in read_picture(app)


def test_torn_weights_give_a_sentence_in_place_of_the_picture(open_page, trained, no_shipped):
    run = trained("vanilla")
    weights = run.path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    app = open_page("compare.py", runs=run.id)
    assert not app.exception
    assert "torn" in read_messages(app)


def test_a_run_with_torn_weights_does_not_take_the_picture_from_the_others(
    open_page, trained, no_shipped
):
    good, torn = trained("vanilla"), trained("linear")
    (torn.path / "model.safetensors").write_bytes(b"torn")
    app = open_page("compare.py", runs=[good.id, torn.id])
    assert not app.exception
    assert "torn" in read_messages(app)
    assert good.id in read_picture(app) and torn.id not in read_picture(app)


def test_examples_and_seed_come_from_the_link(open_page, trained, no_shipped):
    app = open_page("compare.py", runs=trained("vanilla").id, examples="5", pick="3")
    assert "rebuilt, 5 examples" in read_picture(app)
    assert app.number_input[0].value == 3


def test_the_name_of_a_folder_cannot_become_html(open_page, trained, no_shipped):
    run = trained("vanilla")
    named = run.path.rename(run.path.with_name("<img src=x>"))
    app = open_page("compare.py", runs=named.name)
    assert not app.exception
    assert "<img src=x>" not in read_picture(app)


def test_options_that_differ_are_named_by_dotted_paths():
    a = plan_run("sparse-kl", "digits").model_copy(update={"data": None})
    b = plan_run("denoising-masking", "digits").model_copy(update={"data": None})
    found = tabulate_differences({"a": a, "b": b})
    assert list(found.loc["model.corruption.kind"]) == ["none", "masking"]
    assert found.loc["model.penalties.kl_sparsity.rho", "b"] == ""
    assert tabulate_differences({"a": a, "again": a}).empty


def test_best_values_are_marked_only_where_runs_are_comparable():
    vanilla, vae, iris = (
        plan_run("vanilla", "digits"),
        plan_run("vae", "digits"),
        plan_run("vanilla", "iris"),
    )
    frame = pd.DataFrame(
        {"se": [2.0, 1.0], "psnr": [10.0, 12.0], "nll_bound": [3.0, 4.0], "parameters": [5, 6]}
    )
    marks = mark_best(frame, [vanilla, vae])
    assert list(marks["se"]) == list(marks["psnr"]) == [False, True]
    assert not marks[["nll_bound", "parameters"]].any(
        axis=None
    )  # a density and a probability; no direction
    assert not mark_best(frame, [vanilla, iris]).any(axis=None)


def test_no_best_is_marked_where_a_run_that_could_have_the_value_lacks_it(trained, monkeypatch):
    runs = [trained("vae"), trained("beta-vae"), trained("vanilla")]
    shown = [{"se": 2.0, "psnr": 10.0}, {"se": 1.0, "psnr": 12.0}, {"se": 3.0}]
    metrics = dict(zip([run.id for run in runs], shown, strict=True))
    monkeypatch.setattr("ui.compare.tables.get_test_metrics", lambda run: metrics[run.id])
    frame, _ = tabulate_metrics(runs)
    frame["cross_entropy"] = [3.0, 4.0, float("nan")]  # for which they have no probabilities
    lacking = list_lacking_metrics(frame, runs)
    assert lacking == ["psnr"]
    marks = mark_best(frame, [run.config() for run in runs], lacking)
    assert list(marks["se"]) == [False, True, False] and not marks["psnr"].any()
    assert list(marks["cross_entropy"]) == [True, False, False]


def test_losses_of_many_decades_begin_on_a_log_scale(open_page, trained, no_shipped):
    run = trained("vanilla")
    assert not open_page("compare.py", runs=[run.id]).toggle[0].value
    run.append(EpochRecord(epoch=3, loss=1e15, validation_loss=1e15))
    app = open_page("compare.py", runs=[run.id])
    assert not app.exception and app.toggle[0].value


def test_a_loss_with_another_variance_is_another_unit():
    config = plan_run("vanilla", "swiss-roll")
    assert not explain_different_losses({"a": config, "b": config})
    model = config.model.model_copy(update={"likelihood": Gaussian(variance=0.1)})
    other = config.model_copy(update={"model": model})
    assert "5 x squared error (b)" in explain_different_losses({"a": config, "b": other})


@pytest.mark.parametrize("page", ["compare.py", "latent.py", "generate.py"])
def test_a_run_on_a_table_with_holes_opens_on_every_page(
    open_page, trained, tmp_path, no_shipped, page
):
    rows = np.random.default_rng(0).normal(size=(60, 4))
    rows[np.random.default_rng(1).random((60, 4)) < 0.3] = np.nan
    rows[:, 3] = np.nan
    rows[:6, 3] = 1.0
    table = tmp_path / "holes.csv"
    pd.DataFrame(rows, columns=list("abcd")).to_csv(table, index=False)
    run = trained("vae", str(table), **{"data.missing": "keep"})
    app = open_page(page, runs=run.id) if page == "compare.py" else open_page(page, run=run.id)
    assert not app.exception and not app.error
    assert "nan" not in read_messages(app)
