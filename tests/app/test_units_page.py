"""The page Units: a table of units, one of them in detail, names, and whose they are."""

from __future__ import annotations

import pytest

from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder
from aecore.runs.unit_names import read_unit_names, write_unit_names
from tests.app.conftest import finish_jobs

SPARSE = {"latent_dim": 12}


def open_units(open_page, **params):
    app = finish_jobs(open_page("units.py", **params))
    assert not app.exception and not app.error
    return app


def read_all(app):
    return " ".join(str(part.value) for part in (*app.markdown, *app.caption, *app.subheader))


@pytest.mark.parametrize(
    ("variant", "data"),
    [("k-sparse", "digits"), ("vae", "digits"), ("vanilla", "breast-cancer"), ("vae", "s-curve")],
)
def test_every_kind_of_code_and_data_has_its_units_shown(
    open_page, trained, no_shipped, variant, data
):
    trained(variant, data)
    app = open_units(open_page, unit="1")
    assert "Unit z1" in read_all(app) and "Atom: what the decoder adds" in read_all(app)
    assert [m.label for m in app.metric] == ["Off", "Mean", "Std. dev.", "Max"]
    table = app.dataframe[0].value
    assert table["unit"].str.match(r"z\d+").all() and table["atom"].str.startswith("data:").all()


def test_what_another_page_left_under_the_same_name_is_forgotten(open_page, trained, no_shipped):
    trained("k-sparse")
    app = open_page("home.py")
    app.session_state["unit"] = "z3"  # as a field of words would leave it
    app = finish_jobs(app.switch_page("units.py").run())
    assert not app.exception and "Unit z" in read_all(app)


def test_units_are_sorted_searched_and_named(open_page, trained, no_shipped):
    run = trained("k-sparse")
    app = open_units(open_page, unit="5", order="number")
    assert app.dataframe[0].value["unit"].tolist()[:3] == ["z0", "z1", "z2"]
    app.text_input(key=f"name-{run.id}-5").set_value("left edge").run()
    assert read_unit_names(run.path) == {5: "left edge"}
    assert "Unit z5: left edge" in read_all(app)
    for text, expected in (
        ("LEFT", ["z5 left edge"]),
        ("z7", ["z7"]),
        ("7", ["z7"]),
        ("right", []),
    ):
        app.text_input(key="search").set_value(text).run()
        assert app.dataframe[0].value["unit"].tolist() == expected
    app.text_input(key=f"name-{run.id}-5").set_value("").run()
    assert read_unit_names(run.path) == {}


def test_many_units_are_measured_on_the_first_inputs(open_page, trained, no_shipped, monkeypatch):
    units = trained("k-sparse").config().model.latent_dim
    monkeypatch.setattr("ui.units.controls.MEASURED_VALUES", 100 * units + 1)
    app = open_units(open_page)
    inputs = next(box for box in app.selectbox if box.label == "Inputs")
    assert [option.split(", ")[1] for option in inputs.options] == 2 * ["first 100 inputs"]
    assert len(app.dataframe[0].value) == min(50, units)


def test_a_visitor_names_units_of_others_for_themself_alone(
    open_page, trained, no_shipped, visit_as
):
    run = trained("k-sparse")
    write_unit_names(run.path, {2: "a loop"})
    visit_as("alice")
    from aecore.runs.ownership import OwnerRecord

    OwnerRecord(owner="somebody", published=True).write(run.path)
    app = open_units(open_page, unit="2", run=run.id)
    assert "Unit z2: a loop" in read_all(app)
    app.text_input(key=f"name-{run.id}-2").set_value("mine").run()
    assert "Unit z2: mine" in read_all(app) and read_unit_names(run.path) == {2: "a loop"}


def test_the_inputs_that_excite_a_unit_least_have_its_values_too(open_page, trained, no_shipped):
    run = trained("vanilla")
    app = open_units(open_page, run=run.id)
    cards = [e.proto.body for e in app.get("html") if "<figure" in e.proto.body]
    model, x = Autoencoder.load(run.path), load_dataset(run.config().data).test.x
    lowest = model.encode(as_float(x)).min(0).values
    assert any(f"{value:.3g}" in cards[-1] for value in lowest.tolist())
