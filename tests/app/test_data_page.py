"""The Data page: own data is shown as understood, trained on and deleted without a trace."""

from __future__ import annotations

import numpy as np
import pytest

from aecore.runs.ownership import claim_folder
from aecore.runs.uploads import create_upload, find_upload, guess_settings
from tests.app.conftest import finish_jobs
from tests.hub.loopback import LoopbackHub
from tests.hub.test_hub_data import encode_table
from tests.test_data_images import encode_picture, pack_zip

PEOPLE = "age,city,note,one,class\n" + "".join(
    f"{i},{'Rome' if i % 3 else 'Oslo'},text {i},1,{'a' if i % 2 else 'b'}\n" for i in range(60)
)


def bring_data(name, content):
    one = create_upload()
    with one.receiving(name) as file:
        file.write(content)
    one.save(guess_settings(one))
    return one


def read_texts(app):
    return " ".join(
        str(e.value) for e in [*app.markdown, *app.caption, *app.info, *app.warning, *app.error]
    )


def find_button(app, label):
    return next(b for b in app.button if label in b.label)


def test_a_first_visit_says_what_can_be_brought_and_how_much(open_page):
    app = open_page("data.py")
    assert not app.exception
    assert "512 MB a set" in read_texts(app) and "Bring a zip of pictures" in app.info[0].value


def test_a_table_is_shown_by_what_its_columns_are_read_as(open_page):
    bring_data("people.csv", PEOPLE.encode())
    app = open_page("data.py")
    assert not app.exception and not app.error
    used = app.dataframe[0].value.set_index("column")["read as"].to_dict()
    assert used == {
        "age": "number",
        "city": "category",
        "note": "id",
        "one": "ignored",
        "class": "target",
    }
    assert "'note': 60 different words" in read_texts(app)
    assert [metric.value for metric in app.metric] == ["48", "12", "3 columns", "2", "none"]


def test_another_class_column_is_kept(open_page):
    one = bring_data("people.csv", PEOPLE.encode())
    app = open_page("data.py", own=one.token)
    app.selectbox(key=f"label-{one.token}").set_value("city").run()
    assert not app.exception and find_upload(one.token).config().label == "city"


def test_pictures_are_shown_and_resized_on_request(open_page, tmp_path):
    names = [f"{kind}/{i}.png" for kind in "ab" for i in range(6)]
    one = bring_data(
        "pets.zip",
        pack_zip(tmp_path, dict.fromkeys(names, encode_picture("RGB", (40, 40)))).read_bytes(),
    )
    app = open_page("data.py", own=one.token)
    assert not app.exception and app.image and "40 x 40" in [metric.value for metric in app.metric]
    app.selectbox(key=f"side-{one.token}").set_value(16).run()
    assert not app.exception and "16 x 16" in [metric.value for metric in app.metric]


def test_train_on_this_leads_to_the_form_with_the_set_chosen(open_page):
    one = bring_data("people.csv", PEOPLE.encode())
    app = find_button(open_page("data.py"), "Train on this").click().run()
    assert not app.exception
    app = open_page("train.py", data=one.token)
    assert not app.exception and not app.error
    assert app.selectbox(key="data").value == one.token
    assert "48 training and 12 test examples of (3,)" in read_texts(app)


def test_deleting_removes_the_files(open_page):
    one = bring_data("people.csv", PEOPLE.encode())
    app = find_button(open_page("data.py", own=one.token), "Delete for good").click().run()
    assert not app.exception and not one.path.exists()
    assert "Bring a zip of pictures" in app.info[0].value


def test_a_set_that_became_unreadable_is_explained_and_can_be_deleted(open_page):
    one = bring_data("people.csv", PEOPLE.encode())
    one.source.write_bytes(b"")
    app = open_page("data.py", own=one.token)
    assert not app.exception and "is empty" in app.error[0].value
    assert find_button(app, "Delete for good")


def test_on_a_space_a_visitor_sees_only_what_they_brought(open_page, visit_as):
    upload = bring_data("people.csv", PEOPLE.encode())
    claim_folder(upload.path, visit_as("alice").owner)
    assert open_page("data.py").selectbox(key="own").options == ["people.csv"]
    visit_as("mallory")
    assert not open_page("data.py").selectbox
    assert not open_page("data.py", own=upload.token).selectbox  # a token is a name, no permission
    assert upload.path.exists()


def test_a_run_on_brought_data_stays_hidden_when_the_data_are_gone(
    open_page, trained, visit_as, no_shipped
):
    upload = bring_data("rows.npz", npz(x=np.random.default_rng(0).random((60, 5))))
    run = trained("vanilla", str(upload.source.resolve()))
    alice = visit_as("alice").owner
    for folder in (upload.path, run.path):
        claim_folder(folder, alice)
    assert open_page("latent.py").selectbox(key="run").options == [run.id]
    visit_as("mallory")
    for _ in range(2):
        assert "No run has a model" in open_page("latent.py").info[0].value
        assert "No run has a model" in open_page("hub.py").info[0].value
        app = open_page("train.py", run=run.id)
        assert "that you may see" in app.error[0].value
        assert run.id not in [b.label for b in open_page("train.py").button]
        upload.delete()  # a run does not become public by that


def npz(**arrays):
    from ui.kit.examples import encode_npz

    return encode_npz(**arrays)


@pytest.mark.parametrize("token", ["../../..", "x", "%00"])
def test_a_hostile_token_in_the_link_shows_nothing(open_page, token):
    app = open_page("data.py", own=token)
    assert not app.exception


def test_a_set_of_the_hub_is_fetched_by_its_id(open_page, monkeypatch):
    with LoopbackHub(users={}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.datasets["alice/people"] = {"train": [encode_table(0, 60)]}
        app = open_page("data.py")
        app.text_input(key="hub_data").set_value("alice/people").run()
        app = finish_jobs(find_button(app, "Fetch").click().run()).run()
        assert not app.exception and app.selectbox(key="own").options == ["people.parquet"]
        app.text_input(key="hub_data").set_value("alice/none").run()
        app = finish_jobs(find_button(app, "Fetch").click().run())
        assert "does not exist" in app.error[0].value
