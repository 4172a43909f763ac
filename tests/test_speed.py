"""Estimates of training times: what is counted is what the trainer does."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from aecore.model.variants import VARIANTS
from aecore.model.variants.fitting import configure
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.training import speed, update
from aecore.training.speed import (
    MachineSpeed,
    count_example_products,
    count_training_steps,
    estimate_training_seconds,
)
from aecore.training.trainer import fit
from bench.timing import repeat_in_turns
from ui.train.estimate import format_rough_time


def test_the_steps_that_are_counted_are_those_of_the_trainer(monkeypatch):
    made = []
    step = update.Update.step
    monkeypatch.setattr(
        update.Update, "step", lambda self, *args: (made.append(1), step(self, *args))[1]
    )
    settings = {"training.epochs": 3, "data.limit": 150, "training.passes": 2}
    config = plan_run("vae", "digits", settings=settings)
    list(fit(create_run(config)))
    assert len(made) == count_training_steps(config, examples=1438)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_product_for_each_weight_and_place(variant):
    model = configure(variant, (1, 28, 28), examples=60_000).model
    network = model.network
    with torch.device("meta"):
        encoder, _ = network.build(model.input_shape, model.latent_dim, model.latent_dim)
    shapes = []
    for layer in encoder.layers:
        layer.register_forward_hook(lambda *args: shapes.append(tuple(args[2].shape[1:])))
    encoder(torch.zeros(1, *model.input_shape, device="meta"))
    hidden = network.list_hidden_shapes(model.input_shape)
    assert tuple(shapes[: len(hidden)]) == hidden
    places = [torch.Size(shape[1:]).numel() for shape in shapes]
    weights = [layer.weight.numel() for layer in encoder.layers]
    head = encoder.head.weight.numel() if len(shapes) == len(hidden) else 0
    products = sum(w * p for w, p in zip(weights, places, strict=True)) + head
    if getattr(encoder, "path", None) is not None:
        products += encoder.path.weight.numel()
    assert network.count_products(model.input_shape, model.latent_dim) == 2 * products


def test_more_work_takes_longer():
    machine = MachineSpeed(seconds_per_step=1e-3, seconds_per_product=1e-9)
    short, long = (
        plan_run("vae", "digits", settings={"training.epochs": epochs}) for epochs in (10, 20)
    )
    seconds = estimate_training_seconds(short, 1438, machine)
    assert estimate_training_seconds(long, 1438, machine) == pytest.approx(2 * seconds)
    assert seconds < estimate_training_seconds(short, 1438, machine, seeds=3) < 3 * seconds
    conv = plan_run("conv", "digits")
    assert estimate_training_seconds(conv, 1438, machine, seeds=3) == pytest.approx(
        3 * estimate_training_seconds(conv, 1438, machine)
    )
    on_disk = estimate_training_seconds(short, 1438, machine, seeds=3, is_on_disk=True)
    assert on_disk == pytest.approx(3 * seconds)
    samples = plan_run("vae", "digits", settings={"bottleneck.samples": 5}).model
    assert count_example_products(samples) == 3 * count_example_products(short.model)


def test_ways_take_turns():
    calls = []

    def count(name):
        calls.append(name)
        return len(calls)

    results = repeat_in_turns({name: partial(count, name) for name in "ab"}, 2)
    assert calls == list("abab") and results == {"a": [1, 3], "b": [2, 4]}


def test_the_measured_speed_is_positive_and_leaves_threads_and_noise_alone(monkeypatch):
    monkeypatch.setattr(speed, "TIMED_STEPS", 2)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    measured = speed.measure_machine_speed.__wrapped__()
    assert measured.seconds_per_step >= 0 and measured.seconds_per_product > 0
    assert torch.equal(torch.get_rng_state(), before) and torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (29, "30 s"), (89, "90 s"), (100, "2 min"), (7000, "2 h"), (200_000, "2 days")],
)
def test_a_rough_time_has_one_unit(seconds, text):
    assert format_rough_time(seconds) == text
