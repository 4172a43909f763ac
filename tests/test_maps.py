"""Slow maps: made by a process of their own, kept beside the run, cancelled and explained."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import fork, hold_still, kill_hard, trained, wait_for

from aecore.analysis import projection_job
from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.latent import decoding_errors, find_nearest_codes, order_dimensions
from aecore.analysis.metrics import evaluate_model
from aecore.analysis.projection_job import ProjectionJob
from aecore.data import stand_in
from aecore.data.datasets import load_dataset
from aecore.model.autoencoder import Autoencoder
from aecore.runs.child import NICENESS


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.setenv(
        "TMPDIR", str(tmp_path)
    )  # maps are made one at a time on a machine: this one is its own
    monkeypatch.setattr(projection_job.tempfile, "tempdir", None)
    run = trained()
    return ProjectionJob(run, "tsne", 2, "test", 40, "digits", version=run.version())


def test_a_map_is_made_by_a_process_and_kept_beside_the_run(job):
    assert job.read() is None and job.failure() is None
    job.start()
    assert job.is_running()
    wait_for(lambda: not job.is_running(), "the map to be made")
    assert job.failure() is None, job.tail()
    positions = job.read()
    assert positions.shape == (40, 2) and positions.dtype == np.float32
    assert job.path.parent == job.run.path / "maps"


def test_a_cancelled_map_leaves_no_process_and_no_failure(job, forked, monkeypatch):
    monkeypatch.setattr(
        stand_in, "load_data_or_stand_in", lambda _: hold_still()
    )  # it would never end by itself
    job.start()
    wait_for(lambda: job.step() == "Reading the data", "it is under way")
    job.cancel(wait=600)
    assert not job.is_running() and job.failure() is None and job.read() is None
    job.cancel()  # and once more, harmlessly


def test_a_second_start_does_not_begin_a_second_process(job, forked, monkeypatch):
    monkeypatch.setattr(stand_in, "load_data_or_stand_in", lambda _: hold_still())
    job.start()
    pid = job.lock.read_text()
    job.start()
    assert job.lock.read_text() == pid and job.is_running()
    job.cancel(wait=600)  # before it has said a word
    assert not job.is_running()


def test_a_map_yields_to_all_else_and_ends_when_its_server_is_killed(job):
    with projection_job.LockFile(projection_job.projection_queue_file()).hold():
        server = fork(lambda: (job.start(), hold_still()))
        wait_for(lambda: job.step() == "Waiting for another map", "it waits for its turn")
        pid = int(wait_for(job.lock.read_text, "it is named"))
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, os.nice(0) + NICENESS)
        assert b"torch" not in Path(f"/proc/{pid}/maps").read_bytes()  # small while it waits
        kill_hard(server)
        wait_for(lambda: not job.is_running(), "it ends, too")


def test_a_map_that_takes_too_long_ends_with_a_sentence(job, forked, monkeypatch):
    monkeypatch.setenv("AECORE_MAP_MINUTES", "0.001")
    monkeypatch.setattr(stand_in, "load_data_or_stand_in", lambda _: sum(iter(lambda: 1, 0)))
    job.start()
    wait_for(lambda: not job.is_running(), "it ends")
    assert job.failure() == (
        "A map may take 0.001 minutes of the processor here, and this one takes longer. "
        "Try fewer points, or PCA."
    )


def test_a_failed_map_says_why_in_a_sentence(job, forked):
    other = ProjectionJob(job.run, "tsne", 2, "test", 40, "mnist", version=job.version)
    other.start()
    wait_for(lambda: not other.is_running(), "the process to fail")
    assert other.failure() == "The data is digits now, not mnist. Open the page again."


def test_a_process_that_dies_without_a_word_is_a_failure(job):
    job.path.parent.mkdir(parents=True)
    job.log.write_text("> Placing the points\nKilled")
    assert "died" in job.failure()


def test_a_torn_map_is_no_map(job):
    job.path.parent.mkdir(parents=True)
    job.path.write_bytes(b"torn")
    assert job.read() is None


def test_new_weights_have_a_new_map(job):
    later = ProjectionJob(
        job.run, job.method, job.dims, job.split, job.count, job.data_name, version=job.version + 1
    )
    assert later.path != job.path


def test_maps_of_a_run_that_cannot_be_written_go_to_a_temporary_folder(job, monkeypatch, tmp_path):
    monkeypatch.setattr(projection_job.os, "access", lambda path, mode: False)
    monkeypatch.setattr(projection_job.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    assert (tmp_path / "temporary") in job.path.parents


def test_neighbours_are_the_nearest_codes_without_the_point_itself():
    z = torch.tensor([[0.0], [5.0], [1.0], [-0.5]])
    assert find_nearest_codes(z, 0, 2).tolist() == [3, 2]
    assert len(find_nearest_codes(z, 0, 99)) == 3


def test_dimensions_are_ordered_by_their_spread():
    z = torch.tensor([[0.0, 5.0, 1.0], [0.0, -5.0, 2.0]])
    order, deviation = order_dimensions(z)
    assert order.tolist() == [1, 2, 0]
    assert deviation.tolist() == [0.0, 5.0, 0.5]


def test_errors_of_inputs_average_to_the_measured_squared_error(job):
    net, x = Autoencoder.load(job.run.path), load_dataset(job.run.config().data).test.x
    each = decoding_errors(net, x, encode_in_chunks(net, x))
    assert each.shape == (len(x),)
    assert each.mean().item() == pytest.approx(evaluate_model(net, x)["se"], rel=1e-5)
