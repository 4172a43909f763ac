"""Downloads: a file appears only when it is complete and its checksum is right.

torchvision's `download_url` would not do here: it waits for a silent server without end, writes in
place, so that a broken download lies where a good file is expected, retries https as plain http,
and shows progress only as a bar on a terminal. So its classes say where files come from (see
`catalog_files`), and the few lines below fetch them.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

from aecore.data.catalog_files import CatalogFile
from aecore.data.raw import ReportProgress
from aecore.errors import DataError

DOWNLOAD_TIMEOUT = 10.0
"""Seconds that a server may stay silent."""

DOWNLOAD_CHUNK_BYTES = 1 << 18


def fetch_catalog_file(
    file: CatalogFile, dataset_name: str, root: Path, report: ReportProgress
) -> None:
    """Download a file of the catalog into the data folder `root` from the first mirror that has it.

    Raises DataError with the reason of each mirror.
    """
    reasons: list[str] = []
    try:
        source = file.find_source()
    except (ImportError, RuntimeError) as error:  # a torchvision of another torch: RuntimeError
        reasons.append(
            f"torchvision, which knows its address, cannot be imported: {error}; install it"
        )
    else:
        for url in source.urls:
            try:
                return download_file(url, root / file.path, source.checksum, report)
            except DataError as error:
                reasons.append(str(error))
    raise DataError(
        f"{dataset_name} is not in {root} and could not be downloaded "
        f"({'; '.join(dict.fromkeys(reasons))}). "
        "Set AECORE_DATA to a folder that holds it, or use the embedded `digits`."
    )


def download_file(url: str, target: Path, checksum: str, report: ReportProgress) -> None:
    """Download `url` to `target`, which appears only when complete and right. Raises DataError.

    `checksum` is an MD5, or by its length a SHA-256, in hexadecimal.
    """
    draft: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w+b", dir=target.parent, prefix=f".{target.name}-", delete=False
        ) as out:
            draft = Path(out.name)
            _copy_body(url, out, partial(report, f"Downloading {target.name}"))
            out.seek(0)
            digest = hashlib.file_digest(out, _choose_hash(checksum)).hexdigest()
        if digest != checksum:
            raise DataError(f"{url} sent a file whose checksum is {digest}, not {checksum}")
        draft.chmod(0o644)
        draft.replace(target)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise DataError(_explain_download_error(error, url)) from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


def _choose_hash(checksum: str) -> Callable[[], hashlib._Hash]:
    if len(checksum) == 64:
        return hashlib.sha256
    return partial(hashlib.md5, usedforsecurity=False)


def _copy_body(url: str, out: IO[bytes], report_share: Callable[[float], None]) -> None:
    done = 0
    with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT) as response:
        total = int(response.headers.get("Content-Length") or 0)
        while chunk := response.read(DOWNLOAD_CHUNK_BYTES):
            out.write(chunk)
            done += len(chunk)
            report_share(min(done / total, 1.0) if total else 0.0)


def _explain_download_error(error: Exception, url: str) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"{url} answered {error.code}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {DOWNLOAD_TIMEOUT:.0f} s"
    if isinstance(cause, ssl.SSLError):
        return f"{url}: {cause.reason}"
    if error is not cause or isinstance(cause, ConnectionError | http.client.HTTPException):
        return "no connection"
    return str(error)
