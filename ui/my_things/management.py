"""The menu of one thing: its name and note, who may see it, and its files."""

from __future__ import annotations

from urllib.parse import quote

import streamlit as st

from aecore.errors import AecoreError
from aecore.files import RESUME_FILE
from aecore.limits import is_public
from aecore.runs.keeping import KeptThing
from aecore.runs.ownership import (
    MAX_NOTE,
    MAX_TITLE,
    change_owner_record,
    create_private_link,
    revoke_private_link,
)
from aecore.runs.run import Run
from aecore.runs.uploads import find_upload_of_path
from ui.kit.messages import show_error_toast
from ui.kit.visitor import LINK_PARAMETER, get_visitor
from ui.kit.zip_link import show_zip_link


def show_management(thing: KeptThing) -> None:
    """Show what can be changed of a thing, and offer its files."""
    show_name_form(thing)
    if thing.is_run and is_public():
        show_sharing(thing)
    st.markdown("**Files**")
    has_resume = (thing.path / RESUME_FILE).is_file()
    with_resume = has_resume and st.toggle(
        "With what resuming needs",
        key=f"resume-{thing.path.name}",
        help="The optimiser's state: two to three times the size of the model.",
    )
    show_zip_link("Download .zip", [thing], f"zip-{thing.path.name}", with_resume)


def show_name_form(thing: KeptThing) -> None:
    """Ask for a name and a note."""
    with st.form(f"name-{thing.path.name}", border=False):
        title = st.text_input(
            "Name", thing.record.title, max_chars=MAX_TITLE, placeholder=thing.given_name
        )
        note = st.text_area("Note", thing.record.note, max_chars=MAX_NOTE, height=80)
        if st.form_submit_button("Save", icon=":material/save:"):
            change_thing(thing, title=title.strip(), note=note.strip())
            st.rerun()


def change_thing(thing: KeptThing, **changes: object) -> None:
    """Change the record of a thing; say why where it cannot be."""
    try:
        get_visitor().check_may_change(thing.path)
        change_owner_record(thing.path, **changes)
    except AecoreError as error:
        show_error_toast(error)
    except (ValueError, OSError):
        show_error_toast("That could not be kept.")


# -- sharing


def show_sharing(thing: KeptThing) -> None:
    """Show who may see a run, and change that."""
    st.markdown("**Who may see it**")
    key = f"published-{thing.path.name}"
    st.session_state[key] = thing.record.published
    st.toggle("Show to everybody", key=key, on_change=publish_thing, args=(thing, key))
    if is_on_brought_data(thing):
        st.caption("It was trained on your data: examples of them are shown with it.")
    link_key = f"link-{thing.path.name}"
    row = st.container(horizontal=True)
    row.button(
        "New private link" if thing.record.link else "Private link",
        icon=":material/link:",
        key=f"new-{link_key}",
        on_click=open_link,
        args=(thing, link_key),
        help="Whoever has it sees this run. A new one ends the one before.",
    )
    if thing.record.link:
        row.button(
            "Revoke",
            icon=":material/link_off:",
            key=f"end-{link_key}",
            on_click=close_link,
            args=(thing, link_key),
        )
    if secret := st.session_state.get(link_key):
        st.code(format_private_address(thing, secret), language=None, wrap_lines=True)
        st.caption("Copy it now: it is not shown again.")


def is_on_brought_data(thing: KeptThing) -> bool:
    """Returns True for a run that was trained on data that a visitor brought."""
    try:
        data = Run(thing.path).config().data
    except AecoreError:
        return False
    return data is not None and find_upload_of_path(data.name) is not None


def publish_thing(thing: KeptThing, key: str) -> None:
    """Show a run to everybody, or to its owner alone, as the toggle of that key says."""
    change_thing(thing, published=bool(st.session_state[key]))


def open_link(thing: KeptThing, key: str) -> None:
    """Open a new private link to a run, and keep its secret for this session."""
    if get_visitor().may_change(thing.path):
        st.session_state[key] = create_private_link(thing.path)


def close_link(thing: KeptThing, key: str) -> None:
    """End the private link to a run."""
    if get_visitor().may_change(thing.path):
        revoke_private_link(thing.path)
        st.session_state.pop(key, None)


def format_private_address(thing: KeptThing, secret: str) -> str:
    """Returns the address that shows a run to whoever has it."""
    app = (st.context.url or "").split("?")[0].rpartition("/")[0]
    return f"{app}/train?run={quote(thing.path.name)}&{LINK_PARAMETER}={secret}"
