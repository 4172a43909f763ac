"""The trainer: what a run leaves behind, and what decides on its numbers."""

from __future__ import annotations

import pytest
import torch
from helpers import VAE, tiny, trained, weights_of
from safetensors.torch import load_file

from aecore.data.splits import Dataset, Split
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig, TrainConfig
from aecore.runs.listing import create_run
from aecore.training.preparation import hold_out_validation
from aecore.training.schedule import choose_preview_epochs
from aecore.training.trainer import Trainer, fit


def test_training_lowers_the_loss_and_leaves_a_whole_folder():
    run = trained(tiny(training={"epochs": 15, "previews": 3}))
    losses = [record.loss for record in run.epochs()]
    assert len(losses) == 15 and losses[-1] < 0.7 * losses[0]
    state = run.state()
    assert (state.state, state.epoch, state.epochs, state.progress, state.error) == (
        "done",
        15,
        15,
        0,
        "",
    )
    assert state.device.startswith("CPU")
    assert {"se", "psnr", "active_units", "parameters"} <= set(run.test_metrics())
    assert set(run.epochs()[0].to_row()) == {
        "kind",
        "epoch",
        "seconds",
        "lr",
        "loss",
        "reconstruction",
        "rate",
        "penalty",
        "validation_loss",
    }
    assert Autoencoder.load(run.path).config == run.config().model
    assert not list(run.path.glob(".*tmp")) and not run.is_locked()


def test_the_records_that_are_yielded_are_those_on_disk():
    run = create_run(tiny(training={"pretrain_epochs": 1}))
    assert list(fit(run)) == run.records()


def test_the_mean_loss_counts_a_small_last_batch_by_its_size():
    config = tiny(
        data={"limit": 103, "validation_fraction": 0.0},
        training={"epochs": 1, "lr": 1e-12, "batch_size": 100},
    )
    run = trained(config)
    from aecore.data.datasets import load_dataset
    from aecore.data.splits import as_float

    made, x = Autoencoder.load(run.path), as_float(load_dataset(config.data).train.x)
    assert len(x) == 103
    assert run.epochs()[0].loss == pytest.approx(made.loss(x).total.item(), rel=1e-5)


def test_the_kept_weights_are_those_of_the_best_validation_epoch():
    run = create_run(
        tiny(
            training={
                "epochs": 9,
                "optimizer": "sgd",
                "lr": 0.05,
                "momentum": 0.95,
                "schedule": "constant",
            }
        )
    )
    kept = {0: None}
    for record in fit(run):
        if record.kind == "epoch":
            kept[record.epoch] = weights_of(run)
    losses = [record.validation_loss for record in run.epochs()]
    best = losses.index(min(losses)) + 1
    assert best < 9, "the settings of this test must make the last epoch worse than an earlier one"
    assert weights_of(run) == kept[best]


def wrap_examples(x):
    """A data set of these training examples."""
    return Dataset("some", "image", Split(x, None), Split(x[:0], None))


def test_validation_examples_are_held_out_for_good():
    x = torch.arange(100.0)[:, None]
    train, validation = hold_out_validation(wrap_examples(x), DataConfig(validation_fraction=0.1))
    assert sorted([*train.flatten().tolist(), *validation.flatten().tolist()]) == list(range(100))
    again = hold_out_validation(wrap_examples(x), DataConfig(validation_fraction=0.1))
    assert torch.equal(train, again[0]) and torch.equal(validation, again[1])
    assert not torch.equal(
        validation,
        hold_out_validation(wrap_examples(x), DataConfig(validation_fraction=0.1, split_seed=1))[1],
    )
    assert len(hold_out_validation(wrap_examples(x), DataConfig(validation_fraction=0))[1]) == 0
    assert (
        len(hold_out_validation(wrap_examples(x[:2]), DataConfig(validation_fraction=0.1))[0]) == 2
    )  # too few to share


def test_the_division_does_not_depend_on_the_training_seed():
    first, second = (
        trained(tiny(training={"seed": seed, "epochs": 1, "lr": 1e-9})) for seed in (0, 1)
    )
    assert first.config().data == second.config().data
    assert weights_of(first) != weights_of(second)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    first, second = trained(tiny(**VAE)), trained(tiny(**VAE))
    assert weights_of(first) == weights_of(second)
    assert weights_of(first) != weights_of(trained(tiny(**VAE, training={"seed": 1})))
    assert [r.loss for r in first.epochs()] == [r.loss for r in second.epochs()]
    assert first.test_metrics() == second.test_metrics()


def test_previews_show_the_same_inputs_as_they_are_rebuilt_over_time():
    run = trained(tiny(training={"epochs": 6, "previews": 3}))
    epochs = [epoch for epoch, _ in run.previews()]
    assert epochs[0] == 0 and epochs[-1] == 6
    first, last = (load_file(run.previews()[i][1]) for i in (0, -1))
    assert torch.equal(first["x"], last["x"]) and first["x"].shape == (16, 1, 8, 8)
    errors = [(t["x"].float() - t["reconstruction"].float()).square().mean() for t in (first, last)]
    assert errors[1] < errors[0]


@pytest.mark.parametrize(
    ("epochs", "previews"), [(1, 20), (5, 20), (100, 20), (1000, 7), (3, 1), (100_000, 1000)]
)
def test_previews_are_about_as_many_as_asked_for_and_the_last_epoch_is_one(epochs, previews):
    chosen = choose_preview_epochs(TrainConfig(epochs=epochs, previews=previews))
    assert max(chosen) == epochs and min(chosen) >= 1 and len(chosen) <= previews + 1
    assert choose_preview_epochs(TrainConfig(epochs=epochs, previews=0)) == set()


def test_half_precision_changes_the_products_and_not_the_weights_kept():
    half, full = (
        trained(tiny(training={"precision": p, "epochs": 8}, **VAE))
        for p in ("bfloat16", "float32")
    )
    assert {t.dtype for t in load_file(half.path / "model.safetensors").values()} == {torch.float32}
    ours, theirs = (run.test_metrics()["nll_bound"] for run in (half, full))
    assert ours == pytest.approx(theirs, rel=0.02) and ours != theirs


def test_pixels_drawn_once_are_the_same_in_every_epoch_and_fresh_ones_are_not(monkeypatch):
    seen, loss = [], Autoencoder.loss

    def spy(model, x, *rest):
        if model.training:
            seen.append(x)
        return loss(model, x, *rest)

    monkeypatch.setattr(Autoencoder, "loss", spy)
    for how in ("static", "dynamic"):
        trained(
            tiny(
                {"binarise": how, "validation_fraction": 0}, {"epochs": 2, "batch_size": 200}, **VAE
            )
        )
    assert all(set(x.unique().tolist()) == {0.0, 1.0} for x in seen)
    once, again, fresh, other = ({bytes(row.byte().numpy()) for row in x.flatten(1)} for x in seen)
    assert once == again
    assert not fresh & other


def test_training_begins_at_the_mean_of_the_data():
    trainer = Trainer(create_run(tiny(likelihood={"kind": "gaussian"})), lambda: False, None)
    start = trainer.model.decoder.output_bias.detach().view(1, 8, 8)
    torch.testing.assert_close(start, trainer.batches.x.mean(0))
