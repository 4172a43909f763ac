"""Recipes of tasks: a variant, the settings that suit the task, and the run they make of data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aecore.model.config import RunConfig
from aecore.model.variants import SMALL
from aecore.runs.plan import count_training_rows, plan_run

Settings = Mapping[str, Any]  # options by dotted path, as in aecore.runs.plan


@dataclass(frozen=True)
class TaskRecipe:
    """A variant with settings for one task."""

    variant: str
    settings: Settings
    large: Settings = field(default_factory=dict)  # more of them for sets that are not SMALL

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
        the variants as published.
        """
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
