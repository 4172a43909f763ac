"""Which array of an archive is what: by its name, else by its shape and type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from aecore.errors import DataError
from aecore.names import list_few

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
PART_WORDS: dict[str, Part] = {
    **dict.fromkeys(("train", "training", "tr", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "te", "tst", "eval"), "test"),
}
# the more telling ones first
EXAMPLE_WORDS = (
    *("x", "image", "images", "img", "imgs", "picture", "pictures", "data", "input", "inputs"),
    *("example", "examples", "sample", "samples", "feature", "features", "feat", "feats"),
    *("embedding", "embeddings", "emb", "pixels", "arr0"),
)
LABEL_WORDS = (
    *("y", "label", "labels", "target", "targets", "class", "classes", "category", "categories"),
    *("arr1",),
)
OTHER_WORDS = ("name", "names", "id", "ids", "index", "indices", "file", "files", "path", "paths")
NAME_WORD = re.compile(r"arr\d+|[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
FUSED_NAME = re.compile(r"([xy])_?(train|tr|trn|test|te|tst|val|valid|dev)", re.IGNORECASE)


class ArrayInfo(NamedTuple):
    """An array of an archive, before it is read."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def may_be_examples(self) -> bool:
        """True for an array of numbers with an axis of examples and at least one more."""
        return len(self.shape) >= 2 and self.dtype.kind in "fiubc" and 0 not in self.shape[1:]

    @property
    def may_be_labels(self) -> bool:
        """True for a list of whole numbers or words, or a column of them."""
        is_list = len(self.shape) == 1 or (len(self.shape) == 2 and self.shape[1] == 1)
        return is_list and self.dtype.kind in "iubUS"


class NamedPart(NamedTuple):
    """The arrays of one part of a set, by their names."""

    part: Part
    examples: str
    labels: str | None


class ParsedName(NamedTuple):
    """What the name of an array tells."""

    part: Part | None
    role: Literal["examples", "labels", "other", ""]
    rank: int  # how telling its words are, 0 the most


def assign_arrays(infos: Mapping[str, ArrayInfo], file_name: str) -> list[NamedPart]:
    """Return which arrays are the examples and the labels of each part: train, validation, test.

    An array of no part is of the training part. Raises DataError where nothing can be examples, or
    several can.
    """
    parsed = {name: parse_array_name(name) for name in infos}
    examples = _find_examples(infos, parsed, file_name)
    parts = [part for part in PARTS if part in examples]
    return [
        NamedPart(part, examples[part], _find_labels(part, examples[part], infos, parsed))
        for part in parts
    ]


def parse_array_name(name: str) -> ParsedName:
    """Return what a name such as `x_train`, `trainX`, `val_images` or `arr_0` tells."""
    stem = name.rsplit("/", 1)[-1]
    fused = FUSED_NAME.fullmatch(stem)
    words = list(fused.groups()) if fused else NAME_WORD.findall(re.sub("^arr_", "arr", stem))
    words = [word.lower() for word in words]
    part = next((PART_WORDS[word] for word in words if word in PART_WORDS), None)
    if set(words) & set(OTHER_WORDS):
        return ParsedName(part, "other", 0)
    ranks = [LABEL_WORDS.index(word) for word in words if word in LABEL_WORDS]
    if ranks:
        return ParsedName(part, "labels", min(ranks))
    ranks = [EXAMPLE_WORDS.index(word) for word in words if word in EXAMPLE_WORDS]
    return ParsedName(part, "examples", min(ranks)) if ranks else ParsedName(part, "", 0)


def _find_examples(
    infos: Mapping[str, ArrayInfo], parsed: Mapping[str, ParsedName], file_name: str
) -> dict[Part, str]:
    """Return the name of the examples of each part."""
    candidates = _list_candidates(infos, parsed)
    if not candidates:
        raise DataError(
            f"{file_name} has no array `x`; it holds {list_names(infos) or 'nothing'}. "
            "Save its examples as `x`, with the axis of examples first."
        )
    is_told = all(parsed[name].part or parsed[name].role == "examples" for name in candidates)
    if len(candidates) > 1 and not is_told:
        raise DataError(
            f"{file_name} holds {len(candidates)} arrays that may be the examples: "
            f"{list_names(candidates)}. Save the one to use as `x`."
        )
    found: dict[Part, str] = {}
    for name in sorted(candidates, key=lambda name: (parsed[name].part is None, parsed[name].rank)):
        found.setdefault(parsed[name].part or "train", name)
    return found


def _list_candidates(infos: Mapping[str, ArrayInfo], parsed: Mapping[str, ParsedName]) -> list[str]:
    """Return the arrays that may be the examples: those called so, else those of a part, else all.

    Where none can be examples, those that are called so: what is wrong with them can then be told.
    """
    named = [name for name in infos if parsed[name].role == "examples"]
    unnamed = [name for name in infos if infos[name].may_be_examples and parsed[name].role == ""]
    return (
        [name for name in named if infos[name].may_be_examples]
        or [name for name in unnamed if parsed[name].part]
        or unnamed
        or named
    )


def _find_labels(
    part: Part,
    examples: str,
    infos: Mapping[str, ArrayInfo],
    parsed: Mapping[str, ParsedName],
) -> str | None:
    """Return the labels of a part: by name, or the only list of as many whole numbers or words."""
    is_part = {name: (parsed[name].part or "train") == part for name in infos}
    named = [name for name in infos if is_part[name] and parsed[name].role == "labels"]
    # arr_1 is a name by which anything may go
    named = [name for name in named if name != "arr_1" or infos[name].may_be_labels]
    if named:
        return min(named, key=lambda name: (parsed[name].part is None, parsed[name].rank))
    count = infos[examples].shape[0] if infos[examples].shape else 0
    unnamed = [
        name
        for name, info in infos.items()
        if is_part[name]
        and parsed[name].role == ""
        and info.may_be_labels
        and info.shape[0] == count
    ]
    return unnamed[0] if len(unnamed) == 1 else None


def find_class_names(infos: Mapping[str, ArrayInfo], used: Iterable[str]) -> str | None:
    """Return the array that names the classes, such as `target_names`; None where there is none."""
    for name, info in infos.items():
        words = {word.lower() for word in NAME_WORD.findall(name)}
        is_list = len(info.shape) == 1 and info.dtype.kind in "US"
        if is_list and words & set(LABEL_WORDS) and name not in used:
            return name
    return None


def list_names(names: Iterable[str]) -> str:
    """Return names for a sentence: the first few of many."""
    return list_few(f"`{name}`" for name in names)
