"""What pydantic complains of, as one sentence."""

from __future__ import annotations

from pydantic import ValidationError

NEEDED = {  # what an option must be, by the type of the complaint
    "tuple_type": "a list, such as [512, 256]",
    "list_type": "a list",
    "dict_type": "a group of options",
    "model_type": "a group of options",
    "model_attributes_type": "a group of options, which are set one by one",
}


def describe_validation_error(error: ValidationError) -> str:
    """Return the first complaint of a validation as one sentence, of bounded length."""
    complaint = error.errors()[0]
    path, message = format_option_path(complaint["loc"]), complaint["msg"]
    if complaint["type"] == "value_error":
        message = message.removeprefix("Value error, ")
        if path:
            return f"{path}: {message}."
        return f"{message[0].upper()}{message[1:]}".rstrip(".") + "."
    if complaint["type"] == "extra_forbidden":
        return f"There is no option {path.removeprefix('model.')}."
    if complaint["type"] == "union_tag_invalid":
        expected, tag = complaint["ctx"]["expected_tags"], complaint["ctx"]["tag"]
        return f"{path}.kind must be one of {expected}, got {shorten_text(repr(tag))}."
    value = shorten_text(repr(complaint["input"]))
    if needed := NEEDED.get(complaint["type"]):
        return f"{path or 'It'} must be {needed}, got {value}."
    return f"{path}: {message[0].lower()}{message[1:300]}, got {value}."


def format_option_path(loc: tuple[int | str, ...]) -> str:
    """Return the path of a failed field as `--set` takes it.

    It has no positions in lists, and no kinds of parts, which pydantic adds.
    """
    names = [shorten_text(str(name)) for name in loc if isinstance(name, str)]
    parts = ("corruption", "network", "bottleneck", "likelihood", "prior")
    return ".".join(name for i, name in enumerate(names) if i == 0 or names[i - 1] not in parts)


def shorten_text(text: str) -> str:
    """Return at most 80 characters of a text, with those escaped that cannot be printed."""
    printable = text.encode("utf-8", "backslashreplace").decode()
    return printable if len(printable) <= 80 else f"{printable[:77]}..."
