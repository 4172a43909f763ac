"""Ten models made sick on purpose, their healthy twins and cures: `python -m bench.doctor`.

Each is trained on a few hundred digits; the doctor's verdicts go to docs/results/doctor.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aecore.analysis.doctor import Finding, examine
from aecore.data.datasets import load_dataset
from aecore.errors import RunError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.model.variants.overrides import override_config
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.runs.recipe import format_settings
from aecore.runs.run import Run
from aecore.training.trainer import fit
from bench.results import write_result

TEXT = """# The model doctor on models made sick on purpose

`python -m bench.doctor`. Each disease is made by the settings named, on a few hundred digits; the
healthy twin is the same model without them, and the cure is what the doctor's button changes. A
number is the evidence of the disease, sick above the threshold; after it stand all diseases that
the doctor names. A dash: the cured model cannot have the disease.

"""
HEAD = [
    "| disease | variant | made sick by | threshold | sick model | healthy twin | cure | cured |",
    "|---|---|---|---|---|---|---|---|",
]
Settings = Mapping[str, Any]
SMALL = {
    "data.limit": 400,
    "training.previews": 0,
    "training.epochs": 3,
    "training.passes": 20,
    "training.device": "cpu",
}


@dataclass(frozen=True)
class Case:
    """A model with one disease, and the settings in which its healthy twin differs."""

    disease: str
    variant: str
    sick: Settings
    healthy: Settings
    shared: Settings

    def plan_sick(self) -> RunConfig:
        """Returns the config of the sick model."""
        return self.plan(self.sick)

    def plan_healthy(self) -> RunConfig:
        """Returns the config of its twin."""
        return self.plan(self.healthy)

    def plan(self, settings: Settings) -> RunConfig:
        """Returns the config with these settings; a start as PCA would cure half of the cases."""
        settings = {**SMALL, **self.shared, **settings}
        return plan_run(self.variant, "digits", settings=settings, as_published=True)


LINEAR = {"network.hidden": [], "likelihood.output": "linear", "training.lr": 0.01}
SHORT = {"training.passes": 5}
CASES = (
    Case("posterior collapse", "vae", {"bottleneck.beta": 30.0}, {}, SHORT),
    Case("dead units", "overcomplete", {"training.lr": 0.3}, {}, {}),
    Case(
        "dead codebook vectors",
        "vq-vae",
        {"bottleneck.codes": 4096},
        {"bottleneck.codes": 64},
        {"network.hidden": [64], **SHORT},
    ),
    Case("copying", "vanilla", {"latent_dim": 64}, {"latent_dim": 4}, LINEAR),
    Case(
        "overfitting",
        "vanilla",
        {
            "latent_dim": 32,
            "data.limit": 150,
            "data.validation_fraction": 0.0,
            "training.epochs": 12,
            "training.passes": 6,
        },
        {"data.limit": 1000, "training.passes": 5},
        {},
    ),
    Case("underfitting", "linear", {"training.lr": 1e-5}, {}, {"latent_dim": 4}),
    Case(
        "divergence",
        "linear",
        {"training.optimizer": "sgd", "training.lr": 3.0},
        {},
        {"latent_dim": 4},
    ),
    Case("ignored input", "sparse-l1", {"penalties.l1.weight": 20.0}, {}, SHORT),
    Case(
        "weak detector",
        "vanilla",
        {"training.lr": 1e-6},
        {},
        {"data.train_class": "1", "latent_dim": 8},
    ),
    Case("prior mismatch", "vae", {"bottleneck.beta": 0.001}, {}, SHORT),
)


def train_case(config: RunConfig, folder: Path) -> Run:
    """Trains a run to its end, or to where it diverges."""
    run = create_run(config, folder)
    with suppress(RunError):
        list(fit(run))
    return run


def examine_run(run: Run) -> list[Finding]:
    """Returns the doctor's findings of a trained run."""
    config = run.config()
    assert config.data is not None
    return examine(Autoencoder.load(run.path), load_dataset(config.data), run)


# -- the table


def list_sick(findings: Sequence[Finding]) -> str:
    """Returns the names of the diseases that are found."""
    return ", ".join(finding.name for finding in findings if finding.kind == "sick") or "none"


def format_number(findings: Sequence[Finding], disease: str) -> str:
    """Returns the evidence of one disease in three digits; a dash where it was not looked for."""
    values = [finding.evidence for finding in findings if finding.name == disease]
    return f"{values[0]:.3g}" if values else "-"


def make_row(case: Case, folder: Path) -> str:
    """Trains the sick model, its twin and the cured one; returns a row of the table."""
    sick_config = case.plan_sick()
    sick = examine_run(train_case(sick_config, folder / "sick"))
    twin = examine_run(train_case(case.plan_healthy(), folder / "twin"))
    finding = next(f for f in sick if f.name == case.disease)
    cured = examine_run(train_case(override_config(sick_config, finding.cure), folder / "cured"))
    numbers = [format_number(part, case.disease) for part in (sick, twin, cured)]
    cells = [
        case.disease,
        case.variant,
        f"`{format_settings(case.sick)}`",
        f"{finding.threshold:.3g}",
        f"{numbers[0]}: {list_sick(sick)}",
        f"{numbers[1]}: {list_sick(twin)}",
        f"`{format_settings(finding.cure)}`",
        f"{numbers[2]}: {list_sick(cured)}",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Trains all cases and writes the table."""
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for number, case in enumerate(CASES):
            rows.append(make_row(case, Path(folder) / str(number)))
            print(rows[-1], flush=True)
    write_result("doctor.md", [*TEXT.splitlines(), *HEAD, *rows, ""])


if __name__ == "__main__":
    main()
