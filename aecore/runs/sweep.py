"""Sweeps: a small grid of ordinary runs, variant x latent dimension x seed.

Nothing is kept of a sweep but its name in the config of its runs.
"""

from __future__ import annotations

import re
import secrets
import statistics
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from aecore.errors import AecoreError, ConfigError
from aecore.model.config import RunConfig, TrainConfig, parse_options
from aecore.model.knobs import drop_knobs
from aecore.runs.listing import create_run, list_runs
from aecore.runs.run import Run

MAX_SWEEP_RUNS = 200
MAX_TOGETHER = 24  # runs that train in one process
SWEEP_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)


class Estimate(NamedTuple):
    """A metric over several seeds."""

    mean: float
    deviation: float | None  # None with one seed

    def __str__(self) -> str:
        return f"{self.mean:.4g}" + ("" if self.deviation is None else f" ± {self.deviation:.2g}")


def estimate_mean(values: Sequence[float]) -> Estimate:
    """Returns the mean and the sample deviation of one or more values."""
    return Estimate(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


class SeedGroup(NamedTuple):
    """Runs that differ in nothing but their seed."""

    variant: str
    latent_dim: int
    runs: tuple[Run, ...]

    def metrics(self) -> dict[str, Estimate]:
        """Returns the metrics that all seeds have that are done."""
        done = [metrics for run in self.runs if (metrics := run.test_metrics())]
        names = done[0] if done else []
        shared = [name for name in names if all(name in metrics for metrics in done)]
        return {name: estimate_mean([float(metrics[name]) for metrics in done]) for name in shared}

    def count_done(self) -> int:
        """Returns how many seeds are done."""
        return sum(bool(run.test_metrics()) for run in self.runs)


def create_sweep(configs: Sequence[RunConfig], seeds: int, name: str = "") -> list[Run]:
    """Creates a queued run of every config at each of `seeds` seeds, from the config's own on.

    Raises ConfigError where there are none or too many, or a name that cannot be one.
    """
    name = name or f"sweep-{datetime.now():%m%d-%H%M}-{secrets.token_hex(2)}"
    if not SWEEP_NAME.fullmatch(name):
        raise ConfigError(
            f"A sweep's name has letters, digits, dots and dashes, got {name[:80]!r}."
        )
    if seeds < 1:
        raise ConfigError(f"The number of seeds must be 1 or more, got {seeds}.")
    count = len(configs) * seeds
    if not 1 <= count <= MAX_SWEEP_RUNS:
        raise ConfigError(
            f"A sweep has 1 to {MAX_SWEEP_RUNS} runs, got {count}. "
            f"Use {'fewer' if count else 'at least some'} sizes, variants or seeds."
        )
    check_different(configs)
    return [
        create_run(with_seed(config, seed, name)) for seed in range(seeds) for config in configs
    ]


def check_different(configs: Sequence[RunConfig]) -> None:
    """Raises ConfigError for a config that is there twice: its runs would count as other seeds."""
    for i, config in enumerate(configs):
        if config in configs[:i]:
            model = config.model
            raise ConfigError(
                f"The sweep has {model.variant} with a code of {model.latent_dim} twice. "
                "Name each variant and size once."
            )


def with_seed(config: RunConfig, number: int, sweep: str) -> RunConfig:
    """Returns the config of a sweep's run: the same with its seed raised by `number`."""
    training = config.training or TrainConfig()
    training = training.model_copy(update={"seed": training.seed + number})
    return config.model_copy(update={"training": training, "sweep": sweep})


def with_latent_dim(config: RunConfig, latent_dim: int) -> RunConfig:
    """Returns the config at another latent dimension; ConfigError where its parts forbid it."""
    values = config.model_dump(mode="json")
    values["model"]["latent_dim"] = latent_dim
    return parse_options(RunConfig, values)


def with_equal_steps(config: RunConfig, other: TrainConfig, examples: int) -> RunConfig:
    """Returns the config with the steps and the schedule that `other` has for so many examples."""
    training = (config.training or TrainConfig()).model_copy(update={"schedule": other.schedule})
    training = training.with_steps(other.count_steps(examples), examples)
    return config.model_copy(update={"training": training})


def find_shape(config: RunConfig) -> Any:
    """Returns what runs have in common that can train together: all but seed, sweep and knobs."""
    training = drop_knobs(config.training or TrainConfig())
    return drop_knobs(config.model), drop_knobs(config.data), {**training, "seed": 0}


def explain_apart(config: RunConfig, is_on_disk: bool = False) -> str | None:
    """Returns why runs of this shape train one after another, "with ..."; None where together.

    `is_on_disk` tells that their data are larger than memory, where the caller knows that.
    """
    network = config.model.network
    if is_on_disk:
        return "on data larger than memory"
    return None if network.can_join else f"with a network of kind {network.kind}"


def group_by_shape(runs: Sequence[Run]) -> list[list[Run]]:
    """Groups runs that can train together, at most MAX_TOGETHER; the others are alone."""
    groups: list[list[Run]] = []
    for run in runs:
        config = run.config()
        for group in groups if explain_apart(config) is None else ():
            is_alike = find_shape(group[0].config()) == find_shape(config)
            if is_alike and len(group) < MAX_TOGETHER:
                group.append(run)
                break
        else:
            groups.append([run])
    return groups


def list_companions(run: Run) -> list[Run]:
    """Returns the queued runs that one process is to train with this one, which is among them."""
    state = run.saved_state()
    if state is None or not state.together:
        return [run]
    states = [(other, other.saved_state()) for other in map(Run, run.path.parent.iterdir())]
    waiting = [
        (other_state.since, other)
        for other, other_state in states
        if other_state and other_state.state == "queued" and other_state.together == state.together
    ]
    return [other for _, other in sorted(waiting, key=lambda pair: pair[0])]


def list_sweeps(runs: Sequence[Run] | None = None) -> list[str]:
    """Returns the names of the sweeps of these runs, or of all, in their order: newest first."""
    names = (read_sweep_name(run) for run in (list_runs() if runs is None else runs))
    return list(dict.fromkeys(name for name in names if name))


def list_sweep_runs(name: str) -> list[Run]:
    """Returns the runs of a sweep, in the order in which they were created."""
    return [run for run in reversed(list_runs()) if read_sweep_name(run) == name]


def read_sweep_name(run: Run) -> str:
    """Returns the name of the sweep that a run belongs to; empty for none."""
    try:
        return run.config().sweep
    except AecoreError:
        return ""


def group_by_seed(runs: Sequence[Run]) -> list[SeedGroup]:
    """Groups runs that differ only in their seed, by variant and latent dimension."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        config = run.config()
        training = (config.training or TrainConfig()).model_copy(update={"seed": 0})
        key = config.model_copy(update={"training": training}).model_dump_json()
        groups.setdefault(key, []).append(run)
    models = [(alike[0].config().model, tuple(alike)) for alike in groups.values()]
    named = [SeedGroup(model.variant, model.latent_dim, alike) for model, alike in models]
    return sorted(named, key=lambda group: (group.variant, group.latent_dim))
