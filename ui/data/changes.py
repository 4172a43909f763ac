"""Changes of how a set is read: asked for by a widget, tried when the page is drawn, then kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from aecore.errors import AecoreError
from aecore.model.columns import ColumnOptions
from aecore.model.config import DataConfig
from aecore.runs.uploads import UploadedData
from ui.kit.cache import load_cached_data, load_cached_table
from ui.kit.messages import show_error

CHANGE_KEY = "data-change"
VERSION_KEY = "data-version"

ChangeConfig = Callable[[DataConfig], DataConfig]


def request_change(token: str, change: ChangeConfig) -> None:
    """Ask for another reading of a set; widgets that show its reading begin anew."""
    st.session_state[CHANGE_KEY] = token, change
    st.session_state[VERSION_KEY] = read_reading_version() + 1


def read_reading_version() -> int:
    """Returns how often a reading was changed in this session, for the keys of widgets."""
    return int(st.session_state.get(VERSION_KEY, 0))


def request_from_widget(token: str, key: str, make_change: Callable[[Any], ChangeConfig]) -> None:
    """Ask for the change that the widget of that key stands for; a callback."""
    request_change(token, make_change(st.session_state[key]))


def request_settings(token: str, **settings: Any) -> None:
    """Ask for other settings of a set's DataConfig; a callback."""
    request_change(token, partial(set_data_settings, settings=settings))


def set_data_settings(config: DataConfig, settings: dict[str, Any]) -> DataConfig:
    """Returns the config with other settings."""
    return config.model_copy(update=settings)


def apply_change(upload: UploadedData) -> None:
    """Read a set as was asked for, and keep that; where it cannot be, say why and keep what was."""
    token, change = st.session_state.get(CHANGE_KEY, ("", None))
    if token == upload.token:
        try:
            config = change(upload.config())
            load_cached_data(config)
        except AecoreError as error:
            show_error(error)
            st.caption("Nothing was changed.")
        else:
            upload.save(config)
    st.session_state.pop(CHANGE_KEY, None)  # not before: a click while it is read asks again


def read_inferred(config: DataConfig) -> dict[str, ColumnOptions]:
    """Returns how the columns of a table are read where nothing is chosen."""
    return load_cached_table(DataConfig(name=config.name)).schema
