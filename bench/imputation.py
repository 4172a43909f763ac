"""The imputer beside scikit-learn's IterativeImputer on a long table of numbers.

Made by `python -m bench.tables --imputer`; written to docs/results/imputation.md.
"""

from __future__ import annotations

import time
import warnings
from typing import Any, NamedTuple, Protocol

import numpy as np

from aecore import AutoencoderImputer
from bench.results import describe_processor, write_result

ROWS, COLUMNS, FACTORS, HIDDEN = 20_000, 16, 4, 0.2
Rows = np.ndarray[Any, np.dtype[np.float64]]


class Imputer(Protocol):
    """What fills NaN, as in scikit-learn."""

    def fit(self, X: Rows) -> Any: ...

    def transform(self, X: Rows) -> Rows: ...


class Filling(NamedTuple):
    """What one imputer made of the table."""

    error: float  # root mean square of hidden cells, in deviations
    fitting: float  # seconds of the processor
    filling: float
    inside: float | None  # share of hidden cells inside 90 % intervals


def compare_imputers() -> None:
    """Fill the same table by both, and write the page of results."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - for the next line
    from sklearn.impute import IterativeImputer

    x = generate_bent_rows(ROWS)
    hidden = np.random.default_rng(1).random(x.shape) < HIDDEN
    imputers: dict[str, Imputer] = {
        "AutoencoderImputer": AutoencoderImputer(random_state=0, device="cpu"),
        "IterativeImputer": IterativeImputer(random_state=0),
    }
    fillings = {}
    for name, imputer in imputers.items():
        fillings[name] = measure_imputer(imputer, x, hidden)
        print(f"{name}: {fillings[name]}", flush=True)
    write_result("imputation.md", format_imputers(fillings))


def generate_bent_rows(rows: int) -> Rows:
    """Returns standardised numbers that four hidden variables make, bent and with noise."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(rows, FACTORS))
    bent = np.tanh(factors @ rng.normal(size=(FACTORS, 24)))
    x = bent @ rng.normal(size=(24, COLUMNS)) / 3 + 0.15 * rng.normal(size=(rows, COLUMNS))
    return np.asarray(x / x.std(0))


def measure_imputer(imputer: Imputer, x: Rows, hidden: np.ndarray[Any, Any]) -> Filling:
    """Fit to the rows with cells hidden, fill these, and compare with the truth."""
    masked = np.where(hidden, np.nan, x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of regressions that do not converge
        started = time.process_time()
        imputer.fit(masked)
        fitted = time.process_time()
        filled = imputer.transform(masked)
        ended = time.process_time()
    inside = None
    if isinstance(imputer, AutoencoderImputer):
        low, high = imputer.find_intervals(masked)
        inside = float(((x >= low) & (x <= high))[hidden].mean())
    error = float(((filled - x)[hidden] ** 2).mean() ** 0.5)
    return Filling(error, fitted - started, ended - fitted, inside)


def format_imputers(fillings: dict[str, Filling]) -> list[str]:
    """Returns the page of results."""
    lines = [
        "# Imputation of a long table",
        "",
        f"Made by `python -m bench.tables --imputer` on {describe_processor()}: {ROWS:,} rows of "
        f"{COLUMNS} numbers made from {FACTORS} hidden variables, {HIDDEN:.0%} of the cells "
        "hidden; seconds of the processor.",
        "",
        "| imputer | error, in deviations | seconds to fit | to fill | inside 90 % intervals |",
        "|---|---|---|---|---|",
    ]
    for name, (error, fitting, filling, inside) in fillings.items():
        held = "" if inside is None else f"{inside:.1%}"
        lines.append(f"| {name} | {error:.3f} | {fitting:.1f} | {filling:.1f} | {held} |")
    return [*lines, ""]


if __name__ == "__main__":
    compare_imputers()
