"""Arrays of any layout and type of number, in memory and from the disk."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aecore.data import memory, stored
from aecore.data.datasets import load_dataset, read_dataset
from aecore.errors import DataError
from aecore.model.config import DataConfig

RNG = np.random.default_rng(0)


@pytest.fixture
def on_the_disk(tmp_path, monkeypatch):
    """Every array is larger than memory, and read in small parts."""
    monkeypatch.setenv("AECORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 1000)
    monkeypatch.setattr(stored, "WINDOW_BYTES", 4096)


def save(folder, x):
    np.save(folder / "set.npy", x)
    return DataConfig(name=str(folder / "set.npy"))


def read(folder, x):
    return read_dataset(save(folder, x))


def to_unit(x):
    """Return pixels as 0 to 1."""
    return x / 255 if x.dtype == np.uint8 else x


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        *(((30, 18, 18, channels), (0, 3, 1, 2)) for channels in (1, 2, 3, 4, 8, 16)),
        *(((30, channels, 18, 18), (0, 1, 2, 3)) for channels in (1, 2, 3, 4, 5, 12, 16)),
        *(((30, 3, 4, 4), (0, 1, 2, 3)), ((30, 5, 12, 12), (0, 1, 2, 3))),
        *(((30, 20, 9, 3), (0, 3, 1, 2)), ((32, 32, 3, 40), (3, 2, 0, 1))),
        *(((30, 9, 20), (0, 1, 2)), ((28, 28, 50), (2, 0, 1)), ((50, 28, 28), (0, 1, 2))),
    ],
)
def test_the_axes_of_pictures_are_found_by_their_lengths(tmp_path, shape, axes):
    x = RNG.integers(0, 256, shape).astype(np.uint8)
    raw, expected = read(tmp_path, x), x.transpose(axes)
    expected = expected[:, None] if x.ndim == 3 else expected
    assert raw.kind == "image" and raw.x.dtype == np.uint8 and np.array_equal(raw.x, expected)
    is_said = any("last" in note for note in raw.notes)
    assert is_said == (axes != tuple(range(x.ndim)))


def test_labels_tell_where_the_pictures_are(tmp_path):
    x = RNG.integers(0, 256, (28, 20, 60)).astype(np.uint8)
    np.savez(tmp_path / "set.npz", X=x, y=np.arange(60)[None] % 4)
    raw = read_dataset(DataConfig(name=str(tmp_path / "set.npz")))
    assert np.array_equal(raw.x[:, 0], np.moveaxis(x, -1, 0)) and len(raw.y) == 60


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((64, 64, 3), "one picture of 64 x 64"),
        ((480, 640, 3), "one picture"),
        ((32, 32, 12), "may be one picture of 12 channels"),
        ((20, 20, 24, 28), "20 channels or more, or volumes"),
        ((9, 20, 24, 28), "20 channels"),
        ((5, 2, 3, 4, 4), "it must be N x features"),
        ((5,), "it must be N x features"),
    ],
)
def test_what_is_no_set_of_examples_is_refused_with_its_shape(tmp_path, shape, words):
    with pytest.raises(DataError, match=words) as caught:
        read(tmp_path, np.zeros(shape, np.uint8))
    assert "set.npy" in str(caught.value) and str(shape) in str(caught.value)


GREY = RNG.integers(0, 256, (40, 1, 8, 8))
SCALES = {
    "0 to 255 as floats": (GREY.astype(float), GREY / 255),
    "0 to 255 with fractions": (GREY * 0.999, GREY * 0.999 / 255),
    "0 to 255 as int64": (GREY, GREY / 255),
    "big-endian": (GREY.astype(">u2"), GREY / 255),
    "-1 to 1": (GREY / 127.5 - 1, GREY / 255),
    "0 to 4095": (GREY * 16.0, GREY * 16 / 4095),
    "16 bits": ((GREY * 257).astype(np.uint16), GREY / 255),
    "12 bits in int16": ((GREY * 16).astype(np.int16), GREY * 16 / 4095),
    "bool": (GREY > 127, (GREY > 127).astype(float)),
    "0 and 1 as bytes": ((GREY > 127).astype(np.uint8), (GREY > 127).astype(float)),
    "float16": ((GREY / 255).astype(np.float16), GREY / 255),
    "0 to 16": (GREY // 16.0, GREY // 16 / 15),
    "int8": ((GREY - 128).astype(np.int8), GREY / 255),
    "resized": (GREY / 255 * 1.04 - 0.02, (GREY / 255 * 1.04 - 0.02).clip(0, 1)),
    "standardised": (GREY / 64 - 2, GREY / 255),
    "bytes": (GREY.astype(np.uint8), GREY / 255),
    "0 to 1": (GREY / 255, GREY / 255),
}
SILENT = ("float16", "bytes", "0 to 1")


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("large", [False, True], ids=["in memory", "on the disk"])
def test_pixels_of_any_scale_are_brought_to_0_to_1_with_a_note(name, large, tmp_path, request):
    x, expected = SCALES[name]
    if large:
        request.getfixturevalue("on_the_disk")
    dataset = load_dataset(save(tmp_path, x))
    assert (dataset.stored is not None) == large
    first = dataset.stored.take(torch.arange(len(dataset.stored))) if large else dataset.train.x
    whole = torch.cat([first, dataset.test.x]).numpy()
    assert whole.dtype in (np.uint8, np.float32)
    rows = [to_unit(part).astype(float).reshape(len(part), -1) for part in (whole, expected)]
    got, wanted = (part[np.lexsort(part.round(3).T)] for part in rows)
    assert np.abs(got - wanted).max() < 2e-3
    said = " ".join(note for note in dataset.notes if "memory" not in note)
    assert bool(said) == (name not in SILENT), said


def test_a_large_array_is_scaled_by_all_of_it_and_looked_through_once(
    tmp_path, on_the_disk, monkeypatch
):
    x = np.full((300, 8, 8), 100.0)
    x[-1, 0, 0] = 4000
    config = save(tmp_path, x)
    assert "as 0 to 4095" in load_dataset(config).notes[0]
    monkeypatch.setattr("aecore.data.on_disk.measure_range", None)  # it would fail if called
    again = load_dataset(config)
    assert again.train.x[0, 0, 0, 1] == pytest.approx(100 / 4095)
    monkeypatch.setattr(memory, "allowed_data_bytes", lambda: 5000)
    limited = load_dataset(config.model_copy(update={"limit": 2}))
    assert limited.stored is None and limited.train.x.max() < 1.001


def test_a_large_array_with_channels_last_trains_from_the_disk(tmp_path, on_the_disk):
    x = RNG.integers(0, 256, (100, 9, 9, 3)).astype(np.uint8)
    dataset = load_dataset(save(tmp_path, x))
    assert dataset.stored is not None and dataset.stored.input_shape == (3, 9, 9)
    rest, held_out = dataset.stored.hold_out(5, 0)
    assert len(held_out) == 5 and rest.reading == dataset.stored.reading
    batch = next(iter(rest.batches(4, 0))).numpy()
    wanted = {one.tobytes() for one in np.ascontiguousarray(x.transpose(0, 3, 1, 2))}
    assert all(one.tobytes() in wanted for one in batch)


def test_large_pictures_along_the_last_axis_are_refused_with_a_cure(tmp_path, on_the_disk):
    with pytest.raises(DataError, match=r"larger than memory.*numpy\.moveaxis"):
        load_dataset(save(tmp_path, np.zeros((28, 28, 50), np.uint8)))


@pytest.mark.parametrize("shape", [(40, 6), (40, 8, 8)])
def test_complex_numbers_are_refused_by_that_word(tmp_path, shape):
    with pytest.raises(DataError, match=r"set\.npy holds complex128, complex numbers"):
        read(tmp_path, np.zeros(shape, complex))


@pytest.mark.parametrize("kind", ["bool", "float16", ">f4", "int64", "uint16"])
def test_rows_keep_their_units(tmp_path, kind):
    x = (RNG.random((40, 6)) * 9).astype(kind)
    for order in (x, np.asfortranarray(x)):
        raw = read(tmp_path, order)
        assert raw.kind == "table" and np.array_equal(raw.x, x.astype(np.float32))


def test_rows_of_bytes_that_may_be_pictures_have_a_note(tmp_path):
    raw = read(tmp_path, RNG.integers(0, 256, (40, 784)).astype(np.uint8))
    assert raw.kind == "table" and "save it as N x 28 x 28" in raw.notes[0]
