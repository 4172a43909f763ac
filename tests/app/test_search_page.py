"""The Search page: the nearest of a collection, by code and otherwise."""

from __future__ import annotations

import json

import pytest
import torch

from aecore.analysis.chunks import encode_in_chunks
from aecore.data.catalog import CATALOG
from aecore.data.datasets import load_dataset
from aecore.model.autoencoder import Autoencoder
from aecore.tasks.search import Neighbours, build_index, fit_principal_code
from tests.app.test_anomaly_page import own_run, write_people
from tests.app.test_data_page import bring_data, read_texts
from tests.test_data_images import encode_picture, pack_zip
from ui.apply_search import drawing
from ui.apply_search.collection import SearchCollection
from ui.apply_search.drawing import ask_for_drawing, place_drawing
from ui.apply_search.results import tabulate_results
from ui.kit.inputs import Inputs


def count_pictures(app):
    """Count the pictures that each way has found."""
    bodies = [element.proto.body for element in app.get("html")]
    return [body.count("<figure") for body in bodies if "<figure" in body]


def test_a_first_visit_finds_like_digits_in_milliseconds(open_page):
    app = open_page("apply_search.py")
    assert not app.exception and not app.error
    whole = (
        "60,000 of the training set of mnist"
        if CATALOG["mnist"].is_local()
        else "1,000 training examples"
    )
    assert app.metric[0].value.endswith("ms") and whole in read_texts(app)
    assert (
        count_pictures(app) == [15, 15, 15]
        and app.image
        and app.get_by_key("by-class").proto.spec
        and app.get_by_key("precision").proto.spec
    )
    assert "are of its class" in read_texts(app)


def test_the_nearest_are_those_of_the_smallest_distance(trained, no_shipped, open_page):
    run = trained("vanilla")
    app = open_page("apply_search.py", number="3")
    sets = load_dataset(run.config().data)
    net = Autoencoder.load(run.path)
    z, query = encode_in_chunks(net, sets.train.x), encode_in_chunks(net, sets.test.x[3:4])
    rows = torch.cdist(query, z)[0].topk(15, largest=False).indices
    right = int((sets.train.y[rows] == sets.test.y[3]).sum())
    assert f"{right} of 15 are of its class" in read_texts(app)


def test_a_query_does_not_find_itself(trained, no_shipped, open_page):
    trained("vanilla")
    for place in ("test set", "the inputs"):
        app = open_page("apply_search.py", collection=place, number="0")
        assert not app.exception and "15 are of its class" in read_texts(app)


def test_a_drawing_is_searched_for(trained, no_shipped, open_page):
    trained("vanilla")
    app = open_page("apply_search.py", query="drawn")
    assert not app.exception and "Draw something" in app.info[0].value
    ink = [0] * 784
    for row in range(6, 22):
        ink[row * 28 + 13] = ink[row * 28 + 14] = 255
    states = app._tree.get_widget_states()
    state = states.widgets.add()
    state.id = app.get_by_key("drawing").proto.id
    state.json_value = json.dumps({"ink": ink})
    app = app._run(states)
    assert not app.exception and not app.info and count_pictures(app) == [15, 15, 15]


@pytest.mark.parametrize("ink", ["x", [1, 2], [256] * 783 + ["a"], None])
def test_hostile_ink_is_no_drawing(ink, monkeypatch):
    monkeypatch.setattr(drawing, "drawing_component", lambda **_: type("Answer", (), {"ink": ink}))
    assert ask_for_drawing() is None


def test_ink_is_placed_in_the_middle_at_the_size_of_mnist():
    drawn = torch.zeros(28, 28)
    drawn[2:7, 20:23] = 1
    placed = place_drawing(drawn)
    rows = (placed > 0.5).any(1).nonzero().flatten()
    assert placed.shape == (28, 28) and len(rows) == 20 and abs(rows.float().mean() - 13.5) <= 1


def test_ones_own_pictures_are_searched_with_their_names(trained, no_shipped, open_page, tmp_path):
    trained("vanilla")
    files = {f"pet{i}.png": encode_picture("L", (8, 8), i * 20) for i in range(12)}
    one = bring_data("pets.zip", pack_zip(files))
    app = open_page("apply_search.py", inputs=one.token, collection="the inputs", number="4")
    assert not app.exception and not app.error
    assert "Query: pet2.png" in read_texts(app) and "among the 12 of the pets.zip" in read_texts(
        app
    )


@pytest.mark.parametrize("name", ["wine", "swiss-roll"])
def test_rows_and_points_are_searched_too(trained, no_shipped, open_page, name):
    trained("vanilla", name)
    app = open_page("apply_search.py")
    assert not app.exception and not app.error and app.metric


def test_nonsense_in_the_link_opens_the_default(trained, no_shipped, open_page):
    trained()
    app = open_page(
        "apply_search.py", number="99999", collection="the sea", query="sung", inputs="x"
    )
    assert not app.exception and app.metric


def test_those_of_another_class_are_marked(trained, no_shipped, open_page):
    trained("vanilla")
    app = open_page("apply_search.py", number="5")
    marked = app.get("html")[0].proto.body.count('class="marked"')
    assert f"{15 - marked} of 15 are of its class" in read_texts(app)


def test_a_drawing_gives_way_where_the_next_run_takes_no_pictures(trained, no_shipped, open_page):
    trained("vanilla")
    table = trained("vanilla", "wine")
    app = open_page(
        "apply_search.py",
        query="drawn",
        run=next(
            i for i in open_page("apply_search.py").selectbox(key="run").options if i != table.id
        ),
    )
    assert "Draw something" in app.info[0].value
    app.selectbox(key="run").set_value(table.id).run()
    assert not app.exception and not app.error and app.metric[0].value.endswith("ms")


def test_ones_own_rows_with_gaps_are_searched(trained, no_shipped, open_page):
    _, one = own_run(trained, write_people(40))
    for place in ("training set", "the inputs"):
        app = open_page("apply_search.py", inputs=one.token, collection=place)
        assert not app.exception and not app.error and count_pictures(app)
    assert "no classes to judge" in read_texts(app)


def test_the_file_names_what_was_found_in_its_order():
    part = Inputs(
        "a.zip",
        torch.rand(3, 1, 4, 4),
        torch.tensor([0, 1, 1]),
        ("cat", "dog"),
        ("x", "y", "z"),
        None,
        "",
    )
    pca = fit_principal_code(part.x, 2)
    found = SearchCollection(
        part, build_index(part.x.flatten(1)), pca, build_index(pca.encode(part.x))
    )
    near = Neighbours(torch.tensor([[2, 0]]), torch.tensor([[0.5, 0.75]]))
    assert tabulate_results(found, near).to_dict("list") == {
        "row": [2, 0],
        "distance": [0.5, 0.75],
        "name": ["z", "x"],
        "class": ["dog", "cat"],
    }


def test_two_good_pictures_beside_two_bad_ones_are_searched_without_a_librarys_sentence(
    trained, no_shipped, open_page, tmp_path
):
    trained("vanilla")
    good = [encode_picture("L", (8, 8), shade) for shade in (20, 200)]
    files = {"1.png": good[0], "2.png": good[1], "3.png": good[0][:50], "4.png": b"no picture"}
    one = bring_data("pets.zip", pack_zip(files))
    for number in ("0", "1"):
        app = open_page("apply_search.py", inputs=one.token, collection="the inputs", number=number)
        assert not app.exception and not app.error
        texts = read_texts(app)
        assert "among the 2 of the pets.zip" in texts and "its content is not an image" in texts
        assert not any(word in texts for word in ("BytesIO", "cannot identify", "broken", "index"))
