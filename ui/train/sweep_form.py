"""The part of the Train form that makes a sweep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from aecore.backends.admission import read_start_limit
from aecore.data.catalog import CATALOG
from aecore.errors import AecoreError, ConfigError
from aecore.model.config import RunConfig, TrainConfig
from aecore.model.scaling import RowTraits
from aecore.model.variants import VARIANTS
from aecore.model.variants.fitting import configure
from aecore.runs.run import Run
from aecore.runs.sweep import create_sweep, with_equal_steps, with_latent_dim
from ui.kit.cache import load_cached_data
from ui.kit.messages import show_error

MAX_SEEDS = 20


@dataclass(frozen=True)
class SweepRequest:
    """The grid that the form describes."""

    configs: list[RunConfig]
    seeds: int

    @property
    def count(self) -> int:
        """The number of runs."""
        return len(self.configs) * self.seeds

    def create(self) -> list[Run]:
        """Create the folder of each run."""
        return create_sweep(self.configs, self.seeds)


def choose_sweep(config: RunConfig, kind: str) -> SweepRequest | None:
    """Show a folded form over the grid; None where it asks for no more than the run of `config`.

    `kind` is that of the data.
    """
    with st.expander("Sweep", icon=":material/grid_view:"):
        st.caption(
            "One run for each combination. These settings apply to the selected variant; "
            "the others use their defaults, with the same number of steps and schedule."
        )
        variants, sizes, seeds = show_grid_inputs(config)
        try:
            configs = [
                size_config
                for variant in (None, *variants)
                for size_config in configs_at_sizes(config, variant, kind, parse_sizes(sizes))
            ]
        except AecoreError as error:
            show_error(error)
            return None
    return SweepRequest(configs, seeds) if seeds > 1 or configs != [config] else None


def show_grid_inputs(config: RunConfig) -> tuple[list[str], str, int]:
    """Show the three inputs of the grid; return more variants, sizes as text, and seeds."""
    left, middle, right = st.columns([2, 1, 1])
    others = [name for name in VARIANTS if name != config.model.variant]
    variants = left.multiselect(
        "More variants",
        others,
        key="sweep-variants",
        format_func=lambda name: VARIANTS[name].label,
        persist_state="session",
    )
    latent_dim = config.model.latent_dim
    sizes = middle.text_input(
        "Latent dimensions",
        str(latent_dim),
        key=f"sweep-{latent_dim}",
        help="Separated by commas, for example 2, 8, 20.",
        persist_state="session",
    )
    most_seeds = int(max(1, min(MAX_SEEDS, read_start_limit())))
    seeds = right.number_input(
        "Seeds",
        1,
        most_seeds,
        1,
        key="sweep-seeds",
        help="How many seeds each setting is trained with; Compare shows mean and standard "
        f"deviation. At most {most_seeds} here.",
        persist_state="session",
    )
    return variants, sizes, int(seeds)


def parse_sizes(text: str) -> list[int]:
    """Returns `2, 8` as numbers, each once. Raises ConfigError for any other text."""
    try:
        sizes = json.loads(f"[{text.strip().rstrip(',')}]")
    except ValueError:
        sizes = None
    if not sizes or not all(type(size) is int and size > 0 for size in sizes):
        raise ConfigError(
            f"Sizes are whole numbers of 1 or more with commas between them, got {text[:60]!r}."
        )
    return list(dict.fromkeys(sizes))


def configs_at_sizes(
    config: RunConfig, variant: str | None, kind: str, sizes: Sequence[int]
) -> list[RunConfig]:
    """Returns the form's run at each latent dimension.

    With a variant, returns that one with its defaults on the same data.
    """
    if variant is None:
        return [with_latent_dim(config, size) for size in sizes]
    data, shape = config.data, config.model.input_shape
    if data is None:
        raise ConfigError("A sweep needs data. Choose some.")
    entry = CATALOG.get(data.name)
    count, traits = entry.sizes[0] if entry else 0, RowTraits()
    if entry is None:
        dataset = load_cached_data(data)
        count, traits = dataset.count, dataset.traits
    defaults = [
        configure(
            variant, shape, kind=kind, examples=count, data=data, latent_dim=size, traits=traits
        )
        for size in sizes
    ]
    training = config.training or TrainConfig()
    return [with_equal_steps(default, training, count) for default in defaults]
