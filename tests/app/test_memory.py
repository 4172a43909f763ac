"""What the server keeps in memory for its visitors: bounded by bytes, whose it is, and how long."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
import torch
from starlette.applications import Starlette
from starlette.testclient import TestClient

from aecore.errors import RoomError
from aecore.runs.ownership import change_owner_record, claim_folder
from tests.app.test_data_page import bring_data, npz
from tests.app.test_latent_page import read_pack
from ui.apply_denoise.denoised import load_linear_denoiser
from ui.apply_denoise.noise import make_noise
from ui.apply_features.codes import make_input_table
from ui.hub import pushing
from ui.kit import explorer, memory
from ui.kit.cache import get_dataset, get_model, load_cached_data
from ui.kit.explorer import PromisedPacks, promised_packs
from ui.kit.inputs import Inputs
from ui.kit.memory import MemoryStore, Origin, find_origin, forget_deleted, memory_store
from ui.kit.routes import PACK_ROUTE
from ui.kit.sessions import session_watch
from ui.kit.sizes import count_bytes

MB = 10**6
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def store(monkeypatch):
    """An empty store with a budget of 10 MB."""
    monkeypatch.setenv("AECORE_DECODED_MB", "10")
    return MemoryStore()


def make_block(megabytes=4):
    return np.zeros(megabytes * MB, np.uint8)


def count_tensor_bytes():
    """The bytes of all tensors that there are."""
    gc.collect()
    storages = [item.untyped_storage() for item in gc.get_objects() if type(item) is torch.Tensor]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


# -- the limit


def test_small_files_that_decode_large_fill_no_more_than_the_limit(
    open_page, visit_as, monkeypatch
):
    monkeypatch.setenv("AECORE_DECODED_MB", "30")
    before, file = count_tensor_bytes(), npz(x=np.zeros((4800, 32, 32), np.uint8))
    assert len(file) < 0.02 * MB
    for i in range(8):  # of 5 MB each
        upload = bring_data("faces.npz", file)
        claim_folder(upload.path, visit_as(f"visitor {i}").owner)
        app = open_page("data.py", own=upload.token)
        assert not app.exception and not app.error
    del app
    assert count_tensor_bytes() - before <= 30 * MB


def test_a_set_larger_than_the_limit_is_refused_before_it_is_decoded(
    open_page, visit_as, monkeypatch
):
    upload = bring_data("faces.npz", npz(x=np.zeros((1000, 32, 32), np.uint8)))
    claim_folder(upload.path, visit_as("alice").owner)
    monkeypatch.setenv("AECORE_DECODED_MB", "1")
    assert "in memory, more than the limit of" in open_page("data.py").error[0].value


def test_a_value_that_finds_no_room_is_returned_or_refused(store):
    value = store.load("large", lambda: make_block(11))
    assert len(value) == 11 * MB and store.count_kept() == 0
    with pytest.raises(RoomError, match="take 11 MB of memory, and there is no room"):
        store.load("brought", lambda: make_block(11), must_fit=True)


def test_what_was_not_used_for_longest_goes_first(store):
    for name in ("one", "two"):
        store.keep(name, make_block())
    store.get("one")
    assert store.keep("three", make_block()) and store.count_kept() < 10 * MB
    assert store.get("one") and not store.get("two") and store.get("three")


def test_what_visitors_who_left_had_brought_goes_before_all_else(store, monkeypatch):
    monkeypatch.setitem(session_watch.visitors, "a session", ("alice",))
    for key, owner in (("shared", ""), ("hers", "alice"), ("his", "bob")):
        store.keep(key, make_block(3), Origin((owner,) if owner else ()))
    assert store.keep("new", make_block(3))
    assert [key for key in ("shared", "hers", "his") if store.get(key)] == ["shared", "hers"]


def test_what_a_page_still_uses_counts_after_it_was_dropped(store):
    used = store.load("one", lambda: make_block(6))
    with pytest.raises(RoomError):
        store.load("two", lambda: make_block(6), must_fit=True)
    del used
    assert len(store.load("two", lambda: make_block(6), must_fit=True)) == 6 * MB


def test_one_who_asks_for_the_same_waits_and_others_do_not(store):
    begun, go_on, made = threading.Event(), threading.Event(), []

    def compute():
        begun.set()
        assert go_on.wait(300)
        made.append(make_block(1))
        return made[-1]

    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(store.load("same", compute)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    assert begun.wait(300)
    assert store.load("other", lambda: 5) == 5  # while the first one computes
    go_on.set()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and all(answer is made[0] for answer in answers)


def test_what_failed_is_computed_again(store):
    with pytest.raises(ZeroDivisionError):
        store.load("key", lambda: 1 // 0)
    assert store.load("key", lambda: 3) == 3 == store.load("key", lambda: 4)


def test_values_expire(store):
    assert store.load("key", lambda: 1, seconds=0) == 1
    assert store.load("key", lambda: 2) == 2


# -- honest bytes


def test_bytes_are_counted_once_and_views_as_what_they_hold(tmp_path):
    rows = torch.zeros(MB)
    frame = pd.DataFrame({"word": ["x" * 1000] * 1000})
    array = np.zeros(MB)
    np.save(tmp_path / "stored.npy", array)
    for value, size in [
        (rows, 4 * MB),
        ([rows, rows[:1], {"again": rows.view(10, -1)}], 4 * MB),
        (array[::2], 8 * MB),
        (torch.nn.Linear(1000, 1000), 4 * MB),
        (frame, MB),
        ({"text": "x" * MB}, MB),
        (Inputs("few", rows[:2], None, (), (), None, ""), 4 * MB),
        (np.load(tmp_path / "stored.npy", mmap_mode="r"), 0),
    ]:
        assert size <= count_bytes(value) < size + 0.15 * MB


# -- whose it is


def test_a_private_run_has_its_owner_in_the_key_and_a_public_one_nobody(
    trained, visit_as, no_shipped
):
    run, alice = trained(), visit_as("alice").owner
    claim_folder(run.path, alice)
    for named in ([run], [run.path], [str(run.path)], [((str(run.path), 0.5), "digits")]):
        assert find_origin(named) == Origin((alice,), (run.path,))
    change_owner_record(run.path, published=True)
    assert find_origin([run]).owners == ()
    upload = bring_data("rows.npz", npz(x=np.eye(20, 3)))
    claim_folder(upload.path, alice)
    assert find_origin([upload.config()]) == Origin((alice,), (upload.path.resolve(),))


def test_data_of_one_name_and_two_visitors_are_two(visit_as):
    noise, linear = make_noise("Gaussian", 0.5), {}
    for name, scale in (("alice", 1), ("mallory", 90)):
        x = np.random.default_rng(0).integers(0, scale + 1, (40, 8, 8)).astype(np.uint8)
        upload = bring_data("faces.npz", npz(x=x))
        claim_folder(upload.path, visit_as(name).owner)
        data = load_cached_data(upload.config())
        key = (upload.config(), data.name)
        linear[name] = load_linear_denoiser(key, noise.model_dump_json(), data, noise)
    assert linear["alice"] is not linear["mallory"]


def test_rows_of_equal_numbers_keep_their_own_words(trained, no_shipped):
    run, x = trained(), torch.zeros(2, 1, 8, 8)
    for name in ("alice", "mallory"):
        frame = pd.DataFrame({"who": [name, name]})
        table = make_input_table(run, Inputs("w.csv", x, None, (), (), frame, ""))
        assert table["who"].tolist() == [name, name]


def test_what_was_made_of_a_deleted_run_or_set_goes_with_it(trained, no_shipped):
    upload = bring_data("rows.npz", npz(x=np.eye(60, 5)))
    run = trained("vanilla", str(upload.source.resolve()))
    get_model(run), get_dataset(run)

    def list_folders():
        return {folder for entry in memory_store.kept.values() for folder in entry.origin.folders}

    assert {run.path, upload.path.resolve()} <= list_folders()
    upload.delete()
    run.delete()
    forget_deleted()
    assert not {run.path, upload.path.resolve()} & list_folders()


def test_a_message_that_clears_caches_clears_nothing_of_ours(trained, no_shipped):
    run = trained()
    model, data = get_model(run), get_dataset(run)[0]
    st.cache_data.clear()  # what Streamlit does for the message clear_cache of any browser
    st.cache_resource.clear()
    assert get_model(run) is model and get_dataset(run)[0] is data
    files = [PROJECT / "app.py", *(PROJECT / "ui").rglob("*.py"), *(PROJECT / "pages").glob("*.py")]
    assert not [file for file in files if "st.cache_" in file.read_text().split('"""', 2)[-1]]


# -- files and models


def test_one_page_as_a_zip_serves_all_who_ask_for_it(trained, no_shipped, monkeypatch):
    run, made, answers = trained(), [], []
    options = pushing.PageOptions(thumbnails=False, trainable=False)
    zip_static_page = pushing.zip_static_page

    def make(run, **options):
        made.append(run)
        return zip_static_page(run, **options)

    monkeypatch.setattr(pushing, "zip_static_page", make)
    threads = [
        threading.Thread(target=lambda: answers.append(pushing.zip_page(run, options)))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and len(answers) == 12
    assert all(answer.size > 50_000 and count_bytes(answer) < 10_000 for answer in answers)


def test_a_model_is_had_for_as_long_as_its_run_may_be_seen(
    open_page, trained, visit_as, no_shipped
):
    run, alice = trained(), visit_as("alice").owner
    claim_folder(run.path, alice, published=True)
    visit_as("mallory")
    token = read_pack(open_page("latent.py"))[1]["token"]
    client = TestClient(Starlette(routes=[PACK_ROUTE]))
    assert client.get(f"/explorer/{token}").status_code == 200
    change_owner_record(run.path, published=False)
    assert client.get(f"/explorer/{token}").status_code == 404
    visit_as("alice")
    own_token = read_pack(open_page("latent.py"))[1]["token"]
    assert own_token != token and promised_packs.get(own_token)


def test_one_visitor_takes_no_promises_from_another(trained, visit_as, no_shipped, monkeypatch):
    run, packs, tokens = trained(), PromisedPacks(), {}
    visitors = {name: visit_as(name) for name in ("alice", "mallory")}
    claim_folder(run.path, visitors["alice"].owner)
    change_owner_record(run.path, link="a link")
    for name, count in (("alice", 1), ("mallory", packs.MAX_PROMISED + 1)):
        visitor = visitors[name].__class__(visitors[name].ids, frozenset(["a link"]))
        monkeypatch.setitem(session_watch.visitors, name, visitor.ids)
        monkeypatch.setattr(explorer, "get_visitor", lambda visitor=visitor: visitor)
        tokens[name] = [packs.promise(run.path, str(i), str.encode) for i in range(count)]
    assert tokens["alice"][0] != tokens["mallory"][0]
    assert packs.get(tokens["alice"][0]) == tokens["alice"][0].encode()
    assert packs.get(tokens["mallory"][0]) is None and packs.get(tokens["mallory"][-1])


def test_built_models_are_within_the_limit_and_built_again(trained, no_shipped, monkeypatch):
    monkeypatch.setattr(explorer, "memory_store", MemoryStore())
    monkeypatch.setattr(memory, "read_memory_budget", lambda: 10 * MB)
    run, packs, made = trained(), PromisedPacks(), []
    build = lambda token: made.append(token) or bytes(4 * MB)  # noqa: E731
    tokens = [packs.promise(run.path, str(i), build) for i in range(3)]
    for token in [*tokens, tokens[2], tokens[0]]:
        assert len(packs.get(token)) == 4 * MB
    assert made == [*tokens, tokens[0]] and explorer.memory_store.count_kept() < 10 * MB
