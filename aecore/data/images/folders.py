"""Classes and splits of images, by the folders that they lie in and a table beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from aecore.data.images.notes import ImageReading
from aecore.data.images.splits import ImageFile, divide_images, strip_common_folders
from aecore.data.raw import format_count
from aecore.errors import DataError

FolderParts = tuple[str, ...]  # a path inside the set: ("train", "cat", "1.png")
SPLIT_TITLES = {"train": "training", "val": "validation", "test": "test"}


class LabelledImage(NamedTuple):
    """An image of the set and its class, if the set has classes."""

    name: str
    label: str | None


def assign_classes_and_splits(
    files: Mapping[FolderParts, str],
    folders: set[FolderParts],
    reading: ImageReading,
    labels: Mapping[str, str],
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """Return training and test images with their classes; no test images: not split yet.

    `files` are the images by their path inside the set, `labels` the class of an image's name in a
    table beside them, which counts where folders say nothing. Raises DataError for a set of folders
    that has no clear meaning.
    """
    check_empty_folders(files, folders, reading)
    images = [ImageFile(parts[:-1], name) for parts, name in files.items()]
    divided, others = divide_images(images)
    if others:
        leave_out_images(others, "beside the folders of training and test", reading)
    classed = assign_folder_classes(divided, reading)
    if all(label is None for _, label in classed) and labels:
        classed = [(image, labels.get(image.name)) for image, _ in classed]
    return join_splits(drop_unlabelled(classed, reading), reading)


def check_empty_folders(
    files: Mapping[FolderParts, str], folders: set[FolderParts], reading: ImageReading
) -> None:
    """Leave out folders without any file: a class that is empty, or a split."""
    used = {parts[:depth] for parts in files for depth in range(1, len(parts))}
    empty = sorted("/".join(parts) for parts in folders - used)
    if empty:
        names = ", ".join(name[:80] for name in empty[:3])
        plural = "holds" if len(empty) == 1 else "hold"
        what = f"The folder {names}" if len(empty) == 1 else f"{len(empty)} folders ({names})"
        reading.leave_out(
            f"{what} in {reading.set_name} {plural} no images", "left out", "Fill or remove it."
        )


def leave_out_images(images: list[ImageFile], where: str, reading: ImageReading) -> None:
    """Leave images out that lie at a place without meaning."""
    verb = "lies" if len(images) == 1 else "lie"
    reading.leave_out(
        f"{format_count(len(images), 'image')} ({images[0].name[:80]}) of {reading.set_name} "
        f"{verb} {where}",
        "left out",
        "Move it into a folder.",
    )


# -- classes


def assign_folder_classes(
    images: list[ImageFile], reading: ImageReading
) -> list[tuple[ImageFile, str | None]]:
    """Return each image with the folder that is its class, or none with one.

    Of folders in folders, the class is the first level whose names differ by more than a number.
    """
    images = strip_common_folders(images)
    paths = [image.folders for image in images]
    level = choose_class_level(paths)
    labels = [path[level] if len(path) > level else None for path in paths]
    if any(len(path) > 1 for path in paths):
        example = next(path for path in paths if len(path) > 1)
        reading.notes.sentences.append(
            f"{reading.set_name} has folders in folders: the class of each image is the folder of "
            f"level {level + 1} ({example[min(level, len(example) - 1)][:80]} of "
            f"{'/'.join(example)[:80]})."
        )
    return list(zip(images, labels, strict=True))


def choose_class_level(paths: list[tuple[str, ...]]) -> int:
    """Return the level of folders that tells classes: not one of numbered parts, or dates."""
    depth = min((len(path) for path in paths if path), default=0)
    for level in range(depth):
        names = {path[level] for path in paths if path}
        if len(names) > 1 and len({re.sub(r"[\d\W_]+", "", name) for name in names}) > 1:
            return level
    return next((i for i in range(depth) if len({path[i] for path in paths if path}) > 1), 0)


def drop_unlabelled(
    classed: list[tuple[ImageFile, str | None]], reading: ImageReading
) -> list[tuple[ImageFile, str | None]]:
    """Leave out what has no class where others have one; few classed images give up theirs."""
    without = [image for image, label in classed if label is None]
    if not without or len(without) == len(classed):
        return classed
    parts = {image.split for image, label in classed if label is not None}
    if {image.split for image in without}.isdisjoint(parts):
        return drop_unlabelled_split(classed, without, reading)
    verb = "has" if len(without) == 1 else "have"
    fact = (
        f"{len(without):,} of {format_count(len(classed), 'image')} of {reading.set_name} {verb} "
        f"no class ({without[0].name[:80]})"
    )
    cure = "Use class folders, or rows of a table, for all or none."
    kinds = {label for _, label in classed if label is not None}
    if len(without) > len(classed) / 2 or len(kinds) == 1:
        reading.leave_out(fact, "classes are not used", cure)
        return [(image, None) for image, _ in classed]
    reading.leave_out(fact, "left out", cure)
    return [(image, label) for image, label in classed if label is not None]


def drop_unlabelled_split(
    classed: list[tuple[ImageFile, str | None]], without: list[ImageFile], reading: ImageReading
) -> list[tuple[ImageFile, str | None]]:
    """Leave out a split without classes, as contests have it; or classes that training lacks."""
    fact = f"{reading.set_name} has classes in only one of its training and test images"
    cure = "Use them in both or in neither."
    if any(image.split == "train" for image in without):
        reading.leave_out(fact, "classes are not used", cure)
        return [(image, None) for image, _ in classed]
    names = " and ".join(SPLIT_TITLES[split] for split in sorted({f.split for f in without}))
    count = format_count(len(without), f"{names} image")
    reading.leave_out(fact, f"{count} without classes left out", cure)
    return [(image, label) for image, label in classed if label is not None]


# -- splits


def join_splits(
    classed: list[tuple[ImageFile, str | None]], reading: ImageReading
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """Return training and test images; validation images join training, or are the test set."""
    parts: dict[str, list[LabelledImage]] = {}
    for image, label in classed:
        parts.setdefault(image.split, []).append(LabelledImage(image.name, label))
    if not parts:
        raise DataError(f"{reading.set_name} holds no images that can be used. Put images in it.")
    training, validation, test = (parts.get(split, []) for split in ("train", "val", "test"))
    if not training and not parts.get(""):
        training, validation = validation or test, []
        test = test if test is not training else []
    if validation:
        count = format_count(len(validation), "validation image")
        use = "join the training images" if test else "are the test set"
        reading.notes.sentences.append(f"{reading.set_name} has {count}, which {use}.")
    if not test:
        return parts.get("", []) + training, validation
    return parts.get("", []) + training + validation, test
