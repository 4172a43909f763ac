"""Runs that train together in one process are what they are alone."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from helpers import VAE, fork, hold_still, kill_hard, tiny, trained, wait_for, weights_of
from safetensors.torch import load_file

from aecore.data.splits import as_float
from aecore.errors import RunError
from aecore.model.config import DataConfig
from aecore.model.variants import VARIANTS, configure
from aecore.runs.listing import create_run
from aecore.runs.sweep import explain_apart, find_shape, group_by_shape
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


@pytest.mark.parametrize("variant", TOGETHER)
def test_ten_epochs_together_end_at_the_weights_of_ten_epochs_alone(variant, in_float64):
    config = configure(variant, (1, 8, 8), examples=96, data=DataConfig(**DIGITS))
    # an eleventh epoch is never begun: runs that are stopped are not measured
    training = {"epochs": 11, "passes": 1, "batch_size": 40, "previews": 0, "device": "cpu"}
    config = with_training(config, **training, precision="float32")
    alone, together = seeds_of(config, 2), seeds_of(config, 2)
    for run in alone:
        list(fit(run, stop_after([run], 10)))
    list(fit_together(together, stop_after(together, 10)))
    for run, joint in zip(alone, together, strict=True):
        assert joint.state().state == "stopped" and joint.state().epoch == 10
        assert losses_of(joint) == pytest.approx(losses_of(run), rel=1e-8, abs=1e-8)
        expected, found = position_of(run), position_of(joint)
        assert expected.keys() == found.keys()
        for name, tensor in expected.items():
            assert torch.allclose(found[name], tensor, rtol=1e-8, atol=1e-8), name
    first, second = map(position_of, together)
    assert any(not torch.allclose(first[name], second[name]) for name in first)


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
    config = tiny(**options)
    alone, together = [trained_of(run) for run in seeds_of(config, 2)], seeds_of(config, 2)
    list(fit_together(together))
    for run, joint in zip(alone, together, strict=True):
        assert losses_of(joint) == pytest.approx(losses_of(run), rel=1e-9)
        assert joint.test_metrics() == pytest.approx(run.test_metrics(), rel=1e-6, abs=1e-9)


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
