"""The runs that the Denoise page compares."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from aecore.runs.run import Run


def keep_runs_of_one_shape(runs: Sequence[Run]) -> list[Run]:
    """Returns the runs that take pictures of the first one's shape; names the others."""
    shape = runs[0].config().model.input_shape
    others = [run.id for run in runs if run.config().model.input_shape != shape]
    if others:
        st.caption(
            ":material/info: Left out, since they take pictures of another size: "
            f"{', '.join(others)}."
        )
    return [run for run in runs if run.id not in others]
