"""The sections of the Features page: codes as a table, maps of them, what they are worth, how large they must be."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore import data, latent, metrics
from aecore.data import Dataset, Split
from aecore.errors import AecoreError
from aecore.runs import Run
from aecore.tasks import features
from aecore.tasks.features import Honesty, Worth
from ui import cache, charts, state
from ui.inputs import Inputs, filled

POINTS = 1000  # on each map
TRAINED, TESTED = 2000, 2000  # examples behind the classifiers
FITTED = 10_000  # training examples behind PCA's curve
POLL_SECONDS = 1.0


# -- codes


def codes(run: Run, found: Dataset, chosen: Inputs) -> None:
    """The code of every input, to take along."""
    table = load_table(str(run.path), run.version(), cache.digest(chosen.x), run, chosen)
    st.caption(f"{len(table):,} rows of {chosen.name}: {cache.model(run).config.latent_dim} numbers each, beside what "
               "you brought.")  # fmt: skip
    st.dataframe(table.head(200), height=420, alt="The first codes")
    row = st.container(horizontal=True)
    row.download_button("CSV", lambda: table.to_csv(index=False), f"{run.id}-codes.csv", "text/csv",
                        icon=":material/table:", on_click="ignore", type="primary")  # fmt: skip
    row.download_button("Parquet", lambda: parquet(table), f"{run.id}-codes.parquet", "application/octet-stream",
                        icon=":material/data_table:", on_click="ignore")  # fmt: skip


@st.cache_data(max_entries=8, show_spinner="Encoding ...")
def load_table(path: str, version: float, given: str, _run: Run, _chosen: Inputs) -> pd.DataFrame:
    table = features.table(cache.model(_run), Split(_chosen.x, _chosen.y), _chosen.classes)
    if _chosen.names:
        table.insert(0, "name", list(_chosen.names))
    if _chosen.frame is None:
        return table
    return pd.concat([_chosen.frame.reset_index(drop=True), table.drop(columns="class", errors="ignore")], axis=1)


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


# -- maps


def maps(run: Run, found: Dataset, chosen: Inputs) -> None:
    """Maps of the same inputs by several methods, each with how far it can be trusted."""
    x, y = data.as_float(chosen.x[:POINTS]), None if chosen.y is None else chosen.y[:POINTS]
    if len(x) <= 2 * features.NEIGHBOURS:
        st.info(f"A map needs more than {2 * features.NEIGHBOURS} inputs; there are {len(x)}.", icon=":material/info:")
        return
    net = cache.model(run)
    seen = net.to_scaled(x).detach() if x.dim() == 2 else x  # no column counts more for its unit
    quick = load_quick(str(run.path), run.version(), cache.digest(x), run, x, seen)
    key = f"slow-maps-{run.id}-{run.version()}-{cache.digest(x)}"
    slow = wait_for_slow(key, metrics.encode(net, x), seen)
    placed = quick | slow
    groups = {"input": np.arange(len(x))}
    if y is not None and chosen.classes:
        groups = {name: np.flatnonzero(y.numpy() == i) for i, name in enumerate(chosen.classes)}
    columns = st.columns(2, gap="large")
    for i, (name, positions) in enumerate(placed.items()):
        with columns[i % 2]:
            st.markdown(f"**{name}**")
            st.plotly_chart(charts.small_map(positions, groups), key=f"map-{i}", alt=f"Map: {name}")
            honesty = load_honesty(key, name, seen, positions, y)
            nearest = "" if honesty.accuracy is None else f", neighbours' class right {honesty.accuracy:.1%}"
            st.caption(f"Trustworthiness {honesty.trustworthiness:.3f}{nearest}")
    st.caption(f"{len(x):,} inputs. Trustworthiness: 1 where all {features.NEIGHBOURS} neighbours on the map are near "
               "in truth, too (Venna & Kaski, 2001). The class of a point is guessed by the majority of its neighbours "
               "on the map.")  # fmt: skip


@st.cache_resource(max_entries=16, show_spinner="Placing the points ...")
def load_quick(
    path: str, version: float, given: str, _run: Run, _x: Tensor, _seen: Tensor
) -> dict[str, np.ndarray]:  # fmt: skip
    z = metrics.encode(cache.model(_run), _x)
    code = ("The code itself", z.numpy()) if z.shape[1] == 2 else ("The code, PCA", latent.pca(z.numpy(), 2))
    return dict([code, ("The bare values, PCA", latent.pca(_seen.flatten(1).numpy(), 2))])


def wait_for_slow(key: str, z: Tensor, x: Tensor) -> dict[str, np.ndarray]:
    """t-SNE and UMAP of code and values, once they were asked for and are there."""
    jobs = cache.jobs()
    if key in st.session_state:
        return st.session_state[key]
    if jobs.is_running(key):
        st.fragment(watch, run_every=POLL_SECONDS)(key)
    elif isinstance(result := jobs.take(key), AecoreError):
        state.show_error(result)
    elif result is not None:
        st.session_state[key] = result
        return result
    else:
        st.button("Add t-SNE and UMAP", icon=":material/play_arrow:", key="slow",
                  on_click=lambda: jobs.start(key, lambda: slow_maps(z, x)),
                  help="Of the code and of the bare values: half a minute, beside this page.")  # fmt: skip
    return {}


def slow_maps(z: Tensor, x: Tensor) -> dict[str, np.ndarray]:
    found = {}
    for name, place in (("t-SNE", latent.tsne), ("UMAP", latent.umap)):
        for what, values in (("The code", z), ("The bare values", x.flatten(1))):
            found[f"{what}, {name}"] = place(values.numpy(), 2, 0)
    return found


def watch(key: str) -> None:
    if not cache.jobs().is_running(key):
        st.rerun()
    st.status("Placing the points by t-SNE and UMAP")


@st.cache_data(max_entries=64, show_spinner=False)
def load_honesty(key: str, name: str, _x: Tensor, _positions: np.ndarray, _y: Tensor | None) -> Honesty:
    return features.honesty(_x, torch.from_numpy(np.ascontiguousarray(_positions)), _y)


# -- worth


def worth(run: Run, found: Dataset, chosen: Inputs) -> None:
    """What a classifier makes of codes, bare values and principal components."""
    if found.train.y is None or len(found.classes) < 2:
        st.info("Features are judged by the classes that they tell apart, and these data have none.",
                icon=":material/info:")  # fmt: skip
        return
    others = [one for one in state.usable_runs() if one.id != run.id and same_data(one, run)]
    named = {one.id: one for one in [run, *others]}
    picked = st.multiselect("Runs", list(named), list(named)[:4], key="runs", bind="query-params", max_selections=6)
    runs = [named[name] for name in picked] or [run]
    rows = load_worth(tuple((str(one.path), one.version()) for one in runs), found.name, runs, found)
    names = [f"{row.name}, {row.size}" if row.name in named else row.name for row in rows]
    series = {
        "logistic regression": [100 * row.linear for row in rows],
        "nearest neighbour": [100 * row.nearest for row in rows],
    }
    st.plotly_chart(charts.grouped_bars(names, series, "test error, %"), key="worth",
                    alt=f"Test errors of classifiers on {', '.join(names)}")  # fmt: skip
    st.caption(f"Trained on up to {TRAINED:,} examples, tested on up to {TESTED:,}; lower is better. PCA has as many "
               "numbers as the codes beside it.")  # fmt: skip
    table = pd.DataFrame([row._asdict() for row in rows])
    st.download_button("Figures as CSV", lambda: table.to_csv(index=False), "worth.csv", "text/csv",
                       icon=":material/table:", on_click="ignore")  # fmt: skip


def same_data(one: Run, other: Run) -> bool:
    """Whether two runs were trained on the same examples in the same units."""
    a, b = one.config(), other.config()
    alike = a.model.input_shape == b.model.input_shape and a.model.scaling == b.model.scaling
    return alike and a.data is not None and b.data is not None and a.data.name == b.data.name and (
        a.data.split_seed, a.data.test_fraction, a.data.train_class, a.data.limit
    ) == (b.data.split_seed, b.data.test_fraction, b.data.train_class, b.data.limit)  # fmt: skip


@st.cache_data(max_entries=16, show_spinner="Training classifiers on codes, values and components ...")
def load_worth(versions: object, name: str, _runs: list[Run], _found: Dataset) -> list[Worth]:
    train, test = (sampled(part._replace(x=filled(part.x, _found)), count)
                   for part, count in ((_found.train, TRAINED), (_found.test, TESTED)))  # fmt: skip
    models = {run.id: cache.model(run) for run in _runs}
    return features.worth(models, train, test, TRAINED)


def sampled(split: Split, count: int) -> Split:
    rows = torch.randperm(len(split.x), generator=torch.Generator().manual_seed(1))[:count]
    return Split(split.x[rows], split.y[rows])


# -- size


def size(run: Run, found: Dataset, chosen: Inputs) -> None:
    """Error over the size of the code: principal components, and every run on the same data."""
    curve = load_pca(str(run.path), run.version(), found.name, run, found)
    points = []
    for one in [run, *(o for o in state.usable_runs() if o.id != run.id and same_data(o, run))]:
        if (se := one.test_metrics().get("se")) is not None:
            model = one.config().model
            points.append((one.id, model.variant, model.latent_dim, se))
    st.plotly_chart(charts.size_against_error(curve, points), key="size",
                    alt="Squared error over the size of the code, for PCA and for every run on these data")  # fmt: skip
    st.caption("Line: the test error of so many principal components, the best that a linear code can do. Points: runs "
               "on the same data; below the line they beat PCA. Sparse and countable codes have many units and say "
               "little with each.")  # fmt: skip


@st.cache_data(max_entries=16, show_spinner="Finding the principal components ...")
def load_pca(path: str, version: float, name: str, _run: Run, _found: Dataset) -> np.ndarray:
    net = cache.model(_run)

    def scaled(x: Tensor) -> Tensor:
        x = data.as_float(filled(x, _found)).flatten(1)
        return x if net.config.scaling == "none" else (x - net.shift.flatten()) / net.scale.flatten()

    return features.pca_errors(scaled(_found.train.x[:FITTED]), scaled(_found.test.x[:FITTED])).numpy()
