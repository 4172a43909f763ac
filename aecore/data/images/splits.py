"""Folders that divide a set of images: train, validation and test under their usual names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "trainings", "trn", "训练", "训练集"), "train"),
    **dict.fromkeys(("entrainement", "entraînement", "entrenamiento"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "验证", "验证集"), "val"),
    **dict.fromkeys(("validierung", "validierungs", "validacion", "validación"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "eval", "prueba", "测试", "测试集"), "test"),
}
# words that may stand beside those, as in seg_train or test-images
FILLERS = {"set", "data", "dataset", "split", "seg"}
PICTURE_WORDS = {"image", "images", "img", "imgs", "picture", "pictures", "photo", "photos"}


class ImageFile(NamedTuple):
    """An image of the set by where it lies."""

    folders: tuple[str, ...]  # that are left after wrappers and splits
    name: str  # in the source
    split: str = ""  # "train", "val", "test", or "" where the set is not split


def read_split_word(folder: str) -> str | None:
    """Return "train", "val" or "test" for a folder of such a name in any case, else None."""
    found = {SPLIT_WORDS.get(word, "") for word in list_words(folder)}
    return next(iter(found)) or None if len(found) == 1 else None


def list_words(folder: str) -> list[str]:
    """Return the words of a folder's name that say something: without numbers and fillers."""
    words = re.split(r"[\W\d_]+", folder.casefold())
    cut = [word.removesuffix("set").removesuffix("daten") or word for word in words]
    return [word for word in cut if word and word not in FILLERS | PICTURE_WORDS]


def is_wrapper(folder: str) -> bool:
    """Return True for a folder that says nothing beside its split: `images`, `train`."""
    return not list_words(folder) or read_split_word(folder) is not None


def divide_images(files: Iterable[ImageFile]) -> tuple[list[ImageFile], list[ImageFile]]:
    """Take the level of folders that divides the images off their paths.

    Returns the images with their split, and those that lie beside the folders of splits. Where no
    level has at least two splits, all images are in none.
    """
    files = strip_common_folders(files)
    depth = max((len(file.folders) for file in files), default=0)
    for level in range(depth):
        words = {read_split_word(f.folders[level]) for f in files if len(f.folders) > level}
        others = [f for f in files if _read_split(f, level) is None]
        if len(words - {None}) > 1 and (level == 0 or not others):
            inside = [file for file in files if _read_split(file, level) is not None]
            divided = [_take_split(file, level) for file in inside]
            return _strip_wrappers(divided), others
    return files, []


def strip_common_folders(files: Iterable[ImageFile]) -> list[ImageFile]:
    """Take folders that hold all images off their paths: archives often have one around all."""
    files = list(files)
    while files and all(file.folders for file in files):
        if len({file.folders[0] for file in files}) > 1:
            break
        files = [file._replace(folders=file.folders[1:]) for file in files]
    return files


def _read_split(file: ImageFile, level: int) -> str | None:
    return read_split_word(file.folders[level]) if len(file.folders) > level else None


def _take_split(file: ImageFile, level: int) -> ImageFile:
    folders = file.folders[:level] + file.folders[level + 1 :]
    return file._replace(folders=folders, split=_read_split(file, level) or "")


def _strip_wrappers(files: list[ImageFile]) -> list[ImageFile]:
    """Take a folder around the images of one split off their paths: train/images/cat."""
    stripped = []
    for split in ("train", "val", "test"):
        part = [file for file in files if file.split == split]
        while part and all(file.folders for file in part):
            tops = {file.folders[0] for file in part}
            if len(tops) > 1 or not is_wrapper(next(iter(tops))):
                break
            part = [file._replace(folders=file.folders[1:]) for file in part]
        stripped += part
    return stripped
