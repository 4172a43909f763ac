"""My things: what is a visitor's own is shown, named, shared, downloaded and deleted by them."""

from __future__ import annotations

import io
import os
import re
import threading
import time
import zipfile

import numpy as np
import pytest
from helpers import tiny
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from aecore.files import OWNER_FILE
from aecore.runs.listing import create_run
from aecore.runs.ownership import (
    REFUSAL,
    change_owner_record,
    claim_folder,
    read_owner_record,
    seen_folder,
)
from aecore.runs.uploads import create_upload
from tests.app.conftest import finish_jobs
from ui.kit.operator import LONGEST_WAIT, SESSION_TRIES, TokenGate
from ui.kit.routes import ZIP_ROUTE
from ui.kit.visitor import OPERATOR
from ui.kit.zip_link import promised_zips
from ui.my_things.removal import remove_things
from ui.my_things.things import list_things

PAGE = "my_things.py"
TOKEN = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _no_orders():
    promised_zips.orders.clear()


def make_run(visitor, **changes):
    run = create_run(tiny())
    claim_folder(run.path, visitor.owner)
    run.write_state(state="done")
    if changes:
        change_owner_record(run.path, **changes)
    return run


def bring(visitor, name="people.csv"):
    upload = create_upload()
    with upload.receiving(name) as file:
        file.write(b"a,b\n1,2\n3,4\n")
    claim_folder(upload.path, visitor.owner)
    return upload


def read_texts(app):
    links = [element.proto.label for element in app.get("page_link")]
    elements = [*app.markdown, *app.caption, *app.info, *app.error]
    return " ".join([*links, *(str(element.value) for element in elements)])


def open_menu(app, thing):
    app.session_state[f"menu-{thing.path.name}"] = True
    return app.run()


def tick(app, *things):
    for thing in things:
        app.checkbox(key=f"tick-{thing.path.name}").check()
    return app.run()


def find_button(app, label):
    return next(button for button in app.button if button.label == label)


# -- what is shown


def test_a_first_visit_says_where_things_come_from(open_page, visit_as):
    visit_as("alice")
    app = open_page(PAGE)
    assert not app.exception and "Nothing yet" in app.info[0].value
    assert "Train a model" in read_texts(app) and "Bring data" in read_texts(app)


def test_visitors_see_what_is_theirs_and_nothing_of_others(open_page, visit_as):
    alice = visit_as("alice")
    run, upload = make_run(alice), bring(alice)
    texts = read_texts(open_page(PAGE))
    assert run.id in texts.replace("\\", "") and "people.csv" in texts.replace("\\", "")
    assert "1 run, 1 data set" in texts and "kept until" in texts and "of 300 MB" in texts
    visit_as("mallory")
    app = open_page(PAGE)
    texts = read_texts(app).replace("\\", "")
    assert not app.exception and run.id not in texts and upload.token not in texts
    change_owner_record(run.path, published=True)  # others' published things are not one's own
    assert run.id not in read_texts(open_page(PAGE)).replace("\\", "")


def test_at_home_all_things_are_shown_and_nothing_is_shared(open_page):
    run = create_run(tiny())
    run.write_state(state="done")
    app = open_menu(open_page(PAGE), run)
    texts = read_texts(app)
    assert not app.exception and run.id in texts.replace("\\", "") and "on this machine" in texts
    assert "kept until" not in texts and "Who may see it" not in texts and not app.toggle
    assert not any("Settings" in button.label for button in app.button)


def test_a_name_is_shown_as_text(open_page, visit_as):
    run = make_run(visit_as("alice"), title="![x](http://evil.example/x.png)", note="[a](b)")
    app = open_page(PAGE)
    assert not app.exception
    texts = read_texts(app)
    assert "evil.example" in texts and "Run" in texts and run.path.exists()
    assert not re.search(r"(?<!\\)\]\(", texts)  # no link, no picture


def test_the_page_of_a_run_shows_its_name_as_text_and_its_note_to_the_owner_alone(
    open_page, visit_as
):
    alice = visit_as("alice")
    run = make_run(alice, title="Best *one*", note="[a](b) for Bob")
    run.write_state(state="stopped")
    app = open_page("train.py", run=run.id)
    assert not app.exception
    assert app.subheader[0].value == r"Best \*one\*"
    assert r"*\[a\](b) for Bob*" in [caption.value for caption in app.caption]
    assert r"Delete **Best \*one\*** with its weights?" in [text.value for text in app.markdown]
    change_owner_record(run.path, published=True)
    visit_as("mallory")
    app = open_page("train.py", run=run.id)
    assert app.subheader[0].value == r"Best \*one\*"
    assert "for Bob" not in " ".join(caption.value for caption in app.caption)


def test_selections_are_listed_with_their_rows(open_page, visit_as):
    visit_as("alice")
    app = open_page(PAGE)
    app.session_state["selections"] = {("digits", "test"): {"odd ones": np.array([1, 4])}}
    texts = read_texts(app.run())
    assert not app.exception and "odd ones" in texts and "2 rows of the test set of digits" in texts


@pytest.mark.parametrize("page", [PAGE, "train.py", "data.py"])
def test_a_browser_without_cookies_is_told_that_all_ends_with_the_session(
    open_page, visit_as, page
):
    visit_as("")
    assert read_texts(open_page(page)).count("keeps no cookie") == 1
    visit_as("alice")
    assert "keeps no cookie" not in read_texts(open_page(page))


# -- names and sharing


def test_a_run_is_renamed_and_annotated(open_page, visit_as, trained):
    run = trained("vae")
    claim_folder(run.path, visit_as("alice").owner)
    app = open_menu(open_page(PAGE), run)
    app.text_input[0].input("  My first  ")
    app.text_area[0].input("Blurry.")
    find_button(app, "Save").click().run()
    assert not app.exception and read_owner_record(run.path).title == "My first"
    assert "**My first**" in read_texts(app) and "Blurry." in read_texts(app)
    assert "My first" in read_texts(open_page("generate.py", run=run.id))
    assert "My first" in read_texts(open_page("train.py"))


def test_a_run_is_shown_to_everybody_and_hidden_again(open_page, visit_as, no_shipped):
    run = make_run(visit_as("alice"))
    for is_public in (True, False):
        visit_as("alice")
        app = open_menu(open_page(PAGE), run)
        app.toggle[0].set_value(is_public).run()
        assert not app.exception and read_owner_record(run.path).published == is_public
        visit_as("mallory")
        assert bool(open_page("train.py", run=run.id).error) != is_public


def test_a_private_link_opens_a_run_until_it_is_revoked(open_page, visit_as, no_shipped):
    run = make_run(visit_as("alice"))
    app = open_menu(open_page(PAGE), run)
    find_button(app, "Private link").click().run()
    address = app.code[0].value
    assert not app.exception and address.startswith(f"/train?run={run.id}&key=")
    secret = address.rpartition("=")[2]
    assert secret not in (run.path / OWNER_FILE).read_text()  # its digest is kept alone
    visit_as("bob")
    assert not open_page("train.py", run=run.id, key=secret).error
    assert "may see" in open_page("train.py", run=run.id).error[0].value
    visit_as("alice")
    find_button(app.run(), "Revoke").click().run()
    assert not app.code
    visit_as("bob")
    assert open_page("train.py", run=run.id, key=secret).error


# -- downloads


def test_the_zip_of_a_page_is_for_its_browser_alone(open_page, visit_as):
    run, upload = make_run(visit_as("alice")), bring(visit_as("alice"))
    tick(open_page(PAGE), run, upload)
    (token,) = promised_zips.orders
    client = TestClient(Starlette(routes=[ZIP_ROUTE]))
    cookie = {"cookie": "aecore_visitor=alice"}
    answer = client.get(f"/things/{token}", headers=cookie)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
    assert f"{run.id}/config.json" in names and "people/people.csv" in names
    assert not any(OWNER_FILE in name for name in names)
    assert client.get(f"/things/{token}").status_code == 404
    stranger = {"cookie": "aecore_visitor=mallory"}
    assert client.get(f"/things/{token}", headers=stranger).status_code == 404
    assert client.get(f"/things/{upload.token}", headers=cookie).status_code == 404
    for path in (run.path, upload.path):  # they become somebody else's
        change_owner_record(path, owner="bob")
    assert client.get(f"/things/{token}", headers=cookie).status_code == 404


# -- deleting


def test_several_things_are_deleted_and_a_run_under_way_is_stopped(open_page, visit_as):
    alice = visit_as("alice")
    upload, live, kept = bring(alice), make_run(alice), make_run(alice)
    live.write_state(state="queued", processes=1, since=time.time())
    app = tick(open_page(PAGE), upload, live)
    assert "of your runs" not in read_texts(app)
    assert "2 ticked" in read_texts(app) and "What trains is stopped" in read_texts(app)
    find_button(app, "Delete for good").click().run()
    app = finish_jobs(app)
    assert not app.exception and not app.error
    assert not upload.path.exists() and not live.path.exists() and kept.path.exists()
    assert "1 run" in read_texts(app) and "ticked" not in read_texts(app)


def test_what_is_ticked_meanwhile_waits_until_the_first_is_deleted(
    open_page, visit_as, monkeypatch
):
    go_on = threading.Event()
    monkeypatch.setattr("ui.my_things.removal.remove_things", lambda *_: go_on.wait(300) and [])
    alice = visit_as("alice")
    first, second = make_run(alice), make_run(alice)
    app = tick(open_page(PAGE), first)
    find_button(app, "Delete for good").click().run()
    is_off = find_button(tick(app, second), "Delete for good").disabled
    go_on.set()
    assert is_off and not find_button(finish_jobs(app), "Delete for good").disabled


def test_nobody_else_deletes_a_thing(visit_as):
    alice, mallory = visit_as("alice"), visit_as("mallory")
    run, upload = make_run(alice, published=True), bring(alice)
    problems = remove_things(list_things(), mallory)
    assert len(problems) == 2 and all(REFUSAL in problem for problem in problems)
    assert run.path.exists() and upload.path.exists()


def test_deleting_data_never_widens_who_may_see_a_run_trained_on_it(
    open_page, visit_as, no_shipped, trained
):
    alice = visit_as("alice")
    upload = bring(alice, "rows.csv")
    (upload.path / "rows.csv").write_text(
        "a,b\n" + "".join(f"{i % 7},{i % 5}.5\n" for i in range(60))
    )
    run = trained("vanilla", str(upload.source.resolve()))
    claim_folder(run.path, alice.owner)
    assert remove_things(list_things(lambda path: path == upload.path), alice) == []
    assert not upload.path.exists() and run.path.exists()
    assert run.id in read_texts(open_page(PAGE)).replace("\\", "")
    visit_as("mallory")
    assert "may see" in open_page("train.py", run=run.id).error[0].value
    assert "No run has a model" in open_page("hub.py").info[0].value
    assert run.id not in read_texts(open_page("train.py")).replace("\\", "")


# -- the operator


def try_token():
    import streamlit as st

    from ui.kit.operator import try_operator_token

    st.session_state["answer"] = try_operator_token(st.session_state["token"])


@pytest.fixture
def gate(monkeypatch):
    monkeypatch.setenv("AECORE_OPERATOR_TOKEN", TOKEN)
    gate = TokenGate()
    monkeypatch.setattr("ui.kit.operator.token_gate", gate)
    monkeypatch.setattr("ui.kit.operator.FIRST_WAIT", 300.0)  # as long as any test may take
    return gate


def open_session(token):
    app = AppTest.from_function(try_token, default_timeout=300)
    app.session_state["token"] = token
    return app.run()


def test_the_operators_token_opens_and_a_wrong_one_lets_all_wait(gate, visit_as):
    visit_as("alice")
    assert "not the operator's" in open_session("guess").session_state["answer"]
    app = open_session(TOKEN)  # in another session, right but too early
    assert "Try again in" in app.session_state["answer"] and OPERATOR not in app.session_state
    gate.opens_at = -1.0
    assert app.run().session_state["answer"] == "" and app.session_state[OPERATOR]
    assert gate.enter(0.0) == 0.0  # a right one ends the waiting


def test_a_session_has_few_tries(gate, visit_as):
    visit_as("alice")
    app = open_session("guess")
    for _ in range(SESSION_TRIES - 1):
        gate.opens_at = 0.0
        app.run()
    gate.opens_at = 0.0
    app.session_state["token"] = TOKEN
    assert "No more tries" in app.run().session_state["answer"]
    assert OPERATOR not in app.session_state or not app.session_state[OPERATOR]


def test_guessing_becomes_slow_and_tries_at_one_moment_wait_for_each_other():
    gate, now, tries = TokenGate(), 0.0, 0
    while now < 86_400:  # a day of guessing as fast as is allowed
        now += gate.enter(now)
        tries += gate.enter(now) > 0
    assert tries < 400
    assert gate.enter(now) <= LONGEST_WAIT


def test_the_operator_sees_totals_by_visitor_and_sweeps(open_page, visit_as):
    alice, bob = visit_as("alice"), visit_as("bob")
    run, upload = make_run(alice), bring(bob)
    past = time.time() - 36 * 3600
    change_owner_record(upload.path, made=past)
    os.utime(seen_folder() / bob.owner, (past, past))
    visit_as("operator")
    assert not open_page(PAGE).dataframe
    app = open_page(PAGE)
    app.session_state[OPERATOR] = True
    app.run()
    table = app.dataframe[0].value
    assert not app.exception and sorted(table["runs"]) == [0, 1]
    assert set(table["visitor"]) == {alice.owner[:8], bob.owner[:8]}
    assert alice.owner not in str(table.to_dict())
    find_button(app, "Sweep now").click().run()
    app = finish_jobs(app)
    assert not upload.path.exists() and run.path.exists() and len(app.dataframe[0].value) == 1


def test_the_operator_deletes_what_belongs_to_anybody(open_page, visit_as):
    run = make_run(visit_as("alice"))
    visit_as("operator")
    app = open_page(PAGE)
    app.session_state[OPERATOR] = True
    app.session_state["owners"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    app = tick(app.run(), run)
    find_button(app, "Delete for good").click().run()
    finish_jobs(app)
    assert not run.path.exists()
