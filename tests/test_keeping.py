"""What is kept: counted by owner, refused in time, and swept when its owner stays away."""

from __future__ import annotations

import io
import math
import os
import threading
import time
import zipfile

import pytest
from helpers import tiny, trained

from aecore.errors import StorageError
from aecore.files import LOCK_FILE, OWNER_FILE, RESUME_FILE
from aecore.runs.archive import list_archived_files, stream_zip
from aecore.runs.keeping import (
    SETTLED_NANOSECONDS,
    estimate_run_bytes,
    list_things,
    measure_folder,
    sweep_absent,
)
from aecore.runs.listing import create_run, list_runs
from aecore.runs.ownership import (
    SEEN_SECONDS,
    Visitor,
    change_owner_record,
    claim_folder,
    digest_secret,
    note_visit,
    read_last_visit,
    seen_folder,
)
from aecore.runs.run import Run
from aecore.runs.storage import ledger, reserve_storage
from aecore.runs.uploads import create_upload

HOUR = 3600.0
DAY_AND_A_HALF = 36 * HOUR


@pytest.fixture(autouse=True)
def _public(monkeypatch):
    monkeypatch.setenv("AECORE_PUBLIC", "1")


@pytest.fixture
def alice():
    return Visitor((digest_secret("visitor", "alice"),))


@pytest.fixture
def bob():
    return Visitor((digest_secret("visitor", "bob"),))


def bring(visitor, size=1000, name="x.csv"):
    upload = create_upload()
    with upload.receiving(name) as file:
        file.write(bytes(size))
    claim_folder(upload.path, visitor.owner)
    return upload


def begin(visitor, config=None):
    """A run that waits for its turn."""
    run = create_run(config or tiny())
    claim_folder(run.path, visitor.owner)
    return run


def finish(visitor):
    run = begin(visitor)
    run.write_state(state="done")
    return run


def leave(visitor, seconds):
    """As if the visitor had come, and made all they have, that long ago."""
    past = time.time() - seconds
    os.utime(seen_folder() / visitor.owner, (past, past))
    for thing in list_things():
        if thing.record.owner == visitor.owner:
            change_owner_record(thing.path, made=past)


# -- sweeping


def test_what_an_absent_visitor_left_is_swept_the_oldest_first(alice, bob):
    old, new, others = finish(alice), bring(alice), finish(bob)
    leave(alice, DAY_AND_A_HALF)
    change_owner_record(new.path, made=time.time() - 25 * HOUR)
    swept = sweep_absent()
    assert [thing.path for thing in swept] == [old.path, new.path]
    assert not old.path.exists() and not new.path.exists() and others.path.exists()


def test_what_is_never_swept(alice, own_runs):
    published, live, operators = finish(alice), begin(alice), create_run(tiny())
    change_owner_record(published.path, published=True)
    operators.write_state(state="done")
    shipped = len([run for run in list_runs() if run.path.parent != own_runs])
    leave(alice, DAY_AND_A_HALF)
    assert sweep_absent() == []
    assert all(run.path.exists() for run in (published, live, operators))
    assert len([run for run in list_runs() if run.path.parent != own_runs]) == shipped
    live.write_state(state="stopped")
    assert [thing.path for thing in sweep_absent()] == [live.path]


def test_who_comes_back_keeps_all(alice):
    run = finish(alice)
    leave(alice, DAY_AND_A_HALF)
    note_visit(alice.ids)
    assert sweep_absent() == [] and run.path.exists()


def test_a_visit_is_written_down_once_a_minute_at_most(alice):
    note_visit(alice.ids)
    first = read_last_visit(alice.owner)
    recent = first - SEEN_SECONDS / 2
    os.utime(seen_folder() / alice.owner, (recent, recent))
    note_visit(alice.ids)
    assert read_last_visit(alice.owner) == recent
    os.utime(seen_folder() / alice.owner, (first - 2 * SEEN_SECONDS,) * 2)
    note_visit(alice.ids)
    assert read_last_visit(alice.owner) > recent


def test_visits_of_those_who_own_nothing_are_forgotten(alice, bob):
    note_visit([*alice.ids, *bob.ids])
    finish(bob)
    for visitor in (alice, bob):
        leave(visitor, DAY_AND_A_HALF)
    change_owner_record(list_things()[0].path, published=True)
    sweep_absent()
    assert not read_last_visit(alice.owner) and read_last_visit(bob.owner)


def test_at_home_nothing_is_swept(alice, monkeypatch):
    run = finish(alice)
    leave(alice, 1000 * HOUR)
    monkeypatch.setenv("AECORE_PUBLIC", "0")
    assert sweep_absent() == [] and run.path.exists()


# -- sizes and limits


def test_a_folder_is_read_again_only_after_it_changed(alice, monkeypatch):
    upload = create_upload()
    for number in range(3):
        with upload.receiving(f"{number}.png") as file:
            file.write(bytes(100))
    claim_folder(upload.path, alice.owner)
    images = upload.path / "images"
    settled = time.time_ns() - 2 * SETTLED_NANOSECONDS
    for folder in (upload.path, images):
        os.utime(folder, ns=(settled, settled))
    assert measure_folder(upload.path) == 300
    calls, scan = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: calls.append(path) or scan(path))
    assert measure_folder(upload.path) == 300 and not calls
    with upload.receiving("4.png") as file:
        file.write(bytes(100))
    assert measure_folder(upload.path) == 400 and calls


def test_a_visitor_has_room_for_so_much_and_others_for_theirs(alice, bob, monkeypatch):
    monkeypatch.setenv("AECORE_VISITOR_MB", "1")
    bring(alice, 900_000)
    refusal = r"for 200 kB more: you use 900 kB of 1 MB. Delete"
    with pytest.raises(StorageError, match=refusal), reserve_storage(alice, 200_000):
        pass
    with reserve_storage(alice, 50_000), reserve_storage(bob, 900_000):
        pass
    with pytest.raises(StorageError, match=r"Make it smaller"), reserve_storage(bob, 2_000_000):
        pass


def test_what_all_have_is_bounded_and_the_absent_go_before_anybody_is_refused(
    alice, bob, monkeypatch
):
    monkeypatch.setenv("AECORE_KEPT_MB", "1")
    left = bring(alice, 900_000)
    with (
        pytest.raises(StorageError, match="all visitors together use 900 kB of 1 MB"),
        reserve_storage(bob, 200_000),
    ):
        pass
    leave(alice, DAY_AND_A_HALF)
    with reserve_storage(bob, 200_000):
        assert not left.path.exists()


def test_room_that_is_being_filled_is_nobody_elses(alice, monkeypatch):
    monkeypatch.setenv("AECORE_VISITOR_MB", "1")
    tries, barrier, held = [], threading.Barrier(12), threading.Event()

    def write():
        barrier.wait()
        try:
            with reserve_storage(alice, 300_000):
                tries.append(True)
                held.wait()
        except StorageError:
            tries.append(False)

    threads = [threading.Thread(target=write) for _ in range(12)]
    for thread in threads:
        thread.start()
    while len(tries) < 12:
        time.sleep(0.001)
    held.set()
    for thread in threads:
        thread.join()
    assert sum(tries) == 3


def test_room_that_was_not_filled_is_free_again(alice, monkeypatch):
    monkeypatch.setenv("AECORE_VISITOR_MB", "1")
    monkeypatch.setattr("aecore.runs.storage.MEASURE_SECONDS", math.inf)
    for _ in range(3):
        with pytest.raises(ValueError), reserve_storage(alice, 900_000):
            raise ValueError
    with reserve_storage(alice, 900_000):
        assert ledger.read_room(alice) == 100_000
    assert ledger.read_room(alice) == 100_000  # counted as written until it is measured
    ledger.forget_measurement()
    assert ledger.read_room(alice) == 1_000_000  # nothing of it was on the disk


def test_one_visitor_with_two_ids_has_the_room_of_one(alice, monkeypatch):
    monkeypatch.setenv("AECORE_VISITOR_MB", "1")
    bring(alice, 900_000)
    signed_in = Visitor((digest_secret("account", "alice"), *alice.ids))
    with pytest.raises(StorageError), reserve_storage(signed_in, 200_000):
        pass


def test_a_run_counts_with_all_it_may_write_from_its_start(alice, monkeypatch):
    config = tiny(network={"kind": "mlp", "hidden": (1000,)})
    expected = estimate_run_bytes(config)
    assert expected > 16 * config.model.count_weights()
    monkeypatch.setenv("AECORE_VISITOR_MB", str(1.5 * expected / 1e6))
    run = begin(alice, config)
    with pytest.raises(StorageError), reserve_storage(alice, expected):
        pass
    run.write_state(state="done")  # it has written next to nothing
    with reserve_storage(alice, expected):
        pass


def test_a_trained_run_is_no_larger_than_was_expected(alice):
    config = tiny(training={"previews": 3})
    run = trained(config)
    assert measure_folder(run.path) <= estimate_run_bytes(config)


def test_at_home_nothing_is_refused(monkeypatch):
    monkeypatch.setenv("AECORE_PUBLIC", "0")
    with reserve_storage(Visitor(is_operator=True), 10**15):
        pass
    assert not seen_folder().exists()


# -- as a .zip


def test_a_zip_holds_what_a_run_is_and_not_whose(alice):
    run = trained()
    claim_folder(run.path, alice.owner)
    (run.path / LOCK_FILE).touch()
    (run.path / "elsewhere").symlink_to("/etc/hostname")
    names = {path.relative_to(run.path).as_posix() for path in run.path.rglob("*")}
    assert {OWNER_FILE, RESUME_FILE, LOCK_FILE} <= names
    things = list_things(alice.owns)
    for with_resume in (False, True):
        content = b"".join(stream_zip(list_archived_files(things, with_resume)))
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            archived = {name.removeprefix(f"{run.id}/") for name in archive.namelist()}
        expected = {name for name in names if (run.path / name).is_file()}
        left_out = {OWNER_FILE, LOCK_FILE, "elsewhere", *([] if with_resume else [RESUME_FILE])}
        assert archived == expected - left_out


def test_a_zip_of_what_is_unpacked_is_a_run_again(alice, tmp_path):
    run = trained()
    claim_folder(run.path, alice.owner)
    content = b"".join(stream_zip(list_archived_files(list_things(alice.owns), True)))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path / "unpacked")
    copy = Run(tmp_path / "unpacked" / run.id)
    assert copy.config() == run.config() and copy.state() == run.state()
    assert (copy.path / RESUME_FILE).read_bytes() == (run.path / RESUME_FILE).read_bytes()


def test_things_of_one_name_do_not_cover_each_other_and_titles_are_no_paths(alice):
    for _ in range(3):
        change_owner_record(bring(alice).path, title="../../etc/passwd")
    names = [file.name for file in list_archived_files(list_things(alice.owns))]
    assert len(set(names)) == 3 and not any(".." in name for name in names)


def test_the_memory_of_a_zip_does_not_grow_with_its_files(alice):
    bring(alice, 30_000_000, "x.npy")
    sizes = [len(chunk) for chunk in stream_zip(list_archived_files(list_things(alice.owns)))]
    assert max(sizes) < 2_000_000 and sum(sizes) > 30_000_000
