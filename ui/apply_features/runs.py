"""The runs that the Features page shows together."""

from __future__ import annotations

from aecore.model.config import RunConfig
from aecore.runs.run import Run
from ui.kit.runs import list_usable_runs


def list_runs_on_same_data(run: Run) -> list[Run]:
    """Returns `run`, then all others that were trained on the same examples in the same units."""
    others = [other for other in list_usable_runs() if other.id != run.id]
    return [run, *(other for other in others if has_same_data(other, run))]


def has_same_data(first: Run, second: Run) -> bool:
    """Returns True where two runs were trained on the same examples in the same units."""
    traits = [list_data_traits(run.config()) for run in (first, second)]
    return traits[0] is not None and traits[0] == traits[1]


def list_data_traits(config: RunConfig) -> tuple[object, ...] | None:
    """Returns what a run's training examples and their units depend on; None without data."""
    data, model = config.data, config.model
    if data is None:
        return None
    split = (data.split_seed, data.test_fraction, data.train_class, data.limit)
    return (model.input_shape, model.scaling, data.name, *split)
