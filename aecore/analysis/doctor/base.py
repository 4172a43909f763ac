"""The entries of the doctor: diseases to look for, and findings about one model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aecore.analysis.doctor.bounds import clip_settings
from aecore.analysis.doctor.patient import Patient

Kind = Literal["sick", "note", "fine"]
Settings = Mapping[str, Any]  # changes of a config by dotted path, as `--set` takes them


@dataclass(frozen=True)
class Finding:
    """One check of a model: a number, what it means, and what to change."""

    name: str  # of the disease
    kind: Kind  # a note where the number is high for a reason that is no fault
    evidence: float
    threshold: float  # a model is sick above it
    text: str  # the evidence as a sentence
    meaning: str  # one sentence; empty where nothing is wrong
    cure: Settings = field(default_factory=dict)  # empty where nothing is to be changed

    def to_row(self) -> dict[str, Any]:
        """Returns the finding as JSON values; an infinite number is None."""
        evidence = self.evidence if math.isfinite(self.evidence) else None
        return {
            "name": self.name,
            "kind": self.kind,
            "evidence": evidence,
            "threshold": self.threshold,
            "text": self.text,
            "meaning": self.meaning,
            "cure": dict(self.cure),
        }


@dataclass(frozen=True)
class Disease:
    """One entry of the table DISEASES: a model is sick where the evidence is above the threshold.

    `explain` returns the reason why a high number is no fault of this model, or an empty text.
    """

    name: str
    threshold: float
    meaning: str
    applies: Callable[[Patient], bool]
    measure: Callable[[Patient], float]
    describe: Callable[[Patient, float], str]
    cure: Callable[[Patient], Settings]
    explain: Callable[[Patient], str] = lambda patient: ""

    def check(self, patient: Patient) -> Finding:
        """Measures the disease in a model to which it applies."""
        evidence = self.measure(patient)
        text = self.describe(patient, evidence)
        # a number that cannot be computed, of codes that overflow, is no good sign
        if evidence <= self.threshold:
            return Finding(self.name, "fine", evidence, self.threshold, text, "")
        if reason := self.explain(patient):
            return Finding(self.name, "note", evidence, self.threshold, text, reason)
        cure = clip_settings(patient.config, self.cure(patient))
        return Finding(self.name, "sick", evidence, self.threshold, text, self.meaning, cure)
