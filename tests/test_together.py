"""Runs that train together in one process are what they are alone."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from helpers import VAE, fork, hold_still, kill_hard, tiny, trained, wait_for, weights_of
from large_sets import save_numbered
from safetensors.torch import load_file

from aecore.backends.launch import launch_runs, resume_run, stop_run
from aecore.backends.waiting import Start, list_startable
from aecore.cli.parser import main
from aecore.data.splits import as_float
from aecore.errors import RunError
from aecore.model.config import DataConfig
from aecore.model.variants import VARIANTS
from aecore.model.variants.fitting import configure
from aecore.runs.knobs import request_knobs
from aecore.runs.listing import create_run
from aecore.runs.sweep import (
    explain_apart,
    find_shape,
    group_by_shape,
    list_sweep_runs,
    list_sweeps,
)
from aecore.training import preparation
from aecore.training.run_writer import RunWriter
from aecore.training.together import fit_together
from aecore.training.trainer import fit

DIGITS = {"name": "digits", "limit": 96}
TOGETHER = [
    name for name in VARIANTS if explain_apart(configure(name, (1, 8, 8), examples=96)) is None
]


@pytest.fixture
def in_float64(monkeypatch):
    """Weights and examples have 64 bits."""
    load = preparation.load_examples

    def load_doubles(*arguments):
        dataset, data = load(*arguments)
        train, test = (
            split._replace(x=as_float(split.x).double()) for split in (dataset.train, dataset.test)
        )
        return preparation.Examples(
            dataclasses.replace(dataset, train=train, test=test),
            preparation.TrainingData(*(as_float(x).double() for x in data)),
        )

    monkeypatch.setattr("aecore.training.trainer.load_examples", load_doubles)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def with_training(config, **changes):
    return config.model_copy(update={"training": config.training.model_copy(update=changes)})


def seeds_of(config, count=3):
    """Runs of a config that differ in their seeds."""
    return [create_run(with_training(config, seed=seed)) for seed in range(count)]


def stop_after(runs, epochs):
    """Tell a trainer to stop when it has recorded so many epochs of each run."""
    return lambda: all(run.state().epoch >= epochs for run in runs)


def position_of(run):
    return load_file(run.path / "resume.safetensors")


def losses_of(run):
    return [record.loss for record in run.epochs()]


def compare_with_alone(config, epochs, seeds=2):
    """Train seeds alone and together, and hold their positions against each other.

    There are to be more epochs than are trained: runs that are stopped are not measured.
    """
    alone, together = seeds_of(config, seeds), seeds_of(config, seeds)
    for run in alone:
        list(fit(run, stop_after([run], epochs)))
    list(fit_together(together, stop_after(together, epochs)))
    for run, joint in zip(alone, together, strict=True):
        assert joint.state().state == "stopped" and joint.state().epoch == epochs
        assert losses_of(joint) == pytest.approx(losses_of(run), rel=1e-8, abs=1e-8)
        expected, found = position_of(run), position_of(joint)
        assert expected.keys() == found.keys()
        for name, tensor in expected.items():
            assert torch.allclose(found[name], tensor, rtol=1e-8, atol=1e-8), name
    first, second = map(position_of, together)
    assert any(not torch.allclose(first[name], second[name]) for name in first)


@pytest.mark.parametrize("variant", TOGETHER)
def test_ten_epochs_together_end_at_the_weights_of_ten_epochs_alone(variant, in_float64):
    config = configure(variant, (1, 8, 8), examples=96, data=DataConfig(**DIGITS))
    training = {"epochs": 11, "passes": 1, "batch_size": 40, "previews": 0, "device": "cpu"}
    compare_with_alone(with_training(config, **training, precision="float32"), 10)


@pytest.mark.parametrize(
    "options",
    [
        {"likelihood": {"kind": "gaussian", "learned": True}},
        {"likelihood": {"kind": "laplace"}, "bottleneck": {"kind": "gaussian", "free_bits": 0.1}},
        {"bottleneck": {"kind": "gaussian", "capacity": 3.0}, "data": {"binarise": "dynamic"}},
        {"bottleneck": {"kind": "gaussian", "samples": 3, "bound": "iwae"}, **VAE},
        {"network": {"kind": "mlp", "hidden": (16, 8), "norm": "layer", "linear_path": True}},
        {"bottleneck": {"kind": "top_k", "k": 1, "auxiliary": 0.1, "dead_after": 3}},
        {"training": {"averaged": 0.5, "augment": ("shift",), "optimizer": "sgd", "lr": 1e-3}},
        {"training": {"pretrain_epochs": 1, "kl_warmup_epochs": 2, "weight_decay": 0.1}},
    ],
    ids=lambda options: next(iter(options)),
)
def test_every_kind_of_part_is_as_it_is_alone(options, in_float64):
    compare_with_alone(with_training(tiny(**options), epochs=4), 3)


def trained_of(run):
    list(fit(run))
    return run


def test_runs_may_differ_in_their_knobs():
    noise = {"corruption": {"kind": "masking", "fraction": 0.25}, **VAE}
    configs = [
        tiny(**noise, training={"seed": 1}),
        tiny(**noise | {"bottleneck": {"kind": "gaussian", "beta": 3.0}}),
        tiny(**noise | {"corruption": {"kind": "masking", "fraction": 0.5}}),
        tiny(**noise, training={"lr": 1e-3}),
    ]
    assert all(find_shape(config) == find_shape(configs[0]) for config in configs)
    alone = [trained(config) for config in configs]
    together = [create_run(config) for config in configs]
    list(fit_together(together))
    for run, joint in zip(alone, together, strict=True):
        assert losses_of(joint) == pytest.approx(losses_of(run), rel=0.01)
        assert joint.state().state == "done" and (joint.path / "README.md").exists()


def test_a_knob_of_one_run_is_moved_for_that_run_alone():
    alone, together = seeds_of(tiny(**VAE), 2), seeds_of(tiny(**VAE), 2)
    for runs in (alone, together):
        request_knobs(runs[1], {"bottleneck.beta": 20.0, "training.lr": 1e-2})
    for run in alone:
        list(fit(run))
    list(fit_together(together))
    for run, joint in zip(alone, together, strict=True):
        assert losses_of(joint) == pytest.approx(losses_of(run), rel=0.01)
    assert [len(run.knob_moves()) for run in together] == [0, 1]


def test_the_records_that_are_yielded_are_those_of_each_folder():
    runs = seeds_of(tiny(**VAE))
    yielded = list(fit_together(runs))
    for run in runs:
        assert [record for owner, record in yielded if owner == run] == run.records()


def test_a_run_that_diverges_leaves_the_others_alone():
    config = tiny(training={"epochs": 30, "optimizer": "sgd", "lr": 1e-4})
    alone = [trained_of(run) for run in seeds_of(config, 2)]
    first, second = seeds_of(config, 2)
    wild = create_run(with_training(config, lr=100.0))
    with pytest.raises(RunError, match=f"1 of 3 runs failed. {wild.id}: The training diverged"):
        list(fit_together([first, wild, second]))
    assert wild.state().state == "failed" and "diverged" in wild.state().error
    for run, joint in zip(alone, (first, second), strict=True):
        assert joint.state().state == "done" and not joint.is_locked()
        assert losses_of(joint) == pytest.approx(losses_of(run), rel=0.01)


def test_a_stopped_group_is_resumed_to_the_same_bits():
    config = tiny(**VAE, training={"epochs": 5})
    whole, runs = seeds_of(config), seeds_of(config)
    list(fit_together(whole))
    list(fit_together(runs, stop_after(runs, 2)))
    assert [run.state().epoch for run in runs] == [2, 2, 2]
    list(fit_together(runs))
    for run, undisturbed in zip(runs, whole, strict=True):
        assert weights_of(run) == weights_of(undisturbed)
        assert losses_of(run) == losses_of(undisturbed)


@pytest.mark.parametrize("saves", [4, 5, 6])
def test_a_group_that_was_killed_ends_with_the_same_bits(saves, monkeypatch):
    config = tiny(**VAE, training={"epochs": 4})
    whole, runs = seeds_of(config), seeds_of(config)
    list(fit_together(whole))

    def train_until_killed():
        save, count = RunWriter.save_position, iter(range(1, 100))

        def hang(*arguments):
            save(*arguments)
            if next(count) == saves:  # the runs are at different epochs
                (runs[0].path / "reached").touch()
                hold_still()

        monkeypatch.setattr(RunWriter, "save_position", hang)
        list(fit_together(runs))

    pid = fork(train_until_killed)
    wait_for((runs[0].path / "reached").exists, "so many positions are saved")
    kill_hard(pid)
    list(fit_together(runs))
    for run, undisturbed in zip(runs, whole, strict=True):
        assert weights_of(run) == weights_of(undisturbed)
        assert losses_of(run) == losses_of(undisturbed)


def test_a_run_that_somebody_else_trains_is_left_to_them():
    runs = seeds_of(tiny())
    with runs[1].lock(), pytest.raises(RunError, match="trained already"):
        list(fit_together(runs))
    assert [run.state().state for run in runs] == ["done", "queued", "done"]


def test_runs_of_other_shapes_are_refused_and_grouped_apart():
    one, other = create_run(tiny()), create_run(tiny(latent_dim=3))
    conv = create_run(tiny(network={"kind": "conv"}))
    with pytest.raises(RunError, match="seeds and knobs"):
        list(fit_together([one, other]))
    with pytest.raises(RunError, match="network of kind conv"):
        list(fit_together([conv, conv]))
    more = create_run(with_training(tiny(), seed=7))
    assert group_by_shape([one, other, conv, more, conv]) == [[one, more], [other], [conv], [conv]]


def test_a_run_of_a_group_is_stopped_alone():
    runs = seeds_of(tiny(training={"epochs": 100_000}))
    pid = fork(lambda: list(fit_together(runs)))
    wait_for(lambda: all(run.epochs() for run in runs), "all train")
    stop_run(runs[1])
    assert runs[1].state().state == "stopped" and not runs[1].is_locked()
    assert [run.pid() for run in runs] == [pid, None, pid]
    seen = len(runs[2].epochs())
    wait_for(lambda: len(runs[2].epochs()) > seen, "the others go on")
    kill_hard(pid)
    assert [run.state().state for run in runs] == ["lost", "stopped", "lost"]


def test_a_run_whose_process_is_busy_with_another_will_stop():
    run = create_run(tiny())
    with run.lock(shared=True), pytest.raises(RunError, match="will stop soon"):
        run.stop(wait=0.0)


def test_runs_on_a_set_larger_than_memory_train_one_after_another(tmp_path, monkeypatch):
    monkeypatch.setattr("aecore.data.memory.allowed_data_bytes", lambda: 50_000)
    data = {"name": str(save_numbered(tmp_path)), "limit": None}
    runs = seeds_of(tiny(data, {"epochs": 2}))
    owners = [owner for owner, _ in fit_together(runs)]
    assert owners == sorted(owners, key=runs.index)
    assert {run.state().state for run in runs} == {"done"}


def test_a_run_that_was_stopped_and_queued_anew_does_not_wait_for_its_group(monkeypatch):
    monkeypatch.setattr("aecore.backends.local.wake_supervisor", lambda folder: None)
    group = [create_run(tiny()) for _ in range(2)]
    launch_runs(group)
    (first,) = list_startable(group[0].path.parent, [])
    start = Start(first.name, first.since)
    assert not list_startable(group[0].path.parent, [start])
    for run in group:
        run.write_state(state="running")
    group[0].write_state(state="stopped")
    resume_run(group[0])
    assert [run.name for run in list_startable(group[0].path.parent, [start])] == [group[0].id]


def test_a_trainer_from_the_queue_takes_the_others_along(monkeypatch):
    monkeypatch.setattr("aecore.backends.local.wake_supervisor", lambda folder: None)
    runs, alone = seeds_of(tiny()), create_run(tiny())
    launch_runs([*runs[:2], alone, runs[2]])  # of one shape, all four
    assert main(["resume", str(runs[1].path), "--queued"]) == 0
    assert {run.state().state for run in (*runs, alone)} == {"done"}


def test_the_command_line_trains_seeds_together_and_resumes_them(capsys, monkeypatch):
    settings = [
        word for name in ("limit=100", "binarise=static") for word in ("--set", f"data.{name}")
    ]
    train = ["train", "vae", "--epochs", "2", "--seeds", "2", "--seed", "3", *settings]
    assert main(train) == 0
    runs = list_runs_of_sweep()
    assert sorted(run.config().training.seed for run in runs) == [3, 4]
    assert {run.state().state for run in runs} == {"done"} and "±" in capsys.readouterr().out
    (runs[0].path / "resume.safetensors").unlink()
    runs[0].write_state(state="lost")
    assert main(["resume", runs[0].config().sweep]) == 0
    assert runs[0].state().state == "done"
    assert main([*train, "--out", "here"]) == 1 and "--out" in capsys.readouterr().err
    assert main(["train", "conv", "--epochs", "1", "--seeds", "2", "--set", "data.limit=40"]) == 0
    assert "with a network of kind conv train one after another" in capsys.readouterr().out


def list_runs_of_sweep():
    """The user's runs, all of one sweep."""
    (name,) = list_sweeps()
    return list_sweep_runs(name)
