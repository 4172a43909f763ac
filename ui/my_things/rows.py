"""The list of things: a picture, a name that leads to its page, its state, and a menu."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from aecore.limits import is_public
from aecore.names import escape_markdown, escape_name
from aecore.runs.keeping import KeptThing
from aecore.runs.run import Run
from aecore.runs.storage import format_bytes
from ui.kit.runs import format_state_badge, offer_train_page
from ui.kit.zip_link import show_zip_link
from ui.my_things.management import show_management
from ui.my_things.pictures import draw_thing_picture
from ui.my_things.removal import offer_removal
from ui.my_things.things import describe_kind, describe_times

PAGE_SIZE = 20
PICTURE_WIDTH, DESCRIPTION_WIDTH = 64, 540  # pixels


def show_things(things: Sequence[KeptThing]) -> None:
    """Show the things, twenty a page, and what can be done with those that are ticked."""
    if not things:
        show_nothing_yet()
        return
    page = 1
    if len(things) > PAGE_SIZE:
        page = st.pagination(-(-len(things) // PAGE_SIZE), key="things-page")
    shown = things[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    show_ticked([thing for thing in shown if st.session_state.get(make_tick_key(thing))], shown)
    for thing in shown:
        show_thing(thing)


def show_nothing_yet() -> None:
    """Show what would stand here, and where to begin."""
    st.info("Nothing yet. What you train and bring appears here.", icon=":material/inventory_2:")
    with st.container(horizontal=True):
        offer_train_page()
        st.page_link("data.py", label="Bring data", icon=":material/database:")


def make_tick_key(thing: KeptThing) -> str:
    """Returns the key of the box that ticks a thing."""
    return f"tick-{thing.path.name}"


def show_ticked(ticked: Sequence[KeptThing], shown: Sequence[KeptThing]) -> None:
    """Show the buttons that download and delete what is ticked, or that tick all."""
    row = st.container(horizontal=True, vertical_alignment="center", key="ticked-things")
    with row:
        st.button("Tick all", key="tick-all", type="tertiary", on_click=tick_all, args=(shown,))
        if not ticked:
            st.caption("Tick things to download or delete them.", width="content")
            return
        size = format_bytes(sum(thing.size() for thing in ticked))
        st.markdown(f"**{len(ticked)} ticked**, {size}", width="content")
        show_zip_link("Download .zip", ticked, "zip-ticked")
        offer_removal(ticked)


def tick_all(shown: Sequence[KeptThing]) -> None:
    """Tick all things of the page, or none where all are ticked already."""
    keys = [make_tick_key(thing) for thing in shown]
    value = not all(st.session_state.get(key) for key in keys)
    st.session_state.update(dict.fromkeys(keys, value))


# -- one


def show_thing(thing: KeptThing) -> None:
    """Show a thing in a row, with a menu that is filled when it is opened."""
    row = st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", border=True
    )
    with row.container(
        horizontal=True, wrap=False, vertical_alignment="center", width=DESCRIPTION_WIDTH
    ):
        st.checkbox(
            f"Tick {escape_name(thing.name)}",
            key=make_tick_key(thing),
            label_visibility="collapsed",
        )
        show_picture(thing)
        with st.container(gap=None):
            show_name(thing)
    with row.container(horizontal=True, vertical_alignment="center", width="content"):
        show_badges(thing)
        menu = st.popover(
            "Edit", icon=":material/edit:", key=f"menu-{thing.path.name}", on_change="rerun"
        )
    if menu.open:
        with menu:
            show_management(thing)


def show_picture(thing: KeptThing) -> None:
    """Show a few examples of a thing, small; its icon where there are none."""
    picture = draw_thing_picture(thing)
    if picture is not None:
        st.image(picture, width=PICTURE_WIDTH, alt=f"Examples of {thing.name}")
        return
    icon = "model_training" if thing.is_run else "database"
    st.markdown(f"## :gray[:material/{icon}:]", width=PICTURE_WIDTH, text_alignment="center")


def show_name(thing: KeptThing) -> None:
    """Show a thing's name as a link to its page, what it is, and its owner's note."""
    page = "train.py" if thing.is_run else "data.py"
    params: dict[str, Any] = {"run" if thing.is_run else "own": thing.path.name}
    st.page_link(page, label=f"**{escape_name(thing.name)}**", query_params=params)
    id_text = f"{thing.given_name} · " if thing.record.title else ""
    st.caption(escape_markdown(id_text + describe_kind(thing)))
    st.caption(describe_times(thing))
    if thing.record.note:
        st.caption(f"*{escape_markdown(thing.record.note)}*")


def show_badges(thing: KeptThing) -> None:
    """Show who may see a thing, and the state of a run that is under way."""
    if thing.is_live():
        st.markdown(format_state_badge(Run(thing.path)), width="content")
    if not is_public():
        return
    if thing.record.published:
        st.badge("published", icon=":material/public:", color="green")
    elif thing.record.link:
        st.badge("private link", icon=":material/link:", color="blue")
    else:
        st.badge("private", icon=":material/lock:", color="gray")
