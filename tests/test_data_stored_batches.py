"""Batches of data sets larger than memory: order, threads, training, and bounded memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from data_sets import read_set
from helpers import tiny, trained, weights_of
from large_sets import (
    read_numbers,
    save_numbered,
)

from aecore.data import memory, stored
from aecore.data.memory import allowed_data_bytes
from aecore.data.stored import StoredArray
from aecore.errors import DataError
from aecore.runs.listing import create_run
from aecore.training.trainer import Trainer, fit

pytestmark = pytest.mark.usefixtures("small_budget")


def test_a_pass_that_is_left_early_leaves_no_thread_and_a_failing_disk_is_told(
    tmp_path, monkeypatch
):
    found = read_set(save_numbered(tmp_path)).stored
    before = threading.active_count()
    batches = found.batches(16, 0)
    next(batches)
    assert threading.active_count() == before + 1
    batches.close()
    assert threading.active_count() == before

    def fail(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr(StoredArray, "_read_span", fail)
    with pytest.raises(OSError, match="disk is gone"):
        list(found.batches(16, 0))
    assert threading.active_count() == before


def test_a_file_that_is_cut_short_while_it_is_read_is_told_and_does_not_end_the_process(tmp_path):
    found = read_set(save_numbered(tmp_path)).stored
    os.truncate(tmp_path / "large.npy", 5000)
    with pytest.raises(OSError, match="cut short"):
        list(found.batches(16, 0))
    with pytest.raises(OSError, match="cut short"):
        found.take(torch.arange(len(found)))


def test_a_batch_may_be_larger_than_a_window_and_an_example_larger_than_a_block(
    tmp_path, monkeypatch
):
    path = save_numbered(tmp_path, count=200)
    whole = StoredArray(path)
    monkeypatch.setattr(stored, "BLOCK_BYTES", 10)
    for size, sizes in ((90, [90, 90, 20]), (1000, [200]), (100, [100, 100]), (1, [1] * 200)):
        batches = list(whole.batches(size, 0))
        assert [len(batch) for batch in batches] == sizes
        assert sorted(np.concatenate([read_numbers(batch) for batch in batches])) == list(
            range(200)
        )
    assert list(StoredArray(path, np.arange(0)).batches(5, 0)) == []


def test_the_drawing_of_batches_leaves_the_global_random_numbers_alone(tmp_path):
    found = read_set(save_numbered(tmp_path)).stored
    before = torch.get_rng_state()
    list(found.batches(100, 0))
    found.hold_out(10, 0)
    assert torch.equal(before, torch.get_rng_state())


def test_examples_are_taken_in_the_order_that_was_asked_for_and_no_more_are_held_out_than_there_are(
    tmp_path,
):
    whole = StoredArray(save_numbered(tmp_path))
    positions = torch.tensor([1999, 3, 3, 700, 4])
    assert read_numbers(whole.take(positions)).tolist() == positions.tolist()
    assert len(whole.take(positions[:0])) == 0
    with pytest.raises(DataError, match="cannot be held out"):
        whole.hold_out(2000, 0)


def test_memory_stays_bounded_however_large_the_file(tmp_path):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (100_000, 28, 28))
    x[::7] = 9
    x.flush()
    script = f"""
from aecore.data import memory, stored
from aecore.data.datasets import load_dataset
from aecore.model.config import DataConfig
memory.allowed_data_bytes = lambda: 10**7
stored.SAMPLE_BYTES, stored.WINDOW_BYTES = 10**7, 4 * 2**20
def anonymous():
    lines = open("/proc/self/status")
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon")).split()[1])
found, _ = load_dataset(DataConfig(name={str(tmp_path / "x.npy")!r})).stored.hold_out(1000, 0)
before, most = anonymous(), 0
for n, batch in enumerate(found.batches(128, 0)):
    most = max(most, anonymous()) if n % 20 == 0 else most
print((most - before) / stored.WINDOW_BYTES)
"""
    root, frees_at_once = (
        Path(__file__).parent.parent,
        {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**20)},
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, env=frees_at_once, capture_output=True, text=True
    )
    assert float(done.stdout) < 6, done.stderr


def configure_large_run(folder, **training):
    return tiny({"name": str(save_numbered(folder)), "limit": None}, {"epochs": 2, **training})


def test_a_run_on_a_large_set_trains_on_all_of_it_and_resumes_as_if_it_had_not_stopped(tmp_path):
    config = configure_large_run(tmp_path)
    whole, part = trained(config), create_run(config)
    trainer = Trainer(create_run(config), lambda: False, None)
    assert (
        isinstance(trainer.batches.x, StoredArray)
        and len(trainer.batches.x) + len(trainer.validation) + len(trainer.test) == 2000
    )
    seen = np.concatenate(
        [(batch * 255).round().byte() for batch in trainer.batches.iterate_epoch(0)]
    )
    assert len(np.unique(read_numbers(torch.from_numpy(seen)))) == len(trainer.batches.x)

    for record in fit(part, lambda: bool(part.epochs())):
        assert record.epoch == 1
    assert part.state().state == "stopped"
    list(fit(part))
    assert weights_of(part) == weights_of(whole)
    assert whole.test_metrics()["se"] < 10


def test_the_budget_is_no_more_than_a_quarter_of_what_the_process_may_use():
    script = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (2 * 10**9,) * 2); "
    script += "from aecore.data import memory; print(memory.allowed_data_bytes())"
    environment = {
        name: value for name, value in os.environ.items() if name != "AECORE_MAX_DATA_GB"
    }
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=root, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(5 * 10**8), done.stderr


def test_the_budget_knows_the_limit_of_a_container_and_what_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.delenv("AECORE_MAX_DATA_GB", raising=False)
    monkeypatch.setattr(memory, "CGROUP_LIMIT", tmp_path / "memory.max")
    (tmp_path / "memory.max").write_text("1000000000\n")
    assert allowed_data_bytes() == 250_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert allowed_data_bytes() > 250_000_000
    monkeypatch.setenv("AECORE_MAX_DATA_GB", "0.5")
    assert allowed_data_bytes() == 500_000_000
