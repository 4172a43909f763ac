"""The knobs of a run while it trains: moves that were recorded are repeated, then new ones taken.

A move is written to metrics.jsonl with its epoch and step before it acts. A resumed run goes on
from the end of its last whole epoch, and repeats what was recorded after it at the same steps; only
then it looks at knobs.json again. So it ends with the weights of one that was not killed.
"""

from __future__ import annotations

import time
from collections import deque

from aecore.model.config import RunConfig
from aecore.model.knobs import list_knobs, turn_knobs
from aecore.runs.knobs import apply_moves, read_wanted_knobs
from aecore.runs.records import KnobRecord
from aecore.runs.run import Run
from aecore.training.ranks import Ranks
from aecore.training.run_writer import RunWriter

LOOK_SECONDS = 0.5  # between two looks at knobs.json within an epoch


class LiveKnobs:
    """Where the knobs of a run stand: `config` is the run's own, with all moves so far."""

    def __init__(self, run: Run, config: RunConfig, ranks: Ranks, writer: RunWriter):
        self.run, self.config, self.ranks, self.writer = run, config, ranks, writer
        self.recorded = deque(run.knob_moves() if ranks.leads else ())
        self.fresh: list[KnobRecord] = []  # written, and not yet taken by `take_records`
        self.looked_at, self.note = 0.0, ""

    def catch_up(self, epochs: int) -> None:
        """Repeats the moves of the epochs that are done; keeps those of the next for their steps.

        No trainer records any later: such lines would be a stranger's.
        """
        self.repeat(epochs + 1, -1)
        self.recorded = deque(move for move in self.recorded if move.epoch == epochs + 1)
        self.share()

    def turn(self, epoch: int, step: int) -> bool:
        """Moves what is to be moved before a step of an epoch, from 1 on; True where any was.

        Several processes look at the beginning of an epoch alone.
        """
        if self.ranks.world > 1 and step:
            return False
        before = self.config
        if self.ranks.leads:
            self.repeat(epoch, step)
            if not self.recorded and self.is_time_to_look(step):
                self.follow(epoch, step)
        if not step:
            self.share()
        return self.config is not before

    def repeat(self, epoch: int, step: int) -> None:
        """Makes the recorded moves up to a step; not what does not fit the run."""
        due = []
        while self.recorded and (self.recorded[0].epoch, self.recorded[0].step) <= (epoch, step):
            due.append(self.recorded.popleft())
        if due:
            self.config = apply_moves(self.config, due)

    def is_time_to_look(self, step: int) -> bool:
        """Returns True at the beginning of an epoch, and every half second of a long one."""
        now = time.monotonic()
        is_due = step == 0 or now - self.looked_at >= LOOK_SECONDS
        if is_due:
            self.looked_at = now
        return is_due

    def follow(self, epoch: int, step: int) -> None:
        """Moves the knobs to where knobs.json wants them, and records that."""
        wanted, note = read_wanted_knobs(self.run, self.config)
        if note != self.note:
            self.note = note
            self.writer.write_state(note=note[:200])
        knobs = list_knobs(self.config)
        moves = {path: value for path, value in wanted.items() if value != knobs[path].value}
        if moves:
            self.fresh.append(self.writer.append(KnobRecord(epoch, step, moves)))
            self.config = turn_knobs(self.config, moves)

    def share(self) -> None:
        """Gives all ranks the values of the first one."""
        if self.ranks.world == 1:
            return
        knobs = list_knobs(self.config)
        values = {path: self.ranks.value_of_leader(knob.value) for path, knob in knobs.items()}
        moves = {path: value for path, value in values.items() if value != knobs[path].value}
        self.config = turn_knobs(self.config, moves)

    def take_records(self) -> list[KnobRecord]:
        """Returns the moves that were recorded since the last call."""
        records, self.fresh = self.fresh, []
        return records
