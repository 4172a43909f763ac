"""Data sets larger than memory: real files, with the budget made small."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import tiny, trained, weights_of
from PIL import Image

from aecore import data, runs
from aecore.config import DataConfig
from aecore.data import arrays, images, stored
from aecore.data.stored import Stored
from aecore.errors import DataError
from aecore.train import Trainer, fit


@pytest.fixture(autouse=True)
def small_budget(tmp_path, monkeypatch):
    """Sets above 100 kB are large; pages see a fifth of that; a window is three blocks of eight rows."""
    monkeypatch.setenv("AECORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(arrays, "MAX_BYTES", 100_000)
    monkeypatch.setattr(stored, "SAMPLE_BYTES", 20_000 * 4)
    monkeypatch.setattr(stored, "BLOCK_BYTES", 8 * 64)
    monkeypatch.setattr(stored, "WINDOW_BYTES", 24 * 64)


def numbered(folder, count=2000, name="large.npy"):
    """An array whose row i begins with the number i, as bytes: (count, 1, 8, 8)."""
    x = np.random.default_rng(0).integers(0, 256, (count, 1, 8, 8), np.uint8)
    x[:, 0, 0, :4] = np.arange(count, dtype=np.uint32).view(np.uint8).reshape(count, 4)
    np.save(folder / name, x)
    return folder / name


def numbers(x):
    """Which rows of the file these examples are."""
    return np.ascontiguousarray(x.numpy()[:, 0, 0, :4]).view(np.uint32).ravel()


def load(path, **options):
    return data.load(DataConfig(name=str(path), **options))


def test_a_large_array_is_read_whole_in_a_pass_each_example_once_well_shuffled(tmp_path):
    found = load(numbered(tmp_path))
    assert found.stored is not None and "2,000" not in found.notes[0] and "from the disk" in found.notes[0]
    batches = list(found.stored.batches(64, seed=1))
    assert [len(batch) for batch in batches[:-1]] == [64] * (len(batches) - 1)
    order = np.concatenate([numbers(batch) for batch in batches])
    assert sorted(order) == sorted(numbers(found.stored.take(torch.arange(len(found.stored)))))
    assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 0.2
    assert np.median(np.abs(np.diff(order.astype(int)))) > 100, "neighbours in the file come far apart"
    again, other = (np.concatenate([numbers(b) for b in found.stored.batches(64, seed)]) for seed in (1, 2))
    assert (again == order).all() and not (other == order).all()


def test_what_is_held_out_is_never_trained_on_and_the_sample_is(tmp_path):
    found = load(numbered(tmp_path), test_fraction=0.1)
    test, sample = set(numbers(found.test.x)), set(numbers(found.train.x))
    rest, validation = found.stored.hold_out(50, seed=3)
    trained_on = {n for batch in rest.batches(100, 0) for n in numbers(batch)}
    held = set(numbers(validation))
    assert len(test) == 200 and len(held) == 50 and len(trained_on) == 2000 - 250
    assert not trained_on & (test | held) and sample <= trained_on | held
    assert found.train.x.numel() <= 20_000 and found.train.x.dtype == torch.uint8


@pytest.mark.parametrize("shape, kind", [((400, 30), "table"), ((60, 10, 10), "image"), ((60, 3, 10, 10), "image")])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_an_array_alone_is_read_as_in_an_archive(tmp_path, shape, kind, dtype, monkeypatch):
    values = np.random.default_rng(0).random(shape)
    x = (values * 255).astype(np.uint8) if dtype == np.uint8 else values.astype(dtype)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x)
    monkeypatch.setattr(arrays, "MAX_BYTES", 10**9)
    one, two = load(tmp_path / "x.npy"), load(tmp_path / "x.npz")
    assert one.kind == kind and one.stored is None and torch.equal(one.train.x, two.train.x)
    monkeypatch.setattr(arrays, "MAX_BYTES", 1000)
    monkeypatch.setattr(stored, "SAMPLE_BYTES", 4000)
    large = load(tmp_path / "x.npy")
    assert large.stored is not None and large.input_shape == one.input_shape and large.kind == kind
    everything = torch.cat([large.stored.take(torch.arange(len(large.stored))), large.test.x])
    whole = torch.cat([one.train.x, one.test.x])
    assert everything.dtype == whole.dtype
    assert torch.equal(everything.flatten(1).sort(0).values, whole.flatten(1).sort(0).values)


def test_what_is_wrong_with_a_large_array_is_a_sentence(tmp_path):
    x = np.random.default_rng(0).random((500, 100))
    x[321, 7] = np.nan
    np.save(tmp_path / "nan.npy", x)
    with pytest.raises(DataError, match="NaN"):
        load(tmp_path / "nan.npy")
    np.save(tmp_path / "objects.npy", np.array([{}] * 3), allow_pickle=True)
    np.save(tmp_path / "channels.npy", np.zeros((500, 2, 12, 12), np.uint8))
    whole = numbered(tmp_path).read_bytes()
    (tmp_path / "torn.npy").write_bytes(whole[: len(whole) // 2])
    for name, words in (("objects", "not a readable"), ("channels", "2 channels"), ("torn", "not a readable")):
        with pytest.raises(DataError, match=words):
            load(tmp_path / f"{name}.npy")
    for options in ({"binarise": "static"}, {"train_class": "1"}):
        with pytest.raises(DataError, match=r"data\.limit"):
            load(tmp_path / "large.npy", **options)


def test_a_file_that_was_checked_is_checked_again_only_when_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "x.npy"
    np.save(path, np.random.default_rng(0).random((500, 100)))
    load(path)
    seen = []
    monkeypatch.setattr(arrays, "_finite", lambda x, *rest: seen.append(len(x)) or x)
    load(path)
    assert sum(seen) <= 1
    np.save(path, np.random.default_rng(1).random((501, 100)))
    load(path)
    assert sum(seen) >= 501


def test_a_part_of_a_large_set_that_fits_is_an_ordinary_set(tmp_path):
    found = load(numbered(tmp_path), limit=100)
    assert found.stored is None and len(found.train.x) == 100 and not found.notes


def picture_folder(root, count=60, colour=False):
    rng = np.random.default_rng(0)
    for i in range(count):
        folder = root / ("ab"[i % 2])
        folder.mkdir(parents=True, exist_ok=True)
        shape = (40, 40, 3) if colour and i > 30 else (40, 40)
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / f"{i:03}.png")
    return root


@pytest.mark.parametrize("colour", [False, True])
def test_images_too_many_for_memory_are_decoded_once_onto_the_disk(tmp_path, monkeypatch, colour):
    folder = picture_folder(tmp_path / "pictures", colour=colour)
    found = images.read_images(folder, lambda *_: None)
    assert isinstance(found.x.base if found.x.base is not None else found.x, np.memmap) or isinstance(
        found.x, np.memmap
    )
    monkeypatch.setattr(arrays, "MAX_BYTES", 10**9)
    plain = images.read_images(folder, lambda *_: None)
    assert (found.x == plain.x).all() and (found.y == plain.y).all() and found.classes == plain.classes
    monkeypatch.setattr(arrays, "MAX_BYTES", 100_000)
    monkeypatch.setattr(stored, "SAMPLE_BYTES", 4 * 40 * 40 * 3 * 10)
    monkeypatch.setattr(images, "_pixels", lambda image: pytest.fail("decoded again"))
    again = load(folder)
    assert again.classes == ("a", "b") and again.stored is not None and len(again.train.y) == len(again.train.x) <= 30
    monkeypatch.undo()


def test_a_folder_that_changed_is_decoded_again_and_a_killed_decoding_leaves_nothing(tmp_path, monkeypatch):
    folder = picture_folder(tmp_path / "pictures")
    first = images.read_images(folder, lambda *_: None).x.sum()
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(folder / "a" / "000.png")
    os.utime(folder / "a" / "000.png", (1, 1))
    assert images.read_images(folder, lambda *_: None).x.sum() < first
    picture = folder / "b" / "059.png"
    picture.unlink()
    (folder / "b" / "zzz.png").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"zzz\.png"):
        images.read_images(folder, lambda *_: None)
    cache = stored.cache_folder()
    assert len(list(cache.glob("*.kept.npy"))) == 2 and not list(cache.glob(".*"))


def test_a_disk_without_room_is_told_before_anything_is_decoded(tmp_path, monkeypatch):
    folder = picture_folder(tmp_path / "pictures")
    monkeypatch.setattr(stored.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(DataError, match="AECORE_CACHE"):
        images.read_images(folder, lambda *_: None)


def test_a_pass_that_is_left_early_leaves_no_thread_and_a_failing_disk_is_told(tmp_path, monkeypatch):
    found = load(numbered(tmp_path)).stored
    before = threading.active_count()
    batches = found.batches(16, 0)
    next(batches)
    assert threading.active_count() == before + 1
    batches.close()
    assert threading.active_count() == before

    def fail(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr(stored, "in_memory", fail)
    with pytest.raises(OSError, match="disk is gone"):
        list(found.batches(16, 0))
    assert threading.active_count() == before


def large_run(folder, **training):
    return tiny({"name": str(numbered(folder)), "limit": None}, {"epochs": 2, **training})


def test_a_run_on_a_large_set_trains_on_all_of_it_and_resumes_as_if_it_had_not_stopped(tmp_path):
    config = large_run(tmp_path)
    whole, part = trained(config), runs.create(config)
    trainer = Trainer(runs.create(config), lambda: False, None)
    assert isinstance(trainer.x, Stored) and len(trainer.x) + len(trainer.validation) + len(trainer.test) == 2000
    seen = np.concatenate([(batch * 255).round().byte() for batch in trainer.batches()])
    assert len(np.unique(numbers(torch.from_numpy(seen)))) == len(trainer.x)

    for record in fit(part, lambda: bool(part.epochs())):
        assert record["epoch"] == 1
    assert part.state().state == "stopped"
    list(fit(part))
    assert weights_of(part) == weights_of(whole)
    assert whole.test_metrics()["se"] < 10


def test_the_budget_is_no_more_than_a_quarter_of_what_the_process_may_use():
    script = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (2 * 10**9,) * 2); "
    script += "from aecore.data import arrays; print(arrays.MAX_BYTES)"
    environment = {name: value for name, value in os.environ.items() if name != "AECORE_MAX_DATA_GB"}
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", script], env=environment, cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == str(5 * 10**8), done.stderr
