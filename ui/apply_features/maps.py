"""Maps: the same inputs placed in two dimensions by several methods."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.array_maps import AbandonedMapsError, place_arrays
from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.latent import project_by_pca
from aecore.data.splits import Dataset, as_float
from aecore.errors import RunError
from aecore.limits import is_public
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES
from aecore.tasks.features import TRUST_NEIGHBOURS, MapTrust, measure_map_trust
from ui.kit.cache import digest_examples, get_model
from ui.kit.figures import draw_small_map
from ui.kit.inputs import Inputs
from ui.kit.jobs import forget_jobs, poll_job, start_job
from ui.kit.memory import ExamplesKey, keep_in_memory
from ui.kit.sessions import GRACE_SECONDS, get_session_id, is_session_alive

MAP_EXAMPLES = 1000  # on each map
SLOW_MAPS_MESSAGE = "Placing the points by t-SNE and UMAP"


def show_feature_maps(run: Run, dataset: Dataset, inputs: Inputs) -> None:
    """Show maps of the same inputs by several methods, each with its trustworthiness."""
    x = as_float(inputs.x[:MAP_EXAMPLES])
    y = None if inputs.y is None else inputs.y[:MAP_EXAMPLES]
    if len(x) <= 2 * TRUST_NEIGHBOURS:
        st.info(
            f"A map needs more than {2 * TRUST_NEIGHBOURS} inputs; there are {len(x)}.",
            icon=":material/info:",
        )
        return
    model = get_model(run)
    values = (
        x if x.dim() == 4 else model.to_scaled(x).detach()
    )  # no column counts more for its unit
    digest = digest_examples(x)
    maps = load_quick_maps(str(run.path), run.version(), digest, run, x, values)
    key = (str(run.path), run.version(), digest)
    if run.state().state in LIVE_STATES:  # its weights would be others before they are placed
        st.caption("t-SNE and UMAP can be added when the training has ended.")
    else:
        maps = maps | show_slow_maps(f"slow-maps-{key}", encode_in_chunks(model, x), values)
    labels = None if y is None else digest_examples(y)
    groups = {"input": np.arange(len(x))}
    if y is not None and inputs.classes:
        groups = {name: np.flatnonzero(y.numpy() == i) for i, name in enumerate(inputs.classes)}
    columns = st.columns(2, gap="large")
    for i, (name, positions) in enumerate(maps.items()):
        with columns[i % 2]:
            st.markdown(f"**{name}**")
            st.plotly_chart(draw_small_map(positions, groups), key=f"map-{i}", alt=f"Map: {name}")
            st.caption(format_map_trust(load_map_trust((*key, labels), name, values, positions, y)))
    text = (
        f"{len(x):,} inputs. Trustworthiness: 1 where all {TRUST_NEIGHBOURS} neighbours on the map "
        "are near in truth, too (Venna & Kaski, 2001)."
    )
    if y is not None:
        text += " The class of a point is guessed by the majority of its neighbours on the map."
    st.caption(text)


@keep_in_memory("Placing the points ...")
def load_quick_maps(
    path: str, version: float, digest: ExamplesKey, _run: Run, _x: Tensor, _values: Tensor
) -> dict[str, np.ndarray]:
    """Returns maps (N, 2) by PCA of the codes of inputs, and of their values."""
    z = encode_in_chunks(get_model(_run), _x).numpy()
    maps = {"The code itself": z} if z.shape[1] == 2 else {"The code, PCA": project_by_pca(z, 2)}
    maps["Raw features, PCA"] = project_by_pca(_values.flatten(1).numpy(), 2)
    return maps


def show_slow_maps(key: str, z: Tensor, x: Tensor) -> dict[str, np.ndarray]:
    """Returns t-SNE and UMAP of codes and values, once they were asked for and are there.

    Offers them where they are not, also below the reason why they failed.
    """
    outcome = poll_job(key, SLOW_MAPS_MESSAGE)
    if outcome.state == "failed":
        forget_jobs([key])  # the reason is shown once
    if outcome.state in ("idle", "failed"):
        session_id = get_session_id()
        st.button(
            "Add t-SNE and UMAP",
            icon=":material/play_arrow:",
            key="slow",
            on_click=lambda: start_job(key, lambda: compute_slow_maps(z, x, session_id)),
            help="Of the codes and of the raw features: half a minute, beside this page."
            + (" They are given up when you leave." if is_public() else ""),
        )
    return outcome.result or {}


def compute_slow_maps(z: Tensor, x: Tensor, session_id: str) -> dict[str, np.ndarray]:
    """Returns maps (N, 2) of codes and values by t-SNE and UMAP.

    Among strangers they are given up when the session has ended: RunError with a sentence for the
    visitor who comes back to it.
    """
    try:
        return place_arrays(
            {"The code": z, "Raw features": x.flatten(1)},
            is_wanted=lambda: not is_public() or is_session_alive(session_id),
        )
    except AbandonedMapsError:
        raise RunError(
            f"t-SNE and UMAP were given up: this page had no connection for {GRACE_SECONDS:.0f} "
            "seconds. Add them again."
        ) from None


@keep_in_memory()
def load_map_trust(
    key: tuple[object, ...], name: str, _x: Tensor, _positions: np.ndarray, _y: Tensor | None
) -> MapTrust:
    """Returns how far a map can be trusted; `key` and `name` identify it."""
    return measure_map_trust(_x, torch.from_numpy(np.ascontiguousarray(_positions)), _y)


def format_map_trust(trust: MapTrust) -> str:
    """Returns the trustworthiness of a map, and its accuracy where there are classes."""
    text = f"Trustworthiness {trust.trustworthiness:.3f}"
    if trust.accuracy is None:
        return text
    return f"{text}, neighbours' class right {trust.accuracy:.1%}"
