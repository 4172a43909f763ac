"""Rows of numbers: your own .csv and .parquet, scikit-learn's small tables, and made-up manifolds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aecore.data.arrays import Array, RawData, check_data_bytes, format_count, index_labels
from aecore.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


MANIFOLD_POINTS = 2000
"""How many points a manifold has."""


BINS = 8
"""Into how many classes the position along a rolled-up sheet is cut."""


WORDS = 20
"""A column of so many different words or fewer becomes a column of zeros and ones for each."""


def read_table(
    path: Path, label: str | None, missing: bool = False, leave_out: bool = False
) -> RawData:
    """Reads a table of numbers: float32 rows in raw units, and the column `label` as classes.

    Missing cells are NaN, if `missing` allows for them. Columns of a .csv are parted by comma, semicolon or tab,
    whichever its first line has most of. The unnamed column that pandas writes for row numbers is left out, as is
    the index of a .parquet. With `leave_out`, words of few kinds become a column each, named `colour=red`; in columns
    that are mostly numbers words count as missing; columns without use are left out, each with a note. Otherwise
    words are refused. Raises DataError.
    """
    frame = read_frame(path)
    y, classes = (None, ()) if label is None else _read_class_column(frame, label, path.name)
    inputs = frame if label is None else frame.drop(columns=label)
    if inputs.shape[1] == 0:
        raise DataError(f"{path.name} has no column to use as input. Add columns of numbers.")
    notes: list[str] = []
    if leave_out:
        inputs = _keep_usable_columns(inputs, notes)
        if inputs.shape[1] == 0:
            raise DataError(f"{path.name} has no column of use. {' '.join(notes[:3])}")
    _check_numeric(inputs, label, path.name)
    return RawData(
        "table",
        _check_values(inputs, path.name, missing),
        y,
        classes,
        tuple(inputs.columns),
        notes=tuple(notes),
    )


def read_frame(path: Path) -> pd.DataFrame:
    """A .csv or .parquet as it stands, its columns named and of different names. Raises DataError."""
    frame = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    frame.columns = [str(column) for column in frame.columns]
    if len(frame) < 2:
        raise DataError(
            f"{path.name} has {format_count(len(frame), 'row')}; a data set needs at least 2 rows."
        )
    if twins := sorted(frame.columns[frame.columns.duplicated()]):
        raise DataError(f"{path.name} has two columns named {twins[0]!r}. Rename one.")
    return frame


def _keep_usable_columns(frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Columns of numbers made of what can be, and for each other one a note that says why it is missing."""
    import pandas as pd

    found: dict[str, pd.Series[Any]] = {}
    for name in frame.columns:
        column, known = frame[name], int(frame[name].notna().sum())
        if column.dtype.kind == "O":  # also lists and the like, which cannot be counted as they are
            column = column.astype(str).where(column.notna())
        numbers = parse_numbers(column)
        if known == 0:
            notes.append(f"{name!r} is empty and left out.")
        elif column.nunique() == 1 and known == len(column):
            notes.append(f"{name!r} has one value only and is left out.")
        elif (count := int(numbers.notna().sum())) >= known / 2:
            if count < known:
                text = f"{format_count(known - count, 'cell')} of {name!r} such as {_first_word(column)!r}"
                notes.append(f"{text} {'is' if known - count == 1 else 'are'} taken as missing.")
            found[name] = numbers
        elif column.astype(str).nunique() <= WORDS and column.dtype.kind in "OUT":
            words = sorted(column.dropna().astype(str).unique())
            notes.append(f"{name!r} holds {format_count(len(words), 'word')}: a column for each.")
            found |= {f"{name}={word}": _is_word(column, word) for word in words}
        else:
            notes.append(
                f"{name!r} holds {column.nunique():,} different texts or dates and is left out."
            )
    return pd.DataFrame(found, index=frame.index)


def parse_numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Float64 where a cell is a finite number, NaN elsewhere."""
    import pandas as pd

    if column.dtype.kind == "M":
        return pd.Series(np.nan, column.index)
    return (
        pd.to_numeric(column, errors="coerce").astype(np.float64).replace([np.inf, -np.inf], np.nan)
    )


def _is_word(column: pd.Series[Any], word: str) -> pd.Series[Any]:
    return (column.astype(str) == word).astype(np.float64).where(column.notna())


def match_columns(frame: pd.DataFrame, columns: Sequence[str], where: str = "This table") -> Array:
    """Rows of a table as `read_table` gave them for another that has these columns: (N, len(columns)) float32.

    What is no number is NaN. Columns are found by name, `colour=red` in the column `colour`. DataError names those
    that are not there.
    """
    lacking, found = [], []
    for column in columns:
        name = next((name for name in frame.columns if column.startswith(f"{name}=")), None)
        if column in frame.columns:
            found.append(parse_numbers(frame[column]))
        elif name is not None:
            found.append(_is_word(frame[name], column.removeprefix(f"{name}=")))
        else:
            lacking.append(repr(column))
    if lacking:
        raise DataError(
            f"{where} lacks {format_count(len(lacking), 'column')} that the model knows: {_list_few(lacking)}."
        )
    return np.stack([column.to_numpy(dtype=np.float32) for column in found], axis=1)


def fill_table(frame: pd.DataFrame, columns: Sequence[str], x: Array) -> pd.DataFrame:
    """A table with its missing cells taken from x (N, len(columns)), whose columns are those of `match`.

    Known cells and columns that the model does not know stay as they are; of `colour=...` the largest wins.
    """
    result = frame.copy()
    for name in frame.columns:
        words = [
            (i, c.removeprefix(f"{name}="))
            for i, c in enumerate(columns)
            if c.startswith(f"{name}=")
        ]
        if name in columns:
            holes = parse_numbers(frame[name]).isna().to_numpy()
            values = x[:, list(columns).index(name)].astype(np.float64)
        elif words:
            holes = frame[name].isna().to_numpy()
            values = np.array([word for _, word in words], dtype=object)[
                x[:, [i for i, _ in words]].argmax(1)
            ]
        else:
            continue
        if holes.any():
            column = parse_numbers(frame[name]) if name in columns else frame[name].astype(object)
            result[name] = np.where(holes, values, column.to_numpy())
    return result


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        check_data_bytes(path.stat().st_size, path.name)
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline(1_000_000)
        mark = max(",;\t", key=header.count)
        frame = pd.read_csv(
            path, sep=mark, encoding="utf-8-sig", low_memory=False, skipinitialspace=True
        )
    except pd.errors.EmptyDataError as error:
        raise DataError(
            f"{path.name} is empty. Give it a line of column names, then rows of numbers."
        ) from error
    except (OSError, ValueError, pd.errors.ParserError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path.name} is not a readable .csv file ({reason}). Save it as UTF-8 text."
        ) from error
    if not frame.index.equals(pd.RangeIndex(len(frame))):
        raise DataError(
            f"The rows of {path.name} hold more values than its first line has names. Name every column."
        )
    _check_header(list(frame.columns), path.name)
    return _without_row_numbers(frame)


def _check_header(columns: list[str], where: str) -> None:
    """A first line of data shows as names that are all numbers; whole ones may be meant, as 0, 1, 2."""
    try:
        numbers = [float(column) for column in columns]
    except ValueError:
        return
    if any("." in column for column in columns) and numbers:
        raise DataError(
            f"The first line of {where} holds numbers instead of column names. Put a line of names above it."
        )


def _without_row_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    first = frame.iloc[:, 0]
    if str(first.name) == "Unnamed: 0" and np.array_equal(first.to_numpy(), np.arange(len(first))):
        return frame.iloc[:, 1:]
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            check_data_bytes(file.metadata.num_rows * file.metadata.num_columns * 8, path.name)
            return file.read().to_pandas()
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path.name} is not a readable .parquet file ({reason}). Save it again."
        ) from error


def _read_class_column(
    frame: pd.DataFrame, label: str, where: str
) -> tuple[Array, tuple[str, ...]]:
    if label not in frame.columns:
        raise DataError(
            f"{where} has no column {label!r} to use as label; it has {_list_few(list(frame.columns))}."
        )
    column = frame[label]
    if missing := int(column.isna().sum()):
        raise DataError(
            f"The label column {label!r} of {where} has {format_count(missing, 'missing value')}. Fill or drop."
        )
    numeric = column.dtype.kind in "iub"
    return index_labels(column.to_numpy() if numeric else column.astype(str).to_numpy(dtype=str))


def _check_numeric(inputs: pd.DataFrame, label: str | None, where: str) -> None:
    from pandas.api.types import is_numeric_dtype

    wrong = [column for column in inputs.columns if not is_numeric_dtype(inputs[column].dtype)]
    if not wrong:
        return
    shown = _list_few([f"{column!r} (such as {_first_word(inputs[column])!r})" for column in wrong])
    hint = "Encode them as numbers or drop them."
    if (
        label is None
        and len(wrong) == 1
        and inputs[wrong[0]].astype(str).nunique() <= len(inputs) / 2
    ):
        hint = (
            f"Drop it, or name it as the label column, that is the class (data.label={wrong[0]})."
        )
    raise DataError(
        f"{where} has {format_count(len(wrong), 'column')} that {_plural_hold(wrong)} other than numbers: {shown}. {hint}"
    )


def _plural_hold(columns: list[str]) -> str:
    return "holds something" if len(columns) == 1 else "hold something"


def _first_word(column: pd.Series[Any]) -> str:
    """The first value that is no number."""
    import pandas as pd

    text = column.dropna().astype(str)
    words = text[pd.to_numeric(text, errors="coerce").isna()]
    return str((words if len(words) else text).iloc[0])[:40] if len(text) else "nothing"


def _check_values(inputs: pd.DataFrame, where: str, missing: bool) -> Array:
    """(N, columns) float32, every value finite or, if `missing` allows it, NaN."""
    with np.errstate(over="ignore"):
        wide = inputs.to_numpy(dtype=np.float64, na_value=np.nan)
        values = wide.astype(np.float32)
    for what, wrong, hint in (
        ("missing", np.isnan(wide) & (not missing), ", or set data.missing to keep"),
        ("infinite or too large", np.isinf(values), ""),
    ):
        if wrong.any():
            counts = [
                f"{name!r} ({n})" for name, n in zip(inputs.columns, wrong.sum(0), strict=True) if n
            ]
            raise DataError(
                f"{where} has {what} values in {_list_few(counts)}. Fill them or drop those rows{hint}."
            )
    return values


def _list_few(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def load_scikit_table(name: str) -> RawData:
    """One of scikit-learn's embedded tables, raw units: breast_cancer, iris or wine."""
    from sklearn import datasets

    bunch: Any = getattr(datasets, f"load_{name}")()
    classes = tuple(str(text) for text in bunch.target_names)
    columns = tuple(str(text) for text in bunch.feature_names)
    return RawData(
        "table", bunch.data.astype(np.float32), bunch.target.astype(np.int64), classes, columns
    )


def make_manifold(name: str) -> RawData:
    """2000 points with light noise, always the same: moons, circles, swiss_roll or s_curve.

    The class is the moon or the circle; on the two rolled-up sheets it is one of 8 stretches of the roll,
    which hold equally many points.
    """
    from sklearn import datasets

    noise: dict[str, dict[str, float]] = {
        "moons": {"noise": 0.05},
        "circles": {"noise": 0.05, "factor": 0.5},
        "swiss_roll": {"noise": 0.1},
        "s_curve": {"noise": 0.02},
    }
    x, y = getattr(datasets, f"make_{name}")(
        n_samples=MANIFOLD_POINTS, random_state=0, **noise[name]
    )
    classes = {"moons": ("upper", "lower"), "circles": ("outer", "inner")}.get(name)
    if classes is None:
        y = np.argsort(np.argsort(y)) * BINS // MANIFOLD_POINTS
        classes = tuple(f"{i + 1} of {BINS}" for i in range(BINS))
    return RawData(
        "manifold", x.astype(np.float32), y.astype(np.int64), classes, ("x", "y", "z")[: x.shape[1]]
    )
