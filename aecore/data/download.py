"""Downloads: a file appears only when it is complete and its checksum is right."""

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

from aecore.data.catalog import CatalogFile
from aecore.errors import DataError

Progress = Callable[[str, float], None]


DOWNLOAD_TIMEOUT = 10.0


def ignore_progress(message: str, fraction: float) -> None:
    """The progress of who does not ask."""


def fetch_file(file: CatalogFile, name: str, root: Path, report: Progress) -> None:
    reasons: list[str] = []
    for url in file.urls:
        try:
            return download_file(url, root / file.path, file.checksum, report)
        except DataError as error:
            reasons.append(str(error))
    reason = "; ".join(dict.fromkeys(reasons))
    raise DataError(
        f"{name} is not in {root} and could not be downloaded ({reason}). "
        "Set AECORE_DATA to a folder that holds it, or use the embedded `digits`."
    )


def download_file(url: str, target: Path, checksum: str, report: Progress) -> None:
    """Fetches `url` into `target`, which appears only when complete and right. Raises DataError.

    `checksum` is an MD5, or by its length a SHA-256, in hexadecimal.
    """
    part: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=target.parent, prefix=f".{target.name}-", delete=False
        ) as out:
            part = Path(out.name)
            digest = hashlib.sha256() if len(checksum) == 64 else hashlib.md5(usedforsecurity=False)
            _copy_body(url, out, digest, partial(report, f"Downloading {target.name}"))
        if digest.hexdigest() != checksum:
            raise DataError(
                f"{url} sent a file whose checksum is {digest.hexdigest()}, not {checksum}"
            )
        part.chmod(0o644)
        part.replace(target)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise DataError(_explain_download_error(error, url)) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _copy_body(
    url: str, out: IO[bytes], digest: hashlib._Hash, report: Callable[[float], None]
) -> None:
    """Copies the body to `out` and into `digest`."""
    done = 0
    with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT) as answer:
        total = int(answer.headers.get("Content-Length") or 0)
        while block := answer.read(1 << 18):
            out.write(block)
            digest.update(block)
            done += len(block)
            report(min(done / total, 1.0) if total else 0.0)


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
