"""The trainer: it ends with the same weights however often it was killed, and never loses the best ones."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from helpers import ended, fork, hold_still, kill_hard, tiny, trained, wait_for, weights_of
from safetensors.torch import load_file

from aecore.cli.parser import main
from aecore.data.splits import Dataset, Split
from aecore.errors import CheckpointError, ConfigError, DataError, RunError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig, TrainConfig
from aecore.model.weights import write_tensors
from aecore.runs.listing import create_run
from aecore.runs.run import Run
from aecore.training import optimizer
from aecore.training.devices import pick_device
from aecore.training.failures import is_out_of_memory
from aecore.training.preparation import hold_out_validation
from aecore.training.run_writer import RunWriter
from aecore.training.schedule import choose_preview_epochs, scheduled_learning_rate
from aecore.training.trainer import Trainer, fit

VAE = {"bottleneck": {"kind": "gaussian"}, "likelihood": {"kind": "bernoulli"}}


# -- what a run leaves behind


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


def examples(x):
    """A data set of these training examples."""
    return Dataset("some", "image", Split(x, None), Split(x[:0], None))


def test_validation_examples_are_held_out_for_good():
    x = torch.arange(100.0)[:, None]
    train, validation = hold_out_validation(examples(x), DataConfig(validation_fraction=0.1))
    assert sorted([*train.flatten().tolist(), *validation.flatten().tolist()]) == list(range(100))
    again = hold_out_validation(examples(x), DataConfig(validation_fraction=0.1))
    assert torch.equal(train, again[0]) and torch.equal(validation, again[1])
    assert not torch.equal(
        validation,
        hold_out_validation(examples(x), DataConfig(validation_fraction=0.1, split_seed=1))[1],
    )
    assert len(hold_out_validation(examples(x), DataConfig(validation_fraction=0))[1]) == 0
    assert (
        len(hold_out_validation(examples(x[:2]), DataConfig(validation_fraction=0.1))[0]) == 2
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


# -- how the rate and the weights of the loss move


def test_the_schedules_follow_their_curves():
    def rates(**options):
        config = TrainConfig(epochs=4, lr=2.0, **options)
        return [scheduled_learning_rate(config, step, 10) for step in range(40)]

    assert rates(schedule="constant") == [2.0] * 40
    cosine = rates()
    assert (
        cosine[0] == 2
        and cosine[20] == pytest.approx(1)
        and cosine[-1] == pytest.approx(2 * 0.00154, rel=0.01)
    )
    assert cosine == sorted(cosine, reverse=True)
    assert rates(schedule="step") == pytest.approx([2.0] * 20 + [0.2] * 10 + [0.02] * 10)
    assert rates(schedule="constant", warmup_steps=3)[:5] == pytest.approx([0.5, 1, 1.5, 2, 2])


def test_the_optimiser_is_given_the_rate_of_each_step(monkeypatch):
    used, adam = [], optimizer.adam

    def adam_watched(*tensors, lr, **options):
        used.append(lr)
        adam(*tensors, lr=lr, **options)

    monkeypatch.setattr(optimizer, "adam", adam_watched)
    config = tiny(training={"epochs": 2, "schedule": "cosine", "warmup_steps": 2})
    list(fit(create_run(config)))
    steps = math.ceil(190 / 64)
    assert used == [
        scheduled_learning_rate(config.training, step, steps) for step in range(2 * steps)
    ]


def test_the_kl_fades_in_over_its_warm_up_and_validation_sees_all_of_it(monkeypatch):
    seen, loss = [], Autoencoder.loss

    def spy(self, x, kl_weight=1.0):
        seen.append((torch.is_grad_enabled(), kl_weight))
        return loss(self, x, kl_weight)

    monkeypatch.setattr(Autoencoder, "loss", spy)
    list(
        fit(
            create_run(
                tiny(**VAE, training={"epochs": 5, "kl_warmup_epochs": 3, "batch_size": 1000})
            )
        )
    )
    assert [weight for learning, weight in seen if learning] == [0.25, 0.5, 0.75, 1, 1]
    assert [weight for learning, weight in seen if not learning] == [1.0] * 5


def test_the_noise_of_the_validation_is_there_and_the_same_in_every_epoch():
    noisy, clean = (
        trained(
            tiny(corruption=corruption, training={"epochs": 3, "lr": 1e-12, "optimizer": "sgd"})
        ).epochs()
        for corruption in ({"kind": "gaussian", "sigma": 2.0}, None)
    )
    assert noisy[0].validation_loss == pytest.approx(noisy[2].validation_loss, rel=1e-5)
    assert noisy[0].validation_loss > 1.1 * clean[0].validation_loss


def test_training_stops_after_so_many_epochs_without_gain():
    run = trained(
        tiny(training={"epochs": 500, "lr": 1e-12, "early_stopping": 3, "optimizer": "sgd"})
    )
    losses = [record.validation_loss for record in run.epochs()]
    best = losses.index(min(losses)) + 1
    assert run.state().state == "done" and run.state().epoch == len(losses) == best + 3 < 500
    assert run.test_metrics()


def test_weight_decay_counts_a_tied_weight_once():
    network = {"kind": "mlp", "hidden": (), "tied": True}
    config = tiny(
        network=network,
        training={
            "optimizer": "adamw",
            "weight_decay": 10,
            "lr": 1e-3,
            "epochs": 1,
            "schedule": "constant",
        },
    )
    run = trained(config)
    steps = math.ceil(190 / 64)
    torch.manual_seed(0)
    start = Autoencoder(config.model).encoder.layers[0].weight
    end = Autoencoder.load(run.path).encoder.layers[0].weight
    assert (
        end - start * (1 - 10 * 1e-3) ** steps
    ).abs().max() <= steps * 1e-3 * 1.01  # adam moves lr a step at most


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_optimiser_learns(optimizer):
    lr = {"adam": 1e-2, "adamw": 1e-2, "sgd": 3e-3}[optimizer]
    run = trained(
        tiny(training={"epochs": 8, "optimizer": optimizer, "lr": lr, "weight_decay": 1e-4})
    )
    assert run.epochs()[-1].loss < 0.8 * run.epochs()[0].loss


def test_pretraining_gives_the_network_a_better_start():
    deep = {
        "network": {
            "kind": "mlp",
            "hidden": (32, 16),
            "activation": "sigmoid",
            "code_activation": "sigmoid",
        }
    }
    plain, pretrained = (
        trained(tiny(**deep, training={"epochs": 2, "lr": 1e-2, "pretrain_epochs": n}))
        for n in (0, 15)
    )
    records = pretrained.pretraining()
    assert [(r.layer, r.epoch) for r in records] == [
        (layer, e) for layer in (1, 2, 3) for e in range(1, 16)
    ]
    for layer in (1, 2, 3):
        losses = [r.loss for r in records if r.layer == layer]
        assert losses[-1] < losses[0]
    assert pretrained.epochs()[0].loss < 0.95 * plain.epochs()[0].loss


@pytest.mark.parametrize(
    "options",
    [
        {"network": {"kind": "mlp", "hidden": (16,), "tied": True}},
        {"network": {"kind": "mlp", "hidden": ()}, **VAE},
        {"network": {"kind": "mlp", "hidden": (16, 12), "norm": "batch"}, **VAE},
        {"corruption": {"kind": "masking"}, "bottleneck": {"kind": "top_k", "k": 2}},
        {
            "bottleneck": {"kind": "vector_quantized", "dim": 2},
            "network": {"kind": "mlp", "hidden": (8,), "tied": True},
        },
    ],
)
def test_pretraining_works_with_tied_variational_and_corrupted_networks(options):
    run = trained(tiny(**options, training={"epochs": 1, "pretrain_epochs": 2}))
    layers = len(run.config().model.network.hidden) + 1
    assert len(run.pretraining()) == 2 * layers and run.state().state == "done"


# -- stop, kill, resume


def test_stop_keeps_the_best_model_and_resume_goes_on_to_the_same_end():
    config = tiny(**VAE, training={"epochs": 6})
    whole, run = trained(config), create_run(config)
    seen = []
    for record in fit(run, lambda: len(seen) >= 2):
        seen.append(record)
    assert run.state().state == "stopped" and run.state().epoch == 2
    assert not run.test_metrics()
    Autoencoder.load(run.path)
    list(fit(run))
    assert weights_of(run) == weights_of(whole)
    assert [r.loss for r in run.epochs()] == [r.loss for r in whole.epochs()]


def test_a_learned_noise_variance_is_trained_kept_and_resumed():
    learned = {
        "likelihood": {"kind": "gaussian", "learned": True},
        "training": {"epochs": 6, "lr": 1e-2},
    }
    whole, run = trained(tiny(**learned)), create_run(tiny(**learned))
    seen = []
    for record in fit(run, lambda: len(seen) >= 2):
        seen.append(record)
    list(fit(run))
    assert weights_of(run) == weights_of(whole)
    noise = Autoencoder.load(run.path).likelihood.log_variance.exp().item()
    assert 0.01 < noise < 0.47, "it began at 0.5, and the digits' pixels vary by 0.14 at most"


def test_stop_within_the_first_epoch_leaves_a_model_that_has_learned_something():
    calls = iter(range(10_000))
    run = create_run(tiny(training={"batch_size": 1, "lr": 1e-2}))
    list(fit(run, lambda: next(calls) > 100))
    assert run.state().state == "stopped" and run.state().epoch == 0
    torch.manual_seed(0)
    fresh = Autoencoder(run.config().model)
    assert not torch.equal(
        Autoencoder.load(run.path).encoder.layers[0].weight, fresh.encoder.layers[0].weight
    )


def test_stop_within_pretraining_leaves_a_model_and_resume_starts_it_over():
    config = tiny(training={"pretrain_epochs": 3})
    whole, run, seen = trained(config), create_run(config), []
    for record in fit(run, lambda: len(seen) >= 2):
        seen.append(record)
    assert run.state().state == "stopped" and run.has_model()
    list(fit(run))
    assert weights_of(run) == weights_of(whole)


CONFIGS = {
    "vae": tiny(**VAE, training={"epochs": 2}),
    "pretrained": tiny(
        network={"kind": "mlp", "hidden": (16, 8)}, training={"epochs": 2, "pretrain_epochs": 1}
    ),
    "sgd-cosine": tiny(
        corruption={"kind": "gaussian"},
        training={
            "epochs": 2,
            "optimizer": "sgd",
            "lr": 1e-2,
            "schedule": "cosine",
            "warmup_steps": 3,
        },
    ),
    "early-stopping": tiny(
        training={"epochs": 50, "lr": 1e-12, "optimizer": "sgd", "early_stopping": 2}
    ),
}


class Killed(BaseException):
    """What no `except Exception` sees: a kill, at a known place."""


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_killed_before_or_after_any_write_a_resumed_run_ends_the_same(config, monkeypatch):
    whole = trained(config)
    left = [0]

    def counted(function):
        def call(*arguments, **options):
            if left[0] == 1:
                left[0] = 0
                raise Killed
            left[0] -= 1
            result = function(*arguments, **options)
            if left[0] == 1:
                left[0] = 0
                raise Killed
            left[0] -= 1
            return result

        return call

    monkeypatch.setattr(os, "replace", counted(os.replace))
    monkeypatch.setattr(Run, "append", counted(Run.append))
    for at in range(1, 1000):
        left[0] = -1
        run = create_run(config)
        left[0] = at
        try:
            list(fit(run))
        except Killed:
            assert run.state().state in ("lost", "queued", "done")
            left[0] = -1
            list(fit(run))
        else:
            break
        assert weights_of(run) == weights_of(whole), at
        assert [r.loss for r in run.epochs()] == [r.loss for r in whole.epochs()], at
        assert run.state().state == "done" and run.test_metrics() == whole.test_metrics(), at
        run.delete()
    assert at > 20


LONG = {
    "vae": ["vae"],
    "stacked": [
        "stacked",
        "--set",
        "training.pretrain_epochs=1",
        "--set",
        "network.hidden=[32,16]",
    ],
    "sgd-cosine": [
        "vanilla",
        "--lr",
        "0.003",
        "--set",
        "training.optimizer=sgd",
        "--set",
        "training.schedule=cosine",
    ],
}


def train_until(moment, held, arguments):
    """The command line, which stands still, to be killed, once the state that it has written is that of `moment`."""
    write_state = Run.write_state

    def write_and_hold(run, **changes):
        state = write_state(run, **changes)
        if moment(state):
            held.touch()
            hold_still()
        return state

    Run.write_state = write_and_hold
    RunWriter.reported_at = property(
        lambda _: -math.inf, lambda *_: None
    )  # it tells after every step where it is
    return main(arguments)


ENDLESS = ["--epochs", "100000", "--device", "cpu", "--set", "data.limit=200"]


MOMENTS = {  # of the state that was written last
    "in the first epoch": lambda state: state.epoch == 0 and state.progress > 0,
    "between two epochs": lambda state: (
        state.epoch == 1 and state.progress == 0 and state.state == "running"
    ),
    "in a later epoch": lambda state: state.epoch >= 2 and state.progress > 0,
}


@pytest.mark.parametrize("arguments", LONG.values(), ids=LONG)
def test_a_process_killed_at_three_moments_and_resumed_ends_with_the_same_bytes(
    arguments, tmp_path
):
    """kill -9 in the first epoch, between and within later ones; the processes are forked from this one."""
    common = [
        "train",
        *arguments,
        "--device",
        "cpu",
        "--epochs",
        "6",
        "--batch-size",
        "8",
        "--set",
        "training.previews=2",
        "--set",
        "data.limit=400",
    ]
    assert ended(fork(lambda: main([*common, "--out", str(tmp_path / "whole")]))) == 0
    whole, run = Run(tmp_path / "whole"), Run(tmp_path / "killed")

    for number, (name, moment) in enumerate(MOMENTS.items()):
        command, held = (
            ["resume", str(run.path)] if number else [*common, "--out", str(run.path)],
            tmp_path / name,
        )
        pid = fork(
            lambda moment=moment, held=held, command=command: train_until(moment, held, command)
        )
        wait_for(held.exists, name)
        kill_hard(pid)
        assert run.state().state == "lost" and run.state().epoch == number
        Autoencoder.load(run.path)
    assert ended(fork(lambda: main(["resume", str(run.path)]))) == 0
    assert weights_of(run) == weights_of(whole)
    assert [r.loss for r in run.epochs()] == [r.loss for r in whole.epochs()]
    assert run.test_metrics() == whole.test_metrics()
    assert run.state().state == "done"


def test_a_run_that_another_process_trains_is_refused_and_not_disturbed(tmp_path, monkeypatch):
    run = Run(tmp_path / "run")
    pid = fork(lambda: main(["train", "vae", *ENDLESS, "--out", str(run.path)]))
    wait_for(lambda: run.state().epoch >= 1, "it trains")
    with monkeypatch.context() as patches:
        patches.setattr(time, "sleep", lambda seconds: None)  # between the tries for the lock
        with pytest.raises(RunError, match="another process"):
            list(fit(run))
        assert ended(fork(lambda: main(["resume", str(run.path)]))) == 1
    assert run.state().state == "running"
    run.stop(wait=600)
    assert ended(pid) == 0
    assert run.state().state == "stopped"
    Autoencoder.load(run.path)


@pytest.mark.parametrize("damage", [b"", b"torn", None])
def test_a_damaged_position_is_named_and_the_model_kept(damage):
    run, seen = create_run(tiny()), []
    for record in fit(run, lambda: bool(seen)):
        seen.append(record)
    path = run.path / "resume.safetensors"
    if damage is None:
        write_tensors(path, load_file(path))  # whole, but silent on where it stood
    else:
        path.write_bytes(damage)
    with pytest.raises(CheckpointError, match=r"resume\.safetensors"):
        list(fit(run))
    assert run.state().state == "failed" and "resume.safetensors" in run.state().error
    Autoencoder.load(run.path)


# -- what goes wrong


def finite_on_disk(run):
    return all(t.isfinite().all() for t in load_file(run.path / "model.safetensors").values())


def test_a_loss_that_is_no_number_fails_with_a_sentence_and_keeps_the_best_weights():
    run = create_run(tiny(training={"optimizer": "sgd", "lr": 100, "epochs": 30}))
    with pytest.raises(RunError, match="tenth of the learning rate"):
        for record in fit(run):
            assert math.isfinite(record.loss)
    state = run.state()
    assert state.state == "failed" and "diverged" in state.error and "100" in state.error
    assert finite_on_disk(run)
    assert Autoencoder.load(run.path).reconstruct(torch.rand(2, 1, 8, 8)).isfinite().all()
    assert all(
        math.isfinite(value)
        for record in run.epochs()
        for value in record.to_row().values()
        if value != "epoch"
    )


def test_weights_that_blow_up_in_the_last_step_of_an_epoch_are_not_kept():
    config = tiny(
        data={"limit": 2, "validation_fraction": 0.0},
        training={"optimizer": "sgd", "lr": 100},
        likelihood={"kind": "gaussian", "variance": 3e-37},
    )
    run = create_run(config)
    with pytest.raises(
        RunError, match=r"diverged in epoch 1: loss \d"
    ):  # the loss before the only step is a number
        list(fit(run))
    assert finite_on_disk(run)


def test_a_pretraining_that_diverges_fails_with_a_sentence_and_no_broken_model():
    config = tiny(
        network={
            "kind": "mlp",
            "hidden": (16, 16, 16, 16),
            "activation": "relu",
            "code_activation": "relu",
        },
        likelihood={"kind": "gaussian", "variance": 1e-37},
        training={"lr": 100, "pretrain_epochs": 3},
    )
    run = create_run(config)
    with pytest.raises(RunError, match="diverged"):
        list(fit(run))
    assert run.state().state == "failed"
    assert not run.has_model() or finite_on_disk(run)


def test_a_cross_entropy_on_values_that_are_no_probabilities_is_refused():
    config = tiny(data={"name": "iris"}, input_shape=(4,), likelihood={"kind": "bernoulli"})
    run = create_run(config)
    with pytest.raises(ConfigError, match="minmax"):
        list(fit(run))
    assert run.state().state == "failed"
    fine = tiny(
        data={"name": "iris"}, input_shape=(4,), likelihood={"kind": "bernoulli"}, scaling="minmax"
    )
    assert trained(fine).state().state == "done"


def test_data_that_is_gone_or_has_changed_is_named(tmp_path):
    import numpy

    path = tmp_path / "own.npz"
    numpy.savez(path, x=numpy.random.rand(50, 6).astype("float32"))
    config = tiny(data={"name": str(path)}, input_shape=(6,))
    trained(config)
    numpy.savez(path, x=numpy.random.rand(50, 7).astype("float32"))
    run = create_run(config)
    with pytest.raises(RunError, match=r"\(7,\).*\(6,\)"):
        list(fit(run))
    path.unlink()
    with pytest.raises(DataError, match="no data set or path"):
        list(fit(run))
    assert run.state().state == "failed" and "no data set" in run.state().error


def test_a_very_long_error_still_fits_the_state():
    run = create_run(tiny(data={"name": "/" + "x" * 4000}))
    with pytest.raises(DataError):
        list(fit(run))
    assert run.state().state == "failed"


def test_an_unforeseen_error_is_told_in_the_folder_too(monkeypatch):
    monkeypatch.setattr(Autoencoder, "loss", lambda *_: 1 / 0)
    run = create_run(tiny())
    with pytest.raises(ZeroDivisionError):
        list(fit(run))
    assert run.state().state == "failed" and "ZeroDivisionError" in run.state().error


def test_memory_that_ran_out_is_told_from_other_errors():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)  # 4 PB
    assert type(caught.value) is RuntimeError, "its type alone tells nothing"
    for error in (caught.value, torch.OutOfMemoryError("CUDA out of memory"), MemoryError()):
        assert is_out_of_memory(error)
    for error in (RuntimeError("can't allocate"), OSError("DefaultCPUAllocator: can't allocate")):
        assert not is_out_of_memory(error)


def test_a_model_without_its_history_cannot_be_trained(tmp_path):
    from helpers import model

    model().save(tmp_path)
    with pytest.raises(RunError, match="without its data"):
        list(fit(Run(tmp_path)))


def test_a_device_that_is_not_there_is_named_with_those_that_are():
    assert pick_device("cpu").type == "cpu"
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(RunError, match=r"auto, .*cpu"):
        pick_device(missing)


FULL_DISK = """
import resource, sys
from aecore.cli.parser import main
from aecore.runs.listing import find_run

run = find_run(sys.argv[1])
size = (run.path / "model.safetensors").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
sys.exit(main(["resume", str(run.path)]))
"""


def test_a_file_that_cannot_grow_fails_the_run_and_keeps_the_old_model(forked):
    run, seen = create_run(tiny(training={"epochs": 5})), []
    for record in fit(run, lambda: len(seen) >= 2):
        seen.append(record)
    before = weights_of(run)
    project = str(Path(__file__).resolve().parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(run.path)],
        capture_output=True,
        text=True,
        cwd=project,
    )
    assert done.returncode == 1
    assert "cannot be written" in done.stderr and "Traceback" not in done.stderr
    assert run.state().state == "failed" and "cannot be written" in run.state().error
    assert weights_of(run) == before
    Autoencoder.load(run.path)
    list(fit(run))
    assert weights_of(run) == weights_of(
        trained(tiny(training={"epochs": 5}))
    )  # once there is room again


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", place], capture_output=True
    ).returncode:
        pytest.skip("only root may mount a small disk; the limit on file sizes is tested above")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(path):
    """A file that takes all the room there is."""
    with open(path, "wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 500):
            pass


def test_a_full_disk_fails_the_run_keeps_the_old_model_and_the_run_goes_on_when_there_is_room(
    small_disk,
):
    config = tiny(training={"epochs": 6})
    run, kept = create_run(config, small_disk / "run"), []
    with pytest.raises(RunError, match="cannot be written"):
        for record in fit(run):
            if record.epoch == 3:
                fill(small_disk / "filler")
            kept.append(weights_of(run))
    assert len(kept) == 3
    assert weights_of(run) == kept[-1]
    Autoencoder.load(run.path)
    assert run.state().state in ("failed", "lost")
    (small_disk / "filler").unlink()
    list(fit(run))
    assert weights_of(run) == weights_of(trained(config)) and len(run.epochs()) == 6


def test_ctrl_c_keeps_the_best_model(tmp_path):
    run = Run(tmp_path / "run")
    pid = fork(lambda: main(["train", "vanilla", *ENDLESS, "--out", str(run.path)]))
    wait_for(lambda: run.state().epoch >= 2, "it trains")
    os.kill(pid, signal.SIGINT)
    assert ended(pid) == 0
    assert run.state().state == "stopped" and run.state().epoch >= 2
    assert json.loads((run.path / "state.json").read_text())["state"] == "stopped"
    Autoencoder.load(run.path)


# -- precision, binarised pixels, annealing


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
    torch.testing.assert_close(start, trainer.x.mean(0))


def test_the_best_epoch_is_not_one_at_which_more_units_were_kept():
    options = {"bottleneck": {"kind": "top_k", "k": 1, "start": 8}, "latent_dim": 8}
    run = trained(tiny(training={"epochs": 8, "lr": 3e-2}, **options))
    losses = [row.validation_loss for row in run.epochs()]
    assert min(losses[:4]) < min(
        losses[4:]
    )  # with more units it was better, but that is another model
    model = Autoencoder.load(run.path)
    assert (model.encode(torch.rand(5, 1, 8, 8)) != 0).sum(1).tolist() == [1] * 5
    trainer = Trainer(run, lambda: False, None)
    trainer.model.load_state_dict(load_file(run.path / "model.safetensors"))
    trainer.model.bottleneck.anneal(1.0)
    assert trainer.validate() == pytest.approx(min(losses[4:]))


def test_batch_normalised_runs_resume_to_the_same_bytes():
    config = tiny(training={"epochs": 4}, network={"kind": "mlp", "hidden": (16,), "norm": "batch"})
    whole, parts = trained(config), create_run(config)
    for _ in fit(parts, stop=lambda: len(parts.epochs()) >= 2):
        pass
    assert parts.state().state == "stopped"
    list(fit(parts))
    assert weights_of(parts) == weights_of(whole)


def test_a_contraction_of_a_batch_normalised_encoder_is_refused():
    with pytest.raises(ConfigError, match="use norm layer"):
        tiny(network={"kind": "mlp", "norm": "batch"}, penalties=({"kind": "contractive"},))


def test_tables_are_not_binarised():
    config = tiny({"name": "iris", "binarise": "static"}, input_shape=(4,))
    with pytest.raises(DataError, match="no pixels"):
        list(fit(create_run(config)))
