"""The trainer's pen: everything that a training process writes into the run folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from aecore.analysis.card import format_card
from aecore.analysis.doctor import Finding
from aecore.files import CARD_FILE, RESUME_FILE, write_text_file
from aecore.limits import is_public
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.model.weights import write_weights
from aecore.runs.foreign import strip_local_paths
from aecore.runs.previews import write_preview
from aecore.runs.records import Record
from aecore.runs.run import Run
from aecore.training.position import Position, TrainingParts, save_position
from aecore.training.snapshots import make_preview

REPORT_SECONDS = 1.0  # between two reports of progress in state.json

RecordType = TypeVar("RecordType", bound=Record)
DownloadReport = Callable[[str, float], None]  # what is done, and its share


class RunWriter:
    """Writes into the folder of `run` where this process leads; the other ranks write nothing."""

    def __init__(self, run: Run, leads: bool, progress: DownloadReport | None):
        self.run, self.leads, self.progress = run, leads, progress
        self.reported_at = 0.0  # by the monotonic clock

    def append(self, record: RecordType) -> RecordType:
        """Adds a record to metrics.jsonl; returns it."""
        if self.leads:
            self.run.append(record)
        return record

    def write_state(self, **changes: Any) -> None:
        if self.leads:
            self.run.write_state(**changes)

    def write_start(self, device: str) -> None:
        """Says in state.json that the run is on its device."""
        self.write_state(state="running", device=device, error="", processes=0)

    def report_download(self, activity: str, share: float) -> None:
        """Shows watchers how far a download is."""
        if self.progress:
            self.progress(activity, share)
        if self.is_time_to_report():
            self.write_state(note=f"{activity}, {share:.0%}"[:200])

    def report_progress(self, share: float) -> None:
        """Shows watchers how far a long epoch is."""
        if share < 1 and self.is_time_to_report():
            self.write_state(progress=share)

    def is_time_to_report(self) -> bool:
        """Returns True, and counts anew, where the last report is long enough ago."""
        is_due = time.monotonic() - self.reported_at > REPORT_SECONDS
        if is_due:
            self.reported_at = time.monotonic()
        return is_due

    def save_weights(self, model: Autoencoder) -> None:
        """Replaces model.safetensors, with the knobs that were moved."""
        if self.leads:
            write_weights(self.run.path, model, self.run.config().model, model.config)

    def save_position(self, parts: TrainingParts, position: Position) -> None:
        if self.leads:
            save_position(self.run.path / RESUME_FILE, parts, position)

    def save_preview(
        self, epoch: int, model: Autoencoder, test: Tensor, device: torch.device
    ) -> None:
        """Keeps the same few test examples as they are reconstructed now."""
        if self.leads:
            write_preview(self.run.path, epoch, make_preview(model, test, device))

    def save_card(
        self, config: RunConfig, metrics: dict[str, float], findings: Sequence[Finding]
    ) -> None:
        """Writes the model card, with the path from which its snippet loads the run.

        On a public Space it does not tell folders of the server.
        """
        if self.leads:
            config = strip_local_paths(config) if is_public() else config
            folder = f"{self.run.path.parent.name}/{self.run.id}"
            card = format_card(
                config,
                metrics,
                folder=folder,
                history=self.run.epochs(),
                moves=self.run.knob_moves(),
                findings=findings,
            )
            write_text_file(self.run.path / CARD_FILE, card)
