"""Files as they come: packed, compressed or named wrongly. They are known by their first bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, cast

from aecore.data.images.sources import is_junk_file
from aecore.data.memory import check_data_bytes
from aecore.data.tables.bounds import read_bounded
from aecore.errors import DataError

TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".psv", ".txt", ".dat", ".data")
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm", ".xls", ".ods")
COMPRESSED_SUFFIXES = (".gz", ".bz2")
TABLE_SUFFIXES = (*TEXT_SUFFIXES, *WORKBOOK_SUFFIXES, ".parquet", *COMPRESSED_SUFFIXES)
README_STEMS = ("readme", "read_me", "license", "licence", "copying", "metadata", "changelog")
HEAD_BYTES = 4096
MAX_DEPTH = 3  # of archives in archives
MAX_MEMBERS = 100_000  # of an archive
SAVE_AS = "Save it as .csv, .xlsx or .parquet."
FORMATS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"PAR1": "parquet",
}
FOREIGN_FORMATS = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": (
        "is a workbook of the old .xls kind, or one with a password. "
        "Open it in Excel or LibreOffice and save it as .xlsx, without a password, or as .csv."
    ),
    b"%PDF": f"is a PDF. Copy its table into a spreadsheet. {SAVE_AS}",
    b"\x89PNG": "is a picture, not a table. Bring it as .png.",
    b"\xff\xd8\xff": "is a picture, not a table. Bring it as .jpg.",
    b"\x89HDF": f"is an HDF5 file. Read it with h5py or pandas. {SAVE_AS}",
    b"SQLite format 3": f"is a database of SQLite. Export one of its tables. {SAVE_AS}",
    b"\x93NUMPY": "is an array of NumPy. Bring it as .npy.",
    b"ARROW1": f"is a Feather or Arrow file. Read it with pandas. {SAVE_AS}",
    b"\xfd7zXZ": "is compressed with xz. Unpack it, or compress it with gzip.",
    b"7z\xbc\xaf": "is an archive of 7-Zip. Unpack it, or pack it as .zip.",
    b"Rar!": "is an archive of RAR. Unpack it, or pack it as .zip.",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd. Unpack it, or compress it with gzip.",
    b"$FL2": f"is a file of SPSS. {SAVE_AS}",
    b"<stata_dta>": f"is a file of Stata. {SAVE_AS}",
    b"{\\rtf": f"is a text document. Copy its table into a spreadsheet. {SAVE_AS}",
}


class TableSource(NamedTuple):
    """The bytes of one table, which may lie in an archive; opened as often as needed."""

    name: str  # for people: `train.csv in archive.zip`
    format: str  # "text", "parquet" or "workbook"
    open: Callable[[], IO[bytes]]

    def open_seekable(self) -> IO[bytes]:
        """Open it so that it can be read in any order; what is packed is unpacked into memory."""
        stream = self.open()
        if isinstance(stream, io.BufferedReader):
            return stream
        with stream:
            return io.BytesIO(read_bounded(stream, self.name))


def find_table_source(path: Path) -> TableSource:
    """Return the table in a file, unpacked where it is packed. Raises DataError, OSError.

    Raises what decompression raises where the file is damaged.
    """
    source = TableSource(path.name, "", partial(cast(Any, path.open), "rb"))
    for depth in range(MAX_DEPTH):
        kind = identify_format(read_first_bytes(source), source.name)
        if kind in ("gzip", "bzip2"):
            opener = gzip.open if kind == "gzip" else bz2.open
            source = source._replace(open=partial(_open_compressed, opener, source.open))
        elif kind == "zip":
            source = _find_member(source)
        elif kind == "parquet" and depth:
            raise DataError(f"{source.name} is packed twice. Unpack it and bring the .parquet.")
        else:
            return source._replace(format=kind)
        if source.format:
            return source
    raise DataError(f"{path.name} is an archive in an archive in an archive. Unpack it.")


def read_first_bytes(source: TableSource) -> bytes:
    """Return the first bytes of a table."""
    with source.open() as stream:
        return stream.read(HEAD_BYTES)


def identify_format(head: bytes, file_name: str) -> str:
    """Return what a file is by its first bytes. Raises DataError for kinds that are not read."""
    for magic, kind in FORMATS.items():
        if head.startswith(magic):
            return kind
    for magic, sentence in FOREIGN_FORMATS.items():
        if head.startswith(magic):
            raise DataError(f"{file_name} {sentence}")
    if head[257:262] == b"ustar":
        raise DataError(f"{file_name} is a .tar archive. Unpack it, or pack one table as .zip.")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:200].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml", b"<table")):
        raise DataError(
            f"{file_name} is a web page or XML, not a table. Open it in a spreadsheet. {SAVE_AS}"
        )
    if b"\n@attribute" in head.lower():
        raise DataError(
            f"{file_name} is an ARFF file of Weka. Open it there or by scipy. {SAVE_AS}"
        )
    if start.startswith((b"{", b"[{", b"[[")):
        raise DataError(f"{file_name} is JSON, not a table. Read it with pandas. {SAVE_AS}")
    return "text"


def list_table_members(archive: zipfile.ZipFile) -> list[str]:
    """Return the names of the tables in a .zip; empty where it holds anything else as well."""
    names = [name for name in archive.namelist() if name and not name.endswith("/")]
    paths = [PurePosixPath(name.replace("\\", "/")) for name in names]
    kept = [
        (name, path)
        for name, path in zip(names, paths, strict=True)
        if not any(map(is_junk_file, path.parts)) and not path.stem.lower().startswith(README_STEMS)
    ]
    if not all(path.suffix.lower() in TABLE_SUFFIXES for _, path in kept):
        return []
    return [name for name, _ in kept]


def is_workbook(archive: zipfile.ZipFile) -> bool:
    """Return True for the parts of an .xlsx, by whatever name its archive goes."""
    return "[Content_Types].xml" in archive.namelist() and any(
        name.startswith("xl/") for name in archive.namelist()
    )


def _open_compressed(opener: Callable[..., Any], open_packed: Callable[[], IO[bytes]]) -> IO[bytes]:
    return cast(IO[bytes], opener(open_packed(), "rb"))


def _find_member(source: TableSource) -> TableSource:
    """Return the one table of a .zip, or the .zip itself where it is a workbook."""
    with source.open_seekable() as stream, zipfile.ZipFile(stream) as archive:
        if len(archive.infolist()) > MAX_MEMBERS:
            raise DataError(f"{source.name} holds more than {MAX_MEMBERS:,} files.")
        if is_workbook(archive):
            return source._replace(format="workbook")
        _refuse_other_documents(archive, source.name)
        member = archive.getinfo(_choose_member(archive, source.name))
    name = f"{PurePosixPath(member.filename).name} in {source.name}"
    if member.flag_bits & 1:
        raise DataError(f"{name} is encrypted. Make the .zip again without a password.")
    check_data_bytes(member.file_size, f"{name} unpacked")
    return TableSource(name, "", partial(_open_member, source, member.filename))


def _refuse_other_documents(archive: zipfile.ZipFile, file_name: str) -> None:
    """Raise DataError for documents that are archives too."""
    names = archive.namelist()
    if "mimetype" in names or "content.xml" in names:
        raise DataError(
            f"{file_name} is a document of LibreOffice (.ods). "
            "Open it there and save it as .xlsx or .csv."
        )
    if "[Content_Types].xml" in names:
        raise DataError(f"{file_name} is a document of Office without a table. {SAVE_AS}")


def _choose_member(archive: zipfile.ZipFile, file_name: str) -> str:
    tables = list_table_members(archive)
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise DataError(f"{file_name} holds other files than one table. Pack the table alone.")
    names = ", ".join(PurePosixPath(name).name for name in tables[:5])
    raise DataError(
        f"{file_name} holds {len(tables)} tables ({names}). Unpack it and bring one of them."
    )


def _open_member(source: TableSource, member: str) -> IO[bytes]:
    return zipfile.ZipFile(source.open_seekable()).open(member)


def holds_tables(path: Path) -> bool:
    """Return True if a file is a table by its contents, or by its name as far as they allow it.

    Raises what opening it raises.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes] or [""]
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    kind = next((kind for magic, kind in FORMATS.items() if head.startswith(magic)), "")
    if kind == "zip":
        return _holds_tables_alone(path)
    if kind in ("gzip", "bzip2"):
        opener = gzip.open if kind == "gzip" else bz2.open
        with opener(path, "rb") as unpacked:
            head = unpacked.read(HEAD_BYTES)
        suffixes = suffixes[:-1] if suffixes[-1] in COMPRESSED_SUFFIXES else suffixes
        return not _is_array(head) and suffixes[-1:] != [".npy"]
    if kind == "parquet":
        return True
    return suffixes[-1] in TABLE_SUFFIXES and not head.startswith(b"\x93NUMPY")


def _holds_tables_alone(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        if path.suffix.lower() == ".zip" and not is_workbook(archive):
            return bool(list_table_members(archive))
        return is_workbook(archive) or path.suffix.lower() in TABLE_SUFFIXES


def _is_array(head: bytes) -> bool:
    """Return True for arrays as NumPy writes them and as MNIST comes."""
    return head.startswith((b"\x93NUMPY", b"\0\0\x08"))
