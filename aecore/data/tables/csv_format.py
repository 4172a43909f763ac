"""How a table is written as .csv: one separator and one decimal mark in all of a file."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

WRITTEN_SEPARATORS = ",;\t|"


class CsvFormat(NamedTuple):
    """What stands between cells, and before the decimals of numbers."""

    separator: str = ","
    decimal: str = "."


PLAIN_CSV = CsvFormat()


def choose_csv_format(separator: str, decimal: str) -> CsvFormat:
    """Return the format of a file; of one without a common separator (empty, or blanks) a new one.

    A comma for decimals asks for a semicolon between cells, as spreadsheets write it.
    """
    if separator in WRITTEN_SEPARATORS and separator:
        return CsvFormat(separator, decimal)
    return CsvFormat(";" if decimal == "," else ",", decimal)


def write_csv(frame: pd.DataFrame, file: IO[str], layout: CsvFormat, header: bool = True) -> None:
    """Write the rows of a table, without its index, to an open text file.

    Numbers have all their digits and the decimal mark of `layout`; texts stay as they are.
    """
    if layout.decimal != ".":
        frame = frame.copy(deep=False)
        for i, dtype in enumerate(frame.dtypes):
            if dtype.kind == "f":
                numbers = frame.iloc[:, i].to_numpy(f"f{dtype.itemsize}", na_value=np.nan)
                texts = np.char.replace(numbers.astype(str), ".", layout.decimal).astype(object)
                texts[np.isnan(numbers)] = None
                frame.isetitem(i, texts)
    frame.to_csv(file, sep=layout.separator, index=False, header=header)
