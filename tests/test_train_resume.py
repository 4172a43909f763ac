"""Training ends with the same weights however often it was stopped or killed."""

from __future__ import annotations

import json
import math
import os
import signal
import time

import pytest
import torch
from helpers import VAE, ended, fork, hold_still, kill_hard, tiny, trained, wait_for, weights_of
from safetensors.torch import load_file

from aecore.cli.parser import main
from aecore.errors import RunError
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import create_run
from aecore.runs.records import EpochRecord
from aecore.runs.run import Run
from aecore.training.run_writer import RunWriter
from aecore.training.trainer import Trainer, fit


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


def test_the_state_names_the_epoch_whose_weights_are_kept(monkeypatch):
    held_out = iter([5.0, 3.0, 4.0, 2.0, 6.0, 7.0, 1.0, 1.0])
    monkeypatch.setattr(Trainer, "validate", lambda self: next(held_out))
    config = tiny(**VAE, training={"epochs": 6}, data={"validation_fraction": 0.2})
    run = create_run(config)
    states = [run.state() for record in fit(run) if isinstance(record, EpochRecord)]
    kept = [(state.kept_epoch, state.best) for state in states]
    assert kept == [(1, 5), (2, 3), (2, 3), (4, 2), (4, 2), (4, 2)]
    averaged = trained(tiny(**VAE, training={"epochs": 2, "averaged": 0.5}))
    assert averaged.state().kept_epoch is None


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


@pytest.mark.parametrize(
    "likelihood",
    [
        {"kind": "calibrated", "variance": "channel"},
        {"kind": "laplace"},
        {"kind": "logistic_mixture", "components": 2},
        {"kind": "ms_ssim"},
    ],
    ids=lambda options: options["kind"],
)
def test_noise_that_follows_the_batches_is_resumed(likelihood):
    config = tiny(bottleneck={"kind": "gaussian"}, likelihood=likelihood, training={"epochs": 4})
    whole, run, seen = trained(config), create_run(config), []
    for record in fit(run, lambda: len(seen) >= 2):
        seen.append(record)
    list(fit(run))
    assert weights_of(run) == weights_of(whole)
    assert [r.loss for r in run.epochs()] == [r.loss for r in whole.epochs()]


@pytest.mark.parametrize(
    "bottleneck",
    [
        {"kind": "top_k", "k": 1, "auxiliary": 0.1, "dead_after": 6},
        {"kind": "batch_top_k", "k": 1, "dead_after": 6},
        {"kind": "jump_relu", "target": 2},
        {"kind": "vector_quantized", "update": "ema", "codes": 40, "dim": 2, "stages": 2},
        {"kind": "rate", "width": 4},
    ],
    ids=lambda options: options["kind"],
)
def test_counts_and_thresholds_of_sparse_codes_are_resumed(bottleneck):
    config = tiny(bottleneck=bottleneck, latent_dim=12, training={"epochs": 5})
    whole, run, seen = trained(config), create_run(config), []
    for record in fit(run, lambda: len(seen) >= 3):
        seen.append(record)
    list(fit(run))
    assert weights_of(run) == weights_of(whole)
    assert [r.loss for r in run.epochs()] == [r.loss for r in whole.epochs()]


def test_the_weights_of_the_last_epochs_are_averaged_and_a_resumed_run_has_the_same_mean():
    config = tiny(**VAE, training={"epochs": 6, "averaged": 0.5})
    whole, run = trained(config), create_run(config)
    list(fit(run, lambda: run.state().epoch >= 5))
    assert run.state().state == "stopped" and run.state().epoch == 5
    list(fit(run))
    assert weights_of(run) == weights_of(whole)
    plain, ends = create_run(tiny(**VAE, training={"epochs": 6})), []
    for _ in fit(plain):
        ends.append(load_file(plain.path / "resume.safetensors"))
    for name, weight in Autoencoder.load(whole.path).named_parameters():
        of_epochs = torch.stack([end[f"model.{name}"] for end in ends[3:6]])
        assert torch.allclose(weight, of_epochs.mean(0), atol=1e-6)
        assert not torch.allclose(weight, of_epochs[-1], atol=1e-6)


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
    "augmented": tiny(
        corruption={"kind": "masking"},
        training={"epochs": 2, "augment": ["flip", "shift", "rotation", "crop", "colour"]},
    ),
    "prior": tiny(
        bottleneck={"kind": "vector_quantized", "update": "ema", "codes": 8, "dim": 2},
        prior={"kind": "transformer", "layers": 1, "width": 8, "attention_heads": 2, "epochs": 2},
        training={"epochs": 2},
    ),
    "residual": tiny(
        network={"kind": "residual", "channels": (4,), "attention": True},
        latent_dim=16,
        training={"epochs": 2},
    ),
    "early-stopping": tiny(
        training={"epochs": 50, "lr": 1e-12, "optimizer": "sgd", "early_stopping": 2}
    ),
}


class Killed(BaseException):
    """A kill at a known place, which no `except Exception` sees."""


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
        assert [r.loss for r in run.prior_epochs()] == [r.loss for r in whole.prior_epochs()], at
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
    """Run the command line and hold it, to be killed, once a state written is that of `moment`."""
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
    """Kill -9 in the first epoch, between and within later ones; the processes are forks."""
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


def test_ctrl_c_keeps_the_best_model(tmp_path):
    run = Run(tmp_path / "run")
    pid = fork(lambda: main(["train", "vanilla", *ENDLESS, "--out", str(run.path)]))
    wait_for(lambda: run.state().epoch >= 2, "it trains")
    os.kill(pid, signal.SIGINT)
    assert ended(pid) == 0
    assert run.state().state == "stopped" and run.state().epoch >= 2
    assert json.loads((run.path / "state.json").read_text())["state"] == "stopped"
    Autoencoder.load(run.path)


def test_batch_normalised_runs_resume_to_the_same_bytes():
    config = tiny(training={"epochs": 4}, network={"kind": "mlp", "hidden": (16,), "norm": "batch"})
    whole, parts = trained(config), create_run(config)
    for _ in fit(parts, stop=lambda: len(parts.epochs()) >= 2):
        pass
    assert parts.state().state == "stopped"
    list(fit(parts))
    assert weights_of(parts) == weights_of(whole)


def test_averaged_weights_are_refused_where_batches_are_normalised():
    network = {"kind": "mlp", "hidden": (8,), "norm": "batch"}
    with pytest.raises(ValueError, match="set averaged to 0"):
        tiny(network=network, training={"averaged": 0.5})
