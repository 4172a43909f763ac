"""Recipes of tasks: a variant, the settings that suit the task, and the run they make of data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aecore.data.datasets import load_dataset
from aecore.model.config import RunConfig
from aecore.model.parts.networks.residual import Residual
from aecore.model.variants.fitting import SMALL, is_beyond_digits
from aecore.runs.plan import count_training_rows, make_data_config, plan_run

Settings = Mapping[str, Any]  # options by dotted path, as in aecore.runs.plan
MAX_PICTURE_UNITS = 16_384  # of a code


@dataclass(frozen=True)
class PictureRecipe:
    """A variant with settings for one task on pictures in colour or larger than digits."""

    settings: Settings = field(default_factory=dict)
    units_of_place: int = 0  # channels of the code at each place; 0: as by default
    variant: str = "conv"

    def plan(self, name: str, settings: Settings | None = None) -> RunConfig:
        """Return the run that the recipe makes of the pictures `name`; `settings` come first."""
        merged = {**self.keep_settings(settings or {}), **(settings or {})}
        if self.units_of_place and "latent_dim" not in merged:
            network = Residual(channels=merged["network.channels"])
            shape = load_dataset(make_data_config(name, settings)).input_shape
            places = math.prod(network.count_places(shape))
            units = max(1, min(self.units_of_place, MAX_PICTURE_UNITS // places))
            merged["latent_dim"] = units * places
        return plan_run(self.variant, name, settings=merged)

    def keep_settings(self, settings: Settings) -> dict[str, Any]:
        """Return the recipe's settings, but for those of a part that `settings` make another."""

        def is_replaced(path: str) -> bool:
            kind = f"{path.partition('.')[0]}.kind"
            return (
                kind in self.settings
                and settings.get(kind, self.settings[kind]) != (self.settings[kind])
            )

        return {path: value for path, value in self.settings.items() if not is_replaced(path)}


@dataclass(frozen=True)
class TaskRecipe:
    """A variant with settings for one task."""

    variant: str
    settings: Settings
    large: Settings = field(default_factory=dict)  # more of them for sets that are not SMALL
    pictures: PictureRecipe | None = None  # in its place for pictures beyond digits

    def plan(
        self,
        name: str,
        settings: Settings | None = None,
        *,
        computed: Settings | None = None,
        latent_dim: int | None = None,
    ) -> RunConfig:
        """Return the run that the recipe makes of the data set or path `name`.

        `computed` settings depend on the data; both they and the recipe give way to `settings`, the
        user's own. Small sets get their epochs and batches by their size. Recipes are measured with
        the variants as published. Pictures in colour or larger than digits have a recipe of their
        own, unless `settings` name another network.
        """
        if self.pictures and is_for_picture_network(name, settings):
            return self.pictures.plan(name, settings)
        is_large = bool(self.large) and count_training_rows(name, settings) >= SMALL
        merged = {
            **self.settings,
            **(self.large if is_large else {}),
            **(computed or {}),
            **(settings or {}),
        }
        return plan_run(
            self.variant, name, latent_dim=latent_dim, settings=merged, as_published=True
        )


def is_for_picture_network(name: str, settings: Settings | None) -> bool:
    """Return True for pictures beyond digits, where no settings are about another network."""
    known = {f"network.{option}" for option in Residual.model_fields}
    own = {path: value for path, value in (settings or {}).items() if path.startswith("network.")}
    if own.get("network.kind", "residual") != "residual" or not known.issuperset(own):
        return False
    dataset = load_dataset(make_data_config(name, settings))
    return dataset.kind == "image" and is_beyond_digits(dataset.input_shape)
