"""Run folders of strangers: what stands in the place of a file is neither opened nor written to."""

from __future__ import annotations

import os
import socket

import pytest
import torch
from helpers import tiny, trained, visit_apart

from aecore.analysis.projection_job import ProjectionJob
from aecore.backends.launch import read_order
from aecore.backends.waiting import list_waiting, lock_file
from aecore.errors import CheckpointError, RunError
from aecore.files import open_plain_bytes, read_plain_text
from aecore.hub.push import stage_run
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import has_sound_config, list_runs
from aecore.runs.ownership import OwnerRecord, read_owner_record
from aecore.runs.previews import Preview, read_preview, write_preview
from aecore.runs.process import MAX_TAIL_BYTES, LockFile
from aecore.runs.records import EpochRecord
from aecore.runs.run import Run
from bench.reliability.scratch import compare_trees, record_tree

FILES = (
    "config.json",
    "state.json",
    "metrics.jsonl",
    "model.safetensors",
    "log.txt",
    "run.lock",
    ".owner.json",
    "remote.json",
)


@pytest.fixture
def run(tmp_path):
    run = trained(tiny(training={"epochs": 1, "previews": 1}))
    (run.path / "log.txt").write_text("printed")
    return run


@pytest.fixture
def outside(tmp_path):
    """A folder that nobody may write to."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "letter").write_text("private")
    return folder


def make_fifo(path, outside):
    os.mkfifo(path)


def make_socket(path, outside):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))


def make_folder(path, outside):
    path.mkdir()


def link_device(path, outside):
    path.symlink_to("/dev/zero")


def link_letter(path, outside):
    path.symlink_to(outside / "letter")


def look(run):
    """All that a page reads of a run; what is refused has a sentence."""
    run.state(), run.records(), run.previews(), run.is_locked(), run.pid()
    read_owner_record(run.path), read_order(run), has_sound_config(run), list_runs()
    if run.has_model():
        Autoencoder.load(run.path)
    return f"{run.log_tail()}{run.records()}"


@pytest.mark.parametrize("replace", [make_fifo, make_socket, make_folder, link_device, link_letter])
def test_a_run_with_something_else_in_the_place_of_its_files_is_looked_at_at_once(
    run, outside, replace, monkeypatch
):
    monkeypatch.chdir(run.path)

    def visit():
        for name in FILES:
            (run.path / name).unlink(missing_ok=True)
            replace(run.path / name, outside)
            try:
                text = look(run)
            except CheckpointError as error:
                text = str(error)
            assert "private" not in text
        return ""

    verdict = visit_apart(visit)
    assert verdict.kind == "accepted", verdict.text


def test_nothing_is_written_through_links(run, outside):
    for name in ("metrics.jsonl", "run.lock", "log.txt", "state.json", ".owner.json"):
        (run.path / name).unlink(missing_ok=True)
        (run.path / name).symlink_to(outside / "letter")
    for name in ("previews", "maps"):
        if (run.path / name).exists():
            (run.path / name).rename(outside / name)
        (run.path / name).symlink_to(outside)
    before = record_tree(outside)
    x = torch.zeros(1, 1, 8, 8)
    for write in (
        lambda: run.append(EpochRecord(epoch=1)),
        lambda: run.write_state(state="done"),
        lambda: OwnerRecord(owner="a").write(run.path),
        lambda: write_preview(run.path, 1, Preview(x, x)),
        lambda: ProjectionJob(run, "tsne", 2, "test", 10, "digits").start(),
        lambda: run.lock().__enter__(),
    ):
        try:
            write()
        except (OSError, RunError) as error:
            assert str(error)
    assert compare_trees(before, record_tree(outside)) == ""
    assert run.previews() == []


def test_a_lock_that_is_no_plain_file_is_refused_with_a_sentence(run, outside):
    (run.path / "run.lock").unlink(missing_ok=True)
    (run.path / "run.lock").symlink_to(outside / "letter")
    with (
        pytest.raises(RunError, match=r"cannot be locked: .*Is run\.lock a plain file"),
        run.lock(),
    ):
        pass


def test_a_push_takes_no_file_that_a_link_leads_to(run, outside, tmp_path):
    preview = run.path / "previews" / "00009.safetensors"
    preview.symlink_to(outside / "letter")
    target = tmp_path / "pushed"
    target.mkdir()
    stage_run(run, target)
    assert not (target / "previews" / "00009.safetensors").exists()
    assert (target / "previews" / "00001.safetensors").is_file()


@pytest.mark.parametrize("content", ["-1", "0", "1", "", "9" * 5000, "x"])
def test_a_lock_that_names_no_process_of_a_run_has_no_holder(tmp_path, content):
    lock = LockFile(tmp_path / "run.lock")
    with lock.hold():
        lock.path.write_text(content)
        assert lock.is_held() and lock.holder() is None


def test_of_a_huge_log_and_state_only_the_end_or_nothing_is_read(run):
    for name in ("log.txt", "state.json", ".owner.json", "remote.json"):
        with open(run.path / name, "wb") as file:
            file.truncate(3_000_000_000)  # a hole: it takes no room on the disk
            file.seek(0, os.SEEK_END)
            file.write(b"\nthe end\n")

    def visit():
        assert run.log_tail(1) == "the end" and len(run.log_tail()) <= MAX_TAIL_BYTES
        assert run.saved_state() is None and read_order(run) is None
        return read_owner_record(run.path).owner

    verdict = visit_apart(visit)
    assert verdict.kind == "accepted", verdict.text


@pytest.mark.parametrize(
    "state",
    [
        '{"state": "running", "epoch": 1' + "0" * 400 + "}",
        '{"state": "running", "epochs": 1e300}',
        '{"state": "running", "progress": NaN}',
        '{"state": "running", "error": "\\ud800"}',
        "[" * 100_000,
    ],
)
def test_a_state_that_no_page_can_show_counts_as_torn(run, state):
    (run.path / "state.json").write_text(state)
    assert run.saved_state() is None and run.state().state == "done"


def test_a_run_whose_name_is_no_text_is_not_listed(run):
    os.rename(run.path, os.fsencode(run.path.parent) + b"/\xff\xfe")
    assert run.path.parent not in [other.path.parent for other in list_runs()]


def test_a_text_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "text"
    path.write_text("x" * 100)
    assert read_plain_text(path, 100) == "x" * 100
    with pytest.raises(OSError, match="more than 99 bytes"):
        read_plain_text(path, 99)
    with pytest.raises(OSError, match="no plain file"):
        open_plain_bytes(tmp_path)


# -- previews


def test_of_a_preview_of_large_examples_only_a_few_rows_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("aecore.runs.previews.SHOWN_BYTES", 5 * 64)
    x = torch.rand(30, 1, 8, 8)
    write_preview(tmp_path, 1, Preview(x, x, torch.zeros(9000, 4)))
    preview = read_preview(tmp_path / "previews" / "00001.safetensors", (1, 8, 8))
    assert preview.x.shape == preview.reconstruction.shape == (5, 1, 8, 8)
    assert preview.z is not None and preview.z.shape == (4000, 4)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64, torch.bool])
def test_a_preview_of_other_numbers_is_refused(tmp_path, dtype):
    from safetensors.torch import save_file

    path = tmp_path / "00001.safetensors"
    save_file({name: torch.zeros(2, 4, dtype=dtype) for name in ("x", "reconstruction")}, path)
    with pytest.raises(CheckpointError, match="is no preview"):
        read_preview(path, (4,))


def test_files_that_only_look_like_previews_are_left_out(tmp_path):
    folder = tmp_path / "previews"
    folder.mkdir()
    for name in ("00001", "1" * 200, "\u0663", "00x"):
        (folder / f"{name}.safetensors").write_bytes(b"")
    assert [epoch for epoch, _ in Run(tmp_path).previews()] == [1]


@pytest.mark.parametrize("replace", [make_fifo, make_folder, link_letter])
def test_the_queue_neither_starts_nor_writes_to_a_run_whose_lock_is_something_else(
    run, outside, replace
):
    run.write_state(state="queued", since=1.0, processes=1)
    assert [waiting.name for waiting in list_waiting(run.path.parent)] == [run.id]
    (run.path / "run.lock").unlink(missing_ok=True)
    replace(run.path / "run.lock", outside)
    assert list_waiting(run.path.parent) == []
    assert lock_file(run.path / "run.lock") is None
    assert (outside / "letter").read_text() == "private"
