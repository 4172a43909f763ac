"""Repositories of the loopback Hub: their files, commits, revisions and cards."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import yaml

ATTRIBUTES = (
    b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"  # what a new repository starts with
)


class LoopbackError(Exception):
    """An answer that is not a 2xx; the client makes its exceptions of `code` (X-Error-Code)."""

    def __init__(self, status: int, message: str, code: str = "", **body: str) -> None:
        super().__init__(message)
        self.status, self.body = status, {"error": message, **body}
        self.headers = {"X-Error-Message": ascii(message)[1:-1]} | (
            {"X-Error-Code": code} if code else {}
        )


@dataclass(frozen=True)
class File:
    data: bytes
    lfs: bool

    @cached_property
    def oid(self) -> str:
        """Return what the client compares with its file: sha256 under LFS, else the blob id."""
        if self.lfs:
            return hashlib.sha256(self.data).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(self.data) + self.data).hexdigest()

    def about(self) -> dict[str, Any]:
        size = len(self.data)
        pointer = {"oid": self.oid, "sha256": self.oid, "size": size, "pointerSize": 134}
        return {"size": size} | ({"lfs": pointer} if self.lfs else {})


@dataclass(frozen=True)
class Commit:
    files: Mapping[str, File]
    sha: str = field(default_factory=lambda: secrets.token_hex(20))
    date: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Repo:
    id: str
    private: bool = False
    sdk: str = ""  # of a Space
    revisions: dict[str, Commit] = field(default_factory=dict)  # by branch, by tag and by sha
    lfs: dict[str, File] = field(default_factory=dict)  # uploaded, in a commit or not yet

    def __post_init__(self) -> None:
        self.created = self.commit("main", {".gitattributes": File(ATTRIBUTES, lfs=False)}).date

    @property
    def owner(self) -> str:
        return self.id.split("/")[0]

    def at(self, revision: str) -> Commit:
        if revision not in self.revisions:
            raise LoopbackError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.revisions[revision]

    def commit(self, branch: str, files: Mapping[str, File]) -> Commit:
        new = Commit(dict(files))
        self.revisions[branch] = self.revisions[new.sha] = new
        return new

    def change(self, files: dict[str, File], key: str, path: str, value: Mapping[str, str]) -> None:
        """Apply one line of a commit to `files`."""
        if any(part in ("", ".", "..", ".git") for part in path.rstrip("/").split("/")):
            raise LoopbackError(400, f"Invalid path in repository: {path!r}.")
        if key == "file":
            files[path] = File(base64.b64decode(value["content"]), lfs=False)
        elif key == "lfsFile" and value["oid"] in self.lfs:
            files[path] = self.lfs[value["oid"]]
        elif key == "deletedFile" and path in files:
            del files[path]
        elif key == "deletedFolder":
            for name in [name for name in files if name.startswith(path.rstrip("/") + "/")]:
                del files[name]
        else:
            raise LoopbackError(
                400, f"Cannot apply {key} to {path!r}: the file or its content is not here."
            )

    def info(self, commit: Commit, blobs: bool = False) -> dict[str, Any]:
        """Return the answer of /api/models; tags and library are those of the README's card."""
        readme = commit.files.get("README.md", File(b"", lfs=False))
        card: dict[str, Any] = {}
        with suppress(yaml.YAMLError, ValueError, RecursionError):
            card = front_matter(readme.data.decode(errors="replace"))
        files = sorted(commit.files.items())
        about: dict[str, Any] = {
            "id": self.id,
            "modelId": self.id,
            "author": self.owner,
            "sha": commit.sha,
        }
        about |= {"private": self.private, "gated": False, "downloads": 0, "likes": 0}
        about |= {"createdAt": iso(self.created), "lastModified": iso(commit.date)}
        about |= {key: card[key] for key in ("library_name", "pipeline_tag") if key in card}
        about |= {"tags": tags_of(card), "cardData": card} | ({"sdk": self.sdk} if self.sdk else {})
        siblings = [{"rfilename": path} | (file.about() if blobs else {}) for path, file in files]
        return about | {"siblings": siblings}


def front_matter(readme: str) -> dict[str, Any]:
    """Return the YAML on top of a README, or {}; raise yaml.YAMLError when it is broken."""
    match = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", readme, re.DOTALL)
    card = yaml.safe_load(match[1]) if match else None
    return card if isinstance(card, dict) else {}


def tags_of(card: Mapping[str, Any]) -> list[str]:
    """Return the card's own tags, and those that the Hub derives from its other fields."""
    prefixes = {"library_name": "", "tags": "", "pipeline_tag": "", "datasets": "dataset:"}
    tags: list[str] = []
    for key, prefix in (prefixes | {"license": "license:"}).items():
        value = card.get(key) or []
        tags += [f"{prefix}{item}" for item in (value if isinstance(value, list) else [value])]
    return list(dict.fromkeys(tags))


def iso(date: datetime) -> str:
    return date.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
