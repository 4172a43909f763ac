"""Finds the kinds of a part, so that a new bottleneck, penalty or network is one new file."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from functools import reduce
from importlib import import_module
from operator import or_
from typing import Annotated, Any, Literal, get_origin

from pydantic import Field

from aecore.model.parts.base import Options

LAST = 1000  # position in menus of a kind that names none


def collect_kinds(package: str, base: type[Options]) -> Any:
    """Import every module of a package and return the union of its option classes.

    A class belongs to it if it is derived from `base` and has a field `kind` of type Literal, by
    which pydantic tells the members apart. They are ordered by `menu_position`, then by `kind`;
    forms show them in this order.
    """
    for module in pkgutil.iter_modules(import_module(package).__path__):
        import_module(f"{package}.{module.name}")
    kinds = sorted(_iterate_kinds(base), key=_position_of_kind)
    return Annotated[reduce(or_, kinds), Field(discriminator="kind")]


def _iterate_kinds(base: type[Options]) -> Iterator[type[Options]]:
    """Yield the subclasses of `base`, at any depth, that are kinds and not only bases of some."""
    for option_class in base.__subclasses__():
        field = option_class.model_fields.get("kind")
        if field is not None and get_origin(field.annotation) is Literal:
            yield option_class
        yield from _iterate_kinds(option_class)


def _position_of_kind(option_class: type[Options]) -> tuple[int, str]:
    position = getattr(option_class, "menu_position", LAST)
    return position, option_class.model_fields["kind"].default
