"""Schedules over the epochs and steps of a run: learning rate, weight of the KL term, previews."""

from __future__ import annotations

import math

from aecore.model.config import TrainConfig


def scheduled_learning_rate(config: TrainConfig, step: int, steps_per_epoch: int) -> float:
    """Returns the learning rate of a step, counted from the start of the run."""
    progress = step / max(1, config.epochs * steps_per_epoch)
    warmup = min(1.0, (step + 1) / (config.warmup_steps + 1))
    if config.schedule == "cosine":
        return config.lr * warmup * 0.5 * (1 + math.cos(math.pi * progress))
    if config.schedule == "step":
        return config.lr * warmup * (1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01)
    return config.lr * warmup


def scheduled_kl_weight(config: TrainConfig, epoch: int) -> float:
    """Returns the weight of the KL term in epoch `epoch`, counted from 0: a linear warm-up to 1."""
    return min(1.0, (epoch + 1) / (config.kl_warmup_epochs + 1))


def choose_preview_epochs(config: TrainConfig) -> set[int]:
    """Returns about `previews` epochs: dense at first, where most happens, and always the last."""
    if not config.previews:
        return set()
    count = min(config.previews, config.epochs)
    dense_at_first = {round(config.epochs ** (i / max(1, count - 1))) for i in range(count)}
    return dense_at_first | {config.epochs}
