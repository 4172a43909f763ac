"""Forms made from pydantic fields: a new option or part shows up by itself."""

from __future__ import annotations

import json
import types
from collections.abc import Collection
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import streamlit as st
from pydantic.fields import FieldInfo

from aecore.model.parts.base import Options

HIDDEN_FIELDS = {"kind", "variant", "input_shape", "columns", "heads"}
FIELD_NAMES = {
    "lr": "Learning rate",
    "kl_sparsity": "KL sparsity",
    "kl_warmup_epochs": "KL warm-up epochs",
    "mlp": "Fully connected",
    "conv": "Convolutional",
    "adam": "Adam",
    "adamw": "AdamW",
    "relu": "ReLU",
    "batch_top_k": "BatchTopK",
    "jump_relu": "JumpReLU",
    "auxiliary": "Auxiliary loss",
} | {
    name: name.upper()
    for name in ("l1", "l2", "mmd", "sgd", "gelu", "elbo", "iwae", "cpu", "cuda", "mps")
}


# -- forms


def show_options_form(
    options_class: type[Options], values: dict[str, Any], key: str, skip: Collection[str] = ()
) -> dict[str, Any]:
    """Show widgets for the plain fields of an option class, three a row; return the new values.

    The widgets start at `values`; fields that are hidden, parts or in `skip` keep theirs.
    """
    fields = {
        name: field
        for name, field in options_class.model_fields.items()
        if name not in HIDDEN_FIELDS and name not in skip and not list_part_classes(field)
    }
    result = dict(values)
    columns = st.columns(3) if len(fields) > 1 else [st.container()]
    for i, (name, field) in enumerate(fields.items()):
        with columns[i % len(columns)]:
            result[name] = show_field_widget(name, field, values.get(name), f"{key}.{name}")
    return result


def show_part_form(
    name: str, field: FieldInfo, value: dict[str, Any] | None, key: str
) -> dict[str, Any] | None:
    """Show a select box over the kinds of a part, and the fields of the kind that is chosen.

    Returns the part's values, None for no part.
    """
    classes = map_part_classes(field)
    optional = type(None) in flatten_annotation(field.annotation)
    options = (["none"] if optional else []) + list(classes)
    current = value["kind"] if value else "none"
    kind = st.selectbox(
        format_field_name(name),
        options,
        options.index(current),
        key=f"{key}.kind",
        help=field.description,
        format_func=format_field_name,
    )
    if kind == "none":
        return None
    start = value if value and kind == current else classes[kind]().model_dump(mode="json")
    return show_options_form(classes[kind], start, f"{key}.{kind}")


def show_penalties_form(
    field: FieldInfo, values: list[dict[str, Any]], key: str
) -> list[dict[str, Any]]:
    """Show a list of penalties to choose from, and the fields of each that is chosen."""
    classes = map_part_classes(field)
    current = {value["kind"]: value for value in values}
    kinds = st.multiselect(
        "Penalties",
        list(classes),
        list(current),
        key=f"{key}.kinds",
        help=field.description,
        format_func=format_field_name,
    )
    result = []
    for kind in kinds:
        st.caption(format_field_name(kind))
        start = current.get(kind) or classes[kind]().model_dump(mode="json")
        result.append(show_options_form(classes[kind], start, f"{key}.{kind}"))
    return result


# -- one field


def show_field_widget(name: str, field: FieldInfo, value: Any, key: str) -> Any:
    """Show a field as the widget of its type, with its bounds, and its description on hover."""
    kind, label, help = (
        flatten_annotation(field.annotation)[0],
        format_field_name(name),
        field.description,
    )
    if get_origin(kind) is Literal:
        choices = list(get_args(kind))
        index = choices.index(value)
        return st.selectbox(
            label, choices, index, key=key, help=help, format_func=format_field_name
        )
    if kind is bool:
        return st.toggle(label, value, key=key, help=help)
    if kind is int:
        low, high = get_field_limits(field)
        return st.number_input(label, low, high, value, 1, key=key, help=help)
    if kind is float:
        return show_float_widget(label, field, value, key)
    if get_origin(kind) is tuple and get_origin(get_args(kind)[0]) is Literal:
        names = list(get_args(get_args(kind)[0]))
        return st.multiselect(
            label, names, value, key=key, help=help, format_func=format_field_name
        )
    if get_origin(kind) is tuple:
        text = st.text_input(label, ", ".join(map(str, value)), key=key, help=help)
        return parse_number_list(text)
    return st.text_input(label, value or "", key=key, help=help) or None


def show_float_widget(label: str, field: FieldInfo, value: float | None, key: str) -> float | None:
    """Show a number input that steps by a tenth of the value it starts at."""
    low, high = (None if limit is None else float(limit) for limit in get_field_limits(field))
    step = max(abs(value) / 10, 1e-6) if value else 0.01
    return st.number_input(
        label,
        low,
        high,
        None if value is None else float(value),
        step,
        "%.4g",
        key=key,
        help=field.description,
    )


def parse_number_list(text: str) -> Any:
    """Returns `512, 256` as a list; any other text as it is, for the config's own check."""
    try:
        return json.loads(f"[{text.strip().strip('[]()').rstrip(',')}]")
    except ValueError:
        return text


def get_field_limits(field: FieldInfo) -> tuple[Any, Any]:
    """Returns the lower and the upper bound of a number field, None where it has none."""
    low = next((rule.ge for rule in field.metadata if hasattr(rule, "ge")), None)
    high = next((rule.le for rule in field.metadata if hasattr(rule, "le")), None)
    return low, high


def format_field_name(name: str) -> str:
    """Returns the name of a field, a kind or a choice for people."""
    return FIELD_NAMES.get(str(name), str(name).replace("_", " ").capitalize())


# -- annotations


def map_part_classes(field: FieldInfo) -> dict[str, type[Options]]:
    """Returns the option classes that a field chooses between, by their kind."""
    return {part.model_fields["kind"].default: part for part in list_part_classes(field)}


def list_part_classes(field: FieldInfo) -> list[type[Options]]:
    """Returns the option classes that a field chooses between; none for a plain field."""
    return [member for member in flatten_annotation(field.annotation) if is_part_class(member)]


def flatten_annotation(annotation: Any) -> list[Any]:
    """Returns the members of an annotation, through Annotated, unions and tuples of parts."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return flatten_annotation(arguments[0])
    if origin in (Union, types.UnionType):
        return [member for argument in arguments for member in flatten_annotation(argument)]
    if origin is tuple:
        parts = [member for member in flatten_annotation(arguments[0]) if is_part_class(member)]
        return parts or [annotation]
    return [annotation]


def is_part_class(member: Any) -> bool:
    """Returns True for a class of options of a part."""
    return isinstance(member, type) and issubclass(member, Options)
