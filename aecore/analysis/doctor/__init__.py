"""The doctor: what is wrong with a trained model, how one sees it, and what to change."""

from __future__ import annotations

from aecore.analysis.doctor.base import Disease, Finding
from aecore.analysis.doctor.codes import CODE_DISEASES
from aecore.analysis.doctor.fit import FIT_DISEASES
from aecore.analysis.doctor.patient import MIN_ROWS, Patient, Specimen, draw_specimen
from aecore.data.catalog import CATALOG
from aecore.data.datasets import load_dataset
from aecore.data.splits import Dataset
from aecore.errors import AecoreError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.runs.run import Run

__all__ = [
    "DISEASES",
    "MIN_ROWS",
    "Disease",
    "Finding",
    "draw_specimen",
    "examine",
    "examine_by_catalog",
    "examine_specimen",
]

DISEASES = (*FIT_DISEASES, *CODE_DISEASES)


def examine(model: Autoencoder, dataset: Dataset, run: Run | None = None) -> list[Finding]:
    """Checks a trained model for all diseases that can befall it, by samples of its own data.

    `run` tells how it was trained: its settings, its losses, and why it ended.
    """
    config = run.config() if run else None
    specimen = draw_specimen(dataset, config.data if config else None)
    return examine_specimen(model, specimen, run)


def examine_specimen(
    model: Autoencoder, specimen: Specimen, run: Run | None = None
) -> list[Finding]:
    """Checks a trained model by examples that were drawn before; nothing is told of too few.

    Nothing of one that is pretrained either: what the cures would change is not for training here.
    """
    if len(specimen.test) < MIN_ROWS or model.config.network.is_pretrained:
        return []
    config = run.config() if run else RunConfig(model=model.config)
    state = run.saved_state() if run else None
    history, moves = (run.epochs(), run.knob_moves()) if run else ((), ())
    patient = Patient(model, specimen, config, history, moves, state.error if state else "")
    return [disease.check(patient) for disease in DISEASES if disease.applies(patient)]


def examine_by_catalog(run: Run) -> list[Finding]:
    """Checks a run on its data where these are of the catalog and at hand; else tells nothing."""
    config = run.config()
    entry = CATALOG.get(config.data.name) if config.data else None
    if config.data is None or entry is None or not entry.is_local():
        return []
    try:
        dataset = load_dataset(config.data)
    except AecoreError:  # damaged, or without room in memory
        return []
    if dataset.input_shape != config.model.input_shape:
        return []
    return examine(Autoencoder.load(run.path), dataset, run)
