"""Run folders: what they say when whole, when torn, when live and when their process is gone."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time

import pytest
from helpers import ended, fork, hold_still, kill_hard, tiny, trained, wait_for

from aecore.errors import CheckpointError, RunError
from aecore.runs import listing
from aecore.runs.listing import (
    check_run_id,
    create_run,
    find_run,
    has_sound_config,
    list_runs,
    make_run_id,
)
from aecore.runs.records import EpochRecord, MetricsRecord, PretrainRecord
from aecore.runs.run import START_SECONDS, Run
from aecore.runs.state import State


@pytest.fixture
def run():
    return create_run(tiny())


def hold(run):
    """A process that trains `run`, as far as others can tell."""

    def work():
        with run.lock():
            run.write_state(state="running")
            hold_still()

    pid = fork(work)
    wait_for(lambda: run.pid() == pid and run.state().state == "running", "the lock is held")
    return pid


# -- create, find, list


def test_a_new_run_is_queued_with_its_config(own_runs, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.5)
    run = create_run(tiny())
    assert run.path.parent == own_runs
    assert run.config() == tiny()
    assert run.state() == State(state="queued", epochs=3, since=1_800_000_000.5)
    assert (
        not run.has_model()
        and run.version() == 0
        and run.epochs() == []
        and run.test_metrics() == {}
    )


def test_ids_differ_and_are_fit_for_paths_and_addresses(monkeypatch):
    config = tiny(data={"name": "digits"})
    drawn = iter(range(51))
    monkeypatch.setattr(listing.secrets, "token_hex", lambda count: f"{next(drawn):0{2 * count}x}")
    ids = [make_run_id(config) for _ in range(50)]
    assert len(set(ids)) == 50 and [name[-4:] for name in ids] == [f"{i:04x}" for i in range(50)]
    strange = config.model_copy(
        update={"data": config.data.model_copy(update={"name": "/a b/Größe & co..csv"})}
    )
    assert all(c.isascii() and (c.isalnum() or c == "-") for c in make_run_id(strange))


def test_a_folder_that_is_taken_or_cannot_be_is_refused(tmp_path, run):
    with pytest.raises(RunError, match="exists already"):
        create_run(tiny(), run.path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be made"):
        create_run(tiny(), tmp_path / "file" / "run")


def test_runs_are_found_by_id_and_by_folder(run, monkeypatch):
    assert find_run(run.id) == run
    assert find_run(run.path).path == run.path
    monkeypatch.chdir(run.path.parent)
    assert find_run(run.id).id == run.id


@pytest.mark.parametrize("name", ["nowhere", "", "..", "a" * 5000, "nul\0byte", "/etc"])
def test_an_unknown_run_lists_the_known_ones(run, name):
    with pytest.raises(RunError, match=run.id) as caught:
        find_run(name)
    assert len(str(caught.value)) < 1000


def test_runs_are_listed_newest_first_broken_ones_included(own_runs):
    made = [create_run(tiny(), own_runs / name) for name in "abc"]
    for age, run in enumerate(made):
        os.utime(run.path / "config.json", (1e9 + age, 1e9 + age))
    (own_runs / "no-run").mkdir()
    (made[1].path / "config.json").write_text("{")
    os.utime(made[1].path / "config.json", (2e9, 2e9))
    listed = [run for run in list_runs() if run.path.parent == own_runs]
    assert [run.id for run in listed] == ["b", "c", "a"]
    assert [has_sound_config(run) for run in listed] == [False, True, True]
    with pytest.raises(CheckpointError):
        listed[0].config()


def test_a_run_from_an_address_is_a_name_and_never_a_path():
    assert check_run_id("1122-vae-digits-3fa9") == "1122-vae-digits-3fa9"
    for bad in ("../x", "a/b", ".hidden", "..", "/etc/passwd"):
        with pytest.raises(RunError):
            check_run_id(bad)


# -- records


def test_records_come_back_in_order_and_by_kind(run):
    for record in (
        PretrainRecord(epoch=1),
        EpochRecord(epoch=1),
        MetricsRecord({"se": 2.5}),
    ):
        run.append(record)
    assert [r.kind for r in run.records()] == ["pretrain", "epoch", "test"]
    assert run.epochs() == [EpochRecord(epoch=1)]
    assert run.test_metrics() == {"se": 2.5}


@pytest.mark.parametrize(
    "torn", [b'{"kind": "epoch", "epo', b'{"kind": "epoch", "epoch": 2}', b"\xff\xff", b"3"]
)
def test_a_torn_last_line_is_ignored_and_spoils_no_later_one(run, torn):
    run.append(EpochRecord(epoch=1))
    with open(run.path / "metrics.jsonl", "ab") as file:
        file.write(torn)
    assert run.epochs() == [EpochRecord(epoch=1)]
    run.append(EpochRecord(epoch=2, loss=3.0))
    assert run.epochs()[-1] == EpochRecord(epoch=2, loss=3.0)
    assert [r.epoch for r in run.epochs()] == [1, 2]


def test_an_epoch_repeated_after_a_resume_counts_once_with_its_last_values(run):
    for epoch, loss in ((1, 5.0), (2, 4.0), (2, 3.0)):
        run.append(EpochRecord(epoch=epoch, loss=loss))
    assert [r.loss for r in run.epochs()] == [5, 3]


def test_lines_from_strangers_do_no_harm(run):
    lines = [
        "null",
        "[]",
        "3",
        "{}",
        '{"kind": "epoch"}',
        '{"kind": "epoch", "epoch": [1]}',
        '{"kind": 5}',
        "][",
    ]
    (run.path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    assert run.epochs() == [] and run.test_metrics() == {}
    assert run.records() == [EpochRecord()]


def test_a_reader_beside_a_writer_sees_whole_records_only(run):
    record = EpochRecord(epoch=1, others={f"metric_{i:03}": i / 7 for i in range(100)})
    writer = threading.Thread(target=lambda: [run.append(record) for _ in range(300)])
    writer.start()
    while writer.is_alive():
        assert all(row == record for row in run.records())
    assert len(run.records()) == 300


def test_previews_are_sorted_by_epoch_whatever_else_lies_there(run):
    (run.path / "previews").mkdir()
    for name in ("00010", "00002", "00000", "12abc", "1²", ".00003.safetensors.1.tmp"):
        (run.path / "previews" / f"{name}.safetensors").write_bytes(b"")
    assert [epoch for epoch, _ in run.previews()] == [0, 2, 10]


# -- state and lock


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"\xff\xfe", b'{"state": "happy"}', b'{"epoch": -1}', b"[]"]
)
def test_a_torn_state_is_lost_or_done_and_can_be_written_anew(run, content):
    (run.path / "state.json").write_bytes(content)
    assert run.state().state == "lost"
    (run.path / "model.safetensors").write_bytes(b"")
    assert run.state().state == "done"
    run.write_state(state="stopped", epoch=2)
    assert run.state() == State(state="stopped", epoch=2)


def test_writing_the_state_keeps_what_is_not_named(run):
    run.write_state(state="done", epoch=3, device="CPU")
    run.write_state(error="late")
    assert run.state().model_dump() == {
        **run.state().model_dump(),
        "state": "done",
        "epoch": 3,
        "device": "CPU",
        "error": "late",
        "epochs": 3,
    }


def test_a_run_whose_process_is_gone_is_lost(run):
    pid = hold(run)
    assert run.state().state == "running"
    kill_hard(pid)
    assert run.state().state == "lost" and "killed" in run.state().error
    assert json.loads((run.path / "state.json").read_text())["state"] == "running"
    assert run.pid() is None


def test_a_queued_run_is_given_time_to_get_its_process(run, monkeypatch):
    since = run.state().since
    for seconds, state in (
        (0, "queued"),
        (START_SECONDS - 1, "queued"),
        (START_SECONDS + 1, "lost"),
    ):
        monkeypatch.setattr(time, "time", lambda now=since + seconds: now)
        assert run.state().state == state


def test_a_run_that_waited_long_for_its_slot_is_not_lost_while_its_trainer_starts(run):
    run.write_state(since=time.time() - 2 * START_SECONDS)
    (run.path / "run.lock").write_text("")  # the queue touches it on the way out
    assert run.state().state == "queued"


def test_two_processes_on_one_run_the_second_is_refused(run, monkeypatch):
    pid = hold(run)
    with monkeypatch.context() as patches, pytest.raises(RunError, match="another process"):
        patches.setattr(time, "sleep", lambda seconds: None)  # between its tries
        with run.lock():
            pass
    with pytest.raises(RunError, match="being trained"):
        run.delete()
    kill_hard(pid)
    with run.lock():
        assert run.pid() == os.getpid()
    run.delete()
    assert not run.path.exists()


def test_many_readers_do_not_keep_a_trainer_from_its_lock(run, monkeypatch):
    """Another reader tests the lock each time that the trainer has waited, until the last."""
    path, waits = run.path / "run.lock", []
    path.touch()
    readers = [open(path, "rb") for _ in range(2)]  # noqa: SIM115 - closed below
    fcntl.flock(readers[0], fcntl.LOCK_SH)

    def take_turns(seconds):
        waits.append(seconds)
        fcntl.flock(readers[len(waits) % 2], fcntl.LOCK_SH)
        fcntl.flock(readers[1 - len(waits) % 2], fcntl.LOCK_UN)
        assert Run(run.path).is_locked() is False, "readers do not disturb each other"
        if len(waits) == 15:
            fcntl.flock(readers[len(waits) % 2], fcntl.LOCK_UN)

    with monkeypatch.context() as patches:
        patches.setattr(time, "sleep", take_turns)
        with run.lock():
            assert run.is_locked() and len(waits) == 15
    for reader in readers:
        reader.close()


def test_stop_ends_a_process_that_does_not_listen(run):
    def deaf():
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with run.lock():
            run.write_state(state="running")
            hold_still()

    pid = fork(deaf)
    wait_for(lambda: run.state().state == "running", "it runs")
    run.stop(wait=2.0)
    assert ended(pid) == -9
    assert run.state().state == "stopped"


def test_stopping_what_does_not_run_is_harmless(run):
    run.stop()
    assert run.state().state == "stopped"
    done = trained()
    done.stop()
    assert done.state().state == "done"


def test_a_lock_file_of_nonsense_names_no_process(run):
    (run.path / "run.lock").write_text("12; rm -rf")
    assert run.pid() is None and not run.is_locked()


def test_a_model_without_a_history_is_done(tmp_path):
    from helpers import model

    model().save(tmp_path)
    run = Run(tmp_path)
    assert run.state().state == "done" and run.records() == [] and run.previews() == []


def test_the_version_changes_when_the_weights_do():
    run = trained()
    os.utime(run.path / "model.safetensors", (1e9, 1e9))  # clocks of file systems tick slowly
    before = run.version()
    run.write_state(error="x")
    assert run.version() == before
    from aecore.model.autoencoder import Autoencoder

    Autoencoder.load(run.path).save(run.path, run.config())
    assert run.version() > before


def test_a_new_run_never_takes_the_folder_of_another(monkeypatch):
    names = iter(["run-3fa9", "run-3fa9", "run-77b0"])
    monkeypatch.setattr(listing, "make_run_id", lambda config: next(names))
    assert [create_run(tiny()).id for _ in range(2)] == ["run-3fa9", "run-77b0"]
