"""Classes and splits of images, by the folders that they lie in."""

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
    files: dict[FolderParts, str], folders: set[FolderParts], set_name: str
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """Return training and test images with their classes; no test images: not split yet.

    `files` are the images by their path inside the set. Raises DataError for a set of folders that
    has no clear meaning.
    """
    root = _find_root(files, folders)
    top_folders = _list_subfolders(root, folders)
    if not {"train", "test"} <= top_folders:
        return _assign_classes(root, files, folders, set_name), []
    others = sorted(({parts[len(root)] for parts in files} | top_folders) - {"train", "test"})
    if others:
        raise DataError(
            f"{set_name} has {others[0]} beside its folders train and test. "
            "Move it into one of them."
        )
    train = _assign_classes((*root, "train"), files, folders, set_name)
    test = _assign_classes((*root, "test"), files, folders, set_name)
    if (train[0].label is None) != (test[0].label is None):
        raise DataError(
            f"{set_name} has class folders in only one of train and test. "
            "Use them in both or in neither."
        )
    return train, test


def _find_root(files: Iterable[FolderParts], folders: set[FolderParts]) -> FolderParts:
    """Find the folder that holds the set: archives often wrap everything in one more."""
    root: FolderParts = ()
    while True:
        depth = len(root) + 1
        tops = {parts[:depth] for parts in (*files, *folders) if len(parts) >= depth}
        shallowest = min(len(parts) for parts in files)
        if len(tops) != 1 or shallowest <= depth + 1 or not tops <= folders:
            return root
        (root,) = tops


def _list_subfolders(root: FolderParts, folders: set[FolderParts]) -> set[str]:
    depth = len(root)
    return {parts[depth] for parts in folders if parts[:depth] == root and len(parts) > depth}


def _assign_classes(
    root: FolderParts, files: dict[FolderParts, str], folders: set[FolderParts], set_name: str
) -> list[LabelledImage]:
    """Return the images under `root`, each with the folder that it lies in, or none has one."""
    depth = len(root)
    inside = {parts[depth:]: name for parts, name in files.items() if parts[:depth] == root}
    labels = _list_subfolders(root, folders)
    root_name = "/".join((set_name, *root))
    loose = next((parts[0] for parts in inside if len(parts) == 1), None)
    if labels and loose is not None:
        raise DataError(
            f"{root_name} has images ({loose[:80]}) beside folders ({min(labels)[:80]}). "
            "Use class folders for all or none."
        )
    deep = next((parts for parts in inside if len(parts) > 2), None)
    if deep is not None:
        raise DataError(
            f"{'/'.join(deep)[:80]} in {root_name} lies too deep; "
            "one level of class folders is read."
        )
    empty = sorted(labels - {parts[0] for parts in inside})
    if empty:
        raise DataError(
            f"The folder {empty[0]} in {root_name} holds no images. Fill it or remove it."
        )
    if not inside:
        raise DataError(f"The folder {root_name} holds no images. Fill it or remove it.")
    return [
        LabelledImage(name, parts[0] if len(parts) == 2 else None) for parts, name in inside.items()
    ]
