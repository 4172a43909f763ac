"""Which images of a set are of which class and split, by the folders that they lie in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from aecore.errors import DataError

FolderParts = tuple[str, ...]  # a path inside the set: ("train", "cat", "1.png")


class LabelledImage(NamedTuple):
    """An image of the set and its class, if the set has classes."""

    name: str
    label: str | None


def assign_classes_and_splits(
    files: dict[FolderParts, str], folders: set[FolderParts], where: str
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """Training and test images; no test images means that the set is still to be split."""
    root = _unwrap(files, folders)
    tops = {
        parts[len(root)]
        for parts in folders
        if parts[: len(root)] == root and len(parts) > len(root)
    }
    if not {"train", "test"} <= tops:
        return _classes(root, files, folders, where), []
    others = {parts[len(root)] for parts in files} | tops
    if others := sorted(others - {"train", "test"}):
        raise DataError(
            f"{where} has {others[0]} beside its folders train and test. Move it into one of them."
        )
    train, test = (_classes((*root, split), files, folders, where) for split in ("train", "test"))
    if (train[0].label is None) != (test[0].label is None):
        raise DataError(
            f"{where} has class folders in only one of train and test. Use them in both or in neither."
        )
    return train, test


def _unwrap(files: Iterable[FolderParts], folders: set[FolderParts]) -> FolderParts:
    """The folder that holds the set: archives often wrap everything in one more."""
    root: FolderParts = ()
    while True:
        depth = len(root) + 1
        tops = {parts[:depth] for parts in (*files, *folders) if len(parts) >= depth}
        inner = {len(parts) for parts in files}
        if len(tops) != 1 or min(inner) <= depth + 1 or not tops <= folders:
            return root
        (root,) = tops


def _classes(
    root: FolderParts, files: dict[FolderParts, str], folders: set[FolderParts], where: str
) -> list[LabelledImage]:
    """The images under `root`, each with the folder that it lies in, or none has one."""
    depth = len(root)
    inside = {parts[depth:]: name for parts, name in files.items() if parts[:depth] == root}
    labels = {parts[depth] for parts in folders if parts[:depth] == root and len(parts) > depth}
    flat = next((parts[0] for parts in inside if len(parts) == 1), None)
    shown = "/".join((where, *root))
    if labels and flat is not None:
        raise DataError(
            f"{shown} has images ({flat}) beside folders ({min(labels)}). Use class folders for all or none."
        )
    if deep := next((parts for parts in inside if len(parts) > 2), None):
        raise DataError(
            f"{'/'.join(deep)} in {shown} lies too deep; one level of class folders is read."
        )
    if empty := sorted(labels - {parts[0] for parts in inside}):
        raise DataError(f"The folder {empty[0]} in {shown} holds no images. Fill it or remove it.")
    if not inside:
        raise DataError(f"The folder {shown} holds no images. Fill it or remove it.")
    return [
        LabelledImage(name, parts[0] if len(parts) == 2 else None) for parts, name in inside.items()
    ]
