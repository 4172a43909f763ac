"""The lines of metrics.jsonl: one typed record each, written and checked here and nowhere else.

A line is a flat JSON object: its kind and finite numbers. Numbers that this version does not know
are kept under `others`, so that files of other versions can be read and copied.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import IO, Any, ClassVar

MAX_LINE_BYTES = 10_000
MAX_NUMBERS_IN_LINE = 128
MAX_NUMBER = 1e300
MAX_WHOLE_NUMBER = 2**53  # larger ones become floats: tables and charts take no others
WHOLE_NUMBERS = ("epoch", "layer")


@dataclass(frozen=True, kw_only=True)
class _TrainingRecord:
    """A record whose fields are the keys of its line; None where the line does not have the key."""

    kind: ClassVar[str]

    others: Mapping[str, float] = field(default_factory=dict)

    def to_row(self) -> dict[str, Any]:
        """Returns the line as a flat dict: the kind, the known numbers, then the others."""
        known = {name: getattr(self, name) for name in _field_names(type(self))}
        numbers = {name: value for name, value in known.items() if value is not None}
        return {"kind": self.kind, **numbers, **self.others}


@dataclass(frozen=True, kw_only=True)
class EpochRecord(_TrainingRecord):
    """One epoch of training. Losses are means over its examples."""

    kind: ClassVar[str] = "epoch"

    epoch: int | None = None  # from 1 on
    seconds: float | None = None
    lr: float | None = None  # at the epoch's first step
    loss: float | None = None
    reconstruction: float | None = None  # the three parts of the loss
    rate: float | None = None
    penalty: float | None = None
    validation_loss: float | None = None  # None where no examples are held out


@dataclass(frozen=True, kw_only=True)
class PretrainRecord(_TrainingRecord):
    """One epoch of the greedy pretraining of one layer."""

    kind: ClassVar[str] = "pretrain"

    layer: int | None = None  # from 1 on
    epoch: int | None = None  # of this layer, from 1 on
    loss: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class PriorRecord(_TrainingRecord):
    """One epoch of the second stage, in which a prior of indices is learned.

    Losses are -ln p of the codes of an example, in nats, means over its examples.
    """

    kind: ClassVar[str] = "prior"

    epoch: int | None = None  # of this stage, from 1 on
    loss: float | None = None
    validation_loss: float | None = None  # None where no examples are held out
    seconds: float | None = None


@dataclass(frozen=True)
class MetricsRecord:
    """The metrics of the best weights on the test set, by name, written once at the end."""

    kind: ClassVar[str] = "test"

    metrics: Mapping[str, float]

    def to_row(self) -> dict[str, Any]:
        """Returns the line as a flat dict: the kind and the metrics."""
        return {"kind": self.kind, **self.metrics}


@dataclass(frozen=True)
class KnobRecord:
    """Knobs that were moved while the run trained, {path: value from this step on}."""

    kind: ClassVar[str] = "knob"

    epoch: int  # under way, from 1 on
    step: int  # of the epoch, from 0 on: the first one that the new values act on
    knobs: Mapping[str, float]

    def to_row(self) -> dict[str, Any]:
        """Returns the line as a flat dict: the kind, the place and the knobs."""
        return {"kind": self.kind, "epoch": self.epoch, "step": self.step, **self.knobs}


Record = EpochRecord | PretrainRecord | PriorRecord | MetricsRecord | KnobRecord


def encode_record(record: Record) -> bytes:
    """Returns the line of a record, with its newline."""
    return (json.dumps(record.to_row()) + "\n").encode()


def parse_record(line: bytes) -> Record | None:
    """Reads one line; None for one that was torn or that no trainer wrote."""
    try:
        row = json.loads(line) if len(line) < MAX_LINE_BYTES else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    numbers = {name: value for name, value in row.items() if name != "kind"}
    if len(numbers) > MAX_NUMBERS_IN_LINE or not all(map(is_finite_number, numbers.values())):
        return None
    if not all(name.isprintable() for name in numbers):  # nor half of a surrogate pair
        return None
    numbers = {sys.intern(name): limit_whole_number(value) for name, value in numbers.items()}
    match row.get("kind"):
        case "epoch":
            return EpochRecord(**_sort_numbers(EpochRecord, numbers))
        case "pretrain":
            return PretrainRecord(**_sort_numbers(PretrainRecord, numbers))
        case "prior":
            return PriorRecord(**_sort_numbers(PriorRecord, numbers))
        case "test":
            return MetricsRecord(numbers)
        case "knob":
            return _make_knob_record(numbers)
    return None


def _make_knob_record(numbers: Mapping[str, Any]) -> KnobRecord | None:
    """Returns the record of moved knobs; None where their place is missing."""
    epoch, step = numbers.get("epoch"), numbers.get("step")
    if not isinstance(epoch, int) or not isinstance(step, int):
        return None
    knobs = {name: value for name, value in numbers.items() if name not in ("epoch", "step")}
    return KnobRecord(epoch, step, knobs)


def is_finite_number(value: object) -> bool:
    """Returns True for an int or a float of bearable size, not for a bool, NaN or infinity."""
    return isinstance(value, int | float) and type(value) is not bool and abs(value) < MAX_NUMBER


def limit_whole_number(value: float) -> float:
    """Returns a number as it is, a whole one beyond MAX_WHOLE_NUMBER as a float."""
    return value if abs(value) <= MAX_WHOLE_NUMBER else float(value)


def ends_with_newline(file: IO[bytes]) -> bool:
    """Returns whether the last byte of an open file that is not empty ends a line."""
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _field_names(record_class: type[_TrainingRecord]) -> list[str]:
    return [part.name for part in fields(record_class) if part.name != "others"]


def _sort_numbers(
    record_class: type[_TrainingRecord], numbers: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the arguments of a record: the numbers that it knows by name, and the others."""
    known = {
        name: numbers[name]
        for name in _field_names(record_class)
        if name in numbers and (name not in WHOLE_NUMBERS or isinstance(numbers[name], int))
    }
    others = {name: value for name, value in numbers.items() if name not in known}
    return {**known, "others": others}
