"""About how long a training takes on this machine, from two short ones that are timed."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from aecore.model.config import ModelConfig, RunConfig, TrainConfig
from aecore.model.variants.fitting import configure
from aecore.runs.process import count_child_threads
from aecore.runs.sweep import explain_apart
from aecore.training.devices import limited_threads
from aecore.training.preparation import build_initial_model
from aecore.training.ranks import Ranks
from aecore.training.update import build_update

TIMED_STEPS = 12
WARM_UP_STEPS = 2
PRODUCTS_PER_STEP = 3  # a step computes each product once forward and twice backward
TIMED_SHAPES = ((1, 8, 8), (1, 28, 28))


class MachineSpeed(NamedTuple):
    """What a step of training costs on the processor: so much, and so much for each product."""

    seconds_per_step: float
    seconds_per_product: float


# -- of the machine


@functools.cache
def measure_machine_speed() -> MachineSpeed:
    """Time a few steps of a small and of a larger VAE; takes less than a second, once a process."""
    configs = [configure("vae", shape, examples=1000) for shape in TIMED_SHAPES]
    with limited_threads(count_child_threads()):
        short, long = (time_training_step(config) for config in configs)
    few, many = (count_step_products(config) for config in configs)
    per_product = max(long - short, 0.1 * long) / (many - few)
    return MachineSpeed(max(short - per_product * few, 0.0), per_product)


def time_training_step(config: RunConfig) -> float:
    """Returns the seconds of the fastest of a few steps on made-up examples."""
    training = config.training or TrainConfig()
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(training.batch_size, *config.model.input_shape, generator=generator)
    device = torch.device("cpu")
    with torch.random.fork_rng(devices=[]):
        model = build_initial_model(config.model, x, device, seed=0)
        update = build_update(model, training, False, Ranks())
        return min(time_updates(lambda: update(x, training.lr, 1.0)))


def time_updates(update: Callable[[], None]) -> list[float]:
    """Returns the seconds of each call but the first ones."""
    seconds = []
    for _ in range(WARM_UP_STEPS + TIMED_STEPS):
        started = time.perf_counter()
        update()
        seconds.append(time.perf_counter() - started)
    return seconds[WARM_UP_STEPS:]


# -- of a run


def estimate_training_seconds(
    config: RunConfig,
    examples: int,
    speed: MachineSpeed,
    seeds: int = 1,
    is_on_disk: bool = False,
) -> float:
    """Returns about how long all epochs take on the processor, without reading the data.

    Several seeds train together where their model allows that and their data are in memory, else
    one after another.
    """
    products, steps = count_step_products(config), count_training_steps(config, examples)
    if explain_apart(config, is_on_disk) is not None:
        return seeds * steps * (speed.seconds_per_step + products * speed.seconds_per_product)
    return steps * (speed.seconds_per_step + seeds * products * speed.seconds_per_product)


def count_training_steps(config: RunConfig, examples: int) -> int:
    """Returns how many steps all epochs of a run have; `examples` are those of the data set."""
    training, data = config.training or TrainConfig(), config.data
    if data is not None:
        examples = min(examples, data.limit or examples)
        examples -= round(examples * data.validation_fraction)
    per_pass = math.ceil(max(examples, 1) / training.batch_size)
    return training.epochs * training.passes * per_pass


def count_step_products(config: RunConfig) -> int:
    """Returns about how many products one step of a run computes."""
    training = config.training or TrainConfig()
    return PRODUCTS_PER_STEP * training.batch_size * count_example_products(config.model)


def count_example_products(model: ModelConfig) -> int:
    """Returns about how many products the networks compute for one example, all samples decoded."""
    outputs = model.latent_dim * model.bottleneck.values_per_unit
    products = model.network.count_products(model.input_shape, outputs)
    return products * (1 + model.bottleneck.sample_count) // 2
