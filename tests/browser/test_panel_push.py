"""A model that was trained in a page is pushed to the Hub from there, with the visitor's token."""

from __future__ import annotations

import json
import zipfile
from contextlib import contextmanager

import pytest
import torch
from playwright.sync_api import expect

from aecore.explorer.static_page import export_static_page
from aecore.explorer.trainable import HUB
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import find_run
from tests.browser.panel import find_panel, press, wait_for_state
from tests.browser.serving import opened
from tests.hub.loopback import LoopbackHub

pytestmark = pytest.mark.browser

TOKEN, READ_TOKEN = "hf_alice", "hf_reader"
OTHER_MODEL = b"---\nlibrary_name: transformers\n---\n# Another model\n"
PLACES = """() => [location.href, document.cookie, ...[localStorage, sessionStorage].map((store) =>
  JSON.stringify(store)), document.documentElement.outerHTML].join("\\n")"""


@pytest.fixture
def hub():
    with LoopbackHub({TOKEN: "alice", READ_TOKEN: "alice"}, read_only=[READ_TOKEN]) as hub:
        yield hub


@pytest.fixture
def open_trained(lone_page, tmp_path, hub, monkeypatch):
    """Give `open()`: the panel of a page that knows this Hub, with a model of one epoch."""
    monkeypatch.setitem(HUB, "address", hub.url)
    run = find_run("digits-beta-vae")
    folder = export_static_page(run, tmp_path / "page", points=60, trainable=True).folder

    @contextmanager
    def open_page(reachable=hub.url):
        lone_page.goto("about:blank")
        address = f"{(folder / 'index.html').as_uri()}#data=draw&epochs=1"
        with opened(lone_page, address, reachable) as asked:
            panel = find_panel(lone_page, "fresh")
            press(panel, "Train")
            wait_for_state(panel, "done")
            panel.get_by_text("Push to the Hub").click()
            expect(panel.get_by_label("Repository")).to_have_value("shapes-vae")  # a task later
            yield panel, asked

    return open_page


def push(panel, token, repo):
    for field, text in {"Token": token, "Repository": repo}.items():
        panel.get_by_label(field).fill("")
        panel.get_by_label(field).press_sequentially(text)
    panel.get_by_label("Repository").press("Enter")


def save_zip(page, panel):
    with page.expect_download() as download:
        press(panel, "Download run")
    return zipfile.ZipFile(download.value.path())


def test_a_model_is_pushed_and_python_takes_it_from_the_hub(
    lone_page, open_trained, hub, monkeypatch, tmp_path
):
    with open_trained() as (panel, asked):
        before = set(asked)
        assert not any(url.startswith("http") for url in before)
        push(panel, TOKEN, "shapes-vae")
        panel.get_by_role("link", name="alice/shapes-vae").wait_for()
        assert {url for url in asked if url not in before} == {
            url for url in asked if url.startswith(hub.url)
        }
        assert panel.get_by_label("Token").input_value() == ""
        assert TOKEN not in lone_page.evaluate(PLACES)
        with save_zip(lone_page, panel) as archive:
            run = {name.split("/")[-1]: archive.read(name) for name in archive.namelist()}
    repo = hub.repos["alice/shapes-vae"]
    files = repo.at("main").files
    assert not repo.private and set(files) - {".gitattributes"} == {
        "README.md",
        "config.json",
        "metrics.jsonl",
        "model.safetensors",
    }
    assert files["model.safetensors"].lfs
    for name in ("config.json", "metrics.jsonl", "model.safetensors"):
        assert files[name].data == run[name]
    assert b'from_pretrained("alice/shapes-vae")' in files["README.md"].data
    assert not any(TOKEN.encode() in content for content in [*run.values()])
    assert not any(TOKEN.encode() in file.data for file in files.values())
    folder = tmp_path / "pushed"
    folder.mkdir()
    for name, file in files.items():
        (folder / name).write_bytes(file.data)
    assert Autoencoder.load(folder).sample(2).shape == torch.Size([2, 1, 8, 8])


def test_a_repository_of_ours_is_replaced_by_one_commit_and_its_old_previews_go(open_trained, hub):
    hub.put_file("alice/ae", "previews/3.safetensors", b"")
    hub.put_file("alice/ae", "README.md", b"---\nlibrary_name: aecore\n---\n")
    hub.put_file("alice/ae", "notes.txt", b"mine")
    with open_trained() as (panel, _):
        push(panel, TOKEN, "alice/ae")
        panel.get_by_role("link", name="alice/ae").wait_for()
        count = len(hub.repos["alice/ae"].revisions)
        push(panel, TOKEN, "alice/ae")  # the same weights are in the storage already
        panel.get_by_text("Asking the Hub").wait_for(state="detached")
        panel.get_by_role("link", name="alice/ae").wait_for()
    assert len(hub.repos["alice/ae"].revisions) == count + 1
    files = hub.repos["alice/ae"].at("main").files
    assert files["notes.txt"].data == b"mine" and "previews/3.safetensors" not in files
    assert json.loads(files["config.json"].data)["model"]["variant"] == "vae"


REFUSALS = [
    ("hf_unknown", "ae", "The Hub does not know this token."),
    (READ_TOKEN, "ae", "This token may read only."),
    (TOKEN, "bob/ae", "This token may not write to bob/ae."),
    (TOKEN, "alice/taken", "alice/taken holds another model already."),
    (TOKEN, "not a name", '"not a name" is no name of a repository.'),
    ("hf_ü", "ae", "Give a token of the Hub with write access"),
    (TOKEN, "", "Give a name for the repository."),
]


def test_what_is_refused_is_said_and_nothing_is_lost(lone_page, open_trained, hub):
    hub.put_file("alice/taken", "README.md", OTHER_MODEL)
    with open_trained() as (panel, _):
        for token, repo, sentence in REFUSALS:
            push(panel, token, repo)
            panel.get_by_text(sentence).wait_for()
            assert panel.get_by_label("Repository").input_value() == repo
        panel.get_by_label("Private").check()
        hub.put_file("alice/open", "notes.txt", b"")
        push(panel, TOKEN, "alice/open")
        panel.get_by_text("alice/open is public already.").wait_for()
        push(panel, TOKEN, "hidden")
        panel.get_by_role("link", name="alice/hidden").wait_for()
        assert hub.repos["alice/hidden"].private
        hub.stop()
        push(panel, TOKEN, "later")
        panel.get_by_text("cannot be reached from this page").wait_for()
        panel.get_by_text("Nothing is lost: push again, or download the run.").wait_for()
        assert panel.get_by_label("Token").input_value() == TOKEN
        with save_zip(lone_page, panel) as archive:
            assert archive.testzip() is None
    assert hub.repos["alice/taken"].at("main").files["README.md"].data == OTHER_MODEL
    assert set(hub.repos) == {"alice/taken", "alice/open", "alice/hidden"}


def test_the_page_reaches_the_hub_and_nobody_else(lone_page, open_trained, hub):
    with open_trained("http"):  # all is within reach of the tab, but not of the page
        blocked = lone_page.evaluate(
            """(address) => new Promise((resolve) => {
              const answers = [];
              addEventListener("securitypolicyviolation", ({ blockedURI }) => {
                if (answers.push(blockedURI) === 2) resolve(answers);
              });
              fetch(address).catch(() => {});
              new Image().src = address;
            })""",
            "http://elsewhere.test/picture.png",
        )
        assert blocked == ["http://elsewhere.test/picture.png"] * 2
        answer = "(address) => fetch(address).then(({ status }) => status)"
        assert lone_page.evaluate(answer, f"{hub.url}/api/whoami-v2") == 401
