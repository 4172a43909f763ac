"""Page set-up and navigation: what every page shares."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

from ui.kit.runs import show_live_runs

if (
    root := str(Path(__file__).resolve().parent.parent)
) not in sys.path:  # pages run as scripts of their own
    sys.path.insert(0, root)


st.set_page_config(page_title="Autoencoder Lab", page_icon=":material/compress:", layout="wide")
page = st.navigation(
    {
        "": [st.Page("home.py", title="Home", icon=":material/home:", default=True)],
        "Make": [
            st.Page("data.py", title="Data", icon=":material/database:", url_path="data"),
            st.Page("train.py", title="Train", icon=":material/model_training:", url_path="train"),
            st.Page("compare.py", title="Compare", icon=":material/compare:", url_path="compare"),
        ],
        "Explore": [
            st.Page("latent.py", title="Latent", icon=":material/scatter_plot:", url_path="latent"),
            st.Page(
                "generate.py", title="Generate", icon=":material/auto_awesome:", url_path="generate"
            ),
            st.Page("manifold.py", title="Manifold", icon=":material/layers:", url_path="manifold"),
        ],
        "Apply": [
            st.Page(
                "apply_features.py",
                title="Features",
                icon=":material/dataset:",
                url_path="features",
            ),
            st.Page(
                "apply_denoise.py", title="Denoise", icon=":material/blur_off:", url_path="denoise"
            ),
            st.Page(
                "apply_compress.py",
                title="Compress",
                icon=":material/compress:",
                url_path="compress",
            ),
            st.Page(
                "apply_search.py", title="Search", icon=":material/image_search:", url_path="search"
            ),
            st.Page(
                "apply_anomaly.py",
                title="Anomaly",
                icon=":material/crisis_alert:",
                url_path="anomaly",
            ),
            st.Page(
                "apply_impute.py", title="Impute", icon=":material/healing:", url_path="impute"
            ),
        ],
        "Trust": [
            st.Page(
                "evidence.py", title="Evidence", icon=":material/verified:", url_path="evidence"
            )
        ],
        "Share": [st.Page("hub.py", title="Hub", icon=":material/cloud_sync:", url_path="hub")],
    }
)


with st.sidebar:
    show_live_runs()
page.run()
