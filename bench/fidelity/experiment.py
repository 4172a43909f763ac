"""What experiments share: checks against a bar, runs that can be resumed, the row that is kept of each."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from aecore.errors import AecoreError
from aecore.files import write_text_file
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.runs.records import MetricsRecord, Record
from aecore.runs.run import Run
from aecore.training.devices import describe_device, pick_device
from aecore.training.trainer import fit

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results" / "fidelity"


Range = tuple[float | None, float | None]  # least and most; None where that side is open


def at_most(value: float) -> Range:
    return None, value


def at_least(value: float) -> Range:
    return value, None


def within(value: float | None, allowed: Range) -> bool:
    """Whether a figure lies in a range; nothing lies in one that is no number."""
    low, high = allowed
    return (
        value is not None
        and math.isfinite(value)
        and (low is None or low <= value)
        and (high is None or value <= high)
    )


@dataclass(frozen=True)
class Check:
    """One figure, what the paper has for it, and the bars it is held against."""

    what: str
    ours: float
    bar: Range | None = None  # None: reported, not judged
    moonshot: Range | None = None
    paper: float | None = None
    spread: float | None = None  # standard deviation over seeds

    @property
    def passed(self) -> bool:
        return self.bar is None or within(self.ours, self.bar)

    @property
    def beyond(self) -> bool:
        return self.moonshot is None or within(self.ours, self.moonshot)


@dataclass
class Result:
    """What an experiment found. Curves are {"x": label, "y": label, "lines": {name: [[x, y], ...]}, "marks": {...}}."""

    checks: Sequence[Check]
    seeds: Sequence[int] = (0,)
    curves: Mapping[str, Any] | None = None
    pictures: Sequence[tuple[str, Image.Image]] = ()  # caption, picture
    notes: str = ""

    @property
    def verdict(self) -> str:
        """miss, pass, or moonshot where every check that has such a bar reaches it."""
        if not all(check.passed for check in self.checks):
            return "miss"
        aimed = [check for check in self.checks if check.moonshot]
        return "moonshot" if aimed and all(check.beyond for check in aimed) else "pass"


@dataclass(frozen=True)
class Experiment:
    """A claim of the literature and how it is put to the test."""

    id: str  # E3
    title: str
    claim: str  # one sentence for a student
    paper: str
    url: str
    full: Callable[[Lab], Result]
    quick: Callable[[Lab], Result]  # seconds, on embedded data: it catches a wrong formula


@dataclass
class Lab:
    """Where an experiment trains. `folder` keeps its runs, so that one that was killed goes on where it was."""

    id: str
    folder: Path
    seconds: float = 0.0  # of training, over all sittings
    started: float = field(default_factory=time.perf_counter)
    here: float = 0.0  # of training, in this process

    def trained(
        self, name: str, variant: str, data: str, *, latent_dim: int | None = None, **settings: Any
    ) -> Trained:
        """The model of `variant` on `data`, trained or read from its run; settings as --set takes them, . as __."""
        wanted = {key.replace("__", "."): value for key, value in settings.items()}
        config = plan_run(
            variant, data, latent_dim=latent_dim, settings={"training.previews": 0, **wanted}
        )
        return self.finish(name, config)

    def finish(self, name: str, config: RunConfig) -> Trained:
        """The model of `config`, trained in this experiment's folder."""
        run = self.run_for(self.folder / f"{self.id.lower()}-{name}", config)
        before = time.perf_counter()
        if run.state().state != "done":
            for record in fit(run):
                self.tell(run, record)
        self.here += time.perf_counter() - before
        self.seconds += sum(getattr(record, "seconds", None) or 0.0 for record in run.records())
        return Trained(run, Autoencoder.load(run.path, pick_device("auto")))

    def run_for(self, path: Path, config: RunConfig) -> Run:
        """The run in `path` if it is of this very config, else a new one."""
        if path.exists():
            with suppress(AecoreError):
                if Run(path).config() == config:
                    return Run(path)
            shutil.rmtree(path)
        return create_run(config, path)

    def tell(self, run: Run, record: Record) -> None:
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
        """Training over all sittings, and whatever else this one did."""
        return self.seconds + time.perf_counter() - self.started - self.here


@dataclass(frozen=True)
class Trained:
    """A finished run and its model."""

    run: Run
    model: Autoencoder

    def curve(self, key: str = "validation_loss") -> list[list[float]]:
        """[[epoch, value], ...] of what the run wrote down."""
        rows = [record.to_row() for record in self.run.epochs()]
        return [[row["epoch"], row[key]] for row in rows if key in row]


def row(experiment: Experiment, result: Result, seconds: float, quick: bool) -> dict[str, Any]:
    """What is kept of a result, as JSON."""
    return {
        "id": experiment.id,
        "title": experiment.title,
        "claim": experiment.claim,
        "paper": experiment.paper,
        "url": experiment.url,
        "verdict": result.verdict,
        "checks": [
            asdict(check) | {"passed": check.passed, "beyond": check.beyond}
            for check in result.checks
        ],
        "curves": result.curves,
        "pictures": [
            {"file": f"{experiment.id}-{i}.png", "caption": c}
            for i, (c, _) in enumerate(result.pictures)
        ],
        "notes": result.notes,
        "seeds": list(result.seeds),
        "seconds": round(seconds),
        "command": f"python -m bench.fidelity {experiment.id}" + (" --quick" if quick else ""),
        "device": describe_device(pick_device("auto")),
        "torch": torch.__version__,
        "commit": commit(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def commit() -> str:
    """The commit that the code is at, with a + where files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--abbrev=8", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() or "unknown"


def write(experiment: Experiment, result: Result, seconds: float) -> dict[str, Any]:
    """Keep a row and its pictures in docs/results/fidelity."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept = row(experiment, result, seconds, quick=False)
    for old in RESULTS.glob(f"{experiment.id}-*.png"):
        old.unlink()
    for described, (_, picture) in zip(kept["pictures"], result.pictures, strict=True):
        picture.save(RESULTS / described["file"], optimize=True)
    write_text_file(RESULTS / f"{experiment.id}.json", json.dumps(kept, indent=1) + "\n")
    return kept
