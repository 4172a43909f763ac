"""The Features page: codes to take along, maps, classifiers on codes, size against error."""

from __future__ import annotations

import io
import json
import sys

import numba
import numpy as np
import pandas as pd
import pytest
import torch
from helpers import wait_for

from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.projection_job import projection_queue_file
from aecore.data.splits import Dataset, Split
from aecore.model.autoencoder import Autoencoder
from aecore.runs.ownership import claim_folder
from aecore.runs.process import LockFile
from aecore.tasks.features import TRUST_NEIGHBOURS
from tests.app.conftest import finish_jobs
from tests.app.test_data_page import bring_data, read_texts
from tests.app.test_impute_page import LINES
from ui.apply_features.codes import make_input_table
from ui.apply_features.runs import has_same_data
from ui.apply_features.size import load_pca_errors
from ui.kit.downloads import encode_parquet
from ui.kit.inputs import Inputs
from ui.kit.jobs import get_job_registry
from ui.kit.sessions import session_watch


def test_a_first_visit_shows_maps_and_how_far_they_can_be_trusted(open_page):
    app = open_page("apply_features.py")
    assert not app.exception and not app.error
    assert app.get_by_key("map-0").proto.spec and app.get_by_key("map-1").proto.spec
    assert read_texts(app).count(
        "Trustworthiness 0."
    ) == 2 and "neighbours' class right" in read_texts(app)


def umap_modules():
    return {
        name: module
        for name, module in sys.modules.items()
        if name.partition(".")[0] in ("umap", "pynndescent")
    }


@pytest.fixture
def uncompiled_umap(monkeypatch):
    """Run UMAP uncompiled: compiling takes ten times as long as placing a dozen points."""
    compiled = umap_modules()
    for name in compiled:
        del sys.modules[name]
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    yield
    for name in umap_modules():
        del sys.modules[name]
    sys.modules.update(compiled)


def test_slow_maps_are_added_on_request(
    open_page, trained, no_shipped, forked, uncompiled_umap, monkeypatch
):
    monkeypatch.setattr("ui.apply_features.maps.MAP_EXAMPLES", 2 * TRUST_NEIGHBOURS + 2)
    trained()
    app = open_page("apply_features.py")
    next(b for b in app.button if b.label == "Add t-SNE and UMAP").click().run()
    finish_jobs(app)
    assert not app.exception and read_texts(app).count("Trustworthiness 0.") == 6
    assert "Raw features, UMAP" in read_texts(app)


def test_slow_maps_are_offered_when_the_training_has_ended(open_page, trained, no_shipped):
    run = trained()
    run.write_state(state="running", epoch=1)
    with run.lock():
        app = open_page("apply_features.py")
    assert "can be added when the training has ended" in read_texts(app)
    assert "Add t-SNE and UMAP" not in [b.label for b in app.button]


def test_slow_maps_of_a_session_that_has_ended_are_given_up_and_offered_to_who_comes_back(
    open_page, trained, visit_as, monkeypatch
):
    claim_folder(trained().path, visit_as("alice").owner)
    registry = get_job_registry()
    with LockFile(projection_queue_file()).hold(wait=True):  # they wait behind another map
        app = open_page("apply_features.py")
        next(b for b in app.button if b.label == "Add t-SNE and UMAP").click().run()
        assert not app.exception and registry.working
        monkeypatch.setattr(session_watch, "visitors", {})
        wait_for(lambda: not registry.working, "the thread and its process end")
        app.run()
    assert "no connection for 30 seconds. Add them again." in app.error[0].value
    assert "Add t-SNE and UMAP" in [b.label for b in app.button]
    assert not app.run().error


def test_codes_stand_beside_what_the_visitor_brought(trained, no_shipped):
    run = trained("vanilla", "wine")
    x = torch.rand(6, 13)
    frame = pd.DataFrame({"bottle": list("abcdef")})
    table = make_input_table(run, Inputs("w.csv", x, None, (), (), frame, ""))
    z = encode_in_chunks(Autoencoder.load(run.path), x).numpy()
    assert list(table.columns) == ["bottle", *(f"z{i}" for i in range(z.shape[1]))]
    assert np.allclose(table.iloc[:, 1:], z)
    back = pd.read_parquet(io.BytesIO(encode_parquet(table)))
    assert back.bottle.tolist() == list("abcdef")


def test_the_table_of_codes_is_offered(open_page, trained, no_shipped):
    trained()
    app = open_page("apply_features.py", mode="Codes")
    assert not app.exception and "z0" in app.dataframe[0].value.columns
    assert {"CSV", "Parquet"} <= {b.label for b in app.get("download_button")}


def test_codes_of_a_test_set_have_their_row_of_the_file(open_page, trained, no_shipped):
    x = np.random.default_rng(0).random((40, 4), np.float32)
    buffer = io.BytesIO()
    np.save(buffer, x)
    one = bring_data("embeddings.npy", buffer.getvalue())
    run = trained("vanilla", one.config().name)
    app = open_page("apply_features.py", mode="Codes", run=run.id)
    assert not app.exception and "file_row is their place in the whole data" in read_texts(app)
    table = app.dataframe[0].value
    rows = torch.from_numpy(x[table["file_row"]])
    z = encode_in_chunks(Autoencoder.load(run.path), rows).numpy()
    assert 0 < len(table) < 40 and np.allclose(table[[f"z{i}" for i in range(z.shape[1])]], z)


def test_codes_are_judged_beside_bare_values_and_components(open_page, trained, no_shipped):
    one, other = trained("vanilla", **{"data.limit": None}), trained("vae", **{"data.limit": None})
    app = open_page("apply_features.py", mode="Accuracy", run=one.id)
    assert not app.exception and not app.error
    names = json.loads(app.get_by_key("worth").proto.spec)["data"][0]["x"]
    assert names[0] == "raw values" and any("PCA" in name for name in names)
    assert {name.split(",")[0] for name in names} >= {one.id, other.id}


def test_runs_on_other_examples_are_not_compared(trained, no_shipped):
    digits, few, wine = trained(), trained(**{"data.limit": 100}), trained("vanilla", "wine")
    assert has_same_data(digits, digits)
    assert not has_same_data(digits, few) and not has_same_data(digits, wine)


def test_data_without_classes_are_not_judged(open_page, trained, no_shipped):
    rows = np.random.default_rng(0).random((60, 4)).round(3)
    one = bring_data(
        "rows.csv", pd.DataFrame(rows, columns=list("abcd")).to_csv(index=False).encode()
    )
    trained("vanilla", str(one.source.resolve()))
    assert "these data have none" in open_page("apply_features.py", mode="Accuracy").info[0].value
    app = open_page("apply_features.py", mode="Map", inputs=one.token)
    assert not app.exception and not app.error and "class right" not in read_texts(app)
    assert "inputs. Trustworthiness: 1" in read_texts(app) and "class of a" not in read_texts(app)


def test_the_line_of_components_falls_and_every_run_is_a_point(open_page, trained, no_shipped):
    runs = [trained("vanilla"), trained("linear")]
    app = open_page("apply_features.py", mode="Code size", run=runs[0].id)
    assert not app.exception and not app.error
    traces = json.loads(app.get_by_key("size").proto.spec)["data"]
    line = traces[0]["y"]
    assert line == sorted(line, reverse=True) and len(line) > 10
    assert {trace["name"] for trace in traces[1:]} == {run.id for run in runs}


def test_components_are_measured_in_the_networks_units(trained, no_shipped):
    run = trained("linear", "wine")
    torch.manual_seed(0)
    net = Autoencoder.load(run.path)
    x = torch.randn(50, 13) * net.scale + net.shift
    curve = load_pca_errors("", 0.0, "", run, Dataset("w", "table", Split(x, None), Split(x, None)))
    assert curve[0] == pytest.approx(
        ((x - x.mean(0)) / net.scale).square().sum(1).mean().item(), rel=1e-4
    )
    assert curve[-1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("mode", ["Codes", "Map", "Accuracy", "Code size"])
def test_a_table_with_words_and_holes_goes_through_every_section(open_page, no_shipped, mode):
    from aecore.runs.listing import create_run
    from aecore.runs.plan import plan_run
    from aecore.training.trainer import fit

    one = bring_data("people.csv", "\n".join(LINES).encode())
    settings = {
        f"data.{k}": v
        for k, v in one.config().model_dump(exclude={"name"}, exclude_unset=True).items()
    }
    run = create_run(
        plan_run("vanilla", one.config().name, settings={"training.epochs": 2, **settings})
    )
    list(fit(run))
    app = open_page("apply_features.py", mode=mode, inputs=one.token)
    assert not app.exception and not app.error


def test_few_inputs_and_nonsense_in_the_link_are_borne(open_page, trained, no_shipped):
    trained(**{"data.limit": 12})
    for mode in ("Codes", "Map", "Accuracy", "Code size", "Everything"):
        app = open_page("apply_features.py", mode=mode, runs="none", inputs="?")
        assert not app.exception and not app.error
