"""The Hub page, against a Hub on loopback."""

from __future__ import annotations

import os
import re
import shutil
import threading
from pathlib import Path

import pytest
from helpers import wait_for

from aecore.errors import AecoreError
from aecore.hub.push import push_run
from aecore.hub.spaces import publish_explorer
from aecore.runs.listing import list_runs, runs_folder
from aecore.runs.ownership import SEEN_FOLDER, digest_secret, read_owner_record
from tests.app.conftest import finish_jobs
from tests.hub.loopback import LoopbackHub
from tests.hub.pushed_runs import use_hub
from ui.kit.jobs import get_job_registry

TOKEN = "hf_alice"


@pytest.fixture
def loopback(monkeypatch):
    with LoopbackHub(users={TOKEN: "alice"}) as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        yield made


def find_button(app, label):
    return next(b for b in app.button if b.label == label)


def find_field(app, label):
    return next(t for t in app.text_input if t.label == label)


def finish(app):
    finish_jobs(app)
    assert not app.exception
    return app


def read_messages(app):
    return " ".join(
        str(e.value) for e in [*app.error, *app.success, *app.info, *app.caption, *app.markdown]
    )


def signed_in(app, token=TOKEN):
    find_field(app, "Access token").set_value(token)
    find_button(app, "Use this token").click().run()
    return finish(app)


def test_a_right_token_is_greeted_by_name(open_page, loopback):
    app = signed_in(open_page("hub.py"))
    assert "Signed in as **alice**" in read_messages(app)


def test_a_wrong_token_gives_a_sentence_and_can_be_typed_again(open_page, loopback):
    app = signed_in(open_page("hub.py"), "hf_wrong")
    assert "does not accept this login" in read_messages(app)
    app = signed_in(app)
    assert "Signed in as **alice**" in read_messages(app)


def test_the_token_is_neither_shown_nor_in_the_address(open_page, loopback):
    app = signed_in(open_page("hub.py"))
    assert TOKEN not in read_messages(app)
    assert TOKEN not in str(app.query_params)


def test_a_run_is_pushed_and_pulled_back(open_page, loopback, trained):
    run = trained()
    app = signed_in(open_page("hub.py"))
    next(s for s in app.selectbox if s.label == "Run").set_value(run.id).run()
    find_button(app, "Push").click().run()
    assert "Pushed" in read_messages(finish(app))
    repo = f"alice/{run.id}"
    assert repo in loopback.repos
    next(t for t in app.text_input if t.key == "pull_repo").set_value(repo)
    next(b for b in app.button if b.label == "Pull").click().run()
    assert "is here" in read_messages(finish(app))
    assert (runs_folder() / f"alice--{run.id}" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("label", "call"),
    [
        ("Search", "pulling.search_models"),
        ("Pull", "pulling.pull_run"),
        ("Push", "pushing.push_run"),
        ("Publish", "pushing.publish_explorer"),
        ("As a .zip", "pushing.zip_page"),
    ],
)
def test_a_button_waits_until_its_task_has_ended(
    open_page, loopback, trained, monkeypatch, label, call
):
    go_on = threading.Event()

    def work(*_, **__):
        go_on.wait(300)
        raise AecoreError("Enough.")

    monkeypatch.setattr(f"ui.hub.{call}", work)
    trained()
    app = signed_in(open_page("hub.py"))
    next(t for t in app.text_input if t.key == "pull_repo").set_value("alice/vae")
    find_button(app, label).click().run()
    is_off = find_button(app, label).disabled
    go_on.set()
    assert "Enough." in read_messages(finish(app))
    assert is_off and not find_button(app, label).disabled


def test_a_pulled_run_that_was_deleted_is_no_longer_offered(open_page, loopback, trained):
    push_run(trained(), "alice/vae", token=TOKEN)
    app = open_page("hub.py")
    next(t for t in app.text_input if t.key == "pull_repo").set_value("alice/vae")
    find_button(app, "Pull").click().run()
    assert "is here" in read_messages(finish(app))
    shutil.rmtree(runs_folder() / "alice--vae")
    app.run()
    assert not app.exception and "is here" not in read_messages(app)


def test_whose_token_it_is_becomes_known_on_any_page(open_page, loopback, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr("ui.kit.hub_account.name_of_token", lambda _: go_on.wait(300) and "alice")
    app = open_page("hub.py")
    find_field(app, "Access token").set_value(TOKEN)
    find_button(app, "Use this token").click().run()
    app.switch_page("data.py").run()
    assert "hub-results-of" not in app.session_state
    go_on.set()
    wait_for(lambda: not get_job_registry().working, "the Hub has answered")
    assert app.run().session_state["hub-results-of"] == "alice"


def test_the_card_on_the_page_is_the_one_that_is_pushed(open_page, loopback, trained, tmp_path):
    table = tmp_path / "own folder" / "own.csv"
    table.parent.mkdir()
    table.write_text("a,b,c\n" + "\n".join(f"{i},{i % 7},{i % 3}" for i in range(60)))
    run = trained("vanilla", str(table))
    repo = f"alice/{run.id}"
    publish_explorer(run, repo, token=TOKEN)
    app = signed_in(open_page("hub.py"))
    next(s for s in app.selectbox if s.label == "Run").set_value(run.id).run()
    shown = next(m.value for m in app.markdown if "## Parts" in m.value)
    find_button(app, "Push").click().run()
    assert "Pushed" in read_messages(finish(app))
    pushed = loopback.repos[repo].at("main").files["README.md"].data.decode()
    assert (
        shown
        == re.sub(r"^(#+ )", r"###\1", pushed.split("---\n", 2)[2], flags=re.MULTILINE).strip()
    )
    assert "Explore it in the browser" in shown and "own folder" not in shown


def test_a_missing_repository_is_named(open_page, loopback):
    app = open_page("hub.py")
    next(t for t in app.text_input if t.key == "pull_repo").set_value("alice/nothing")
    find_button(app, "Pull").click().run()
    assert "alice/nothing does not exist" in read_messages(finish(app))


def test_search_finds_what_was_pushed(open_page, loopback, trained):
    push_run(trained(), "alice/small-vae", token=TOKEN)
    app = open_page("hub.py", search="small")
    find_button(app, "Search").click().run()
    assert "alice/small-vae" in read_messages(finish(app))


def test_without_any_run_the_page_offers_to_train_one(open_page, loopback, no_shipped):
    app = open_page("hub.py")
    assert not app.exception
    assert "No run has a model yet" in read_messages(app)


def test_another_visitor_sees_no_result_of_the_first(open_page, loopback):
    signed_in(open_page("hub.py"))
    assert "alice" not in read_messages(open_page("hub.py"))


def test_a_hub_that_cannot_be_reached_gives_a_sentence(open_page, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    app = open_page("hub.py")
    find_button(app, "Search").click().run()
    assert "could not be reached" in read_messages(finish(app))


def test_forgetting_the_token_takes_away_what_it_showed(open_page, loopback, trained):
    push_run(trained(), "alice/secret-vae", token=TOKEN, private=True)
    app = signed_in(open_page("hub.py", search="secret"))
    find_button(app, "Search").click().run()
    assert "alice/secret-vae" in read_messages(finish(app))
    find_button(app, "Forget the token").click().run()
    assert "alice/secret-vae" not in read_messages(app)
    assert "alice" not in read_messages(app)
    assert find_field(app, "Access token").value == ""
    find_button(app, "Search").click().run()
    assert "No model of this library" in read_messages(finish(app))


def test_a_pinned_revision_is_pulled_beside_the_newest(open_page, loopback, trained):
    push_run(trained(), "alice/vae", token=TOKEN)
    pinned = loopback.repos["alice/vae"].at("main").sha
    app = open_page("hub.py")
    for revision in ("", pinned):
        next(t for t in app.text_input if t.key == "pull_repo").set_value("alice/vae")
        next(t for t in app.text_input if t.key == "pull_revision").set_value(revision)
        next(b for b in app.button if b.label == "Pull").click().run()
        assert "is here" in read_messages(finish(app))
    assert {run.id for run in list_runs()} >= {"alice--vae", f"alice--vae@{pinned}"}


def test_a_run_whose_data_is_not_here_can_be_pushed(open_page, loopback, trained, tmp_path):
    table = tmp_path / "own.csv"
    table.write_text("a,b,c\n" + "\n".join(f"{i},{i % 7},{i % 3}" for i in range(60)))
    run = trained("vanilla", str(table))
    table.unlink()
    (run.path / "metrics.jsonl").unlink()
    app = signed_in(open_page("hub.py"))
    next(s for s in app.selectbox if s.label == "Run").set_value(run.id).run()
    assert not app.error
    find_button(app, "Push").click().run()
    assert "Pushed" in read_messages(finish(app))


def test_an_explorer_is_published_and_had_as_a_zip(open_page, loopback, trained):
    run = trained()
    app = signed_in(open_page("hub.py"))
    next(s for s in app.selectbox if s.label == "Run").set_value(run.id).run()
    find_button(app, "Publish").click().run()
    assert f"Published: [{loopback.url}/spaces/alice/{run.id}]" in read_messages(finish(app))
    assert loopback.spaces[f"alice/{run.id}"].sdk == "static"
    find_button(app, "As a .zip").click().run()
    finish(app)
    assert [b for b in app.get("download_button") if b.label.startswith(f"{run.id}.zip")]
    assert TOKEN not in read_messages(app)


def test_publishing_needs_a_login_but_a_zip_does_not(open_page, loopback, trained):
    trained()
    app = open_page("hub.py")
    assert find_button(app, "Publish").disabled and not find_button(app, "As a .zip").disabled


def pull_as(open_page, visit_as, name, repo, token=None):
    """Pull a repository as a stranger of that name; returns the stranger and what the page says."""
    stranger = visit_as(name)
    app = open_page("hub.py")
    if token:
        signed_in(app, token)
    next(t for t in app.text_input if t.key == "pull_repo").set_value(repo)
    next(b for b in app.button if b.label == "Pull").click().run()
    return stranger, read_messages(finish(app))


def test_strangers_who_pull_the_same_model_each_get_a_run_of_their_own(
    open_page, loopback, trained, visit_as
):
    push_run(trained(), "alice/vae", token=TOKEN)
    for name in ("ann", "ben", "ann"):
        assert "is here" in pull_as(open_page, visit_as, name, "alice/vae")[1]
    runs = [run for run in list_runs() if run.id.startswith("alice--vae-")]
    owners = [visit_as(name) for name in ("ann", "ben")]
    assert [sum(who.owns(run.path) for run in runs) for who in owners] == [2, 1]
    assert not [run for run in runs if all(who.may_see(run.path) for who in owners)]


def test_nothing_of_a_private_model_is_left_for_the_next_visitor(
    open_page, loopback, trained, visit_as, tmp_path, monkeypatch
):
    use_hub(monkeypatch, loopback.url, tmp_path)
    push_run(trained(), "alice/secret", token=TOKEN, private=True)
    assert "is here" in pull_as(open_page, visit_as, "ann", "alice/secret", TOKEN)[1]
    assert not (tmp_path / "cache").exists()
    hidden = [path.name for path in runs_folder().iterdir() if path.name.startswith(".")]
    assert hidden == [SEEN_FOLDER], "the draft is gone"
    (run,) = [run for run in list_runs() if run.id.startswith("alice--secret-")]
    assert read_owner_record(run.path).owner == digest_secret("account", "alice")
    ben, text = pull_as(open_page, visit_as, "ben", "alice/secret")
    assert "alice/secret does not exist on 127.0.0.1, or is private" in text
    assert not ben.may_see(run.path)
    assert not [run for run in list_runs() if ben.owns(run.path)]


def test_a_run_has_its_owner_from_the_moment_it_appears(
    open_page, loopback, trained, visit_as, monkeypatch
):
    push_run(trained(), "alice/vae", token=TOKEN)
    seen, rename = [], os.rename

    def look(draft, out):
        draft, out = Path(draft), Path(out)
        if out.parent == runs_folder():
            seen.append(read_owner_record(draft).owner)
        rename(draft, out)

    monkeypatch.setattr("aecore.runs.foreign.os.rename", look)
    ann, _ = pull_as(open_page, visit_as, "ann", "alice/vae")
    assert seen == [ann.owner]
