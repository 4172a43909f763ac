"""The pack of a page's unit browser: of each unit its statistics and its strongest inputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aecore.analysis.units import UnitStatistics
from aecore.explorer.packs import encode_pack
from aecore.explorer.quantise import to_half_if_exact

PACKED_UNITS = 4000  # at most, about 100 bytes each: those of the largest variance
PACKED_INPUTS = 8  # of each unit, the strongest


def encode_unit_pack(
    statistics: UnitStatistics, names: Mapping[int, str], is_sparse: bool
) -> bytes:
    """Return the pack of units; `names` are those that people gave to some of them.

    Arrays of n units, row i being unit `units[i]`:

        units      (n,) their numbers, ascending
        strongest  (n, PACKED_INPUTS) inputs of the largest values, -1 where it is not active
        values     (n, PACKED_INPUTS) these values
        numbers    (n, 4) share of inputs with which it is 0, mean, standard deviation, maximum
        histogram  (n, BINS) of active values, 255 at the highest bin; `limits` (n, 2) are its ends
        mean       (latent_dim,) the code from which atoms are decoded; zero of sparse codes
    """
    units = np.sort(np.argsort(-statistics.variance, kind="stable")[:PACKED_UNITS])
    rows = statistics.most[units, :PACKED_INPUTS]
    is_active = np.arange(rows.shape[1]) < statistics.active[units, None]
    counts = statistics.histogram[units]
    numbers = (
        statistics.dead_share,
        statistics.mean,
        np.sqrt(statistics.variance),
        statistics.maximum,
    )
    arrays = {
        "units": units.astype(np.int32),
        "strongest": np.where(is_active, rows, -1).astype(np.int32),
        "values": to_half_if_exact(statistics.most_values[units, :PACKED_INPUTS]),
        "numbers": np.stack(numbers, axis=1)[units].astype(np.float32),
        "histogram": (counts * 255 / counts.max(1, keepdims=True).clip(1)).round().astype(np.uint8),
        "limits": np.stack([statistics.minimum, statistics.maximum], axis=1)[units],
        "mean": statistics.mean * (not is_sparse),
    }
    known = {str(unit): names[unit] for unit in units.tolist() if unit in names}
    return encode_pack(arrays, {"count": statistics.count, "names": known})
