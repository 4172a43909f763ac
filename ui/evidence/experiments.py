"""The rows of the fidelity suite, read from docs/results/fidelity and checked before they are shown."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

EVIDENCE_FOLDER = Path(__file__).resolve().parents[2] / "docs" / "results" / "fidelity"
EVIDENCE_COMMAND = "python -m bench.fidelity"
MAX_ROW_BYTES = 1_000_000


Bounds = tuple[float | None, float | None]  # least and most; None where that side is open


class EvidenceOptions(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)


class EvidenceCheck(EvidenceOptions):
    """One figure, what the paper has for it, and the bars it is held against."""

    what: str = Field(max_length=300)
    ours: float
    bar: Bounds | None
    moonshot: Bounds | None
    paper: float | None
    spread: float | None

    @property
    def state(self) -> str:
        """Judged anew, so that words and numbers agree; told: there is no bar."""
        if self.bar is None:
            return "told"
        if not is_within(self.ours, self.bar):
            return "miss"
        return "moonshot" if self.moonshot and is_within(self.ours, self.moonshot) else "pass"

    def place(self, value: float) -> float | None:
        """A value on the way from the bar (0) to the moonshot (1), where both point the same way.

        Below zero, by its distance in widths, where it lies outside a bar with two ends.
        """
        match self.bar, self.moonshot:
            case (None, float(bar)), (None, float(aim)) if aim < bar:
                return (value - bar) / (aim - bar)
            case (float(bar), None), (float(aim), None) if aim > bar:
                return (value - bar) / (aim - bar)
            case (float(low), float(high)), _ if high > low and not low <= value <= high:
                return -max(low - value, value - high) / (high - low)
        return None


class EvidenceCurves(EvidenceOptions):
    x: str = Field(max_length=100)
    y: str = Field(max_length=100)
    lines: dict[str, list[tuple[float, float]]]
    marks: dict[str, float]


class EvidencePicture(EvidenceOptions):
    file: str = Field(pattern=r"^E\d{1,2}-\d{1,2}\.png$")  # a name, never a path
    caption: str = Field(max_length=300)


class Experiment(EvidenceOptions):
    """One experiment: a claim of the literature, what was found, and how to repeat it."""

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
        """The paper in Markdown; a bracket in an address would end it."""
        return f"[{self.paper}]({self.url.replace('(', '%28').replace(')', '%29')})"

    @property
    def judged(self) -> list[str]:
        """The state of each figure that has a bar."""
        return [check.state for check in self.checks if check.bar]

    @property
    def verdict(self) -> str:
        """miss where a bar is missed, moonshot where every check that has one reaches it."""
        if "miss" in self.judged:
            return "miss"
        aims = [check.state for check in self.checks if check.bar and check.moonshot]
        return "moonshot" if aims and set(aims) == {"moonshot"} else "pass"

    @property
    def first(self) -> EvidenceCheck:
        """The figure that stands for the experiment: one that missed, else the first that can be placed or at all."""
        missed = [check for check in self.checks if check.state == "miss"]
        placed = [check for check in self.checks if check.place(check.ours) is not None]
        return (missed or placed or self.checks)[0]


def is_within(value: float, allowed: Bounds) -> bool:
    low, high = allowed
    return (low is None or low <= value) and (high is None or value <= high)


def read_experiments(folder: Path | None = None) -> tuple[list[Experiment], list[str]]:
    """Every sound row, E0 first, and a sentence for each file that is not one."""
    found, problems = [], []
    for path in sorted((folder or EVIDENCE_FOLDER).glob("E*.json")):
        try:
            found.append(parse_experiment(path))
        except (OSError, ValueError) as error:
            why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            problems.append(
                f"{path.name} cannot be shown ({why[:200]}). `{EVIDENCE_COMMAND} {path.stem[:9]}` makes it anew."
            )
    return sorted(found, key=lambda row: int(row.id[1:])), problems


def parse_experiment(path: Path) -> Experiment:
    if (size := path.stat().st_size) > MAX_ROW_BYTES:
        raise ValueError(f"it has {size:,} bytes, more than {MAX_ROW_BYTES:,}")
    row = Experiment.model_validate_json(path.read_bytes())
    if row.id != path.stem:
        raise ValueError(f"it holds {row.id}")
    return row


def open_evidence_picture(file: str) -> Image.Image | None:
    """A picture of a row, or None where it is missing or torn."""
    try:
        with Image.open(EVIDENCE_FOLDER / file) as opened:
            return opened.convert("RGB")
    except (OSError, ValueError):
        return None
