"""Values of widgets as a browser sends them."""

from __future__ import annotations

import json
from typing import Any

from streamlit.proto.Element_pb2 import Element
from streamlit.proto.WidgetStates_pb2 import WidgetState

STATE_FIELDS = {  # of each kind of widget, where its value stands in a message
    "slider": "double_array_value",
    "button_group": "string_array_value",
    "multiselect": "string_array_value",
    "checkbox": "bool_value",
    "selectbox": "string_value",
    "text_input": "string_value",
    "number_input": "double_value",
    "button": "trigger_value",
}
TRIGGER_ID = "$$STREAMLIT_INTERNAL_KEY_{}__events"  # of a component's events


def make_widget_state(element: Element, value: Any) -> WidgetState:
    """Returns the state of a widget that was moved to a value, or of a button that was pressed."""
    kind = element.WhichOneof("type") or ""
    state = WidgetState(id=getattr(element, kind).id)
    is_select_slider = kind == "slider" and isinstance(value, str)
    field = "string_array_value" if is_select_slider else STATE_FIELDS[kind]
    if field.endswith("_array_value"):
        values = value if isinstance(value, (list, tuple)) else [value]
        getattr(state, field).data.extend(values)
        getattr(state, field).SetInParent()  # a list of nothing is a value, too
    else:
        setattr(state, field, value)
    return state


def make_event_state(component: str, event: str, value: Any) -> WidgetState:
    """Returns the state that tells of an event of a component."""
    text = json.dumps([{"event": event, "value": value}])
    return WidgetState(id=TRIGGER_ID.format(component), json_trigger_value=text)
