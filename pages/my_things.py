"""My things: the runs, data and selections of a visitor, to be named, shared, taken and deleted."""

from __future__ import annotations

import streamlit as st

from ui.kit.visitor import show_session_note
from ui.my_things.owners import choose_owner
from ui.my_things.removal import show_removal
from ui.my_things.rows import show_things
from ui.my_things.selections import show_selections
from ui.my_things.things import list_shown_things, show_usage

st.title("My things")
st.markdown("**What you trained and brought:** name it, share it, download it, delete it.")
show_session_note()
show_removal()  # before anything is listed: what has been deleted is in no list
owner = choose_owner()
things = list_shown_things(owner)
show_usage(things)
show_things(things)
show_selections()
