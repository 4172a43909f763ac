"""Intervals of filled cells: calibrated on cells that the training has not seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import model, trained

from aecore import AutoencoderImputer
from aecore.analysis.imputation import hide_cells
from aecore.analysis.intervals import (
    calibrate_intervals,
    hold_out_cells,
    is_calibrated,
    predict_interval,
)
from aecore.data.datasets import load_dataset
from aecore.data.tables.filled_cells import FilledFeatures, list_filled_cells
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.columns import ColumnOptions
from aecore.model.config import TrainConfig
from aecore.runs.listing import SHIPPED_FOLDER
from aecore.runs.run import Run
from aecore.tasks.impute import compute_filling_errors, plan_imputer
from aecore.training.calibration import hide_part, train_copy
from aecore.training.preparation import TrainingData

OPTIONS = {
    "missing": True,
    "scaling": "standard",
    "bottleneck": {"kind": "gaussian"},
    "likelihood": {"kind": "gaussian", "variance": 0.1},
    "calibration": 0.2,
    "network": {"kind": "mlp", "hidden": (8,), "norm": "none"},
}
QUICK = {"training.epochs": 2, "training.previews": 0, "network.hidden": (8,)}


def draw_rows(count: int, seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.randn(count, 1) + 0.5 * torch.randn(count, 6) ** 3


@pytest.mark.parametrize(("rows", "share"), [(400, 0.9), (400, 0.8), (1500, 0.9)])
def test_intervals_hold_their_share_of_new_cells_whatever_the_model(rows, share):
    made, x = model(**OPTIONS).eval(), draw_rows(rows, 0)
    made.fit_scaling(x)
    fresh = draw_rows(500, 1)
    hidden = hide_cells(fresh, 0.25, seed=1)

    def measure_coverage():
        low, high = predict_interval(made, fresh.masked_fill(hidden, torch.nan), share)
        return ((fresh >= low) & (fresh <= high))[hidden].float().mean().item()

    assert not is_calibrated(made) and measure_coverage() < share - 0.05
    calibrate_intervals(made, x, hold_out_cells(made.config, x, 0), 0)
    assert is_calibrated(made) and measure_coverage() == pytest.approx(share, abs=0.04)


def test_known_cells_are_the_ends_of_their_own_intervals():
    made, x = model(**OPTIONS).eval(), draw_rows(300, 0)
    calibrate_intervals(made, x, hold_out_cells(made.config, x, 0), 0)
    x[::2, 1] = torch.nan
    low, high = predict_interval(made, x)
    known = ~x.isnan()
    assert torch.equal(low[known], x[known]) and torch.equal(high[known], x[known])
    assert (low < high)[~known].all()


def train_on(path, x, **settings):
    np.savez(path / "rows.npz", x=x.numpy(), x_test=x[:2].numpy())
    config = plan_imputer(str(path / "rows.npz"), {**QUICK, "training.seed": 1, **settings})
    return Autoencoder.load(trained(config, path / "run").path).state_dict()


def test_a_training_does_not_see_the_rows_that_are_held_out(tmp_path):
    x = draw_rows(1100, 0)
    held = hold_out_cells(model(**OPTIONS).config, x, 0)
    assert 0.1 < held.float().mean() < 0.3
    states = []
    for name, values in (("as", x), ("other", torch.where(held, x + 100, x))):
        (tmp_path / name).mkdir()
        states.append(train_on(tmp_path / name, values, calibration=0.2))
    first, second = states
    assert (first.pop("stretches") != second.pop("stretches")).any()
    assert all(torch.equal(values, second[name]) for name, values in first.items())


def test_a_short_table_is_trained_on_whole_and_calibrated_by_copies(tmp_path):
    x = draw_rows(60, 0)
    states = []
    for name, share in (("calibrated", 0.25), ("not", 0)):
        (tmp_path / name).mkdir()
        states.append(train_on(tmp_path / name, x, calibration=share))
    first, second = states
    assert (first.pop("stretches") > 0).all()
    assert all(torch.equal(values, second[name]) for name, values in first.items())


def test_a_copy_does_not_see_the_cells_that_it_is_judged_by():
    config, training = model(**OPTIONS).config, TrainConfig(epochs=2, batch_size=16)
    x = draw_rows(60, 0)
    held = hold_out_cells(config, x, 0)
    copies = [
        train_copy(config, training, hide_part(TrainingData(rows, x[:0], rows, x), rows, held))
        for rows in (x, torch.where(held, x + 100, x))
    ]
    weights = [copy.state_dict() for copy in copies if copy is not None]
    assert all(torch.equal(values, weights[1][name]) for name, values in weights[0].items())
    assert train_copy(config, training, TrainingData(x, x[:0], x, x), stop=lambda: True) is None


def test_whole_rows_of_a_long_table_are_held_out():
    x = draw_rows(1200, 0)
    held = hold_out_cells(model(**OPTIONS).config, x, 0)
    assert held.all(1).sum() == 240 and torch.equal(held.all(1), held.any(1))


def test_an_imputer_keeps_its_calibration_when_it_is_saved(tmp_path):
    x = draw_rows(120, 0).numpy()
    x[::3, 2] = np.nan
    imputer = AutoencoderImputer(random_state=0, epochs=2, settings=QUICK).fit(x)
    assert is_calibrated(imputer.model_)
    low, high = imputer.find_intervals(x[:9])
    missing = np.isnan(x[:9])
    assert (low[missing] < high[missing]).all() and (low[~missing] == x[:9][~missing]).all()
    imputer.save(tmp_path)
    again = AutoencoderImputer.load(tmp_path).find_intervals(x[:9])
    assert np.allclose(again[0], low, atol=1e-4) and np.allclose(again[1], high, atol=1e-4)


def test_a_model_of_whole_examples_cannot_be_calibrated():
    with pytest.raises(ConfigError, match="set calibration to 0"):
        model(calibration=0.1)


@pytest.mark.parametrize(
    ("rows", "batch", "steps"), [(300, 64, 3000), (5000, 256, 4000), (30_000, 256, 4000)]
)
def test_long_tables_are_trained_for_a_number_of_steps(tmp_path, rows, batch, steps):
    path = tmp_path / "rows.npz"
    np.savez(path, x=draw_rows(rows, 0).numpy(), x_test=draw_rows(2, 1).numpy())
    training = plan_imputer(str(path)).training
    taken = training.epochs * -(-rows // training.batch_size)
    assert training.batch_size == batch and taken == pytest.approx(steps, rel=0.02)


def test_the_imputer_of_a_mixed_table_keeps_its_heads_and_numbers_have_a_spread(tmp_path):
    path = tmp_path / "things.csv"
    frame = pd.DataFrame({"a": np.arange(40) % 7 / 3, "b": ["yes", "no"] * 20})
    frame["kind"] = np.array(["red", "green", "blue"])[np.arange(40) % 3]
    frame.to_csv(path, index=False)
    mixed = {"data.columns.kind": "category"}
    model = plan_imputer(str(path), mixed).model
    assert model.likelihood.kind == "mixed" and model.likelihood.numbers == "gaussian_spread"
    assert model.network.has_linear_path and model.latent_dim == len(model.likelihood.heads) == 3
    bent = plan_imputer(str(path), {**mixed, "network.code_activation": "sigmoid"})
    assert not bent.model.network.has_linear_path  # it cannot have one, and nobody asked for it
    frame[["a"]].assign(c=1.5 * frame.a).to_csv(path, index=False)
    assert plan_imputer(str(path)).model.likelihood.kind == "student_t"
    chosen = plan_imputer(str(path), {"likelihood.kind": "gaussian"})
    assert chosen.model.likelihood.kind == "gaussian"


SCHEMA = {
    "load": ColumnOptions(kind="number"),
    "state": ColumnOptions(kind="category", categories=("off", "on", "idle")),
    "paid": ColumnOptions(kind="boolean", categories=("no", "yes")),
    "size": ColumnOptions(kind="ordered", categories=("small", "large")),
}


def test_filled_cells_are_told_with_probability_or_interval():
    x = np.array([[1.0, 0, 1, 0, 1, 0], [np.nan] * 6], np.float32)
    filled = np.array([x[0], [2.5, 0.1, 0.2, 0.7, 0.2, 0.8]])
    low, high = filled - 0.5, filled + 1
    cells = list_filled_cells(SCHEMA, FilledFeatures(x, filled, low, high))
    assert cells[["row", "column", "filled", "from", "to"]].to_numpy().tolist() == [
        [1, "load", "2.5", "2", "3.5"],
        [1, "state", "idle", "", ""],
        [1, "paid", "no", "", ""],
        [1, "size", "large", "small", "large"],
    ]
    assert cells.probability.tolist() == pytest.approx([np.nan, 0.7, 0.8, np.nan], nan_ok=True)


def test_errors_are_of_numbers_in_deviations_and_of_words_as_a_share(tmp_path):
    heads = model(
        input_shape=(4,),
        likelihood={
            "kind": "mixed",
            "heads": [{"kind": "number"}, {"kind": "category", "features": 2}, {"kind": "boolean"}],
        },
    ).config.likelihood.heads
    x = torch.tensor([[1.0, 1, 0, 1], [2, 0, 1, 0]])
    filled = torch.tensor([[3.0, 0.4, 0.6, 0.9], [2, 0, 1, 0]])
    hidden = torch.tensor([[True] * 4, [False] * 4])
    errors = compute_filling_errors(heads, filled, x, hidden, torch.full((4,), 2.0))
    assert errors.numbers == pytest.approx(1) and errors.words == pytest.approx(0.5)
    none = compute_filling_errors(heads, filled, x, hidden & False, torch.ones(4))
    assert none == (None, None)


def test_intervals_of_the_shipped_imputer_hold_nine_of_ten_hidden_test_cells():
    run = Run(SHIPPED_FOLDER / "breast-cancer-imputer")
    made, x = Autoencoder.load(run.path), load_dataset(run.config().data).test.x
    hidden = hide_cells(x, 0.2, seed=0)
    interval = predict_interval(made, x.masked_fill(hidden, torch.nan))
    inside = ((x >= interval.low) & (x <= interval.high))[hidden]
    assert is_calibrated(made) and 0.86 < inside.float().mean() < 0.94
