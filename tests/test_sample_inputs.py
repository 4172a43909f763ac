"""The sample inputs that come with the package, and what is shown where data is not at hand."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
import torch
from data_sets import write_mnist
from safetensors import numpy as safetensors

from aecore.data import sample_inputs, stand_in
from aecore.data.catalog import CATALOG
from aecore.data.datasets import read_dataset
from aecore.data.sample_inputs import (
    PHOTOGRAPHS,
    SAMPLE_COUNT,
    SAMPLES_FOLDER,
    cut_crops,
    read_sample,
    write_sample,
)
from aecore.data.splits import as_float
from aecore.data.stand_in import (
    FOREIGN_NAME,
    PHOTOGRAPHS_NAME,
    PHOTOGRAPHS_REMARK,
    load_data_or_stand_in,
)
from aecore.errors import DataError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig
from aecore.model.variants.fitting import configure
from aecore.runs.listing import find_run
from bench.packs import PACKED_RUN, build_shipped_packs
from ui.kit.shipped_explorer import PACKS_FOLDER

LARGEST = 400_000  # bytes of all samples


def make_run_config(name, **data):
    """A config of a run on a set of the catalog."""
    config = configure("vanilla", CATALOG[name].input_shape)
    return config.model_copy(update={"data": DataConfig(name=name, **data)})


def test_the_samples_are_small_and_say_where_they_come_from():
    assert sum(path.stat().st_size for path in SAMPLES_FOLDER.iterdir()) < LARGEST
    text = (SAMPLES_FOLDER / "README.md").read_text()
    assert "LeCun" in text and "CC BY-SA 3.0" in text and "CC BY-SA 3.0" in CATALOG["mnist"].credit
    assert all(name in text for name in ("NASA", "CC0", *PHOTOGRAPHS))


def test_a_run_on_mnist_is_shown_on_its_own_sample(data_folder):
    dataset, remark = load_data_or_stand_in(make_run_config("mnist"))
    assert "1,000 test images of MNIST that come with the app" in remark
    assert dataset.train.x.shape == dataset.test.x.shape == (SAMPLE_COUNT, 1, 28, 28)
    assert dataset.test.y.bincount().min() > 50


def test_a_sample_is_divided_as_the_run_says(data_folder):
    ones, _ = load_data_or_stand_in(make_run_config("mnist", train_class="1", binarise="static"))
    assert ones.train.y.unique().tolist() == [1] and len(ones.test.x) == SAMPLE_COUNT
    assert ones.train.x.unique().tolist() == [0, 255]


def test_the_whole_set_comes_before_its_sample(data_folder):
    write_mnist(data_folder)
    dataset, remark = load_data_or_stand_in(make_run_config("mnist"))
    assert remark == "" and len(dataset.test.x) == 3


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10"])
def test_other_pictures_are_said_not_to_be_the_models_own(data_folder, name):
    dataset, remark = load_data_or_stand_in(make_run_config(name))
    assert remark.startswith("This model was not made for these pictures.") and name in remark
    assert dataset.name == FOREIGN_NAME and dataset.input_shape == CATALOG[name].input_shape
    assert dataset.test.x.min() >= 0 and dataset.test.x.max() <= 1


def test_the_shipped_codec_is_shown_on_photographs_that_it_has_not_seen():
    run = find_run("photos-codec")
    dataset, remark = load_data_or_stand_in(run.config())
    assert remark == PHOTOGRAPHS_REMARK and dataset.name == PHOTOGRAPHS_NAME
    assert dataset.input_shape == run.config().model.input_shape
    assert set(dataset.train.y.tolist()) == set(dataset.test.y.tolist()) == {0, 1, 2, 3}
    x = as_float(dataset.test.x[:8])
    errors = (Autoencoder.load(run.path).reconstruct(x) - x).square().flatten(1).mean(1)
    assert -10 * errors.log10().mean() > 25  # dB: 27.8 on its own test photographs


def test_the_crops_of_a_photograph_lie_side_by_side():
    photograph = np.arange(200 * 300 * 3).reshape(200, 300, 3)
    crops = cut_crops(photograph)
    second_of_second_row = photograph[96:192, 96:192].transpose(2, 0, 1)
    assert len(crops) == 6 and np.array_equal(crops[4], second_of_second_row)


def test_fewer_pictures_stand_in_for_large_ones(monkeypatch):
    shape = (3, 64, 64)
    monkeypatch.setattr(stand_in, "MAX_RESIZED_VALUES", 5 * 3 * 64 * 64 + 1)
    dataset = stand_in.make_stand_in(DataConfig(name="gone"), shape)
    assert dataset.train.x.shape == dataset.test.x.shape == (5, *shape)
    assert len(dataset.test.y) == 5


def test_nothing_stands_in_for_a_table(data_folder):
    config = make_run_config("iris").model_copy(update={"data": DataConfig(name="gone.csv")})
    with pytest.raises(DataError, match=r"gone.csv, is not on this machine"):
        load_data_or_stand_in(config)


def test_a_sample_holds_the_first_images_of_both_splits(data_folder, tmp_path, monkeypatch):
    write_mnist(data_folder)
    monkeypatch.setattr(sample_inputs, "SAMPLE_COUNT", 2)
    monkeypatch.setattr(sample_inputs, "SAMPLES_FOLDER", tmp_path)
    whole = read_dataset(DataConfig(name="mnist"))
    write_sample(whole, tmp_path / "mnist.npz")
    sample = read_sample("mnist")
    assert sample.train_count == 2 and np.array_equal(sample.x, whole.x[[0, 1, 6, 7]])
    assert sample.y.tolist() == whole.y[[0, 1, 6, 7]].tolist()


def test_the_packs_of_home_are_those_of_the_shipped_model():
    for part, built in build_shipped_packs(PACKED_RUN).items():
        kept = safetensors.load(
            gzip.decompress((PACKS_FOLDER / f"{PACKED_RUN}.{part}.gz").read_bytes())
        )
        arrays = safetensors.load(built)
        assert arrays.keys() == kept.keys()
        for name in arrays.keys() - {"codes", "log_variance"}:  # in steps, which may fall otherwise
            first, second = (torch.from_numpy(a[name].astype(np.float32)) for a in (arrays, kept))
            torch.testing.assert_close(first, second, rtol=2e-3, atol=2e-3)
    assert find_run(PACKED_RUN).config().model.latent_dim == 2
