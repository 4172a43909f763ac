"""Page set-up and navigation: what every page shares."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui.kit.contrast import mend_contrast
from ui.kit.late import import_late
from ui.kit.turns import TURNS


def make_page(file: str, title: str, icon: str) -> st.Page:
    """Returns a page of this folder, whose address is its title."""
    address = title.lower().replace(" ", "-")
    return st.Page(file, title=title, icon=f":material/{icon}:", url_path=address)


def name_tab(shown: st.Page) -> str:
    """Returns the title of the browser's tab while a page is shown."""
    return APP_NAME if shown.url_path == "" else f"{shown.title} · {APP_NAME}"


APP_NAME = "Autoencoder Lab"
NAVIGATION = {
    "": [
        st.Page("home.py", title="Home", icon=":material/home:", default=True),
        make_page("learn.py", "Learn", "school"),
    ],
    "Make": [
        make_page("data.py", "Data", "database"),
        make_page("train.py", "Train", "model_training"),
        make_page("compare.py", "Compare", "compare"),
        make_page("my_things.py", "My things", "inventory_2"),
    ],
    "Explore": [
        make_page("latent.py", "Latent", "scatter_plot"),
        make_page("generate.py", "Generate", "auto_awesome"),
        make_page("units.py", "Units", "grid_view"),
        make_page("manifold.py", "Manifold", "layers"),
    ],
    "Apply": [
        make_page("apply_features.py", "Features", "dataset"),
        make_page("apply_denoise.py", "Denoise", "blur_off"),
        make_page("apply_compress.py", "Compress", "compress"),
        make_page("apply_search.py", "Search", "image_search"),
        make_page("apply_anomaly.py", "Anomaly", "crisis_alert"),
        make_page("apply_impute.py", "Impute", "healing"),
    ],
    "Trust": [make_page("evidence.py", "Evidence", "verified")],
    "Share": [make_page("hub.py", "Hub", "cloud_sync")],
}


ICON = Path(__file__).parents[1] / "ui" / "kit" / "icon.svg"
# before the navigation, which would let the browser fetch the page's icon from a font server
st.set_page_config(page_icon=ICON, layout="wide")
page = st.navigation(NAVIGATION, expanded=True)  # whatever else is in the sidebar
st.set_page_config(page_title=name_tab(page))
mend_contrast()
with TURNS.announce_page():
    if page.url_path == "":
        page.run()  # Home draws its explorer before PyTorch is imported
    else:
        import_late("ui.kit.visit:run_visit")(page.run, page.url_path)
