"""The models and data of the lessons: families of shipped models in which one setting moves.

`python -m bench.lessons` trains them. A model is named by its family and the setting's level.
"""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from aecore.data.splits import Dataset, as_float
from aecore.files import SHIPPED_FOLDER
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig
from ui.kit.cache import load_cached_data
from ui.kit.memory import keep_in_memory

VARIANCE_LOST_HELP = (
    "Squared error of the test digits, as a share of their squared distance from the mean digit."
)
LESSONS_FOLDER = SHIPPED_FOLDER / "lessons"


@keep_in_memory()
def load_lesson_model(family: str, level: str) -> Autoencoder:
    """Returns a lesson's model; nobody changes it. CheckpointError where it is not there."""
    return Autoencoder.load(LESSONS_FOLDER / f"{family}-{level}")


@keep_in_memory()
def list_levels(family: str) -> tuple[str, ...]:
    """Returns the levels of a family's setting that models are shipped for, the lowest first."""
    names = (path.name for path in LESSONS_FOLDER.glob(f"{family}-*"))
    return tuple(sorted((name.removeprefix(f"{family}-") for name in names), key=float))


def choose_level(family: str, label: str, default: str, help: str) -> str:
    """Show a slider over the levels of a family, and return one."""
    return st.select_slider(label, list_levels(family), default, key=f"learn-{family}", help=help)


def load_lesson_data(name: str = "digits") -> Dataset:
    """Returns a data set that needs no download."""
    return load_cached_data(DataConfig(name=name))


@keep_in_memory()
def load_test_digits() -> Tensor:
    """Returns the test digits (N, 1, 8, 8) in [0, 1]."""
    return as_float(load_lesson_data().test.x)


@keep_in_memory()
def find_digit_rows() -> tuple[int, ...]:
    """Returns the row of the first test digit of each class, 0 to 9."""
    labels = load_lesson_data().test.y
    assert labels is not None
    return tuple(int((labels == label).nonzero()[0]) for label in range(10))


def choose_digit(key: str, default: int) -> Tensor:
    """Show a slider over the ten classes; return a test digit of one, (1, 1, 8, 8)."""
    label = st.slider("Digit", 0, 9, default, key=key, help="A test digit, not seen in training.")
    row = find_digit_rows()[label]
    return load_test_digits()[row : row + 1]


def sum_squares(difference: Tensor) -> Tensor:
    """Returns the squares of differences (N, *shape) summed over each example: (N,)."""
    return difference.flatten(1).square().sum(1)


@torch.no_grad()
def measure_squared_error(model: Autoencoder, x: Tensor) -> float:
    """Returns the squared error per example of x (N, *input_shape), summed over features."""
    return float(sum_squares(model.reconstruct(x) - x).mean())


@keep_in_memory()
def measure_spread() -> float:
    """Returns the squared distance of test digits from the mean training digit, on average."""
    mean = as_float(load_lesson_data().train.x).mean(0)
    return float(sum_squares(load_test_digits() - mean).mean())


@keep_in_memory()
def measure_share_lost(family: str, level: str) -> str:
    """Returns the share of the test digits' variance that a lesson's model loses, as a text."""
    error = measure_squared_error(load_lesson_model(family, level), load_test_digits())
    return describe_share(error, measure_spread())


def describe_share(part: float, whole: float) -> str:
    """Returns a share as a percentage of three significant digits at most."""
    return f"{100 * part / whole:.3g} %"


def to_rows(x: Tensor) -> np.ndarray:
    """Returns examples (N, *shape) as rows (N, features)."""
    return np.asarray(x.flatten(1))
