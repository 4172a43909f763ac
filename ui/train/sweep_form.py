"""The part of the Train form that makes a sweep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from aecore.data.catalog import CATALOG
from aecore.errors import AecoreError, ConfigError
from aecore.model.config import RunConfig
from aecore.model.variants import VARIANTS, configure
from aecore.runs.run import Run
from aecore.runs.sweep import create_sweep, with_latent_dim
from ui.kit.cache import load_cached_data
from ui.kit.messages import show_error


class SweepRequest(NamedTuple):
    """The grid that the form describes."""

    configs: list[RunConfig]
    seeds: int

    @property
    def count(self) -> int:
        return len(self.configs) * self.seeds

    def create(self) -> list[Run]:
        return create_sweep(self.configs, self.seeds)


# -- the form


def choose_sweep(config: RunConfig, kind: str) -> SweepRequest | None:
    """A folded form over the grid; None where it asks for nothing but the run of the form above."""
    with st.expander("Sweep", icon=":material/grid_view:"):
        st.caption(
            "One run for each combination. The form above holds for its variant; others have their defaults."
        )
        left, middle, right = st.columns([2, 1, 1])
        others = [name for name in VARIANTS if name != config.model.variant]
        chosen = left.multiselect("More variants", others, key="sweep-variants")
        own = config.model.latent_dim
        sizes = middle.text_input(
            "Sizes of the code",
            str(own),
            key=f"sweep-{own}",
            help="Separated by commas, such as 2, 8, 20.",
        )
        seeds = int(
            right.number_input(
                "Seeds", 1, 20, 1, key="sweep-seeds", help="Each gives another deviation."
            )
        )
        try:
            configs = [
                one
                for name in (None, *chosen)
                for one in configs_at_sizes(config, name, kind, parse_sizes(sizes))
            ]
        except AecoreError as error:
            show_error(error)
            return None
    wanted = SweepRequest(configs, seeds)
    return wanted if seeds > 1 or configs != [config] else None


def parse_sizes(text: str) -> list[int]:
    """`2, 8` as numbers, each once. ConfigError where it is something else."""
    try:
        found = json.loads(f"[{text.strip().rstrip(',')}]")
    except ValueError:
        found = None
    if not found or not all(type(value) is int and value > 0 for value in found):
        raise ConfigError(
            f"Sizes are whole numbers of 1 or more with commas between them, got {text[:60]!r}."
        )
    return list(dict.fromkeys(found))


def configs_at_sizes(
    config: RunConfig, variant: str | None, kind: str, sizes: Sequence[int]
) -> list[RunConfig]:
    """The form's run, or another variant with its defaults on the same data, at each size of the code."""
    if variant is None:
        return [with_latent_dim(config, size) for size in sizes]
    wanted = config.data
    entry = CATALOG.get(wanted.name) if wanted else None
    count = entry.sizes[0] if entry else load_cached_data(wanted).count
    shape = config.model.input_shape
    return [
        configure(variant, shape, kind=kind, examples=count, data=wanted, latent_dim=size)
        for size in sizes
    ]
