"""Sliders of a run that trains, on the Train page."""

from __future__ import annotations

import json

import pytest
from helpers import VAE, tiny

from aecore.files import KNOBS_FILE
from aecore.runs.listing import create_run
from aecore.runs.ownership import change_owner_record, claim_folder
from aecore.runs.records import EpochRecord, KnobRecord
from ui.train.curve import draw_live_curve
from ui.train.knobs import list_steps


@pytest.fixture
def training():
    """A run of a VAE whose lock this process holds, as its trainer would."""
    run = create_run(tiny(**VAE, training={"epochs": 9}))
    with run.lock():
        run.write_state(state="running", epoch=3, epochs=9)
        for epoch in (1, 2, 3):
            run.append(EpochRecord(epoch=epoch, seconds=10.0, loss=1 / epoch))
        yield run


def find_slider(app, label):
    return next(s for s in app.select_slider if s.label == label)


def read_wanted(run):
    path = run.path / KNOBS_FILE
    return json.loads(path.read_text()) if path.exists() else {}


def test_a_slider_asks_the_trainer_and_shows_where_the_knob_stands(open_page, training):
    training.append(KnobRecord(2, 1, {"training.lr": 0.005}))
    app = open_page("train.py", run=training.id)
    assert not app.exception and not app.error
    assert find_slider(app, "Learning rate").value == 0.005, "as it was moved before"
    assert find_slider(app, "Beta").value == 1.0
    find_slider(app, "Beta").set_value(3.0).run()
    assert not app.exception and read_wanted(training) == {"bottleneck.beta": 3.0}
    assert find_slider(open_page("train.py", run=training.id), "Beta").value == 3.0
    assert [p for p in app.get("progress") if "about 60 s left" in p.proto.text]


def test_only_who_may_stop_a_run_may_move_its_knobs(open_page, training, visit_as):
    alice = visit_as("alice").owner
    claim_folder(training.path, alice, published=True)
    app = open_page("train.py", run=training.id)
    assert find_slider(app, "Beta").value == 1.0
    visit_as("mallory")
    assert "Beta" not in [s.label for s in open_page("train.py", run=training.id).select_slider]
    visit_as("alice")
    change_owner_record(training.path, owner="another")  # while the page is open
    find_slider(app, "Beta").set_value(3.0).run()
    assert "belongs to somebody else" in app.toast[0].value and not read_wanted(training)


def test_a_stopped_run_tells_with_which_values_it_goes_on_and_they_can_be_moved_back(open_page):
    run = create_run(tiny(**VAE, training={"epochs": 9, "lr": 0.002}))
    run.append(EpochRecord(epoch=1, seconds=1.0, loss=1.0))
    run.append(KnobRecord(2, 0, {"training.lr": 0.7}))
    run.write_state(state="stopped", epoch=2, epochs=9)
    told = "*Resume* goes on with learning rate 0.7 (it began with 0.002)."
    app = open_page("train.py", run=run.id)
    assert not app.exception and any(told in caption.value for caption in app.caption)
    assert "Resume" in [button.label for button in app.button]
    find_slider(app, "Learning rate").set_value(0.002).run()
    assert read_wanted(run) == {"training.lr": 0.002}
    assert not any("goes on with" in caption.value for caption in app.caption)


def test_a_run_that_ended_has_no_sliders(open_page, training):
    training.write_state(state="done")
    assert "Beta" not in [s.label for s in open_page("train.py", run=training.id).select_slider]


@pytest.mark.parametrize(
    ("start", "present", "low", "high"),
    [(1.0, 1.0, 0, 1000), (0.0, 2.5, 0, 1e6), (2e-3, 2e-3, None, 100), (900.0, 1000.0, 0, 1000)],
)
def test_the_steps_of_a_slider_are_within_bounds_and_hold_the_present_value(
    start, present, low, high
):
    steps = list_steps(start, present, low, high)
    assert steps == sorted(set(steps)) and {start, present} <= set(steps)
    assert (low or 0) <= steps[0] and steps[-1] <= high and (low is not None or steps[0] > 0)


def test_the_curve_marks_what_was_moved():
    records = [EpochRecord(epoch=epoch, loss=1 / epoch) for epoch in range(1, 6)]
    moves = [KnobRecord(3, 0, {"training.lr": 0.01}), KnobRecord(4, 7, {"bottleneck.beta": 4.0})]
    marks = draw_live_curve(records, "vae", 5, moves)["series"][0]["markLine"]["data"]
    assert [(mark["xAxis"], mark["name"]) for mark in marks] == [(2.0, "lr 0.01"), (3.5, "beta 4")]


def test_the_curve_has_a_line_for_the_validation_loss_only_where_there_is_one():
    def list_lines(loss):
        records = [EpochRecord(epoch=e, loss=1.0, validation_loss=loss) for e in (1, 2)]
        return [line["name"] for line in draw_live_curve(records, "vae", 2)["series"]]

    assert list_lines(None) == ["training"] and list_lines(0.9) == ["training", "validation"]


def test_training_and_validation_are_told_apart_by_width_and_depth_at_any_density():
    records = [EpochRecord(epoch=e, loss=1.0, validation_loss=1.0) for e in range(1, 5001)]
    spec = draw_live_curve(records, "vae", 5000)
    training, validation = (line["lineStyle"] for line in spec["series"])
    assert training["width"] >= 3 * validation["width"]
    assert training["opacity"] <= 0.5 and validation["opacity"] == 1
    assert spec["legend"]["lineStyle"] == {"width": "inherit"}, "its samples look like the lines"


def test_losses_of_many_decades_have_a_logarithmic_axis_which_says_so():
    losses = [30.0, 20.0, 2e13]
    records = [EpochRecord(epoch=i + 1, loss=loss) for i, loss in enumerate(losses)]
    spec = draw_live_curve(records, "vae", 3, unit="nats")
    assert spec["yAxis"]["name"] == "loss per example, nats, logarithmic"
    assert spec["yAxis"]["axisLabel"] == {"formatter": "10^{value}"}
    (_, exponent, loss) = spec["series"][0]["data"][-1]
    assert exponent == pytest.approx(13.3, abs=0.01) and loss == 2e13
    assert spec["series"][0]["encode"]["tooltip"] == 2, "the loss itself, not its logarithm"
    linear = draw_live_curve(records[:2], "vae", 3, unit="nats")
    assert linear["yAxis"]["name"] == "loss per example, nats"
    assert linear["series"][0]["data"] == [[1, 30.0], [2, 20.0]]
    below_zero = [EpochRecord(epoch=1, loss=-1.0), *records]
    assert "logarithmic" not in draw_live_curve(below_zero, "vae", 3)["yAxis"]["name"]
