"""The parts of an experiment: checks with their bars, a result, and the runs that it trains."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from aecore.data.datasets import load_dataset
from aecore.data.splits import Dataset
from aecore.errors import AecoreError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.runs.records import MetricsRecord, Record
from aecore.runs.run import Run
from aecore.training.devices import pick_device
from aecore.training.trainer import fit

Range = tuple[float | None, float | None]  # minimum and maximum; None where that side is open


def at_most(value: float) -> Range:
    """Returns the range up to a value."""
    return None, value


def at_least(value: float) -> Range:
    """Returns the range from a value on."""
    return value, None


def lies_within(value: float, allowed: Range) -> bool:
    """Returns True for a finite value between both ends of a range."""
    low, high = allowed
    return (
        math.isfinite(value) and (low is None or low <= value) and (high is None or value <= high)
    )


@dataclass(frozen=True)
class Check:
    """One figure, the paper's value of it, and the bars that it is compared with."""

    label: str
    ours: float
    bar: Range | None = None  # None: reported, not judged
    moonshot: Range | None = None
    paper: float | None = None
    spread: float | None = None  # standard deviation over seeds

    @property
    def passed(self) -> bool:
        """True where the figure reaches its bar, or has none."""
        return self.bar is None or lies_within(self.ours, self.bar)

    @property
    def beyond(self) -> bool:
        """True where the figure reaches its higher bar, or has none."""
        return self.moonshot is None or lies_within(self.ours, self.moonshot)


@dataclass
class Result:
    """The checks, curves and pictures of an experiment.

    Curves are {"x": label, "y": label, "lines": {name: [[x, y], ...]}, "marks": {name: y}}.
    """

    checks: Sequence[Check]
    seeds: Sequence[int] = (0,)
    curves: Mapping[str, Any] | None = None
    pictures: Sequence[tuple[str, Image.Image]] = ()  # caption, picture
    notes: str = ""

    @property
    def verdict(self) -> str:
        """miss, pass, or moonshot where every check that has a higher bar reaches it."""
        if not all(check.passed for check in self.checks):
            return "miss"
        higher = [check for check in self.checks if check.moonshot]
        return "moonshot" if higher and all(check.beyond for check in higher) else "pass"


@dataclass(frozen=True)
class Experiment:
    """A claim of the literature and the functions that test it."""

    id: str  # E3
    title: str
    claim: str  # one sentence for a student
    paper: str
    url: str
    run_full: Callable[[Lab], Result]
    run_quick: Callable[[Lab], Result]  # seconds, on embedded data: it catches a wrong formula


@dataclass
class Lab:
    """The runs of an experiment, in `folder`: one that was killed continues where it was."""

    id: str
    folder: Path
    seconds: float = 0.0  # of training, over all sittings
    started: float = field(default_factory=time.perf_counter)
    seconds_here: float = 0.0  # of training, in this process

    def train_variant(
        self, name: str, variant: str, data: str, *, latent_dim: int | None = None, **settings: Any
    ) -> TrainedRun:
        """Train `variant` on `data`, or read the run that has done so.

        Settings are those of --set, with __ in place of the dot.
        """
        dotted = {key.replace("__", "."): value for key, value in settings.items()}
        config = plan_run(
            variant,
            data,
            latent_dim=latent_dim,
            settings={"training.previews": 0, **dotted},
            as_published=True,
        )
        return self.train_config(name, config)

    def train_config(self, name: str, config: RunConfig) -> TrainedRun:
        """Train the model of `config` in this experiment's folder, or read the run that has."""
        run = self.open_or_create_run(self.folder / f"{self.id.lower()}-{name}", config)
        before = time.perf_counter()
        if run.state().state != "done":
            for record in fit(run):
                self.print_record(run, record)
        self.seconds_here += time.perf_counter() - before
        self.seconds += sum(getattr(record, "seconds", None) or 0.0 for record in run.records())
        return TrainedRun(run, Autoencoder.load(run.path, pick_device("auto")))

    def open_or_create_run(self, path: Path, config: RunConfig) -> Run:
        """Returns the run in `path` if it has this very config, else a new one."""
        if path.exists():
            with suppress(AecoreError):
                if Run(path).config() == config:
                    return Run(path)
            shutil.rmtree(path)
        return create_run(config, path)

    def print_record(self, run: Run, record: Record) -> None:
        """Print the test's record, and twenty of those of epochs."""
        row = record.to_row()
        number = row.get("epoch", 0)
        if (
            isinstance(record, MetricsRecord)
            or number % max(1, (run.config().training or 1).epochs // 20) == 0
        ):
            print(
                f"  {run.id} {json.dumps({k: v for k, v in row.items() if k != 'kind'})}",
                flush=True,
            )

    def total_seconds(self) -> float:
        """Returns the seconds of training over all sittings, and of all else in this one."""
        return self.seconds + time.perf_counter() - self.started - self.seconds_here


@dataclass(frozen=True)
class TrainedRun:
    """A finished run and its model."""

    run: Run
    model: Autoencoder

    def load_dataset(self) -> Dataset:
        """Returns the data set that the run was trained on."""
        data = self.run.config().data
        assert data is not None
        return load_dataset(data)

    def read_curve(self, key: str = "validation_loss") -> list[list[float]]:
        """Returns [[epoch, value], ...] of a key of the run's records."""
        rows = [record.to_row() for record in self.run.epochs()]
        return [[row["epoch"], row[key]] for row in rows if key in row]
