"""The sections of the Features page: codes as a table, maps of them, what they are worth, how large they must be."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.latent import project_by_pca, project_by_tsne, project_by_umap
from aecore.analysis.metrics import encode_in_chunks
from aecore.data.splits import Dataset, Split, as_float
from aecore.runs.run import Run
from aecore.tasks.features import (
    TRUST_NEIGHBOURS,
    FeatureAccuracy,
    MapTrust,
    compare_features,
    compute_pca_errors,
    make_code_table,
    measure_map_trust,
)
from ui.apply_features.charts import draw_size_against_error
from ui.kit.cache import digest_examples, get_model
from ui.kit.figures import draw_grouped_bars, draw_small_map
from ui.kit.inputs import Inputs, fill_with_means
from ui.kit.jobs import forget_jobs, poll_job, start_job
from ui.kit.runs import list_usable_runs

MAP_EXAMPLES = 1000  # on each map
CLASSIFIER_ROWS, CLASSIFIER_TEST_ROWS = 2000, 2000  # examples behind the classifiers
PCA_FIT_ROWS = 10_000  # training examples behind PCA's curve
SLOW_MAPS_MESSAGE = "Placing the points by t-SNE and UMAP"


# -- codes


def show_code_table(run: Run, found: Dataset, chosen: Inputs) -> None:
    """The code of every input, to take along."""
    table = load_code_table(str(run.path), run.version(), digest_examples(chosen.x), run, chosen)
    st.caption(
        f"{len(table):,} rows of {chosen.name}: {get_model(run).config.latent_dim} numbers each, beside what "
        "you brought."
    )
    st.dataframe(table.head(200), height=420, alt="The first codes")
    row = st.container(horizontal=True)
    row.download_button(
        "CSV",
        lambda: table.to_csv(index=False),
        f"{run.id}-codes.csv",
        "text/csv",
        icon=":material/table:",
        on_click="ignore",
        type="primary",
    )
    row.download_button(
        "Parquet",
        lambda: encode_code_parquet(table),
        f"{run.id}-codes.parquet",
        "application/octet-stream",
        icon=":material/data_table:",
        on_click="ignore",
    )


@st.cache_data(max_entries=8, show_spinner="Encoding ...")
def load_code_table(
    path: str, version: float, given: str, _run: Run, _chosen: Inputs
) -> pd.DataFrame:
    table = make_code_table(get_model(_run), Split(_chosen.x, _chosen.y), _chosen.classes)
    if _chosen.names:
        table.insert(0, "name", list(_chosen.names))
    if _chosen.frame is None:
        return table
    return pd.concat(
        [_chosen.frame.reset_index(drop=True), table.drop(columns="class", errors="ignore")], axis=1
    )


def encode_code_parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


# -- maps


def show_feature_maps(run: Run, found: Dataset, chosen: Inputs) -> None:
    """Maps of the same inputs by several methods, each with how far it can be trusted."""
    x, y = as_float(chosen.x[:MAP_EXAMPLES]), None if chosen.y is None else chosen.y[:MAP_EXAMPLES]
    if len(x) <= 2 * TRUST_NEIGHBOURS:
        st.info(
            f"A map needs more than {2 * TRUST_NEIGHBOURS} inputs; there are {len(x)}.",
            icon=":material/info:",
        )
        return
    net = get_model(run)
    seen = net.to_scaled(x).detach() if x.dim() == 2 else x  # no column counts more for its unit
    quick = load_quick_maps(str(run.path), run.version(), digest_examples(x), run, x, seen)
    key = f"slow-maps-{run.id}-{run.version()}-{digest_examples(x)}"
    slow = show_slow_maps(key, encode_in_chunks(net, x), seen)
    placed = quick | slow
    groups = {"input": np.arange(len(x))}
    if y is not None and chosen.classes:
        groups = {name: np.flatnonzero(y.numpy() == i) for i, name in enumerate(chosen.classes)}
    columns = st.columns(2, gap="large")
    for i, (name, positions) in enumerate(placed.items()):
        with columns[i % 2]:
            st.markdown(f"**{name}**")
            st.plotly_chart(draw_small_map(positions, groups), key=f"map-{i}", alt=f"Map: {name}")
            honesty = load_map_trust(key, name, seen, positions, y)
            nearest = (
                ""
                if honesty.accuracy is None
                else f", neighbours' class right {honesty.accuracy:.1%}"
            )
            st.caption(f"Trustworthiness {honesty.trustworthiness:.3f}{nearest}")
    st.caption(
        f"{len(x):,} inputs. Trustworthiness: 1 where all {TRUST_NEIGHBOURS} neighbours on the map are near "
        "in truth, too (Venna & Kaski, 2001). The class of a point is guessed by the majority of its neighbours "
        "on the map."
    )


@st.cache_resource(max_entries=16, show_spinner="Placing the points ...")
def load_quick_maps(
    path: str, version: float, given: str, _run: Run, _x: Tensor, _seen: Tensor
) -> dict[str, np.ndarray]:
    z = encode_in_chunks(get_model(_run), _x)
    code = (
        ("The code itself", z.numpy())
        if z.shape[1] == 2
        else ("The code, PCA", project_by_pca(z.numpy(), 2))
    )
    return dict([code, ("The bare values, PCA", project_by_pca(_seen.flatten(1).numpy(), 2))])


def show_slow_maps(key: str, z: Tensor, x: Tensor) -> dict[str, np.ndarray]:
    """Returns t-SNE and UMAP of codes and values, once they were asked for and are there."""
    outcome = poll_job(key, SLOW_MAPS_MESSAGE, show_waiting=st.status)
    if outcome.state == "failed":
        forget_jobs([key])  # the next run of the page offers them again
    if outcome.state == "idle":
        st.button(
            "Add t-SNE and UMAP",
            icon=":material/play_arrow:",
            key="slow",
            on_click=lambda: start_job(key, lambda: compute_slow_maps(z, x)),
            help="Of the code and of the bare values: half a minute, beside this page.",
        )
    return outcome.result or {}


def compute_slow_maps(z: Tensor, x: Tensor) -> dict[str, np.ndarray]:
    """Returns maps (N, 2) of codes and values by t-SNE and UMAP."""
    maps = {}
    for method, project in (("t-SNE", project_by_tsne), ("UMAP", project_by_umap)):
        for name, values in (("The code", z), ("The bare values", x.flatten(1))):
            maps[f"{name}, {method}"] = project(values.numpy(), 2, 0)
    return maps


@st.cache_data(max_entries=64, show_spinner=False)
def load_map_trust(
    key: str, name: str, _x: Tensor, _positions: np.ndarray, _y: Tensor | None
) -> MapTrust:
    return measure_map_trust(_x, torch.from_numpy(np.ascontiguousarray(_positions)), _y)


# -- worth


def show_feature_accuracy(run: Run, found: Dataset, chosen: Inputs) -> None:
    """What a classifier makes of codes, bare values and principal components."""
    if found.train.y is None or len(found.classes) < 2:
        st.info(
            "Features are judged by the classes that they tell apart, and these data have none.",
            icon=":material/info:",
        )
        return
    others = [one for one in list_usable_runs() if one.id != run.id and has_same_data(one, run)]
    named = {one.id: one for one in [run, *others]}
    picked = st.multiselect(
        "Runs", list(named), list(named)[:4], key="runs", bind="query-params", max_selections=6
    )
    runs = [named[name] for name in picked] or [run]
    rows = load_feature_accuracy(
        tuple((str(one.path), one.version()) for one in runs), found.name, runs, found
    )
    names = [f"{row.name}, {row.size}" if row.name in named else row.name for row in rows]
    series = {
        "logistic regression": [100 * row.linear for row in rows],
        "nearest neighbour": [100 * row.nearest for row in rows],
    }
    st.plotly_chart(
        draw_grouped_bars(names, series, "test error, %"),
        key="worth",
        alt=f"Test errors of classifiers on {', '.join(names)}",
    )
    st.caption(
        f"Trained on up to {CLASSIFIER_ROWS:,} examples, tested on up to {CLASSIFIER_TEST_ROWS:,}; lower is better. PCA has as many "
        "numbers as the codes beside it."
    )
    table = pd.DataFrame([row._asdict() for row in rows])
    st.download_button(
        "Figures as CSV",
        lambda: table.to_csv(index=False),
        "worth.csv",
        "text/csv",
        icon=":material/table:",
        on_click="ignore",
    )


def has_same_data(one: Run, other: Run) -> bool:
    """Whether two runs were trained on the same examples in the same units."""
    a, b = one.config(), other.config()
    alike = a.model.input_shape == b.model.input_shape and a.model.scaling == b.model.scaling
    return (
        alike
        and a.data is not None
        and b.data is not None
        and a.data.name == b.data.name
        and (a.data.split_seed, a.data.test_fraction, a.data.train_class, a.data.limit)
        == (b.data.split_seed, b.data.test_fraction, b.data.train_class, b.data.limit)
    )


@st.cache_data(
    max_entries=16, show_spinner="Training classifiers on codes, values and components ..."
)
def load_feature_accuracy(
    versions: object, name: str, _runs: list[Run], _found: Dataset
) -> list[FeatureAccuracy]:
    train, test = (
        sample_split_rows(part._replace(x=fill_with_means(part.x, _found)), count)
        for part, count in ((_found.train, CLASSIFIER_ROWS), (_found.test, CLASSIFIER_TEST_ROWS))
    )
    models = {run.id: get_model(run) for run in _runs}
    return compare_features(models, train, test, CLASSIFIER_ROWS)


def sample_split_rows(split: Split, count: int) -> Split:
    rows = torch.randperm(len(split.x), generator=torch.Generator().manual_seed(1))[:count]
    return Split(split.x[rows], split.y[rows])


# -- size


def show_size_against_error(run: Run, found: Dataset, chosen: Inputs) -> None:
    """Error over the size of the code: principal components, and every run on the same data."""
    curve = load_pca_errors(str(run.path), run.version(), found.name, run, found)
    points = []
    for one in [run, *(o for o in list_usable_runs() if o.id != run.id and has_same_data(o, run))]:
        if (se := one.test_metrics().get("se")) is not None:
            model = one.config().model
            points.append((one.id, model.variant, model.latent_dim, se))
    st.plotly_chart(
        draw_size_against_error(curve, points),
        key="size",
        alt="Squared error over the size of the code, for PCA and for every run on these data",
    )
    st.caption(
        "Line: the test error of so many principal components, the best that a linear code can do. Points: runs "
        "on the same data; below the line they beat PCA. Sparse and countable codes have many units and say "
        "little with each."
    )


@st.cache_data(max_entries=16, show_spinner="Finding the principal components ...")
def load_pca_errors(path: str, version: float, name: str, _run: Run, _found: Dataset) -> np.ndarray:
    net = get_model(_run)

    def scaled(x: Tensor) -> Tensor:
        x = as_float(fill_with_means(x, _found)).flatten(1)
        return (
            x if net.config.scaling == "none" else (x - net.shift.flatten()) / net.scale.flatten()
        )

    return compute_pca_errors(
        scaled(_found.train.x[:PCA_FIT_ROWS]), scaled(_found.test.x[:PCA_FIT_ROWS])
    ).numpy()
