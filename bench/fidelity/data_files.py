"""Find the files that some experiments need beside the data sets of the catalog."""

from __future__ import annotations

from pathlib import Path

from aecore.data.catalog import data_folder
from aecore.errors import DataError


def find_data_file(name: str) -> Path:
    """Returns the path of a file in $AECORE_DATA, such as "adbench/published_auroc.csv".

    Raises DataError with the folder and what to set where the file is not there.
    """
    path = Path(data_folder()) / name
    if not path.is_file():
        raise DataError(
            f"{name} is not in {data_folder()}. "
            "Put it there, or set AECORE_DATA to the folder that has it."
        )
    return path
