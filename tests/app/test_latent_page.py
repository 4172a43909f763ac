"""The Latent page: the map, what is selected in it, and the slow projections."""

import json

import numpy as np
import pytest
import torch
from helpers import wait_for

from aecore import runs
from aecore.data import Dataset, Split, load
from aecore.maps import MapJob
from ui import maps, selection


def texts(app):
    return " ".join(str(e.value) for e in [*app.markdown, *app.caption, *app.info, *app.warning, *app.error])


def select(app, points):
    """What the browser sends when points, (trace, place in it), are selected."""
    element, states = app.get_by_key("map2d"), app._tree.get_widget_states()
    state = states.widgets.add()
    state.id = element.proto.id
    chosen = [{"curve_number": trace, "point_index": i} for trace, i in points]
    indices = [i for _, i in points]
    state.string_value = json.dumps({"selection": {"points": chosen, "point_indices": indices, "box": [], "lasso": []}})
    return app._run(states)


def button(app, label):
    return next(b for b in app.button if label in b.label)


def row_of(run, trace, place):
    """The test input that is the `place`-th point of a trace: traces are classes, in order."""
    labels = load(run.config().data).test.y.numpy()
    present = [i for i in range(10) if (labels == i).any()]
    return int(np.flatnonzero(labels == present[trace])[place])


def test_without_any_run_the_page_offers_to_train_one(open_page, no_shipped):
    app = open_page("latent.py")
    assert not app.exception
    assert "No run has a model yet" in app.info[0].value


def test_a_first_visit_shows_a_map_and_some_reconstructions(open_page, trained, no_shipped):
    trained()
    app = open_page("latent.py")
    assert not app.exception and not app.error
    assert app.get_by_key("map2d").proto.spec
    assert len(app.image) == 1
    assert "Click a point" in texts(app)


def test_the_map_is_the_same_figure_before_and_after_a_selection(open_page, trained, no_shipped):
    trained()
    app = open_page("latent.py")
    before = app.get_by_key("map2d").proto.id
    assert select(app, [(0, 0), (1, 1)]).get_by_key("map2d").proto.id == before


def test_selected_points_are_shown_with_their_errors_and_classes(open_page, trained, no_shipped):
    trained()
    app = select(open_page("latent.py"), [(0, 0), (0, 1), (3, 0)])
    assert not app.exception
    assert "3 selected inputs" in texts(app)
    assert "Classes: **0** 2, **3** 1" in texts(app)
    assert app.metric[0].value == "3"
    assert any("3 rows as CSV" in b.label for b in app.get("download_button"))


def test_one_clicked_point_shows_its_code_and_its_neighbours(open_page, trained, no_shipped):
    run = trained()
    app = select(open_page("latent.py"), [(2, 1)])
    assert not app.exception
    assert f"Test input {row_of(run, 2, 1)}, class 2" in texts(app)
    assert app.get_by_key("code").proto.spec
    assert "codes are nearest" in texts(app)


def test_a_selection_takes_the_place_of_a_typed_input(open_page, trained, no_shipped):
    trained()
    app = open_page("latent.py", input="5")
    assert "Test input 5" in texts(app)
    app = select(app, [(0, 0), (1, 0)])
    assert "2 selected inputs" in texts(app) and "Test input 5" not in texts(app)


@pytest.mark.parametrize("method", ["PCA", "Dimensions"])
@pytest.mark.parametrize("axes", ["2-D", "3-D"])
@pytest.mark.parametrize("colour", ["class", "error"])
def test_a_link_opens_the_map_that_it_names(open_page, trained, no_shipped, method, axes, colour):
    trained()
    app = open_page("latent.py", map=method, axes=axes, colour=colour, split="train", points="500", input="3")
    assert not app.exception
    figure = json.loads(app.get_by_key("map2d" if axes == "2-D" else "map3d").proto.spec)
    assert figure["data"][0]["type"] == ("scattergl" if axes == "2-D" else "scatter3d")
    assert ("coloraxis" in figure["layout"]) == (colour == "error")
    assert "Training input 3" in texts(app)


def test_a_link_with_nonsense_opens_the_default_map(open_page, trained, no_shipped):
    trained()
    app = open_page("latent.py", map="cubism", axes="9-D", points="many", input="-7", split="secret", along_x="z99")
    assert not app.exception and not app.error
    assert "test inputs of digits, PCA" in texts(app)


def test_an_unknown_run_in_the_link_is_named_and_another_shown(open_page, trained, no_shipped):
    trained()
    app = open_page("latent.py", run="no-such-run")
    assert not app.exception
    assert "no-such-run" in app.warning[0].value
    assert app.get_by_key("map2d")


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
    broken = runs.root() / "broken"
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
    app = select(app, [(0, 0)])
    assert not app.exception
    assert "mean radius" in app.dataframe[0].value.index


def test_points_of_a_manifold_are_shown_in_their_own_space(open_page, trained, no_shipped):
    trained(data="swiss-roll")
    app = open_page("latent.py")
    assert not app.exception
    assert app.get_by_key("cloud").proto.spec
    assert not select(app, [(0, 0)]).exception


def test_a_slow_map_is_made_beside_the_page_while_pca_stays(open_page, trained, no_shipped):
    run = trained()
    app = open_page("latent.py", map="t-SNE")
    assert ", PCA." in texts(app)
    button(app, "Compute t-SNE").click().run()
    assert not app.exception
    count = len(load(run.config().data).test.x)
    job = MapJob(run, "tsne", 2, "test", count, "digits", version=run.version())
    assert button(app, "Cancel") or job.read() is not None
    wait_for(lambda: not job.is_running(), "the map to be made")
    app.run()
    assert not app.exception
    assert ", t-SNE." in texts(app)
    assert [b for b in app.button if "Compute" in b.label] == []


def test_a_slow_map_can_be_cancelled(open_page, trained, no_shipped):
    trained()
    app = open_page("latent.py", map="UMAP")
    button(app, "Compute UMAP").click().run()
    button(app, "Cancel").click().run()
    assert not app.exception and not app.error
    assert button(app, "Compute UMAP")


def test_a_slow_map_that_failed_says_so_and_can_be_tried_again(open_page, trained, no_shipped):
    run = trained()
    count = len(load(run.config().data).test.x)
    job = MapJob(run, "umap", 2, "test", count, "digits", version=run.version())
    job.path.parent.mkdir()
    job.log.write_text("Traceback\nerror: UMAP needs at least 5 points, got 3. Use PCA.\n")
    app = open_page("latent.py", map="UMAP")
    assert not app.exception
    assert app.error[0].value == "The UMAP map failed. UMAP needs at least 5 points, got 3. Use PCA."
    assert button(app, "Compute UMAP")


def test_the_limit_of_tsne_is_said():
    many = Split(torch.zeros(20_000, 1), None)
    found = Dataset("many", "table", many, many)
    view = maps.View("tsne", "t-SNE", 2, False, "train", maps.LIMITS["tsne"])
    assert maps.caption(found, view) == "10,000 training inputs of many, t-SNE. t-SNE is limited to 10,000 points."
    assert "limited" not in maps.caption(found, view._replace(count=5000))


def test_points_of_unknown_traces_are_passed_over():
    traces = [np.array([4, 7]), np.array([1])]
    points = [{"curve_number": trace, "point_index": i} for trace, i in ((1, 0), (0, 1), (5, 0), (0, 9))]
    assert maps.selected(points, traces) == [1, 7]


def test_the_csv_holds_index_class_error_and_code():
    shown = maps.Map(np.arange(6.0).reshape(3, 2), np.array([0.5, 1, 2]), np.zeros((3, 2)), [], {
        'a "quoted" one': np.array([0, 2]), "b": np.array([1])})  # fmt: skip
    lines = selection.csv(shown, [0, 1]).decode().splitlines()
    assert lines[0] == "index,class,error,z0,z1"
    assert lines[1] == '0,"a ""quoted"" one",0.5,0,1'
    assert lines[2] == '1,"b",1,2,3'
