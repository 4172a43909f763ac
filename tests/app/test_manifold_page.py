"""The Manifold page: tangents, noise, dimension and surface at a point, for one run or two."""

from __future__ import annotations

import json

import numpy as np
import pytest

from aecore.data.datasets import load_dataset
from tests.app.test_data_page import read_texts
from ui.manifold.point import read_clicked_rows

MODES = ["Tangents", "Noise", "Dimension", "Surface"]


def click(app, trace, place):
    element, states = app.get_by_key("point_map"), app._tree.get_widget_states()
    state = states.widgets.add()
    state.id = element.proto.id
    chosen = [{"curve_number": trace, "point_index": place}]
    state.string_value = json.dumps(
        {"selection": {"points": chosen, "point_indices": [place], "box": [], "lasso": []}}
    )
    return app._run(states)


def row_of(run, trace, place):
    """The test input that is the `place`-th point of a trace: traces are classes, in order."""
    labels = load_dataset(run.config().data).test.y.numpy()
    present = [i for i in range(10) if (labels == i).any()]
    return int(np.flatnonzero(labels == present[trace])[place])


def read_norm(app):
    return app.dataframe[0].value["|df/dx|"].iloc[0]


def test_a_first_visit_holds_a_vae_beside_a_contractive_run(open_page):
    app = open_page("manifold.py")
    assert not app.exception and not app.error
    assert "mnist-vae" in read_texts(app) and "mnist-contractive" in read_texts(app)
    assert len(app.image) == 2 and app.get_by_key("spectra").proto.spec
    table = app.dataframe[0].value
    assert list(table.index) == ["mnist-vae", "mnist-contractive"] and not table.isna().any(
        axis=None
    )
    assert table["|df/dx|"]["mnist-contractive"] < table["|df/dx|"]["mnist-vae"]


@pytest.mark.parametrize("mode", MODES)
def test_every_section_opens_by_its_link(open_page, mode):
    app = open_page("manifold.py", mode=mode)
    assert not app.exception and not app.error


@pytest.mark.parametrize("run", ["swiss-roll-vanilla", "s-curve-vae", "circles-denoising"])
@pytest.mark.parametrize("mode", MODES)
def test_the_sheets_are_drawn_with_their_tangents(open_page, run, mode):
    app = open_page("manifold.py", mode=mode, run=run, input="3")
    assert not app.exception and not app.error
    if mode == "Surface":
        traces = {
            trace.get("name")
            for trace in json.loads(app.get_by_key(f"surface-{run}").proto.spec)["data"]
        }
        assert {"data", "pull", "the point"} <= traces and traces & {"tangents", "tangent"}
        assert ("surface" in traces) == (run != "circles-denoising")


def test_a_clicked_point_is_the_one_that_is_shown(open_page, trained, no_shipped):
    run = trained("vanilla", **{"network.linear_path": False})  # PCA has one norm everywhere
    app = open_page("manifold.py", beside="no other")
    first = read_norm(app)
    clicked = read_norm(click(app, 2, 1))
    typed = read_norm(open_page("manifold.py", beside="no other", input=str(row_of(run, 2, 1))))
    assert clicked == typed != first


@pytest.mark.parametrize("variant", ["vq-vae", "fsq"])
def test_countable_codes_have_no_tangents_and_that_is_said(open_page, trained, no_shipped, variant):
    trained(variant)
    for mode in MODES[:3]:
        app = open_page("manifold.py", mode=mode)
        assert not app.exception and not app.error
        assert ("has no tangents" in " ".join(i.value for i in app.info)) == (mode != "Noise")


@pytest.mark.parametrize("variant", ["k-sparse", "conv", "contractive", "vae"])
def test_other_families_have_tangents(open_page, trained, no_shipped, variant):
    trained(variant)
    for mode in MODES[:3]:
        app = open_page("manifold.py", mode=mode)
        assert not app.exception and not app.error


def test_a_table_has_tangents_of_columns(open_page, trained, no_shipped):
    trained("vae", "wine")
    for mode in MODES:
        app = open_page("manifold.py", mode=mode)
        assert not app.exception and not app.error
    assert "Only data of two or three columns" in app.info[0].value


def test_a_denoiser_brings_points_back_and_more_so_than_one_that_copies(open_page):
    app = open_page(
        "manifold.py", mode="Noise", run="mnist-denoising-gaussian", beside="mnist-vanilla"
    )
    assert not app.exception
    back = [float(m.value.rstrip("%")) for m in app.metric if m.label == "Brought back by"]
    assert len(back) == 2 and back[0] > 50


def test_nonsense_in_the_link_opens_the_default(open_page):
    app = open_page(
        "manifold.py", mode="9", beside="none", input="1e9", reach="-1", sigma="x", way="up"
    )
    assert not app.exception and not app.error


def test_points_of_unknown_traces_are_passed_over():
    traces = [np.array([4, 7]), np.array([1])]
    points = [
        {"curve_number": trace, "point_index": i} for trace, i in ((1, 0), (0, 1), (5, 0), (0, 9))
    ]
    assert read_clicked_rows(points, traces) == [1, 7]


def test_a_second_run_that_does_not_fit_any_more_is_taken_back_in_the_browser_too(open_page):
    app = open_page("manifold.py", mode="Dimension", run="mnist-vae")
    assert app.selectbox(key="beside").value == "mnist-contractive"
    app.selectbox(key="run").set_value("s-curve-vae").run()
    second_run = app.selectbox(key="beside")
    assert second_run.value == "no other"
    assert second_run.proto.set_value  # else the browser goes on showing the old one


def test_the_surface_of_a_run_on_pictures_offers_runs_that_have_one(open_page):
    app = open_page("manifold.py", run="mnist-vae", mode="Surface")
    assert not app.exception
    links = [link.proto for link in app.get("page_link")]
    assert {link.label for link in links} >= {"swiss-roll-vanilla", "circles-denoising"}
