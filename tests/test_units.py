"""The units of a code: their statistics over many inputs, their atoms, and what they change."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
import torch
from helpers import model, tiny, trained
from safetensors import numpy as safetensors

from aecore.analysis import chunks
from aecore.analysis.units import BINS, KEPT_INPUTS, decode_atoms, measure_units, switch_unit
from aecore.errors import CheckpointError
from aecore.explorer.static_page import export_static_page
from aecore.files import UNIT_NAMES_FILE
from aecore.progress import listen_to_progress
from aecore.runs.unit_names import MAX_UNIT_NAME, read_unit_names, write_unit_names

SPARSE = {"kind": "top_k", "k": 2, "by": "value"}


def make_model(**options):
    linear = {"kind": "mlp", "hidden": ()}
    return model(latent_dim=5, **{"network": linear, **options}).eval().requires_grad_(False)


@pytest.mark.parametrize("bottleneck", [SPARSE, {"kind": "deterministic"}], ids=["sparse", "dense"])
def test_statistics_in_chunks_are_those_of_all_codes_together(bottleneck, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 17)
    torch.manual_seed(0)
    made, x = make_model(bottleneck=bottleneck), torch.randn(100, 6)
    z, h = made.encode(x), made.encode_scaled(x)
    shares: list[float] = []
    with listen_to_progress(shares.append):
        units = measure_units(made, x)
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert units.active.tolist() == (z != 0).sum(0).tolist()
    assert np.allclose(units.dead_share, 1 - (z != 0).float().mean(0))
    assert np.allclose(units.mean, z.mean(0), atol=1e-6)
    assert np.allclose(units.variance, z.var(0, correction=0), atol=1e-5)
    for unit in range(5):
        values = z[:, unit][z[:, unit] != 0]
        assert (units.minimum[unit], units.maximum[unit]) == (values.min(), values.max())
        counts, _ = np.histogram(values, units.edges(unit))
        assert units.histogram[unit].sum() == len(values)
        assert np.abs(units.histogram[unit] - counts).sum() <= 2  # at edges float32 may differ
    most, least = (v.topk(KEPT_INPUTS, 0, largest=i) for v, i in ((z, True), (h, False)))
    assert torch.equal(torch.from_numpy(units.most_values), most.values.T)
    active = (most.values.T != 0).numpy()
    assert (units.most[active] == most.indices.T.numpy()[active]).all()
    assert (units.least == least.indices.T.numpy()).all()


def test_fewer_inputs_than_are_kept_and_dead_units_are_no_trouble():
    made = make_model(bottleneck={"kind": "batch_top_k", "k": 1, "auxiliary": 0})
    made.bottleneck.threshold.fill_(1e6)
    units = measure_units(made, torch.randn(3, 6))
    assert units.most.shape == (5, 3) and units.histogram.shape == (5, BINS)
    assert units.dead_share.tolist() == [1.0] * 5 and units.maximum.tolist() == [0.0] * 5
    assert decode_atoms(made, units, [2]).abs().sum() > 0, "the atom of a dead unit is shown, too"


def test_codes_that_overflow_are_refused():
    made = make_model()
    made.encoder.head.weight.fill_(3e38)
    with pytest.raises(CheckpointError, match="overflow"):
        measure_units(made, torch.ones(2, 6) * 1e3)


@pytest.mark.parametrize("bottleneck", [SPARSE, {"kind": "deterministic"}], ids=["sparse", "dense"])
def test_the_atom_of_a_linear_decoder_is_its_column_times_a_deviation(bottleneck):
    torch.manual_seed(0)
    made, x = make_model(bottleneck=bottleneck), torch.randn(50, 6)
    units = measure_units(made, x)
    atoms = decode_atoms(made, units, [3, 1])
    columns = made.decoder.layers[0].weight.T[[3, 1]]
    deviations = torch.from_numpy(units.variance).sqrt()[[3, 1], None]
    assert torch.allclose(atoms, columns * deviations, atol=1e-6)


def test_a_unit_is_switched_off_and_doubled():
    torch.manual_seed(0)
    made, x = make_model(bottleneck=SPARSE), torch.randn(7, 6)
    effect, z = switch_unit(made, x, 2), made.encode(x)
    part = z[:, 2:3] * made.decoder.layers[0].weight.T[2]
    assert torch.allclose(effect.plain, made.reconstruct(x), atol=1e-6)
    assert torch.allclose(effect.off, effect.plain - part, atol=1e-6)
    assert torch.allclose(effect.doubled, effect.plain + part, atol=1e-6)


def test_names_are_kept_within_bounds_and_a_spoiled_file_names_nothing(tmp_path):
    write_unit_names(tmp_path, {3: "  a loop ", 5: "", 7: "x" * 999})
    assert read_unit_names(tmp_path) == {3: "a loop", 7: "x" * (MAX_UNIT_NAME - 1) + "\u2026"}
    for text in ("[1]", "{", '{"a": "b"}', "[" * 100_000):
        (tmp_path / UNIT_NAMES_FILE).write_text(text)
        assert read_unit_names(tmp_path) == {}


def test_a_static_page_holds_the_strongest_inputs_of_each_unit(tmp_path):
    run = trained(tiny(bottleneck={"kind": "top_k", "k": 2}, latent_dim=6))
    write_unit_names(run.path, {1: "a <b> stroke"})
    export_static_page(run, tmp_path / "page")
    data = gzip.decompress((tmp_path / "page" / "units.bin").read_bytes())
    arrays = safetensors.load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    about = json.loads(header["__metadata__"]["explorer"])
    assert about["names"] == {"1": "a <b> stroke"} and arrays["units"].tolist() == [*range(6)]
    for rows, values in zip(arrays["strongest"], arrays["values"], strict=True):
        assert len({*rows[rows >= 0]}) == (rows >= 0).sum() and (np.diff(values) <= 0).all()
    assert arrays["histogram"].max(1)[arrays["numbers"][:, 0] < 1].tolist().count(255) >= 1
