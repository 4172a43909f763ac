"""Arrays larger than memory are checked once and read from the disk, with the budget made small."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from data_sets import get_refusal, read_set
from large_sets import (
    read_numbers,
    save_numbered,
    sort_rows,
    take_all,
    write_pictures,
)

from aecore.data import memory, on_disk, stored
from aecore.data.datasets import load_dataset, read_dataset
from aecore.data.disk_cache import cache_folder
from aecore.errors import DataError
from aecore.model.config import DataConfig

pytestmark = pytest.mark.usefixtures("small_budget")


def test_a_large_array_is_read_whole_in_a_pass_each_example_once_well_shuffled(tmp_path):
    found = read_set(save_numbered(tmp_path))
    assert (
        found.stored is not None
        and "2,000" not in found.notes[0]
        and "from the disk" in found.notes[0]
    )
    batches = list(found.stored.batches(64, seed=1))
    assert [len(batch) for batch in batches[:-1]] == [64] * (len(batches) - 1)
    order = np.concatenate([read_numbers(batch) for batch in batches])
    assert sorted(order) == sorted(read_numbers(found.stored.take(torch.arange(len(found.stored)))))
    other_size = np.concatenate([read_numbers(batch) for batch in found.stored.batches(7, seed=1)])
    assert (other_size == order).all(), "the order does not depend on the size of a batch"
    assert (
        np.mean([len(np.unique(read_numbers(batch) // 8)) for batch in found.stored.batches(16, 1)])
        > 2
    )
    assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 0.2
    assert np.median(np.abs(np.diff(order.astype(int)))) > 100, (
        "neighbours in the file come far apart"
    )
    again, other = (
        np.concatenate([read_numbers(b) for b in found.stored.batches(64, seed)]) for seed in (1, 2)
    )
    assert (again == order).all() and not (other == order).all()


def test_what_is_held_out_is_never_trained_on_and_the_sample_is(tmp_path):
    found = read_set(save_numbered(tmp_path), test_fraction=0.1)
    test, sample = set(read_numbers(found.test.x)), set(read_numbers(found.train.x))
    rest, validation = found.stored.hold_out(50, seed=3)
    trained_on = {n for batch in rest.batches(100, 0) for n in read_numbers(batch)}
    held = set(read_numbers(validation))
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
    one, two = read_set(tmp_path / "x.npy"), read_set(tmp_path / "x.npz")
    assert one.kind == kind and one.stored is None and torch.equal(one.train.x, two.train.x)
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 1000)
    monkeypatch.setattr(stored, "SAMPLE_BYTES", 4000)
    large = read_set(tmp_path / "x.npy")
    assert large.stored is not None and large.input_shape == one.input_shape and large.kind == kind
    whole, found = torch.cat([one.train.x, one.test.x]), take_all(large)
    assert found.dtype == whole.dtype == large.stored.dtype
    assert large.stored.shape == (len(large.stored), *one.input_shape)
    assert (sort_rows(found) == sort_rows(whole)).all()


def test_what_is_wrong_with_a_large_array_is_a_sentence(tmp_path):
    x = np.random.default_rng(0).random((500, 100))
    x[321, 7] = np.nan
    np.save(tmp_path / "nan.npy", x)
    assert "1 NaN and 0 infinite values among rows " in get_refusal(tmp_path / "nan.npy")
    assert "the first in row 321, column 7" in get_refusal(tmp_path / "nan.npy")
    np.save(tmp_path / "objects.npy", np.array([{}] * 3), allow_pickle=True)
    np.save(tmp_path / "channels.npy", np.zeros((50, 20, 24, 28), np.uint8))
    whole = save_numbered(tmp_path).read_bytes()
    (tmp_path / "torn.npy").write_bytes(whole[: len(whole) // 2])
    np.save(tmp_path / "endless.npy", np.full((500, 12, 12), np.inf))
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
        "channels": "20 channels",
        "torn": "is cut short: its header promises shape (2000, 1, 8, 8)",
        "endless": "infinite values among rows 0 to",
        "columns": "saved column by column",
        "none": "not a readable .npy",
        "odd": "not a readable .npy",
    }.items():
        assert words in get_refusal(tmp_path / f"{name}.npy")
    for options in ({"binarise": "static"}, {"train_class": "1"}):
        assert "data.limit" in get_refusal(tmp_path / "large.npy", **options)


@pytest.mark.parametrize("kind", [">f4", "longdouble", "float16", ">i8", "bool"])
def test_numbers_of_any_kind_are_read_as_float32(tmp_path, kind):
    x = (np.random.default_rng(0).random((2000, 100)) * 9).astype(kind)
    np.save(tmp_path / "x.npy", x)
    found = read_set(tmp_path / "x.npy")
    assert found.stored is not None and found.train.x.dtype == torch.float32
    assert (sort_rows(take_all(found)) == sort_rows(torch.from_numpy(x.astype(np.float32)))).all()


def test_missing_cells_pass_only_where_they_are_allowed_for(tmp_path):
    x = np.random.default_rng(0).random((500, 100))
    x[321, 7] = np.nan
    np.save(tmp_path / "x.npy", x)
    assert take_all(read_set(tmp_path / "x.npy", missing="keep")).isnan().sum() == 1
    assert "row 321" in get_refusal(tmp_path / "x.npy"), (
        "what was in order by another rule is checked again"
    )


def test_a_file_that_was_checked_is_checked_again_only_when_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "x.npy"
    np.save(path, np.random.default_rng(0).random((500, 100)))
    read_set(path)
    seen = []
    monkeypatch.setattr(on_disk, "check_finite", lambda x, *rest: seen.append(len(x)))
    read_set(path)
    assert not seen
    np.save(path, np.random.default_rng(1).random((501, 100)))
    read_set(path)
    assert sum(seen) >= 501


def test_checking_tells_how_far_it_is_and_a_cache_that_cannot_be_written_is_no_obstacle(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("AECORE_CACHE", str(tmp_path / "x.npy" / "cache"))
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((500, 100)))
    seen = []
    load_dataset(
        DataConfig(name=str(tmp_path / "x.npy")), lambda text, share: seen.append((text, share))
    )
    assert seen[0][0] == "Checking x.npy" and seen[-1][1] == 1.0 and sorted(seen) == seen


@pytest.mark.parametrize("limit", [100, 700])
def test_a_part_of_a_large_set_that_fits_is_the_ordinary_set_of_that_part(
    tmp_path, monkeypatch, limit
):
    path = save_numbered(tmp_path)
    found, drawn = read_set(path, limit=limit), read_set(path, limit=limit, binarise="static")
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 10**9)
    plain = read_set(path, limit=limit)
    assert (
        found.stored is None
        and not found.notes
        and set(drawn.train.x.unique().tolist()) == {0, 255}
    )
    assert torch.equal(found.train.x, plain.train.x) and torch.equal(found.test.x, plain.test.x)


def test_a_limit_above_what_fits_is_honoured_on_the_disk(tmp_path):
    found = read_set(save_numbered(tmp_path), limit=1500)
    assert len(found.stored) == 1500 and "all 1,500 examples" in found.notes[0]


def test_on_a_public_page_what_is_larger_than_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SPACE_ID", "someone/lab")
    assert "large.npy would take" in get_refusal(save_numbered(tmp_path))
    assert "60 images of 40 x 40 pixels in p would take" in get_refusal(
        write_pictures(tmp_path / "p")
    )
    assert not cache_folder().exists()


def test_whoever_asks_for_all_examples_undivided_is_told_that_they_do_not_fit(tmp_path):
    with pytest.raises(DataError, match=r"large\.npy would take"):
        read_dataset(DataConfig(name=str(save_numbered(tmp_path))))


def test_what_cannot_be_read_from_the_disk_is_told_how_it_could(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((2000, 100)))
    assert get_refusal(tmp_path / "x.npz").endswith(
        "or save them as a .npy, which is read from the disk."
    )
