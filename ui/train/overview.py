"""What a run is about to do, before it starts: its inputs, its network, its size and its time."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.pictures import draw_grid
from aecore.data.catalog import CATALOG
from aecore.data.splits import Dataset, as_float
from aecore.errors import AecoreError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig, ModelConfig, TrainConfig
from aecore.model.parts.bottlenecks.deterministic import Deterministic
from aecore.model.parts.networks.mlp import Mlp
from ui.kit.cache import load_cached_data
from ui.kit.examples import is_point_cloud, make_example_tiles
from ui.kit.figures import draw_cloud
from ui.kit.messages import show_error
from ui.train.form import TrainingChoice
from ui.train.network import format_network

STRIP_COLUMNS, STRIP_LINES = 8, 2
CLOUD_POINTS, CLOUD_HEIGHT = 500, 190
SAMPLE_EXAMPLES = 1000  # from which columns are scaled for the strip


def show_overview(choice: TrainingChoice, time_text: str) -> None:
    """Show the inputs beside the network, and under them the size of the model and the time."""
    left, right = st.columns(2, gap="large")
    with left:
        try:
            show_training_inputs(choice)
        except AecoreError as error:
            show_error(error)
    with right:
        st.html(format_network(choice.config.model))
    st.markdown(describe_model(choice.config.model) + time_text)


# -- inputs


def show_training_inputs(choice: TrainingChoice) -> None:
    """Show some training examples, and under them what the encoder gets of them in training."""
    dataset = choice.about.dataset or load_first_examples(choice.about.config.name)
    if dataset is None:
        st.caption(
            ":material/download: These data are downloaded on first use; "
            "some of them are shown here then."
        )
        return
    model = build_corruptor(choice.config.model, dataset.train.x[:SAMPLE_EXAMPLES])
    if is_point_cloud(dataset):
        show_point_inputs(dataset, model)
    else:
        show_input_strip(dataset, model, choice.config.training)


def load_first_examples(name: str) -> Dataset | None:
    """Returns the start of a data set of the catalog; None where it is not at hand."""
    if not CATALOG[name].is_local():
        return None
    return load_cached_data(DataConfig(name=name, limit=SAMPLE_EXAMPLES))


def build_corruptor(config: ModelConfig, sample: Tensor) -> Autoencoder:
    """Returns a model of one unit that scales and corrupts its inputs as one of `config` does."""
    changes = {
        "latent_dim": 1,
        "calibration": 0.0,
        "network": Mlp(hidden=()),
        "bottleneck": Deterministic(),
        "penalties": (),
    }
    model = Autoencoder(config.model_copy(update=changes))
    model.fit_scaling(as_float(sample))
    return model


@torch.no_grad()
def corrupt_as_in_training(model: Autoencoder, x: Tensor) -> Tensor:
    """Returns examples (N, *input_shape) as the encoder gets them; the same noise each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return model.from_scaled(model.corrupt(model.to_scaled(x)))


def show_input_strip(dataset: Dataset, model: Autoencoder, training: TrainConfig | None) -> None:
    """Show examples in two lines: with a corruption the second one is the first, corrupted."""
    is_corrupted = model.config.corruption is not None
    count = STRIP_COLUMNS * (1 if is_corrupted else STRIP_LINES)
    x = as_float(dataset.train.x[:count])
    shown = torch.cat([x, corrupt_as_in_training(model, x)]) if is_corrupted else x
    text = "Training examples"
    if is_corrupted:
        text += ", above what the encoder gets of them"
    if training is not None and training.augment:
        text += f", changed afresh at every step ({', '.join(training.augment)})"
    image = draw_grid(make_example_tiles(model, shown), STRIP_COLUMNS)
    st.image(image, width="stretch", alt=text)
    st.caption(f"{text}." if x.dim() == 4 else f"{text}: a tile is a row of the table.")


def show_point_inputs(dataset: Dataset, model: Autoencoder) -> None:
    """Show training examples as points, and among them what the encoder gets of some."""
    x = dataset.train.x[:CLOUD_POINTS]
    groups = {"training examples": x.numpy()}
    if model.config.corruption is not None:
        groups["what the encoder gets"] = corrupt_as_in_training(model, x).numpy()
    figure = draw_cloud(groups).update_layout(height=CLOUD_HEIGHT, showlegend=len(groups) > 1)
    show_small_cloud(figure, ", ".join(groups))


def show_small_cloud(figure: go.Figure, alt: str) -> None:
    """Show a cloud of points without the buttons of a large figure."""
    st.plotly_chart(figure, alt=alt, key="inputs-cloud", config={"displayModeBar": False})


# -- size


def describe_model(model: ModelConfig) -> str:
    """Returns how many weights a model has, and how much smaller the code is, as Markdown."""
    text = f"**{count_parameters(model):,}** parameters · a code of **{model.latent_dim:,}** for "
    return f"{text}{model.features:,} values"


def count_parameters(model: ModelConfig) -> int:
    """Returns how many weights a model has, without memory for them."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in Autoencoder(model).parameters())
