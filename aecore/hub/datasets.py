"""A data set of the Hugging Face Hub, by its id: its first rows become one of the visitor's sets.

The Hub keeps a Parquet copy of every data set that it can show (/api/datasets/NAME/parquet), so no
code of a stranger is run here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from aecore.data.parquet_bounds import check_parquet_size
from aecore.errors import DataError, HubError
from aecore.files import LIBRARY
from aecore.hub.client import Token, check_token, explain_hub_errors, get_json, hub_endpoint
from aecore.hub.repositories import check_name_letters
from aecore.progress import report_share, track_progress
from aecore.runs.drafts import DATA_DRAFT, open_draft_folder
from aecore.runs.uploads import UploadedData, read_upload_bytes

if TYPE_CHECKING:
    import pyarrow.parquet as pq

FETCHED_ROWS = 20_000
PARQUET_ROWS = 1000
DATASET_NAME = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?", re.ASCII)


def fetch_hub_dataset(
    repo: str,
    into: UploadedData,
    split: str = "train",
    token: Token = None,
    reserve: Callable[[int], object] = lambda size: None,
) -> str:
    """Fills a set with the first FETCHED_ROWS rows of a split; returns a sentence that says so.

    `reserve` is called with the bytes of each file before they are kept, and may raise. Raises
    HubError where the Hub has no such data, DataError where they cannot be read or are too many.
    """
    check_name_letters(repo)
    if not DATASET_NAME.fullmatch(repo):
        raise HubError(
            f"{repo[:80]!r} is no data set's id. It is written user/name, as in its address."
        )
    config, addresses = list_parquet_files(repo, split, token)
    with (
        open_draft_folder(DATA_DRAFT) as folder,
        into.receiving(f"{repo.split('/')[-1]}.parquet") as out,
    ):
        rows = FirstRows(out)
        for number, address in enumerate(track_progress(addresses)):
            if rows.is_full():
                rows.is_cut = True
                break
            part = folder / f"{number}.parquet"
            download_dataset_file(address, part, token, repo)
            check_set_size(out.tell() + part.stat().st_size, repo)
            reserve(part.stat().st_size)
            rows.append(part)
            part.unlink()
        if not rows.close():
            raise DataError(f"The split {split!r} of {repo} is empty. Choose another.")
    count = f"The first {rows.count:,} rows" if rows.is_cut else f"{rows.count:,} rows"
    configuration = "" if config == "default" else f", configuration {config!r}"
    return f"{count} of the split {split!r} of {repo}{configuration}."


def list_parquet_files(repo: str, split: str, token: Token) -> tuple[str, list[str]]:
    """Returns the first configuration that has the split, and the addresses of its files."""
    with explain_hub_errors(repo):
        answer = get_json(f"/api/datasets/{repo}/parquet", token)
    if not isinstance(answer, dict) or not all(
        isinstance(parts, dict) for parts in answer.values()
    ):
        raise HubError(
            f"The Hub has no Parquet copy of {repo}, so it cannot be read here. "
            "Download and upload it."
        )
    for config, parts in answer.items():
        addresses = [address for address in parts.get(split, []) if isinstance(address, str)]
        if addresses:
            return config, addresses
    splits = list(dict.fromkeys(name for parts in answer.values() for name in parts))
    raise HubError(f"{repo} has no split {split[:40]!r}; it has {', '.join(splits[:8]) or 'none'}.")


def download_dataset_file(address: str, target: Path, token: Token, repo: str) -> None:
    """Downloads one file, no larger than a visitor may bring; the token goes to the Hub alone."""
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    is_on_hub = address.startswith(hub_endpoint() + "/")
    with explain_hub_errors(repo):
        headers = build_hf_headers(
            token=check_token(token) if is_on_hub else False, library_name=LIBRARY
        )
        request = get_session().stream("GET", address, headers=headers, follow_redirects=True)
        with request as answer, open(target, "wb") as file:
            hf_raise_for_status(answer)
            header = answer.headers.get("content-length", "")
            length = int(header) if header.isdecimal() else 0
            for chunk in answer.iter_bytes():
                file.write(chunk)
                check_set_size(file.tell(), repo)
                if length:
                    report_share(min(1.0, answer.num_bytes_downloaded / length))


def check_set_size(size: int, repo: str) -> None:
    """Raises DataError for more bytes than a visitor may bring."""
    limit = read_upload_bytes()
    if size > limit:
        raise DataError(
            f"{repo} is larger than the limit of {limit / 1e6:,.0f} MB. "
            "Download it, and upload a part."
        )


class FirstRows:
    """The first FETCHED_ROWS rows of several Parquet files, written into one."""

    def __init__(self, out: IO[bytes]):
        self.out, self.count = out, 0
        self.is_cut = False  # True once rows were left out
        self.writer: pq.ParquetWriter | None = None

    def is_full(self) -> bool:
        return self.count >= FETCHED_ROWS

    def append(self, path: Path) -> None:
        """Adds rows of a file until there are enough; DataError where it is not readable."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            check_parquet_size(path)
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(PARQUET_ROWS):
                    room = FETCHED_ROWS - self.count
                    self.is_cut = self.is_cut or len(batch) > room
                    if not room:
                        return
                    self.writer = self.writer or pq.ParquetWriter(self.out, file.schema_arrow)
                    self.writer.write_batch(batch.slice(0, room))
                    self.count += min(len(batch), room)
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(
                f"A file of the data set is not readable ({reason}). Choose another data set."
            ) from error

    def close(self) -> bool:
        """Completes the written file; returns False where there was no row."""
        if self.writer is None or not self.count:
            return False
        self.writer.close()
        return True
