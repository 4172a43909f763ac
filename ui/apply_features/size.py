"""Size: the error over the number of code units."""

from __future__ import annotations

import numpy as np
import streamlit as st
from torch import Tensor

from aecore.data.splits import Dataset, as_float
from aecore.runs.run import Run
from aecore.tasks.features import compute_pca_errors
from ui.apply_features.charts import SizedRun, draw_size_against_error
from ui.apply_features.runs import list_runs_on_same_data
from ui.kit.cache import get_model
from ui.kit.inputs import Inputs, fill_with_means
from ui.kit.memory import keep_in_memory

PCA_ROWS = 10_000  # training examples behind PCA's curve, and test examples


def show_size_against_error(run: Run, dataset: Dataset, inputs: Inputs) -> None:
    """Show the error over the size of the code: PCA, and every run on the same data."""
    curve = load_pca_errors(str(run.path), run.version(), dataset.name, run, dataset)
    sized_runs = []
    for other in list_runs_on_same_data(run):
        error = other.test_metrics().get("se")
        if error is not None:
            model = other.config().model
            sized_runs.append(SizedRun(other.id, model.variant, model.latent_dim, error))
    st.plotly_chart(
        draw_size_against_error(curve, sized_runs),
        key="size",
        alt="Squared error over the size of the code, for PCA and for every run on these data",
    )
    st.caption(
        "Line: the test error of PCA with as many components, the best that a linear code can do. "
        "Points: runs on the same data; below the line they beat PCA. Sparse and quantised codes "
        "have many units, each of which carries little information."
    )


@keep_in_memory("Finding the principal components ...")
def load_pca_errors(
    path: str, version: float, data_name: str, _run: Run, _dataset: Dataset
) -> np.ndarray:
    """Returns the test error of PCA by its number of components, in the network's units."""
    model = get_model(_run)

    def scale_rows(x: Tensor) -> Tensor:
        x = as_float(fill_with_means(x, _dataset)).flatten(1)
        if model.config.scaling == "none":
            return x
        return (x - model.shift.flatten()) / model.scale.flatten()

    return compute_pca_errors(
        scale_rows(_dataset.train.x[:PCA_ROWS]), scale_rows(_dataset.test.x[:PCA_ROWS])
    ).numpy()
