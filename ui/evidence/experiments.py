"""The results of the fidelity suite, read from docs/results/fidelity and checked."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

EVIDENCE_FOLDER = Path(__file__).resolve().parents[2] / "docs" / "results" / "fidelity"
EVIDENCE_COMMAND = "python -m bench.fidelity"
MAX_RESULT_BYTES = 1_000_000


Bounds = tuple[float | None, float | None]  # min and max; None where that side is open


class EvidenceOptions(BaseModel):
    """A part of a result file: only finite numbers."""

    model_config = ConfigDict(allow_inf_nan=False)


class EvidenceCheck(EvidenceOptions):
    """One measured figure, the paper's, and its bars."""

    what: str = Field(max_length=300)
    ours: float
    bar: Bounds | None
    moonshot: Bounds | None
    paper: float | None
    spread: float | None

    @property
    def state(self) -> str:
        """Returns miss, pass or moonshot, judged from the numbers; told where there is no bar."""
        if self.bar is None:
            return "told"
        if not is_within(self.ours, self.bar):
            return "miss"
        return "moonshot" if self.moonshot and is_within(self.ours, self.moonshot) else "pass"

    def scale(self, value: float) -> float | None:
        """Returns a value on the scale from the bar (0) to the moonshot (1).

        Without such a goal a value that misses its bar is negative all the same: the distance in
        widths of the bar, or as a share of it where it has one end. None for one that reaches it.
        """
        match self.bar, self.moonshot:
            case (None, float(bar)), (None, float(aim)) if aim < bar:
                return (value - bar) / (aim - bar)
            case (float(bar), None), (float(aim), None) if aim > bar:
                return (value - bar) / (aim - bar)
            case (float(low), float(high)), _ if high > low and not low <= value <= high:
                return -max(low - value, value - high) / (high - low)
            case ((None, float(bar)) | (float(bar), None)) as bounds, _:
                is_missed = not is_within(value, bounds)
                return -abs(value - bar) / (abs(bar) or 1) if is_missed else None
        return None


class EvidenceCurves(EvidenceOptions):
    """Measured curves by name, and the values of papers as marks."""

    x: str = Field(max_length=100)
    y: str = Field(max_length=100)
    lines: dict[str, list[tuple[float, float]]]
    marks: dict[str, float]


class EvidencePicture(EvidenceOptions):
    """A picture beside the result file."""

    file: str = Field(pattern=r"^E\d{1,2}-\d{1,2}\.png$")  # a name, never a path
    caption: str = Field(max_length=300)


class Experiment(EvidenceOptions):
    """One experiment: a claim of the literature, the figures, and how to repeat it."""

    id: str = Field(pattern=r"^E\d{1,2}$")
    title: str = Field(max_length=200)
    claim: str = Field(max_length=500)
    paper: str = Field(max_length=300)
    url: str = Field(pattern=r"^https://[^\s<>]+$")
    checks: list[EvidenceCheck] = Field(min_length=1)
    curves: EvidenceCurves | None
    pictures: list[EvidencePicture]
    notes: str
    seeds: list[int]
    seconds: float
    command: str
    device: str
    torch: str
    commit: str
    date: str

    @property
    def link(self) -> str:
        """Returns the paper in Markdown; brackets in the address are escaped: one would end it."""
        return f"[{self.paper}]({self.url.replace('(', '%28').replace(')', '%29')})"

    @property
    def judged_states(self) -> list[str]:
        """Returns the state of each figure that has a bar."""
        return [check.state for check in self.checks if check.bar]

    @property
    def verdict(self) -> str:
        """Returns miss where a bar is missed, moonshot where all that have one reach it."""
        if "miss" in self.judged_states:
            return "miss"
        aims = [check.state for check in self.checks if check.bar and check.moonshot]
        return "moonshot" if aims and set(aims) == {"moonshot"} else "pass"

    @property
    def main_check(self) -> EvidenceCheck:
        """Returns the figure for the overview: the first that missed, else that has a scale."""
        missed = [check for check in self.checks if check.state == "miss"]
        scaled = [check for check in self.checks if check.scale(check.ours) is not None]
        return (missed or scaled or self.checks)[0]


def is_within(value: float, bounds: Bounds) -> bool:
    """Returns True for a value between bounds, both included."""
    low, high = bounds
    return (low is None or low <= value) and (high is None or value <= high)


def read_experiments(folder: Path | None = None) -> tuple[list[Experiment], list[str]]:
    """Returns every sound result, E0 first, and a sentence for each file that is not one."""
    experiments, problems = [], []
    for path in sorted((folder or EVIDENCE_FOLDER).glob("E*.json")):
        try:
            experiments.append(parse_experiment(path))
        except (OSError, ValueError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            problems.append(
                f"{path.name} cannot be shown ({reason[:200]}). "
                f"`{EVIDENCE_COMMAND} {path.stem[:9]}` makes it anew."
            )
    return sorted(experiments, key=lambda experiment: int(experiment.id[1:])), problems


def parse_experiment(path: Path) -> Experiment:
    """Returns the experiment in a result file. Raises ValueError where it is not sound."""
    size = path.stat().st_size
    if size > MAX_RESULT_BYTES:
        raise ValueError(f"it has {size:,} bytes, more than {MAX_RESULT_BYTES:,}")
    experiment = Experiment.model_validate_json(path.read_bytes())
    if experiment.id != path.stem:
        raise ValueError(f"it holds {experiment.id}")
    return experiment


def open_evidence_picture(file: str) -> Image.Image | None:
    """Returns a picture of a result, None where it is missing or torn."""
    try:
        with Image.open(EVIDENCE_FOLDER / file) as picture:
            return picture.convert("RGB")
    except (OSError, ValueError):
        return None
