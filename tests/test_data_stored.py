"""Data sets larger than memory: real files, with the budget made small."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import tiny, trained, weights_of
from PIL import Image

from aecore.data import arrays, disk_cache, image_decoding, images, memory, stored
from aecore.data.datasets import load_dataset, read_dataset
from aecore.data.disk_cache import cache_folder
from aecore.data.image_decoding import _to_pixels
from aecore.data.image_sources import ZipSource
from aecore.data.memory import allowed_data_bytes
from aecore.data.stored import StoredArray
from aecore.errors import DataError
from aecore.model.config import DataConfig
from aecore.runs.listing import create_run
from aecore.training.trainer import Trainer, fit


@pytest.fixture(autouse=True)
def small_budget(tmp_path, monkeypatch):
    """Sets above 100 kB are large; pages see a fifth of that; a window is three blocks of eight rows."""
    monkeypatch.setenv("AECORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 100_000)
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


def config_of(path, **options):
    return DataConfig.model_validate({"name": str(path), **options})


def load(path, **options):
    return load_dataset(config_of(path, **options))


def refusal(path, **options):
    with pytest.raises(DataError) as caught:
        load(path, **options)
    return str(caught.value)


def everything(found):
    """All examples of a large set, the test set's last."""
    return torch.cat([found.stored.take(torch.arange(len(found.stored))), found.test.x])


def sorted_rows(x):
    rows = x.flatten(1).numpy()
    return rows[np.lexsort(rows.T)]


def test_a_large_array_is_read_whole_in_a_pass_each_example_once_well_shuffled(tmp_path):
    found = load(numbered(tmp_path))
    assert (
        found.stored is not None
        and "2,000" not in found.notes[0]
        and "from the disk" in found.notes[0]
    )
    batches = list(found.stored.batches(64, seed=1))
    assert [len(batch) for batch in batches[:-1]] == [64] * (len(batches) - 1)
    order = np.concatenate([numbers(batch) for batch in batches])
    assert sorted(order) == sorted(numbers(found.stored.take(torch.arange(len(found.stored)))))
    other_size = np.concatenate([numbers(batch) for batch in found.stored.batches(7, seed=1)])
    assert (other_size == order).all(), "the order does not depend on the size of a batch"
    assert (
        np.mean([len(np.unique(numbers(batch) // 8)) for batch in found.stored.batches(16, 1)]) > 2
    )
    assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 0.2
    assert np.median(np.abs(np.diff(order.astype(int)))) > 100, (
        "neighbours in the file come far apart"
    )
    again, other = (
        np.concatenate([numbers(b) for b in found.stored.batches(64, seed)]) for seed in (1, 2)
    )
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


@pytest.mark.parametrize(
    "shape, kind", [((400, 30), "table"), ((60, 10, 10), "image"), ((60, 3, 10, 10), "image")]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_an_array_alone_is_read_as_in_an_archive(tmp_path, shape, kind, dtype, monkeypatch):
    values = np.random.default_rng(0).random(shape)
    x = (values * 255).astype(np.uint8) if dtype == np.uint8 else values.astype(dtype)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x)
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 10**9)
    one, two = load(tmp_path / "x.npy"), load(tmp_path / "x.npz")
    assert one.kind == kind and one.stored is None and torch.equal(one.train.x, two.train.x)
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 1000)
    monkeypatch.setattr(stored, "SAMPLE_BYTES", 4000)
    large = load(tmp_path / "x.npy")
    assert large.stored is not None and large.input_shape == one.input_shape and large.kind == kind
    whole, found = torch.cat([one.train.x, one.test.x]), everything(large)
    assert found.dtype == whole.dtype == large.stored.dtype
    assert large.stored.shape == (len(large.stored), *one.input_shape)
    assert (sorted_rows(found) == sorted_rows(whole)).all()


def test_what_is_wrong_with_a_large_array_is_a_sentence(tmp_path):
    x = np.random.default_rng(0).random((500, 100))
    x[321, 7] = np.nan
    np.save(tmp_path / "nan.npy", x)
    assert "1 NaN and 0 infinite values among rows " in refusal(tmp_path / "nan.npy")
    assert "the first in row 321, column 7" in refusal(tmp_path / "nan.npy")
    np.save(tmp_path / "objects.npy", np.array([{}] * 3), allow_pickle=True)
    np.save(tmp_path / "channels.npy", np.zeros((500, 2, 12, 12), np.uint8))
    whole = numbered(tmp_path).read_bytes()
    (tmp_path / "torn.npy").write_bytes(whole[: len(whole) // 2])
    np.save(tmp_path / "bright.npy", np.full((500, 12, 12), 200.0))
    np.save(
        tmp_path / "columns.npy", np.asfortranarray(np.random.default_rng(0).random((500, 100)))
    )
    (tmp_path / "none.npy").write_bytes(b"hello")
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (-10**6, -10**6)}\n".replace(
        "10**6", "1000000"
    )
    (tmp_path / "odd.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    )
    for name, words in {
        "objects": "holds Python objects",
        "channels": "2 channels",
        "torn": "is cut short: its header promises shape (2000, 1, 8, 8)",
        "bright": "pixels from 200 to 200 among rows",
        "columns": "saved column by column",
        "none": "not a readable .npy",
        "odd": "not a readable .npy",
    }.items():
        assert words in refusal(tmp_path / f"{name}.npy")
    for options in ({"binarise": "static"}, {"train_class": "1"}):
        assert "data.limit" in refusal(tmp_path / "large.npy", **options)


@pytest.mark.parametrize("kind", [">f4", "longdouble", "float16", ">i8", "bool"])
def test_numbers_of_any_kind_are_read_as_float32(tmp_path, kind):
    x = (np.random.default_rng(0).random((2000, 100)) * 9).astype(kind)
    np.save(tmp_path / "x.npy", x)
    found = load(tmp_path / "x.npy")
    assert found.stored is not None and found.train.x.dtype == torch.float32
    assert (
        sorted_rows(everything(found)) == sorted_rows(torch.from_numpy(x.astype(np.float32)))
    ).all()


def test_missing_cells_pass_only_where_they_are_allowed_for(tmp_path):
    x = np.random.default_rng(0).random((500, 100))
    x[321, 7] = np.nan
    np.save(tmp_path / "x.npy", x)
    assert everything(load(tmp_path / "x.npy", missing="keep")).isnan().sum() == 1
    assert "row 321" in refusal(tmp_path / "x.npy"), (
        "what was in order by another rule is checked again"
    )


def test_a_file_that_was_checked_is_checked_again_only_when_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "x.npy"
    np.save(path, np.random.default_rng(0).random((500, 100)))
    load(path)
    seen = []
    monkeypatch.setattr(arrays, "_check_finite", lambda x, *rest: seen.append(len(x)) or x)
    load(path)
    assert not seen
    np.save(path, np.random.default_rng(1).random((501, 100)))
    load(path)
    assert sum(seen) >= 501


def test_checking_tells_how_far_it_is_and_a_cache_that_cannot_be_written_is_no_obstacle(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("AECORE_CACHE", str(tmp_path / "x.npy" / "cache"))
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((500, 100)))
    seen = []
    load_dataset(config_of(tmp_path / "x.npy"), lambda text, share: seen.append((text, share)))
    assert seen[0][0] == "Checking x.npy" and seen[-1][1] == 1.0 and sorted(seen) == seen


@pytest.mark.parametrize("limit", [100, 700])
def test_a_part_of_a_large_set_that_fits_is_the_ordinary_set_of_that_part(
    tmp_path, monkeypatch, limit
):
    path = numbered(tmp_path)
    found, drawn = load(path, limit=limit), load(path, limit=limit, binarise="static")
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 10**9)
    plain = load(path, limit=limit)
    assert (
        found.stored is None
        and not found.notes
        and set(drawn.train.x.unique().tolist()) == {0, 255}
    )
    assert torch.equal(found.train.x, plain.train.x) and torch.equal(found.test.x, plain.test.x)


def test_a_limit_above_what_fits_is_honoured_on_the_disk(tmp_path):
    found = load(numbered(tmp_path), limit=1500)
    assert len(found.stored) == 1500 and "all 1,500 examples" in found.notes[0]


def test_on_a_public_page_what_is_larger_than_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SPACE_ID", "someone/lab")
    assert "large.npy would take" in refusal(numbered(tmp_path))
    assert "60 images of 40 x 40 pixels in p would take" in refusal(picture_folder(tmp_path / "p"))
    assert not cache_folder().exists()


def test_whoever_asks_for_all_examples_undivided_is_told_that_they_do_not_fit(tmp_path):
    with pytest.raises(DataError, match=r"large\.npy would take"):
        read_dataset(config_of(numbered(tmp_path)))


def test_what_cannot_be_read_from_the_disk_is_told_how_it_could(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((2000, 100)))
    assert refusal(tmp_path / "x.npz").endswith(
        "or save them as a .npy, which is read from the disk."
    )


def picture_folder(root, count=60, colour=False):
    rng = np.random.default_rng(0)
    for i in range(count):
        folder = root / ("ab"[i % 2])
        folder.mkdir(parents=True, exist_ok=True)
        shape = (40, 40, 3) if colour and i > 30 else (40, 40)
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / f"{i:03}.png")
    return root


def packed(folder, path):
    """The same images as a zip."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))
    return path


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("colour", [False, True])
def test_images_too_many_for_memory_are_decoded_once_onto_the_disk(
    tmp_path, monkeypatch, colour, kind
):
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 90_000)
    monkeypatch.setattr(stored, "SAMPLE_BYTES", 4 * 40 * 40 * 3 * 10)
    path = picture_folder(tmp_path / "pictures", colour=colour)
    path = packed(path, tmp_path / "pictures.zip") if kind == "zip" else path
    found = load(path)
    monkeypatch.setattr(image_decoding, "_to_pixels", lambda image: pytest.fail("decoded again"))
    again = load(path)
    monkeypatch.undo()
    monkeypatch.setenv("AECORE_CACHE", str(tmp_path / "cache"))
    plain = load(path)
    whole = torch.cat([plain.train.x, plain.test.x])
    assert (sorted_rows(everything(found)) == sorted_rows(whole)).all()
    assert torch.equal(everything(again), everything(found))
    label = {}
    for split in (plain.train, plain.test):
        label |= {x.numpy().tobytes(): int(y) for x, y in zip(split.x, split.y, strict=True)}
    for split in (found.train, found.test, again.train):
        assert [label[x.numpy().tobytes()] for x in split.x] == split.y.tolist()
    assert found.classes == ("a", "b") and len(found.train.x) <= 30


def test_images_that_turn_out_to_fit_once_decoded_are_an_ordinary_set(tmp_path, monkeypatch):
    folder = picture_folder(tmp_path / "pictures")  # grey: a third of what was reckoned with
    found = load(folder)
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 10**9)
    plain = load(folder)
    assert (
        found.stored is None
        and torch.equal(found.train.x, plain.train.x)
        and torch.equal(found.test.y, plain.test.y)
    )


def test_folders_train_and_test_stay_the_splits_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 50_000)
    monkeypatch.setattr(stored, "SAMPLE_BYTES", 4 * 40 * 40 * 5)
    picture_folder(tmp_path / "p" / "train")
    picture_folder(tmp_path / "p" / "test", count=10)
    found = load(tmp_path / "p")
    assert len(found.stored) == 60 and len(found.test.x) == 5 and len(found.train.x) == 5


def test_of_a_limited_set_only_what_is_used_is_decoded(tmp_path, monkeypatch):
    folder, decoded, real = picture_folder(tmp_path / "p"), [], _to_pixels
    monkeypatch.setattr(
        image_decoding, "_to_pixels", lambda image: (decoded.append(1), real(image))[1]
    )
    for options in ({}, {"train_class": "b"}):
        monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 100_000)
        decoded.clear()
        found = load(folder, limit=4, **options)
        assert len(decoded) == 8
        monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 10**9)
        plain = load(folder, limit=4, **options)
        for one, two in ((found.train, plain.train), (found.test, plain.test)):
            assert torch.equal(one.x, two.x) and torch.equal(one.y, two.y)
    assert not cache_folder().exists()


def test_why_images_were_left_out_is_still_known_the_next_time(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 50_000)
    folder = picture_folder(tmp_path / "p")
    (folder / "b" / "zzz.png").write_bytes(b"torn")
    (folder / "b" / "notes.txt").write_text("hello")
    first, second = (load(folder, unusable="leave_out").notes for _ in range(2))
    assert (
        first == second
        and "notes.txt" in first[0]
        and "zzz.png" in first[1]
        and "from the disk" in first[2]
    )


def test_a_folder_that_changed_is_decoded_again_and_a_failed_decoding_leaves_nothing(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 50_000)
    folder = picture_folder(tmp_path / "pictures")
    first = everything(load(folder)).sum(dtype=torch.long)
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(folder / "a" / "000.png")
    os.utime(folder / "a" / "000.png", (1, 1))
    assert everything(load(folder)).sum(dtype=torch.long) < first
    (folder / "b" / "zzz.png").write_bytes(b"torn")
    assert "zzz.png" in refusal(folder)
    folder_of = cache_folder()
    assert len(list(folder_of.iterdir())) == 2 and not list(folder_of.glob(".*"))


def test_what_a_killed_decoding_left_is_removed_after_a_day(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 50_000)
    old, new = (cache_folder() / f".draft-{name}" for name in ("old", "new"))
    for draft in (old, new):
        draft.mkdir(parents=True)
        (draft / "images.npy").write_bytes(b"half")
    for path in (old / "images.npy", old):
        os.utime(path, (time.time() - 90_000,) * 2)
    load(picture_folder(tmp_path / "pictures"))
    assert not old.exists() and new.exists()


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    folder = picture_folder(tmp_path / "pictures")
    with monkeypatch.context() as patch:
        patch.setattr(
            disk_cache.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})()
        )
        assert "AECORE_CACHE" in refusal(folder)
    monkeypatch.setenv("AECORE_CACHE", str(folder / "a" / "000.png"))
    assert "Nothing can be kept in" in refusal(folder)


def test_a_member_of_a_zip_that_is_larger_than_memory_is_never_unpacked(tmp_path, monkeypatch):
    out = io.BytesIO()
    Image.new("L", (4, 4)).save(out, "PNG")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.png", out.getvalue())
        archive.writestr("1.png", bytes(300_000))
    monkeypatch.setattr(ZipSource, "read", lambda *_: pytest.fail("unpacked"))
    assert "The largest file in bomb.zip unpacked would take" in refusal(tmp_path / "bomb.zip")


def test_a_first_image_that_lies_about_its_size_does_not_open_memory_to_the_others(
    tmp_path, monkeypatch
):
    out = io.BytesIO()
    Image.new("L", (4, 4)).save(out, "PNG")
    folder = picture_folder(tmp_path / "p")
    (folder / "a" / "000.png").write_bytes(out.getvalue()[:45])
    monkeypatch.setenv("SPACE_ID", "someone/lab")
    monkeypatch.setattr(images, "_allocate_images", lambda *_: pytest.fail("room was made"))
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 60 * 3 * 40 * 40 - 1)
    assert "No image of p can be read" in refusal(folder, unusable="leave_out")


def test_a_pass_that_is_left_early_leaves_no_thread_and_a_failing_disk_is_told(
    tmp_path, monkeypatch
):
    found = load(numbered(tmp_path)).stored
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
    found = load(numbered(tmp_path)).stored
    os.truncate(tmp_path / "large.npy", 5000)
    with pytest.raises(OSError, match="cut short"):
        list(found.batches(16, 0))
    with pytest.raises(OSError, match="cut short"):
        found.take(torch.arange(len(found)))


def test_a_batch_may_be_larger_than_a_window_and_an_example_larger_than_a_block(
    tmp_path, monkeypatch
):
    path = numbered(tmp_path, count=200)
    whole = StoredArray(path)
    monkeypatch.setattr(stored, "BLOCK_BYTES", 10)
    for size, sizes in ((90, [90, 90, 20]), (1000, [200]), (100, [100, 100]), (1, [1] * 200)):
        batches = list(whole.batches(size, 0))
        assert [len(batch) for batch in batches] == sizes
        assert sorted(np.concatenate([numbers(batch) for batch in batches])) == list(range(200))
    assert list(StoredArray(path, np.arange(0)).batches(5, 0)) == []


def test_the_drawing_of_batches_leaves_the_global_random_numbers_alone(tmp_path):
    found = load(numbered(tmp_path)).stored
    before = torch.get_rng_state()
    list(found.batches(100, 0))
    found.hold_out(10, 0)
    assert torch.equal(before, torch.get_rng_state())


def test_examples_are_taken_in_the_order_that_was_asked_for_and_no_more_are_held_out_than_there_are(
    tmp_path,
):
    whole = StoredArray(numbered(tmp_path))
    positions = torch.tensor([1999, 3, 3, 700, 4])
    assert numbers(whole.take(positions)).tolist() == positions.tolist()
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
    return 1024 * int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1])
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


def large_run(folder, **training):
    return tiny({"name": str(numbered(folder)), "limit": None}, {"epochs": 2, **training})


def test_a_run_on_a_large_set_trains_on_all_of_it_and_resumes_as_if_it_had_not_stopped(tmp_path):
    config = large_run(tmp_path)
    whole, part = trained(config), create_run(config)
    trainer = Trainer(create_run(config), lambda: False, None)
    assert (
        isinstance(trainer.x, StoredArray)
        and len(trainer.x) + len(trainer.validation) + len(trainer.test) == 2000
    )
    seen = np.concatenate([(batch * 255).round().byte() for batch in trainer.batches()])
    assert len(np.unique(numbers(torch.from_numpy(seen)))) == len(trainer.x)

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
