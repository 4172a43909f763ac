"""Classes of images from a table beside them: a column of file names and one of classes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from charset_normalizer import from_bytes

from aecore.data.images.notes import ImageReading
from aecore.data.images.sources import ImageSource
from aecore.data.raw import format_count
from aecore.limits import read_limit

if TYPE_CHECKING:
    import pandas as pd

LABEL_TABLES = (".csv", ".tsv")
MAX_TABLE_BYTES = 50_000_000
MAX_COLUMNS = 200
LEAST_MATCHES = 0.5  # of the rows or the images, where a column is one of file names
CLASS_NAMES = ("label", "labels", "class", "classes", "target", "category", "species", "breed")
MORE_CLASS_NAMES = ("diagnosis", "class_name", "classname", "class_id", "type", "kind", "y")


class LabelTable(NamedTuple):
    """What a table says about images."""

    labels: dict[str, str]  # the class of an image's name in the source
    rows: int
    names_column: str
    class_column: str


def read_image_labels(
    source: ImageSource, tables: Iterable[str], images: Iterable[str], reading: ImageReading
) -> dict[str, str]:
    """Return the classes that tables among the images give them, by the images' names.

    A table that says nothing of them is noted as a file that is no picture.
    """
    places = index_image_names(images)
    labels: dict[str, str] = {}
    for table_name in tables:
        table = read_label_table(source, table_name, places)
        if table is None:
            reading.set_aside(
                "odd",
                table_name,
                f"{table_name[:80]} in {reading.set_name} is no table of the images' classes. "
                "Take it out.",
            )
        else:
            labels |= table.labels
            reading.notes.sentences.append(describe_label_table(table_name, table))
    missing = sum(name not in labels for name in set(places.values())) if labels else 0
    if missing:
        count = format_count(missing, "image")
        reading.notes.sentences.append(f"{count} of {reading.set_name} have no row there.")
    return labels


def describe_label_table(name: str, table: LabelTable) -> str:
    """Return the note on where classes come from."""
    found = len(table.labels)
    text = (
        f"Classes are those of the column {table.class_column} of {name[:80]}, found by its column "
        f"{table.names_column} for {format_count(found, 'image')}"
    )
    lost = table.rows - found
    more = f"; {format_count(lost, 'row')} there without an image" if lost > 0 else ""
    return f"{text}{more}."


def index_image_names(images: Iterable[str]) -> dict[str, str]:
    """Return images by all that a table may call them: with and without folders and suffix."""
    places: dict[str, str] = {}
    for name in images:
        path = PurePosixPath(name.casefold())
        parts = path.parts
        for start in range(len(parts)):
            tail = PurePosixPath(*parts[start:])
            for key in (str(tail), str(tail.with_suffix(""))):
                places.setdefault(key, name)
    return places


def read_label_table(
    source: ImageSource, name: str, places: Mapping[str, str]
) -> LabelTable | None:
    """Return what a table says about the images; None where it does not name them and a class."""
    frame = _read_small_table(source, name)
    if frame is None or frame.empty or len(frame.columns) > MAX_COLUMNS:
        return None
    found = {column: find_images(frame[column], places) for column in frame.columns}
    names = max(found, key=lambda column: found[column].notna().sum())
    matches = int(found[names].notna().sum())
    enough = LEAST_MATCHES * min(len(frame), len(set(places.values())))
    if matches < max(1, enough):
        return None
    classes = find_class_column(frame.drop(columns=names))
    if classes is None:
        return None
    known = found[names].notna() & classes.notna() & (classes != "")
    labels = dict(zip(found[names][known], classes[known].str.strip(), strict=True))
    return LabelTable(labels, len(frame), str(names), str(classes.name))


def find_images(cells: pd.Series, places: Mapping[str, str]) -> pd.Series:
    """Return the image that each cell names, missing where it names none."""
    paths = cells.str.strip().str.casefold().str.replace("\\", "/", regex=False)
    return paths.str.removeprefix("./").map(places)


def find_class_column(frame: pd.DataFrame) -> pd.Series | None:
    """Return the column of classes as text: by its name, or the only one of few kinds.

    Columns of 0 and 1, one of which is 1 in each row, are classes by their names.
    """
    lowered = {str(column).strip().casefold(): column for column in frame.columns}
    for name in (*CLASS_NAMES, *MORE_CLASS_NAMES):
        if name in lowered and _has_few_kinds(frame[lowered[name]]):
            return frame[lowered[name]]
    one_hot = _read_one_hot(frame)
    if one_hot is not None:
        return one_hot
    few = [column for column in frame.columns if _has_few_kinds(frame[column])]
    few.sort(key=lambda column: frame[column].nunique())
    return frame[few[0]] if few else None


def _has_few_kinds(column: pd.Series) -> bool:
    count = column.nunique()
    return 1 < count <= max(2, len(column) // 2)


def _read_one_hot(frame: pd.DataFrame) -> pd.Series | None:
    """Return the name of the column that is 1 in each row; None where there is not one."""
    numbers = frame.replace({"0.0": "0", "1.0": "1"})
    marks = numbers.columns[numbers.isin(["0", "1"]).all()]
    ones = numbers[marks] == "1"
    if len(marks) < 2 or not (ones.sum(axis=1) == 1).all():
        return None
    return ones.idxmax(axis=1).rename("/".join(map(str, marks))[:80])


def _read_small_table(source: ImageSource, name: str) -> pd.DataFrame | None:
    """Return a table of the source as text; None where it cannot be read within the limits."""
    import pandas as pd

    with source.open(name) as file:
        content = file.read(MAX_TABLE_BYTES + 1)
    if len(content) > MAX_TABLE_BYTES:
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        best = from_bytes(content).best()
        text = "" if best is None else str(best)
    first_line = text.partition("\n")[0]
    separator = max(",;\t|", key=first_line.count)
    cells = text.count(separator) + text.count("\n")
    if cells > read_limit("cells") or first_line.count(separator) > MAX_COLUMNS:
        return None
    try:
        return pd.read_csv(
            io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, index_col=False
        )
    except (ValueError, pd.errors.ParserError):
        return None
