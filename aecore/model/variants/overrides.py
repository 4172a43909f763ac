"""Changes single options of a run, each named by its path, as `--set` takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aecore.errors import ConfigError
from aecore.model.config import RunConfig, parse_options

PATH_OPTION = "network.linear_path"
SECTIONS = ("model", "training", "data")  # of a run's config
FIXED_OPTIONS = ("variant", "input_shape", "data.name")  # what all others are fitted to
KEPT_UNITS = "bottleneck.k"


class NewPart(dict[str, Any]):
    """A part of which only some fields are set yet: validation knows the others."""


def override_config(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """Return a run with some fields replaced, {path: value}.

    `bottleneck.samples`, `network.hidden` and so on are the model's; `training.lr` and `data.limit`
    are the others'; `penalties.contractive.weight` names a penalty by its kind. Naming another
    `kind` starts that part anew from its defaults. A linear path that nobody asked for goes where
    the parts cannot have it any more. ConfigError names what does not exist, and what cannot be
    set: the variant, the data and their shape.
    """
    values = config.model_dump(mode="json")
    for path, value in settings.items():
        if path.removeprefix("model.") in FIXED_OPTIONS:
            raise ConfigError(f"{path} cannot be set: choose another variant, or other data.")
        if path in SECTIONS:
            raise ConfigError(f"Set an option of {path} as {path}.OPTION, got {value!r:.60}.")
        keys = path.split(".")
        options = values if keys[0] in SECTIONS else values["model"]
        set_option(options, keys, value, path)
    asked = {path.removeprefix("model.") for path in settings}
    config = (
        parse_options(RunConfig, values) if PATH_OPTION in asked else keep_possible_path(values)
    )
    if KEPT_UNITS in asked:
        check_kept_units(config)
    return config


def check_kept_units(config: RunConfig) -> None:
    """Raise ConfigError where more units are to be kept than the code has.

    No fault of an old run, which keeps all of them.
    """
    k, units = getattr(config.model.bottleneck, "k", 0), config.model.latent_dim
    if k > units:
        raise ConfigError(f"{KEPT_UNITS} must be at most latent_dim, {units}, got {k}.")


def keep_possible_path(values: dict[str, Any]) -> RunConfig:
    """Return the run of these values, without a linear path where its parts cannot have one."""
    network = values["model"]["network"]
    if not isinstance(network, dict) or not network.get("linear_path"):
        return parse_options(RunConfig, values)
    without = {**values["model"], "network": {**network, "linear_path": False}}
    config = parse_options(RunConfig, {**values, "model": without})
    return config if config.model.explain_no_path() else parse_options(RunConfig, values)


def set_option(options: dict[str, Any], keys: list[str], value: Any, path: str) -> None:
    """Set options[keys[0]][keys[1]]... to a value, and turn on a part whose `kind` is set.

    `path` is the whole path, for messages; ConfigError if there is no such option.
    """
    name, *rest = keys
    if name not in options:
        names = [option for option in options if option not in FIXED_OPTIONS]
        raise ConfigError(f"There is no option {path}. Here one can set: {', '.join(names)}.")
    part = options[name]
    if not rest:
        options[name] = value
    elif name == "penalties" and isinstance(part, list):
        set_penalty_option(part, rest, value, path)
    elif rest == ["kind"] and _is_other_kind(part, value):
        options[name] = NewPart(kind=value)
    elif part is None:
        raise ConfigError(f"{path} has no meaning while {name} is off. Set {name}.kind first.")
    elif not isinstance(part, dict):
        raise ConfigError(f"There is no option {path}: {name} is a value, {part!r}.")
    elif len(rest) == 1 and isinstance(part, NewPart):
        part[rest[0]] = value
    else:
        set_option(part, rest, value, path)


def _is_other_kind(part: Any, kind: Any) -> bool:
    """Return True if a part is off, or on and of another kind."""
    return part is None or (isinstance(part, dict) and part.get("kind") != kind)


def set_penalty_option(penalties: list[Any], keys: list[str], value: Any, path: str) -> None:
    """Set the field KIND.FIELD of the penalty of that kind, which is added if absent."""
    if len(keys) != 2:
        raise ConfigError(f"Name a penalty's field as penalties.KIND.FIELD, got {path}.")
    kind, field = keys
    for penalty in penalties:
        if isinstance(penalty, dict) and penalty.get("kind") == kind:
            penalty[field] = value
            return
    penalties.append({"kind": kind, field: value})
