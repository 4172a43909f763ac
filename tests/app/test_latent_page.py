"""The Latent page: the map, what is selected in it, and the slow projections."""

from __future__ import annotations

import base64
import fcntl
import json

import numpy as np
import pytest
import torch
from helpers import wait_for
from safetensors import numpy as safetensors
from starlette.applications import Starlette
from starlette.testclient import TestClient

from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.latent import Plane, preserved_neighbour_shares
from aecore.analysis.projection_job import PROJECTION_LIMITS, ProjectionJob, projection_queue_file
from aecore.data.datasets import load_dataset
from aecore.data.splits import Dataset, Split
from aecore.errors import CheckpointError
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import runs_folder
from ui.kit.downloads import format_csv
from ui.kit.explorer import PromisedPacks, promised_packs, read_explorer_answer
from ui.kit.routes import PACK_ROUTE
from ui.latent.controls import MapView
from ui.latent.maps import LatentMap, describe_map
from ui.latent.selection import tabulate_selection


def read_texts(app):
    return " ".join(
        str(e.value) for e in [*app.markdown, *app.caption, *app.info, *app.warning, *app.error]
    )


def select(app, rows, named=None):
    """Send what the browser sends when inputs are selected on the map and sets of them named."""
    element, states = app.get_by_key("explorer"), app._tree.get_widget_states()
    state = states.widgets.add()
    state.id = element.proto.id
    masks = {name: encode_mask(of) for name, of in (named or {}).items()}
    state.json_value = json.dumps({"selections": {"rows": encode_mask(rows), "named": masks}})
    return app._run(states)


def encode_mask(rows):
    """Rows as bits, lowest first, in Base64."""
    on = np.zeros(max(rows, default=0) + 1, bool)
    on[list(rows)] = True
    return base64.b64encode(np.packbits(on, bitorder="little")).decode()


def read_pack(app, key="explorer"):
    """The pack that a component got: its arrays, and what is said of them."""
    data = app.get_by_key(key).proto.bytes
    return unpack(data)


def model_of(app, key="explorer"):
    """The pack that the page would fetch for that map."""
    return unpack(promised_packs.get(read_pack(app, key)[1]["token"]))


def unpack(data):
    length = int.from_bytes(data[:8], "little")
    return safetensors.load(data), json.loads(
        json.loads(data[8 : 8 + length])["__metadata__"]["explorer"]
    )


def find_button(app, label):
    return next(b for b in app.button if label in b.label)


def test_without_any_run_the_page_offers_to_train_one(open_page, no_shipped):
    app = open_page("latent.py")
    assert not app.exception
    assert "No run has a model yet" in app.info[0].value


def test_a_first_visit_shows_a_map_and_some_reconstructions(open_page, trained, no_shipped):
    trained()
    app = open_page("latent.py")
    assert not app.exception and not app.error
    assert len(app.image) == 1
    assert "Click a point" in read_texts(app)


def test_the_explorer_gets_the_codes_their_places_and_the_plane_between_them(
    open_page, trained, no_shipped
):
    run = trained()
    app = open_page("latent.py")
    (map_, about), (model, said) = read_pack(app), model_of(app)
    net, x = Autoencoder.load(run.path), load_dataset(run.config().data).test.x
    z = encode_in_chunks(net, x).numpy()
    assert np.allclose(model["codes"], z, atol=2e-3)
    plane = Plane(map_["plane.origin"], map_["plane.axes"])
    assert np.allclose(map_["positions"], plane.positions(z), atol=1e-5)
    assert np.array_equal(model["inputs"], x.numpy())
    assert about["token"] == said["token"] and about["total"] == len(x) and about["run"] == run.id
    assert model["log_variance"].shape == z.shape
    assert map_["epochs"].tolist() == [0, 1, 2] and map_["epochs.z"].shape == (
        3,
        len(x),
        z.shape[1],
    )


def test_nothing_is_sent_again_after_a_selection(open_page, trained, no_shipped):
    trained()
    app = open_page("latent.py")
    before = app.get_by_key("explorer").proto.bytes
    assert select(app, [1, 2]).get_by_key("explorer").proto.bytes == before


def test_neighbours_kept_are_a_colour(open_page, trained, no_shipped):
    run = trained()
    app = open_page("latent.py", colour="neighbours")
    map_, about = read_pack(app)
    z = encode_in_chunks(Autoencoder.load(run.path), load_dataset(run.config().data).test.x).numpy()
    wanted = preserved_neighbour_shares(z, map_["positions"])
    assert about["colour"] == "neighbours" and np.allclose(map_["preserved"], wanted, atol=0.2)
    assert 0 < map_["preserved"].mean() < 1


def test_a_second_run_of_the_same_data_stands_beside_with_the_same_inputs(
    open_page, trained, no_shipped
):
    run, other = trained("vanilla"), trained("vae")
    trained(data="swiss-roll")
    app = open_page("latent.py", run=run.id, beside=other.id)
    assert not app.exception and not app.error
    assert app.selectbox(key="beside").options == [other.id]
    assert read_pack(app, "explorer-beside")[1]["run"] == other.id
    assert len(read_pack(app)[0]["positions"]) == len(
        read_pack(app, "explorer-beside")[0]["positions"]
    )


def test_a_named_selection_is_kept_for_the_other_pages(open_page, trained, no_shipped):
    run = trained()
    app = select(open_page("latent.py"), [], {"a few": [3, 5, 8]})
    assert "Work on a selection" in [box.label for box in app.selectbox]
    found = load_dataset(run.config().data)
    kept = app.session_state["selections"][found.name, "test"]
    assert kept["a few"].tolist() == [3, 5, 8]
    app = app.switch_page("apply_search.py")
    app.query_params["inputs"], app.query_params["collection"] = "test:a few", "the inputs"
    app.run()
    assert not app.exception and not app.error
    assert "among the 3 of the selection a few of the test set of digits" in read_texts(app)


def test_a_model_is_had_by_its_token_alone(open_page, trained, no_shipped):
    trained()
    token = read_pack(open_page("latent.py"))[1]["token"]
    client = TestClient(Starlette(routes=[PACK_ROUTE]))
    answer = client.get(f"/explorer/{token}")
    assert answer.status_code == 200 and unpack(answer.content)[1]["token"] == token
    assert "max-age" in answer.headers["cache-control"]
    answer = client.get(f"/explorer/{'0' * 32}")
    assert answer.status_code == 404 and answer.text == "This page is too old. Reload it."


def test_of_many_models_the_latest_are_kept_and_a_broken_one_says_why(trained):
    models, made, folder = PromisedPacks(), [], trained().path
    models.MAX_SHARED = 4

    def make(token):
        made.append(token)
        return token.encode()

    tokens = [models.promise(folder, str(i), make) for i in range(5)]
    assert models.promise(folder, "3", make) == tokens[3] and models.get(tokens[0]) is None
    for token in [*tokens[1:], tokens[1]]:
        assert models.get(token) == token.encode()
    assert made == tokens[1:]
    token = promised_packs.promise(
        folder, "broken", lambda token: (_ for _ in ()).throw(CheckpointError("It is torn."))
    )
    answer = TestClient(Starlette(routes=[PACK_ROUTE])).get(f"/explorer/{token}")
    assert (answer.status_code, answer.text) == (400, "It is torn.")


@pytest.mark.parametrize(
    "said", [3, "x", {"rows": "*"}, {"rows": "AQ==", "named": {"": 5, "b": ["x"]}}, {"named": []}]
)
def test_what_a_browser_says_is_not_believed(said):
    picked = read_explorer_answer(said, 5)
    assert picked.rows in ([], [0]) and not picked.named


def test_selected_points_are_shown_with_their_errors_and_classes(open_page, trained, no_shipped):
    trained()
    labels = load_dataset(trained().config().data).test.y.numpy()
    rows = [*np.flatnonzero(labels == 0)[:2], *np.flatnonzero(labels == 3)[:1]]
    app = select(open_page("latent.py"), rows)
    assert not app.exception
    assert "3 selected inputs" in read_texts(app)
    assert "Classes: **0** 2, **3** 1" in read_texts(app)
    assert app.metric[0].value == "3"
    assert any("3 rows as CSV" in b.label for b in app.get("download_button"))


def test_one_clicked_point_shows_its_code_and_its_neighbours(open_page, trained, no_shipped):
    run = trained()
    app = select(open_page("latent.py"), [7])
    assert not app.exception
    assert f"Test input 7, class {int(load_dataset(run.config().data).test.y[7])}" in read_texts(
        app
    )
    assert app.get_by_key("code").proto.spec
    assert "codes are nearest" in read_texts(app)


def test_a_selection_takes_the_place_of_a_typed_input(open_page, trained, no_shipped):
    trained()
    app = open_page("latent.py", input="5")
    assert "Test input 5" in read_texts(app)
    app = select(app, [4, 9])
    assert "2 selected inputs" in read_texts(app) and "Test input 5" not in read_texts(app)


@pytest.mark.parametrize("method", ["Classes", "PCA", "Dimensions"])
@pytest.mark.parametrize("axes", ["2-D", "3-D"])
@pytest.mark.parametrize("colour", ["class", "error"])
def test_a_link_opens_the_map_that_it_names(open_page, trained, no_shipped, method, axes, colour):
    trained()
    app = open_page(
        "latent.py", map=method, axes=axes, colour=colour, split="train", points="500", input="3"
    )
    assert not app.exception
    if axes == "2-D":
        assert read_pack(app)[1]["colour"] == colour and read_pack(app)[1]["marked"] == 3
    else:
        figure = json.loads(app.get_by_key("explorer-3d").proto.spec)
        assert figure["data"][0]["type"] == "scatter3d" and ("coloraxis" in figure["layout"]) == (
            colour == "error"
        )
    assert "Training input 3" in read_texts(app)


def test_a_link_with_nonsense_opens_the_default_map(open_page, trained, no_shipped):
    trained()
    app = open_page(
        "latent.py",
        map="cubism",
        axes="9-D",
        points="many",
        input="-7",
        split="secret",
        along_x="z99",
    )
    assert not app.exception and not app.error
    assert "test inputs of digits, on the plane in which the classes differ" in read_texts(app)


@pytest.mark.parametrize(
    ("variant", "data", "projection"),
    [
        ("vae", "digits", "Classes"),
        ("vanilla", "digits", "PCA"),
        ("vae", "swiss-roll", "Dimensions"),
    ],
)
def test_the_map_begins_with_the_projection_that_suits_the_code(
    open_page, trained, no_shipped, variant, data, projection
):
    run, first = trained(variant, data), trained("vae", "digits")
    app = open_page("latent.py", run=first.id)
    app.selectbox(key="run").set_value(run.id).run()
    assert not app.exception
    control = next(group for group in app.button_group if group.label == "Projection")
    assert control.value == projection


@pytest.mark.parametrize(
    ("page", "key", "noun"),
    [
        ("latent.py", "run", "run"),
        ("apply_denoise.py", "runs", "run"),
        ("compare.py", "runs", "run"),
        ("train.py", "data", "data set"),
        ("data.py", "own", "data set"),
    ],
)
def test_what_a_link_names_and_is_not_there_is_named_and_another_shown(
    open_page, trained, no_shipped, page, key, noun
):
    trained()
    app = open_page(page, **{key: "no-such-thing"})
    assert not app.exception
    (warning,) = app.warning
    assert f"There is no {noun} 'no-such-thing'" in warning.value
    assert "no-such-thing" not in app.query_params.get(key, []), "the address is as the page"
    assert not app.run().warning
    assert page != "latent.py" or app.get_by_key("explorer")


def test_runs_of_a_link_that_are_there_stay_in_it(open_page, trained, no_shipped):
    run = trained()
    app = open_page("compare.py", runs=[run.id, "none"])
    assert "'none'" in app.warning[0].value and app.get_by_key("runs").value == [run.id]


def test_an_input_beyond_another_runs_data_is_brought_into_range(open_page, trained, no_shipped):
    small, large = trained(), trained(data="swiss-roll")
    app = open_page("latent.py", run=large.id, input="190")
    app.selectbox(key="run").set_value(small.id).run()
    assert not app.exception


def test_axes_of_a_wider_code_give_way_to_those_of_a_narrower(open_page, trained, no_shipped):
    narrow, wide = trained(data="swiss-roll"), trained("vanilla")
    app = open_page("latent.py", run=wide.id, map="Dimensions", along_x="z7")
    assert app.selectbox(key="along_x").value == "z7"
    app.selectbox(key="run").set_value(narrow.id).run()
    assert not app.exception
    assert app.selectbox(key="along_x").value in ("z0", "z1")


def test_damaged_weights_are_explained(open_page, trained, no_shipped):
    run = trained()
    (run.path / "model.safetensors").write_bytes(b"torn")
    app = open_page("latent.py")
    assert not app.exception
    assert "torn" in app.error[0].value


def test_a_broken_config_beside_it_hides_no_sound_run(open_page, trained, no_shipped):
    run = trained()
    broken = runs_folder() / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model": 3')
    (broken / "model.safetensors").write_bytes(b"")
    app = open_page("latent.py")
    assert not app.exception and not app.error
    assert app.selectbox(key="run").options == [run.id]


def test_rows_of_a_table_are_tiles_and_numbers(open_page, trained, no_shipped):
    trained(data="breast-cancer")
    app = open_page("latent.py")
    assert not app.exception and app.image
    app = select(app, [0])
    assert not app.exception
    assert "mean radius" in app.dataframe[0].value.index


def test_points_of_a_manifold_are_shown_in_their_own_space(open_page, trained, no_shipped):
    trained(data="swiss-roll")
    app = open_page("latent.py")
    assert not app.exception
    assert app.get_by_key("cloud").proto.spec
    assert not select(app, [0]).exception


@pytest.fixture
def let_maps_go():
    """Hold the processes that make maps, as behind another map; call this to let them go on."""
    with open(projection_queue_file(), "ab") as queue:
        fcntl.flock(queue, fcntl.LOCK_EX)
        yield lambda: fcntl.flock(queue, fcntl.LOCK_UN)


def test_a_slow_map_is_made_beside_the_page_while_pca_stays(
    open_page, trained, no_shipped, let_maps_go
):
    run = trained()
    app = open_page("latent.py", map="t-SNE")
    assert ", PCA." in read_texts(app)
    find_button(app, "Compute t-SNE").click().run()
    assert not app.exception
    count = len(load_dataset(run.config().data).test.x)
    job = ProjectionJob(run, "tsne", 2, "test", count, "digits", version=run.version())
    assert find_button(app, "Cancel") and job.is_running()
    let_maps_go()
    wait_for(lambda: not job.is_running(), "the map is made", 300)
    app.run()
    assert not app.exception
    assert ", t-SNE." in read_texts(app)
    assert [b for b in app.button if "Compute" in b.label] == []


def test_a_slow_map_can_be_cancelled(open_page, trained, no_shipped, let_maps_go):
    run = trained()
    app = open_page("latent.py", map="UMAP")
    find_button(app, "Compute UMAP").click().run()
    count = len(load_dataset(run.config().data).test.x)
    job = ProjectionJob(run, "umap", 2, "test", count, "digits", version=run.version())
    assert job.is_running()
    find_button(app, "Cancel").click().run()
    assert not app.exception and not app.error
    wait_for(
        lambda: not job.is_running(), "the process has ended", 300
    )  # it was killed, however long that takes
    assert find_button(app.run(), "Compute UMAP")


def test_a_slow_map_that_failed_says_so_and_can_be_tried_again(open_page, trained, no_shipped):
    run = trained()
    count = len(load_dataset(run.config().data).test.x)
    job = ProjectionJob(run, "umap", 2, "test", count, "digits", version=run.version())
    job.path.parent.mkdir()
    job.log.write_text("Traceback\nerror: UMAP needs at least 5 points, got 3. Use PCA.\n")
    app = open_page("latent.py", map="UMAP")
    assert not app.exception
    assert (
        app.error[0].value == "The UMAP map failed. UMAP needs at least 5 points, got 3. Use PCA."
    )
    assert find_button(app, "Compute UMAP")


def test_the_limit_of_tsne_is_said():
    many = Split(torch.zeros(20_000, 1), None)
    found = Dataset("many", "table", many, many)
    view = MapView("tsne", "t-SNE", 2, "class", "train", PROJECTION_LIMITS["tsne"])
    assert (
        describe_map(found, view)
        == "10,000 training inputs of many, t-SNE. t-SNE is limited to 10,000 points."
    )
    assert "limited" not in describe_map(found, view._replace(points=5000))


def test_the_csv_holds_index_class_error_and_code():
    shown = LatentMap(
        np.arange(6.0).reshape(3, 2),
        np.array([0.5, 1, 2]),
        np.zeros((3, 2)),
        None,
        [],
        {'a "quoted" one': np.array([0, 2]), "b": np.array([1])},
    )
    lines = format_csv(tabulate_selection(shown, [0, 1])).splitlines()
    assert lines[0] == "index,class,error,z0,z1"
    assert lines[1] == '0,"a ""quoted"" one",0.5,0.0,1.0'
    assert lines[2] == "1,b,1.0,2.0,3.0"


def test_a_typed_input_stays_while_the_map_only_says_what_was_named(open_page, trained, no_shipped):
    trained()
    app = select(open_page("latent.py", input="5"), [5], {"a few": [1, 2]})
    assert "Test input 5" in read_texts(app)
    app = select(app, [], {"a few": [1, 2]})
    assert "Test input 5" in read_texts(app)


def test_epochs_are_shown_over_the_sample_and_not_over_other_data(open_page, data_folder, trained):
    app = open_page("latent.py", run="mnist-vae")
    assert "come with the app" in read_texts(app) and "epochs" in read_pack(app)[0]
    run = trained()
    config = run.path / "config.json"
    config.write_text(config.read_text().replace('"name": "digits"', '"name": "/gone/away.zip"'))
    app = open_page("latent.py", run=run.id)
    assert "was not made for these pictures" in app.warning[0].value
    assert "epochs" not in read_pack(app)[0]


def test_the_box_of_a_link_follows_links_within_the_page_and_is_told_what_it_shows(open_page):
    app = open_page("train.py", variant="k-sparse")
    box = app.get_by_key("variant")
    box.set_value("linear").run()
    assert app.query_params["variant"] == "linear"
    app.query_params["variant"] = "vae"  # as the doctor's cure does
    app.run()
    box = app.get_by_key("variant")
    # a browser that draws it anew after another view knows no value of its own
    assert box.value == "vae" and box.proto.set_value
