"""The Data page: own data is shown as understood, trained on and deleted without a trace."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pytest

from aecore.data.datasets import load_dataset
from aecore.errors import DataError
from aecore.runs.keeping import open_thing
from aecore.runs.ownership import claim_folder
from aecore.runs.uploads import create_upload, find_upload, guess_settings
from aecore.tasks.apply import choose_output
from tests.app.conftest import finish_jobs
from tests.app.test_my_things_page import tick
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


def edit_kinds(app, **kinds):
    """Choose kinds in the table of columns, as the browser tells it."""
    editor = app.dataframe[0]
    places = {name: str(place) for place, name in enumerate(editor.value["column"])}
    rows = {places[name]: {"read as": kind} for name, kind in kinds.items()}
    states = app._tree.get_widget_states()
    edited = {"edited_rows": rows, "added_rows": [], "deleted_rows": []}
    states.widgets.add(id=editor.proto.id, string_value=json.dumps(edited))
    return app._run(states)


def read_kinds(app):
    return app.dataframe[0].value.set_index("column")["read as"].to_dict()


def count_parses(monkeypatch):
    """Returns the names of the files that are parsed from now on."""
    from aecore.data.tables import reading as tables

    parsed, open_table = [], tables.open_table
    monkeypatch.setattr(tables, "open_table", lambda p: parsed.append(p.name) or open_table(p))
    return parsed


def read_texts(app):
    return " ".join(
        str(e.value) for e in [*app.markdown, *app.caption, *app.info, *app.warning, *app.error]
    )


def find_button(app, label):
    return next(b for b in app.button if label in b.label)


def test_a_first_visit_says_what_can_be_brought_and_how_much(open_page):
    app = open_page("data.py")
    assert not app.exception
    assert "GB once decoded. Stored on this machine" in read_texts(
        app
    ) and "come with the app" in read_texts(app)
    assert len(app.image) == 2 and len(app.dataframe) == 1


PEOPLE_KINDS = {
    "age": "number",
    "city": "category",
    "note": "id",
    "one": "ignored",
    "class": "target",
}


def test_a_table_is_shown_by_what_its_columns_are_read_as(open_page):
    bring_data("people.csv", PEOPLE.encode())
    app = open_page("data.py")
    assert not app.exception and not app.error
    assert read_kinds(app) == PEOPLE_KINDS
    notes = app.dataframe[0].value.set_index("column")["note"]
    assert "60 different words" in notes["note"]
    assert "Inputs: 2 of 5 columns. Left out: note, one." in read_texts(app)
    assert [metric.value for metric in app.metric] == ["48", "12", "3", "2", "none"]


def test_a_long_note_on_a_column_is_below_the_table_in_full(open_page):
    bring_data("people.csv", PEOPLE.encode())
    app = open_page("data.py")
    notes = app.dataframe[0].value.set_index("column")["note"]
    below = read_texts(app).replace("\\", "")
    assert len(notes["note"]) > 50 and f"'note': {notes['note']}" in below
    assert f"'one': {notes['one']}" not in below


def test_another_kind_is_kept_and_the_other_columns_stay_as_they_are(open_page):
    one = bring_data("people.csv", PEOPLE.encode())
    app = edit_kinds(open_page("data.py"), city="ignored", one="number")
    assert not app.exception and not app.error
    assert read_kinds(app) == PEOPLE_KINDS | {"city": "ignored", "one": "number"}
    assert "60 different words" in app.dataframe[0].value["note"][2]
    columns = find_upload(one.token).config().columns
    assert columns["city"].kind == "ignored" and len(columns) == 5
    app = edit_kinds(app, city="category", one="ignored")
    assert read_kinds(app) == PEOPLE_KINDS
    assert find_upload(one.token).config().columns["city"].categories == ("Oslo", "Rome")


def test_another_label_makes_the_former_one_an_input_again(open_page):
    one = bring_data("people.csv", PEOPLE.encode())
    app = edit_kinds(open_page("data.py"), city="target")
    assert read_kinds(app) == PEOPLE_KINDS | {"city": "target", "class": "category"}
    assert find_upload(one.token).config().label == "city"
    app = edit_kinds(app, city="category")
    assert "target" not in read_kinds(app).values()
    assert find_upload(one.token).config().label == ""
    label = next(box for box in app.selectbox if box.label == "Label")
    app = label.set_value(4).run()
    assert read_kinds(app) == PEOPLE_KINDS
    assert find_upload(one.token).config().label == "class"


def test_a_column_that_looks_like_a_label_is_said_before_one_trains_until_it_is_chosen(open_page):
    flags = [int(i % 20 == 0) for i in range(60)]
    rows = "".join(f"{i**1.5},{flag}\n" for i, flag in enumerate(flags))
    one = bring_data("payments.csv", f"amount,is_fraud\n{rows}".encode())
    app = open_page("data.py", own=one.token)
    assert not app.exception and not app.error
    assert "'is_fraud' looks like a label" in app.warning[0].value
    assert read_texts(app).count("looks like a label") == 1
    app = next(box for box in app.selectbox if box.label == "Label").set_value(1).run()
    assert not app.exception and not app.error and not app.warning


def test_a_kind_that_cannot_be_is_refused_in_a_sentence_and_the_former_one_kept(open_page):
    one = bring_data("people.csv", PEOPLE.encode())
    before = one.config()
    app = edit_kinds(open_page("data.py"), city="date")
    assert not app.exception and "'city' holds no dates" in app.error[0].value
    assert read_kinds(app) == PEOPLE_KINDS and one.config() == before
    assert not app.run().error


DAYS = "day,size,value\n" + "".join(
    f"{1 + i % 28:02d}.{1 + i % 12:02d}.2024,{('low', 'mid', 'high')[i % 3]},{i * i}\n"
    for i in range(60)
)


def test_what_a_date_becomes_and_the_order_of_words_can_be_chosen(open_page):
    one = bring_data("days.csv", DAYS.encode())
    app = open_page("data.py")
    app.pills[0].set_value(["year", "weekday"]).run()
    assert not app.exception
    assert one.config().columns["day"].parts == ("year", "weekday")
    app.pills[0].set_value([]).run()
    assert one.config().columns["day"].parts == ("year", "weekday")
    app = edit_kinds(app, size="ordered")
    details = next(box for box in app.selectbox if box.label == "Dates and orders")
    assert details.options[details.index] == "size"
    assert find_button(app, "Use this order").disabled
    app.multiselect[0].set_value(["low", "mid", "high"]).run()
    find_button(app, "Use this order").click().run()
    assert one.config().columns["size"].categories == ("low", "mid", "high")
    assert one.config().columns["day"].parts == ("year", "weekday")


def test_a_table_is_parsed_once_and_once_more_for_another_kind(open_page, monkeypatch):
    one = bring_data("people.csv", PEOPLE.encode())
    parsed = count_parses(monkeypatch)
    app = open_page("data.py", own=one.token).run()
    open_page("train.py", data=one.token)
    assert parsed == ["people.csv"]
    app = edit_kinds(app, city="ignored").run()
    open_page("train.py", data=one.token)
    assert parsed == ["people.csv"] * 2


def test_rows_of_pixels_are_read_as_pictures_on_request(open_page):
    rng = np.random.default_rng(0)
    names = ["label", *(f"pixel{i}" for i in range(64))]
    rows = [[i % 3, *map(int, rng.integers(0, 256, 64))] for i in range(30)]
    text = "\n".join(",".join(map(str, row)) for row in [names, *rows])
    one = bring_data("train.csv", text.encode())
    app = open_page("data.py")
    assert "look like pictures of 8 x 8 pixels" in read_texts(app) and not app.image
    assert "data.pixels" not in read_texts(app)
    app = find_button(app, "Read as pictures").click().run()
    assert not app.exception and app.image and one.config().pixels == "pictures"
    assert [metric.value for metric in app.metric][2:] == ["8 x 8", "3"]
    assert open_page("train.py", data=one.token).selectbox(key="data").value == one.token
    app = find_button(app, "Read as rows of numbers").click().run()
    assert not app.image and one.config().pixels == "numbers"


def test_a_table_of_very_many_columns_is_shown_in_parts(open_page, monkeypatch):
    from ui.data import columns

    monkeypatch.setattr(columns, "COLUMNS_AT_ONCE", 2)
    one = bring_data("people.csv", PEOPLE.encode())
    app = open_page("data.py")
    assert list(app.dataframe[0].value["column"]) == ["age", "city"]
    app.selectbox(key=f"page-{one.token}").set_value(1).run()
    assert list(app.dataframe[0].value["column"]) == ["note", "one"]
    app = edit_kinds(app, note="text")
    assert one.config().columns["note"].kind == "text"


def test_pictures_are_shown_and_resized_on_request(open_page, tmp_path):
    names = [f"{kind}/{i}.png" for kind in "ab" for i in range(6)]
    pictures = dict.fromkeys(names, encode_picture("RGB", (40, 40)))
    pictures["a/wide.png"] = encode_picture("RGB", (90, 40))
    one = bring_data("pets.zip", pack_zip(pictures))
    app = open_page("data.py", own=one.token)
    assert not app.exception and app.image and "32 x 32" in [metric.value for metric in app.metric]
    size = next(box for box in app.selectbox if box.label == "Size")
    assert size.options[size.index] == "automatic: 32 x 32 pixels"
    assert "2 sizes, 40 x 40 to 90 x 40 pixels" in read_texts(app)
    app = size.set_value("16").run()
    assert not app.exception and "16 x 16" in [metric.value for metric in app.metric]
    size = next(box for box in app.selectbox if box.label == "Size")
    app = size.set_value("original").run()
    assert not app.error and "wide.png" in read_texts(app) and one.config().side is None


def test_train_on_this_leads_to_the_form_with_the_set_chosen(open_page):
    one = bring_data("people.csv", PEOPLE.encode())
    app = find_button(open_page("data.py"), "Train on this").click().run()
    assert not app.exception
    app = open_page("train.py", data=one.token)
    assert not app.exception and not app.error
    assert app.selectbox(key="data").value == one.token
    assert "48 training and 12 test examples of 3 columns" in read_texts(app)


@pytest.mark.parametrize(
    ("label", "output"), [("Find odd rows", "scores"), ("Fill missing cells", "filled")]
)
def test_a_table_starts_a_run_for_what_it_was_brought_for(open_page, monkeypatch, label, output):
    one, started = bring_data("people.csv", PEOPLE.encode()), []
    monkeypatch.setattr("ui.kit.task_page.start_run", started.append)
    app = find_button(open_page("data.py", own=one.token), label).click().run()
    assert not app.exception and not app.error
    config = started[0].config()
    assert choose_output(config) == output and config.data.name == one.config().name


def test_deleting_removes_the_files(open_page):
    one = bring_data("people.csv", PEOPLE.encode())
    app = find_button(open_page("data.py", own=one.token), "Delete for good").click().run()
    assert not app.exception and not one.path.exists()
    assert "come with the app" in read_texts(app)


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


def test_deleting_a_set_names_the_runs_that_need_it_and_these_cannot_be_resumed(
    open_page, trained, visit_as
):
    upload = bring_data("rows.npz", npz(x=np.random.default_rng(0).random((60, 8))))
    run = trained("vanilla", str(upload.source.resolve()))
    other = trained("vanilla", str(upload.source.resolve()))
    alice = visit_as("alice").owner
    claim_folder(upload.path, alice)
    claim_folder(run.path, alice)
    claim_folder(other.path, "bob")
    assert "of your runs" not in read_texts(open_page("data.py", own=upload.token))
    for each in (run, other):
        each.write_state(state="queued", processes=1, since=time.time())
    app = open_page("data.py", own=upload.token)
    assert "1 of your runs waits for these data or trains on them" in read_texts(app)
    things = tick(open_page("my_things.py"), open_thing(upload.path, is_run=False))
    assert "1 of your runs waits" in read_texts(things)
    next(button for button in app.button if button.label == "Delete for good").click().run()
    with pytest.raises(DataError, match="are not here"):
        load_dataset(run.config().data)
    run.write_state(state="failed")
    app = open_page("train.py", run=run.id)
    assert next(button for button in app.button if button.label == "Resume").disabled
    assert "The data of this run were deleted" in read_texts(app)


@pytest.mark.parametrize("token", ["../../..", "x", "%00"])
def test_a_hostile_token_in_the_link_shows_nothing(open_page, token):
    app = open_page("data.py", own=token)
    assert not app.exception


def test_a_set_is_fetched_although_its_field_changes_and_the_page_is_left(open_page, monkeypatch):
    go_on, people = threading.Event(), PEOPLE.encode()
    monkeypatch.setattr(
        "ui.data.bringing.fetch_new_set",
        lambda *_: bring_data("people.csv", people) if go_on.wait(300) else None,
    )
    app = open_page("data.py")
    app.text_input(key="hub_data").set_value("alice/people").run()
    app = find_button(app, "Fetch").click().run()
    app.text_input(key="hub_data").set_value("alice/others").run()
    is_off = find_button(app, "Fetch").disabled
    app.switch_page("train.py").run()
    go_on.set()
    app = finish_jobs(app.switch_page("data.py").run())
    assert not app.exception and is_off
    assert app.selectbox(key="own").options == ["people.csv"]


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
