"""Forms made from pydantic fields: a new option or part shows up by itself."""

from __future__ import annotations

import json
import types
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import streamlit as st
from pydantic.fields import FieldInfo
from streamlit.delta_generator import DeltaGenerator

from aecore.model.parts.base import Options

HIDDEN_FIELDS = {"kind", "variant", "input_shape", "columns", "heads"}
DEPENDENT_FIELDS = {"momentum": ("optimizer", "sgd")}  # shown where another has that value
FIELD_NAMES = {
    "lr": "Learning rate",
    "latent_dim": "Latent dimension",
    "hidden": "Hidden layers",
    "k": "k, active units",
    "kl_sparsity": "KL sparsity",
    "kl_warmup_epochs": "KL warm-up epochs",
    "mlp": "Fully connected",
    "conv": "Convolutional",
    "calibrated": "Gaussian, calibrated",
    "ms_ssim": "MS-SSIM and L1",
    "adam": "Adam",
    "adamw": "AdamW",
    "relu": "ReLU",
    "silu": "SiLU",
    "batch_top_k": "BatchTopK",
    "jump_relu": "JumpReLU",
    "auxiliary": "Auxiliary loss",
} | {
    name: name.upper()
    for name in ("l1", "l2", "mmd", "sgd", "gelu", "elbo", "iwae", "cpu", "cuda", "mps", "ema")
}


class OpenPlace(NamedTuple):
    """Where a field is shown instead of in its form, and its label there."""

    container: DeltaGenerator
    label: str


OpenPlaces = Mapping[str, OpenPlace]  # by the key of the field's widget
IN_FORM: OpenPlaces = {}


# -- forms


def show_options_form(
    options_class: type[Options],
    values: dict[str, Any],
    key: str,
    skip: Collection[str] = (),
    places: OpenPlaces = IN_FORM,
) -> dict[str, Any]:
    """Show widgets for the plain fields of an option class, three a row; return the new values.

    The widgets start at `values`; fields that are hidden, parts or in `skip` keep theirs. Those
    with a place of their own in `places` stand there.
    """
    fields = {
        name: field
        for name, field in options_class.model_fields.items()
        if name not in HIDDEN_FIELDS and name not in skip and not list_part_classes(field)
    }
    result = dict(values)
    columns = st.columns(3) if len(fields) > 1 else [st.container()]
    count = 0  # of those in the form
    for name, field in fields.items():
        place = places.get(f"{key}.{name}")
        if is_without_effect(name, result):
            continue
        with place.container if place else columns[count % len(columns)]:
            label = place.label if place else field.title or format_field_name(name)
            result[name] = show_field_widget(label, field, values.get(name), f"{key}.{name}")
        count += place is None
    return result


def is_without_effect(name: str, values: Mapping[str, Any]) -> bool:
    """Returns True for a field that other values make of no use, as momentum is to Adam."""
    other, needed = DEPENDENT_FIELDS.get(name, ("", None))
    return other in values and values[other] != needed


def show_part_form(
    name: str,
    field: FieldInfo,
    value: dict[str, Any] | None,
    key: str,
    places: OpenPlaces = IN_FORM,
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
        persist_state="session",
    )
    if kind == "none":
        return None
    start = value if value and kind == current else classes[kind]().model_dump(mode="json")
    return show_options_form(classes[kind], start, f"{key}.{kind}", places=places)


def show_penalties_form(
    field: FieldInfo, values: list[dict[str, Any]], key: str, places: OpenPlaces = IN_FORM
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
        persist_state="session",
    )
    result = []
    for kind in kinds:
        st.caption(format_field_name(kind))
        start = current.get(kind) or classes[kind]().model_dump(mode="json")
        result.append(show_options_form(classes[kind], start, f"{key}.{kind}", places=places))
    return result


# -- one field


def show_field_widget(label: str, field: FieldInfo, value: Any, key: str) -> Any:
    """Show a field as the widget of its type, with its bounds, and its description on hover.

    What was typed is kept while the visitor looks at other pages.
    """
    kind, help = flatten_annotation(field.annotation)[0], field.description
    if get_origin(kind) is Literal:
        choices = list(get_args(kind))
        index = choices.index(value)
        return st.selectbox(
            label,
            choices,
            index,
            key=key,
            help=help,
            format_func=format_field_name,
            persist_state="session",
        )
    if kind is bool:
        return st.toggle(label, value, key=key, help=help, persist_state="session")
    if kind is int:
        low, high = get_field_limits(field)
        return st.number_input(
            label, low, high, value, 1, key=key, help=help, persist_state="session"
        )
    if kind is float:
        return show_float_widget(label, field, value, key)
    if get_origin(kind) is tuple and get_origin(get_args(kind)[0]) is Literal:
        names = list(get_args(get_args(kind)[0]))
        return st.multiselect(
            label,
            names,
            value,
            key=key,
            help=help,
            format_func=format_field_name,
            persist_state="session",
        )
    if get_origin(kind) is tuple:
        numbers = ", ".join(map(str, value))
        text = st.text_input(label, numbers, key=key, help=help, persist_state="session")
        return parse_number_list(text)
    return st.text_input(label, value or "", key=key, help=help, persist_state="session") or None


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
        persist_state="session",
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
    """Returns the option classes that a field offers to choose between, by their kind."""
    return {
        part.model_fields["kind"].default: part
        for part in list_part_classes(field)
        if part.is_offered
    }


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
