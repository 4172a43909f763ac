"""A data set of the Hugging Face Hub, by its id: its first rows become a file among the visitor's own sets.

The Hub keeps a Parquet copy of every data set that it can show (/api/datasets/NAME/parquet), so nothing of a
stranger's is run here.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from aecore.errors import DataError, HubError
from aecore.hub.client import (
    LIBRARY,
    Token,
    check_token,
    explain_hub_errors,
    get_json,
    hub_endpoint,
)
from aecore.runs.uploads import UploadedData, read_upload_limit

FETCHED_ROWS = 20_000
DATASET_NAME = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?", re.ASCII)


def fetch_hub_dataset(
    repo: str, into: UploadedData, split: str = "train", token: Token = None
) -> str:
    """Fill a set with the first ROWS rows of a split; what was taken, in a sentence. HubError or DataError."""
    if not DATASET_NAME.fullmatch(repo):
        raise HubError(
            f"{repo[:80]!r} is no data set's id. It is written user/name, as in its address."
        )
    config, addresses = list_parquet_files(repo, split, token)
    name = f"{repo.split('/')[-1]}.parquet"
    with tempfile.TemporaryDirectory() as folder:
        rows, whole = 0, True
        with into.receiving(name) as out:
            writer: Any = None
            for i, address in enumerate(addresses):
                part = Path(folder) / f"{i}.parquet"
                download_dataset_file(address, part, token, repo)
                writer, rows, whole = append_rows(part, out, writer, rows)
                part.unlink()
                if rows >= FETCHED_ROWS:
                    whole = whole and i + 1 == len(addresses)
                    break
            if writer is None or not rows:
                raise DataError(f"The split {split!r} of {repo} is empty. Choose another.")
            writer.close()
    shown = f"{rows:,} rows" if whole else f"The first {rows:,} rows"
    which = "" if config == "default" else f", configuration {config!r}"
    return f"{shown} of the split {split!r} of {repo}{which}."


def list_parquet_files(repo: str, split: str, token: Token) -> tuple[str, list[str]]:
    """The first configuration that has the split, and where its files lie."""
    with explain_hub_errors(repo):
        found = get_json(f"/api/datasets/{repo}/parquet", token)
    if not isinstance(found, dict) or not all(isinstance(parts, dict) for parts in found.values()):
        raise HubError(
            f"The Hub has no Parquet copy of {repo}, so it cannot be read here. Download and upload it."
        )
    for config, parts in found.items():
        if addresses := [a for a in parts.get(split, []) if isinstance(a, str)]:
            return config, addresses
    known = list(dict.fromkeys(name for parts in found.values() for name in parts))
    raise HubError(f"{repo} has no split {split[:40]!r}; it has {', '.join(known[:8]) or 'none'}.")


def download_dataset_file(address: str, target: Path, token: Token, repo: str) -> None:
    """One file, no larger than a visitor may bring; the token goes to the Hub alone."""
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    with explain_hub_errors(repo):
        ours = address.startswith(hub_endpoint() + "/")
        headers = build_hf_headers(
            token=check_token(token) if ours else False, library_name=LIBRARY
        )
        asked = get_session().stream("GET", address, headers=headers, follow_redirects=True)
        with asked as answer, open(target, "wb") as file:
            hf_raise_for_status(answer)
            for chunk in answer.iter_bytes():
                file.write(chunk)
                if file.tell() > read_upload_limit():
                    raise DataError(
                        f"A file of {repo} is larger than the limit of {read_upload_limit() / 1e6:,.0f} MB. "
                        "Download it, and upload a part."
                    )


def append_rows(part: Path, out: Any, writer: Any, rows: int) -> tuple[Any, int, bool]:
    """Add rows of a file to what is written until there are ROWS: the writer, the count, whether all were taken."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(part) as file:
            for batch in file.iter_batches(1000):
                if rows >= FETCHED_ROWS:
                    return writer, rows, False
                batch = batch.slice(0, FETCHED_ROWS - rows)
                writer = writer or pq.ParquetWriter(out, file.schema_arrow)
                writer.write_batch(batch)
                rows += len(batch)
            return writer, rows, rows <= FETCHED_ROWS
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"A file of the data set is not readable ({' '.join(str(error).split())[:200]})."
        ) from error
