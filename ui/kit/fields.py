"""Forms made from the pydantic fields: a new option or part shows up by itself."""

from __future__ import annotations

import json
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import streamlit as st
from pydantic.fields import FieldInfo

from aecore.model.parts.base import Options

HIDDEN_FIELDS = {"kind", "variant", "input_shape"}


def show_options_form(
    kind: type[Options], values: dict[str, Any], key: str, skip: set[str] = frozenset()
) -> dict[str, Any]:  # type: ignore[assignment]
    """Widgets for the plain fields of `kind`, three a row, starting at `values`; returns the new values."""
    fields = {n: f for n, f in kind.model_fields.items() if n not in HIDDEN_FIELDS | skip}
    plain = [n for n, f in fields.items() if not list_part_classes(f)]
    result = dict(values)
    columns = st.columns(3) if len(plain) > 1 else [st.container()]
    for i, name in enumerate(plain):
        with columns[i % len(columns)]:
            result[name] = show_field_widget(name, fields[name], values.get(name), f"{key}.{name}")
    return result


def show_part_form(
    name: str, field: FieldInfo, value: dict[str, Any] | None, key: str
) -> dict[str, Any] | None:
    """A select box over the kinds of a part, and the fields of the kind that is chosen."""
    kinds = {kind.model_fields["kind"].default: kind for kind in list_part_classes(field)}
    optional = type(None) in flatten_annotation(field.annotation)
    options = (["none"] if optional else []) + list(kinds)
    current = value["kind"] if value else "none"
    chosen = st.selectbox(
        format_field_name(name),
        options,
        options.index(current),
        key=f"{key}.kind",
        help=field.description,
        format_func=format_field_name,
    )
    if chosen == "none":
        return None
    start = value if value and chosen == current else kinds[chosen]().model_dump(mode="json")
    return show_options_form(kinds[chosen], start, f"{key}.{chosen}")


def show_penalties_form(
    field: FieldInfo, values: list[dict[str, Any]], key: str
) -> list[dict[str, Any]]:
    """Any number of penalties, each with its fields."""
    kinds = {kind.model_fields["kind"].default: kind for kind in list_part_classes(field)}
    given = {value["kind"]: value for value in values}
    chosen = st.multiselect(
        "Penalties",
        list(kinds),
        list(given),
        key=f"{key}.kinds",
        help=field.description,
        format_func=format_field_name,
    )
    result = []
    for name in chosen:
        st.caption(format_field_name(name))
        result.append(
            show_options_form(
                kinds[name],
                given.get(name) or kinds[name]().model_dump(mode="json"),
                f"{key}.{name}",
            )
        )
    return result


def show_field_widget(name: str, field: FieldInfo, value: Any, key: str) -> Any:
    """One field as the widget of its type, with its bounds and its description on hover."""
    members, label, bounds = (
        flatten_annotation(field.annotation),
        format_field_name(name),
        get_field_limits(field),
    )
    if get_origin(members[0]) is Literal:
        choices = list(get_args(members[0]))
        return st.selectbox(
            label,
            choices,
            choices.index(value),
            key=key,
            help=field.description,
            format_func=format_field_name,
        )
    if members[0] is bool:
        return st.toggle(label, value, key=key, help=field.description)
    if members[0] is int:
        return st.number_input(
            label, bounds[0], bounds[1], value, 1, key=key, help=field.description
        )
    if members[0] is float:
        low, high = (None if b is None else float(b) for b in bounds)
        step = max(abs(value) / 10, 1e-6) if value else 0.01
        return st.number_input(
            label, low, high, float(value), step, "%.4g", key=key, help=field.description
        )
    if get_origin(members[0]) is tuple:
        return parse_number_list(
            st.text_input(label, ", ".join(map(str, value)), key=key, help=field.description)
        )
    return st.text_input(label, value or "", key=key, help=field.description) or None


def parse_number_list(text: str) -> Any:
    """`512, 256` as a list; anything else as it is, for the config's own check to name."""
    try:
        return json.loads(f"[{text.strip().strip('[]()').rstrip(',')}]")
    except ValueError:
        return text


def list_part_classes(field: FieldInfo) -> list[type[Options]]:
    """The option classes that a field chooses between; none for a plain field."""
    return [
        m
        for m in flatten_annotation(field.annotation)
        if isinstance(m, type) and issubclass(m, Options)
    ]


def flatten_annotation(annotation: Any) -> list[Any]:
    """The members of an annotation, through Annotated, unions and tuples of parts."""
    if get_origin(annotation) is Annotated:
        return flatten_annotation(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [m for arg in get_args(annotation) for m in flatten_annotation(arg)]
    if get_origin(annotation) is tuple and (
        inner := [m for m in flatten_annotation(get_args(annotation)[0]) if is_part_class(m)]
    ):
        return inner
    return [annotation]


def is_part_class(member: Any) -> bool:
    return isinstance(member, type) and issubclass(member, Options)


def get_field_limits(field: FieldInfo) -> tuple[Any, Any]:
    """Lower and upper bound of a number field, where it has them."""
    low = next((m.ge for m in field.metadata if hasattr(m, "ge")), None)
    high = next((m.le for m in field.metadata if hasattr(m, "le")), None)
    return low, high


def format_field_name(name: str) -> str:
    """A field's name for people."""
    return FIELD_NAMES.get(str(name), str(name).replace("_", " ").capitalize())


FIELD_NAMES = {
    "lr": "Learning rate",
    "kl_sparsity": "KL sparsity",
    "kl_warmup_epochs": "KL warm-up epochs",
    "mlp": "Fully connected",
    "conv": "Convolutional",
    "adam": "Adam",
    "adamw": "AdamW",
    "relu": "ReLU",
} | {
    name: name.upper()
    for name in ("l1", "l2", "mmd", "sgd", "gelu", "elbo", "iwae", "cpu", "cuda", "mps")
}
