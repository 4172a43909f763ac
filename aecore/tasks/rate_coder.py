"""Codes of a `rate` bottleneck as bytes: levels under their learned densities.

Encoder and decoder take the same turns (aecore.model.parts.bottlenecks.code_density), and compute
the densities in double precision from levels that both know. Means are rounded to 1/32 of a level
and scales to one of 64, so that both have the same numbers: always on one kind of machine, and on
another unless a value lies within its rounding errors, about 1e-13, of the middle between two.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aecore.model.parts.bottlenecks.code_density import (
    MAX_SCALE,
    MIN_SCALE,
    CodingTurn,
    Prediction,
    count_level_bits,
)
from aecore.model.parts.bottlenecks.rate import LEVEL_BOUND, RateBottleneck

SCALE_COUNT, MEANS_PER_LEVEL = 64, 32
SCALE_RATIO = math.log(MAX_SCALE / MIN_SCALE) / (SCALE_COUNT - 1)  # of neighbours, as a logarithm
# squared error, in squared steps, that the encoder takes for a bit less: measured on photographs,
# where 0.12, which a lone uniform quantiser would take, costs 0.1 dB at equal bits
BIT_WORTH = 0.05


class LevelWriter:
    """Codes levels, one grid after another, whose steps are `factor` times the model's."""

    def __init__(self, bottleneck: RateBottleneck, factor: float, worth: float = BIT_WORTH):
        from constriction import stream

        self.coder, self.law = stream.queue.RangeEncoder(), make_level_law()
        self.density = copy.deepcopy(bottleneck.density).cpu().double()
        self.steps = find_level_steps(bottleneck, factor)
        self.factor, self.worth = factor, worth

    @torch.no_grad()
    def write(self, codes: Tensor) -> Tensor:
        """Code the levels of codes (N, C, h, w), and return them.

        A level is the nearest, or one beside it where that saves more bits than they are worth; the
        nearest where `worth` is 0.
        """
        scaled = codes.cpu().double() / self.steps

        def fill(turn: CodingTurn, prediction: Prediction) -> Tensor:
            prediction = round_prediction(prediction)
            levels = choose_levels(scaled[:, turn.channels], prediction, self.worth)
            symbols = levels[..., turn.places].numpy().ravel().astype(np.int32)
            self.coder.encode(symbols, self.law, *list_parameters(prediction, turn))
            return levels

        factors = scaled.new_full((len(scaled),), self.factor)
        return self.density.take_turns(scaled.shape, factors, fill)

    def finish(self) -> bytes:
        """Return all that was coded."""
        return self.coder.get_compressed().astype("<u4").tobytes()


class LevelReader:
    """Decodes what a `LevelWriter` wrote, grid by grid."""

    def __init__(self, bottleneck: RateBottleneck, factor: float, words: np.ndarray):
        from constriction import stream

        self.coder, self.law = stream.queue.RangeDecoder(words), make_level_law()
        self.density = copy.deepcopy(bottleneck.density).cpu().double()
        self.factor = factor

    @torch.no_grad()
    def read(self, shape: torch.Size) -> Tensor:
        """Return the levels (N, C, h, w) of the next grid, of this shape."""
        factors = torch.full((shape[0],), self.factor, dtype=torch.float64)
        return self.density.take_turns(shape, factors, self.decode_turn)

    def decode_turn(self, turn: CodingTurn, prediction: Prediction) -> Tensor:
        """Return the levels of a turn, (N, channels, h, w), zero at other places."""
        parameters = list_parameters(round_prediction(prediction), turn)
        symbols = torch.from_numpy(self.coder.decode(self.law, *parameters))
        levels = torch.zeros_like(prediction.mean)
        levels[..., turn.places] = symbols.to(levels).view(*levels.shape[:2], -1)
        return levels


def find_level_steps(bottleneck: RateBottleneck, factor: float) -> Tensor:
    """Return the steps (C, 1, 1) of levels, in double precision on the CPU."""
    return factor * bottleneck.log_steps.detach().cpu().double().exp()[:, None, None]


def round_prediction(prediction: Prediction) -> Prediction:
    """Return means in 1/32 of a level, and the nearest of 64 scales."""
    mean = (prediction.mean * MEANS_PER_LEVEL).round() / MEANS_PER_LEVEL
    index = ((prediction.log_scale - math.log(MIN_SCALE)) / SCALE_RATIO).round()
    index = index.clamp(0, SCALE_COUNT - 1)
    bound = float(LEVEL_BOUND)
    return Prediction(mean.clamp(-bound, bound), math.log(MIN_SCALE) + index * SCALE_RATIO)


def choose_levels(codes: Tensor, prediction: Prediction, worth: float) -> Tensor:
    """Return for each code the level of the least squared error plus `worth` for each bit."""
    nearest = codes.round().clamp(-LEVEL_BOUND, LEVEL_BOUND)
    if not worth:
        return nearest
    candidates = torch.stack([nearest, nearest - 1, nearest + 1]).clamp(-LEVEL_BOUND, LEVEL_BOUND)
    costs = (codes - candidates).square() + worth * count_level_bits(candidates, prediction)
    return candidates.gather(0, costs.argmin(0, keepdim=True))[0]


def make_level_law() -> Any:
    """Return constriction's Laplace distribution over levels."""
    from constriction import stream

    return stream.model.QuantizedLaplace(-LEVEL_BOUND, LEVEL_BOUND)


def list_parameters(prediction: Prediction, turn: CodingTurn) -> tuple[np.ndarray, np.ndarray]:
    """Return means and scales of the levels of a turn, in the order in which they are coded."""
    mean, scale = (
        values.broadcast_to(prediction.mean.shape)[..., turn.places].numpy().ravel()
        for values in (prediction.mean, prediction.log_scale.exp())
    )
    return mean, scale
