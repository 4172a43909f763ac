"""Sweeps: a small grid of ordinary runs, variant x latent size x seed, that carry the sweep's name in their config."""

from __future__ import annotations

import re
import secrets
import statistics
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from aecore.errors import AecoreError, ConfigError
from aecore.model.config import RunConfig, TrainConfig, parse_options
from aecore.runs.listing import create_run, list_runs
from aecore.runs.run import Run

MAX_SWEEP_RUNS = 200
SWEEP_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)


class Estimate(NamedTuple):
    """A figure over several seeds."""

    mean: float
    deviation: float | None  # None with one seed

    def __str__(self) -> str:
        return f"{self.mean:.4g}" + ("" if self.deviation is None else f" ± {self.deviation:.2g}")


def estimate_mean(values: Sequence[float]) -> Estimate:
    return Estimate(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


class SeedGroup(NamedTuple):
    """Runs that differ in nothing but their seed."""

    variant: str
    latent_dim: int
    runs: tuple[Run, ...]

    def metrics(self) -> dict[str, Estimate]:
        """Of the seeds that are done."""
        done = [measured for run in self.runs if (measured := run.test_metrics())]
        names = [
            name for name in (done[0] if done else {}) if all(name in measured for measured in done)
        ]
        return {name: estimate_mean([float(measured[name]) for measured in done]) for name in names}

    def count(self) -> int:
        """How many seeds are done."""
        return sum(bool(run.test_metrics()) for run in self.runs)


def create_sweep(configs: Sequence[RunConfig], seeds: int, name: str = "") -> list[Run]:
    """A queued run of every config at each of `seeds` seeds, from the config's own on.

    Raises ConfigError where there are none or too many, or a name that cannot be one.
    """
    name = name or f"sweep-{datetime.now():%m%d-%H%M}-{secrets.token_hex(2)}"
    if not SWEEP_NAME.fullmatch(name):
        raise ConfigError(
            f"A sweep's name has letters, digits, dots and dashes, got {name[:80]!r}."
        )
    if not 1 <= (count := len(configs) * seeds) <= MAX_SWEEP_RUNS:
        raise ConfigError(
            f"A sweep has 1 to {MAX_SWEEP_RUNS} runs, got {count}. Use fewer sizes, variants or seeds."
        )
    return [
        create_run(with_seed(config, seed, name)) for seed in range(seeds) for config in configs
    ]


def with_seed(config: RunConfig, number: int, name: str) -> RunConfig:
    training = config.training or TrainConfig()
    own = training.model_copy(update={"seed": training.seed + number})
    return config.model_copy(update={"training": own, "sweep": name})


def with_latent_dim(config: RunConfig, latent_dim: int) -> RunConfig:
    """The same run at another size of its code. ConfigError where its parts do not allow for that."""
    values = config.model_dump(mode="json")
    values["model"]["latent_dim"] = latent_dim
    return parse_options(RunConfig, values)


def list_sweeps() -> list[str]:
    """All sweeps that there are, the newest first."""
    return list(dict.fromkeys(sweep for run in list_runs() if (sweep := read_sweep_name(run))))


def list_sweep_runs(name: str) -> list[Run]:
    """The runs of a sweep, in the order in which they were made."""
    return [run for run in reversed(list_runs()) if read_sweep_name(run) == name]


def read_sweep_name(run: Run) -> str:
    try:
        return run.config().sweep
    except AecoreError:
        return ""


def group_by_seed(members: Sequence[Run]) -> list[SeedGroup]:
    """The runs by what they share but for the seed, by variant and size of the code."""
    alike: dict[str, list[Run]] = {}
    for run in members:
        config = run.config()
        training = (config.training or TrainConfig()).model_copy(update={"seed": 0})
        alike.setdefault(
            config.model_copy(update={"training": training}).model_dump_json(), []
        ).append(run)
    models = [(own[0].config().model, tuple(own)) for own in alike.values()]
    found = [SeedGroup(model.variant, model.latent_dim, own) for model, own in models]
    return sorted(found, key=lambda group: (group.variant, group.latent_dim))
