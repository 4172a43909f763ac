"""Settings that the address of the form names, as the cure of a model or a shared link has them."""

from __future__ import annotations

import streamlit as st

from aecore.cli.settings import parse_setting
from aecore.model.config import RunConfig
from aecore.model.variants.overrides import override_config
from aecore.names import escape_markdown

PARAMETER = "set"  # of the address, once for each setting: part.field=value
MAX_SETTINGS_TEXT = 400  # characters of the settings
TARGET = "settings-target"  # of the session: the settings, and the variant and data they are for


def apply_address_settings(config: RunConfig) -> RunConfig:
    """Returns the defaults of a form with the settings that its address names, and says so.

    They are for the variant and the data that the form shows first; choosing others drops them.
    Raises ConfigError where a setting does not exist.
    """
    texts = tuple(st.query_params.get_all(PARAMETER))
    target = (config.model.variant, config.data.name if config.data else "")
    known = st.session_state.get(TARGET)
    if texts and known is not None and known[0] == texts and known[1] != target:
        del st.query_params[PARAMETER]
        texts = ()
    st.session_state[TARGET] = (texts, target)
    if not texts:
        return config
    row = st.container(horizontal=True, vertical_alignment="center")
    shown = escape_markdown(", ".join(texts)[:MAX_SETTINGS_TEXT])
    row.caption(f":material/tune: Set by the link: {shown}")
    row.button("Use the defaults", on_click=drop_address_settings, type="tertiary")
    return override_config(config, dict(map(parse_setting, texts)))


def forget_settings_target() -> None:
    """Let the settings of the address be for whatever the form shows first: a link was opened."""
    st.session_state.pop(TARGET, None)


def drop_address_settings() -> None:
    """Let the form begin with its own defaults."""
    st.query_params.pop(PARAMETER, None)


def read_address_settings() -> str:
    """Returns the settings of the address as one text, which keys of widgets begin with."""
    return "&".join(st.query_params.get_all(PARAMETER))
