"""estimator.json: what the folder of a saved scikit-learn estimator holds beside its model."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aecore.errors import CheckpointError
from aecore.files import ESTIMATOR_FILE, read_plain_text, write_text_file

MAX_STATE_BYTES = 10_000_000  # the names of a million columns


@dataclass(frozen=True)
class EstimatorState:
    """The parameters of an estimator, and what it learned beside the weights of its model."""

    estimator: str  # its class
    parameters: dict[str, Any]
    n_features: int
    feature_names: list[str] | None
    fitted: dict[str, float]  # numbers by the name of their attribute, such as offset_


def write_estimator_state(folder: Path, state: EstimatorState) -> None:
    """Write estimator.json into a folder that exists; TypeError if a parameter has no JSON."""
    values = {
        "estimator": state.estimator,
        "parameters": state.parameters,
        "n_features_in_": state.n_features,
        "feature_names_in_": state.feature_names,
        **state.fitted,
    }
    text = json.dumps(values, indent=2, default=convert_numpy_scalar)
    write_text_file(folder / ESTIMATOR_FILE, text + "\n")


def convert_numpy_scalar(value: Any) -> Any:
    """Return a NumPy scalar, as grid searches use them, as a plain number; TypeError otherwise."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(
        f"{value!r} cannot be saved as JSON. Use text, numbers, lists and dictionaries."
    )


def read_estimator_state(folder: Path, estimator: str, fitted: Sequence[str]) -> EstimatorState:
    """Return the checked estimator.json of a folder.

    `estimator` is the class that is expected, `fitted` the names of its fitted numbers.
    CheckpointError says what is wrong with the file.
    """
    path = folder / ESTIMATOR_FILE
    try:
        values = json.loads(read_plain_text(path, MAX_STATE_BYTES))
        name = str(values["estimator"])[:80]
        if name != estimator:
            raise CheckpointError(
                f"{path} holds an {name}, not an {estimator}. Load it with {name}.load."
            )
        return EstimatorState(
            name,
            _check_parameters(values["parameters"]),
            int(values["n_features_in_"]),
            _check_feature_names(values["feature_names_in_"], int(values["n_features_in_"])),
            {attribute: _check_finite_number(values[attribute]) for attribute in fitted},
        )
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder} has no {ESTIMATOR_FILE}. Give a folder that an estimator was saved into."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise refuse_estimator_file(folder, error) from error


def refuse_estimator_file(folder: Path, error: Exception) -> CheckpointError:
    """Return the error for an estimator.json that does not hold a sound estimator."""
    return CheckpointError(
        f"{folder / ESTIMATOR_FILE} is not what save wrote ({error}). Save the estimator again."
    )


def _check_parameters(parameters: Any) -> dict[str, Any]:
    if not isinstance(parameters, dict):
        raise ValueError("its parameters are not names and values")
    return parameters


def _check_feature_names(names: Any, n_features: int) -> list[str] | None:
    if not names:
        return None
    if len(names) != n_features or not all(isinstance(name, str) for name in names):
        raise ValueError("its names are not one a column")
    return list(names)


def _check_finite_number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is not finite")
    return number
